//! Callers that are slow, or many: what they hold, and for how long.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{DEADLINE, Repository, Server, eventually};

async fn serve(functions: &Path, settings: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut command = Server::command("dev", functions, &data, 0);
    command.args(settings);
    (folder, Server::launch(command, data).ready().await)
}

/// Asks for something on a connection of its own.
fn ask(server: &Server, said: &str) -> TcpStream {
    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://")).expect("connected");
    connection.set_read_timeout(Some(DEADLINE)).expect("set");
    connection.write_all(said.as_bytes()).expect("sent");
    connection
}

#[tokio::test]
async fn who_comes_when_every_place_is_taken_is_answered_once_one_is_free() {
    let repository = Repository::shell("t", "true");
    let (_folder, server) = serve(repository.path(), &["--max-connections", "3"]).await;
    // They are taken in the order in which they come, and kept for what may be asked next.
    let stay = "GET /alive HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut taken: Vec<TcpStream> = (0..3).map(|_| ask(&server, stay)).collect();
    let mut late = ask(&server, "GET /alive HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    late.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
    let mut answer = String::new();
    late.read_to_string(&mut answer).expect_err("nobody answers yet");
    assert_eq!(answer, "");
    drop(taken.pop());
    late.set_read_timeout(Some(DEADLINE)).expect("set");
    late.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn those_who_wait_leave_room_for_what_they_wait_for() {
    let answer =
        "while [ ! -e go ]; do sleep 0.05; done; curl -sS -o /dev/null -d 7 $GITFAAS_URL/response/$FUNCTION_UID";
    let repository = Repository::shell("t", answer);
    let (_folder, server) = serve(repository.path(), &["--max-connections", "6"]).await;
    let request = server.publish("t", "").await;
    let follow = |path: &str| {
        ask(&server, &format!("GET /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    };
    let events = format!("requests/{request}/events");
    let mut readers: Vec<TcpStream> = (0..3).map(|_| follow(&events)).collect();
    for reader in &mut readers {
        let mut begun = [0; 15];
        reader.read_exact(&mut begun).expect("a stream");
        assert_eq!(&begun, b"HTTP/1.1 200 OK");
    }
    let run = server.get(&format!("/api/v1/requests/{request}")).await.json()["runs"][0]["id"].clone();
    let run = run.as_str().expect("an id");
    for path in [
        events,
        format!("requests/{request}?wait=9"),
        format!("requests/{request}/responses?wait=9"),
        format!("runs/{run}/logs?follow=true"),
    ] {
        let reply = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "too-many-waiting"), "{path}");
        assert!(reply.headers.contains_key("retry-after"), "{path}");
    }
    let reply = server.send(reqwest::Method::POST, "/publish/t", &[("prefer", "wait=9")], "").await;
    assert_eq!(reply.status, reqwest::StatusCode::ACCEPTED, "what is accepted is never answered with an error");
    repository.write("go", "");
    for mut reader in readers {
        let mut told = String::new();
        reader.read_to_string(&mut told).expect("to its end");
        assert!(told.contains("event: end"), "{told}");
    }
}

/// Clients that follow a log and read nothing of it.
const IDLERS: usize = 200;

#[tokio::test]
async fn who_follows_a_log_and_never_reads_holds_little_and_is_left() {
    let written = 8_000_000;
    let script = format!("head -c {written} /dev/zero | tr '\\0' x; while [ ! -e go ]; do sleep 0.05; done");
    let repository = Repository::shell("t", &script);
    let (_folder, server) = serve(repository.path(), &["--answer-idle", "2s"]).await;
    let request = server.publish("t", "").await;
    let view = server.get(&format!("/api/v1/requests/{request}")).await.json();
    let run = view["runs"][0]["id"].as_str().expect("an id").to_owned();
    let follow = format!("GET /api/v1/runs/{run}/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let before = peak_kib(&server);
    let mut idlers: Vec<TcpStream> = (0..IDLERS).map(|_| ask(&server, &follow)).collect();
    let (mut had, has) = (0, Arc::new(AtomicUsize::new(0)));
    let mut reader = ask(&server, &follow.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    let count = has.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut part = vec![0; 64 << 10];
        loop {
            match reader.read(&mut part).expect("the log to its end") {
                0 => return count.load(Ordering::Relaxed),
                more => count.fetch_add(more, Ordering::Relaxed),
            };
        }
    });
    eventually("the idlers are left", async || {
        idlers.retain(|idler| idler.take_error().expect("told").is_none());
        idlers.is_empty().then_some(())
    })
    .await;
    let grown = peak_kib(&server).saturating_sub(before) / 1024;
    println!("{IDLERS} followers that never read: {grown} MiB at most");
    assert!(grown < 2 * IDLERS as u64, "{grown} MiB, of a log of {} MB", written / 1_000_000);
    // What is over is kept to its last mebibyte, so who is slow has to have read it before.
    while has.load(Ordering::Relaxed) < written {
        assert!(!read.is_finished(), "who reads is not left");
        let more = async || Some(has.load(Ordering::Relaxed)).filter(|now| *now > had);
        had = eventually("more of it is read", more).await;
    }
    assert!(!read.is_finished(), "who reads is not left");
    repository.write("go", "");
    assert!(read.await.expect("read") >= written);
}

/// The most memory that it ever had.
pub(crate) fn peak_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}
