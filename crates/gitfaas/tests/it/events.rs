//! Following a request by server-sent events, and what happens to those who wait when the server stops.

use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{Repository, Server, eventually, http};

/// An event as a reader has it.
#[derive(Debug, Default)]
struct Event {
    name: String,
    data: Value,
    id: Option<String>,
}

/// Reads events out of a stream's text; comments and what has no data are none.
fn events(text: &str) -> Vec<Event> {
    let blocks = text.split("\n\n").map(|block| {
        let mut event = Event::default();
        for (field, value) in block.lines().filter_map(|line| line.split_once(": ")) {
            match field {
                "event" => value.clone_into(&mut event.name),
                "data" => event.data = serde_json::from_str(value).expect("JSON"),
                "id" => event.id = Some(value.to_owned()),
                _ => {}
            }
        }
        event
    });
    blocks.filter(|event| !event.name.is_empty()).collect()
}

const WAITS: &str = "echo up >> up; while [ ! -e go ]; do sleep 0.05; done";

#[tokio::test]
async fn who_follows_a_request_sees_its_state_then_every_change_and_the_end() {
    let answering = format!("{WAITS}; curl -sS -o /dev/null -d done $GITFAAS_URL/response/$FUNCTION_UID");
    let repository = Repository::shell("t", &answering);
    let server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("up").is_empty()).then_some(())).await;
    let mut reply = http().get(format!("{}/api/v1/requests/{request}/events", server.url)).send().await.expect("sent");
    assert_eq!(reply.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while let Some(chunk) = reply.chunk().await.expect("a whole stream") {
        text.push_str(str::from_utf8(&chunk).expect("text"));
        // The function goes on only when its present state was told.
        if text.contains("event: request") {
            repository.write("go", "");
        }
    }
    let events = events(&text);
    assert_eq!((events[0].name.as_str(), &events[0].data["id"]), ("request", &request.as_str().into()), "{text}");
    let answer = events.iter().find(|event| event.name == "response").expect("an answer");
    assert_eq!(answer.data["body"]["text"], "done");
    assert!(events.iter().any(|event| event.name == "run" && event.data["phase"] == "succeeded"), "{text}");
    let end = events.last().expect("an end");
    assert_eq!((end.name.as_str(), &end.data["phase"]), ("end", &"succeeded".into()), "{text}");
}

#[tokio::test]
async fn who_saw_the_end_is_told_so_and_who_saw_less_is_told_the_rest() {
    let repository = Repository::shell("t", "exit 3");
    let server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    server.finished(&request).await;
    let path = format!("/api/v1/requests/{request}/events");
    let whole = server.get(&path).await.text();
    let last = events(&whole).pop().and_then(|event| event.id).expect("an id");
    let again = server.send(Method::GET, &path, &[("last-event-id", &last)], "").await;
    assert_eq!((again.status.as_u16(), again.text().as_str()), (204, ""), "a browser then connects no more");
    let earlier = server.send(Method::GET, &path, &[("last-event-id", "5ee11e55")], "").await;
    assert_eq!(earlier.text(), whole);
    let names: Vec<String> = events(&whole).into_iter().map(|event| event.name).collect();
    assert_eq!(names, ["request", "end"]);
}

#[tokio::test]
async fn a_request_that_is_not_there_has_no_events() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let reply = server.get("/api/v1/requests/0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e/events").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "not-found"));
}

/// Clients of each kind.
const CLIENTS: usize = 500;

/// A client on a connection of its own: what it was answered until the connection ended, and whether that was by an end.
async fn answered(port: u16, path: String, began: mpsc::Sender<()>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut text = Vec::new();
    let mut told = Some(began);
    while stream.read_buf(&mut text).await? > 0 {
        if let Some(began) = told.take() {
            // The test may have failed meanwhile.
            let _: Result<(), _> = began.send(()).await;
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Two thousand connections do not fit the thousand files that a process often may have open.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20);
    assert!(most >= 4096, "this test needs 4096 open files, and this machine allows {most}: see ulimit -Hn");
    setrlimit(Resource::Nofile, Rlimit { current: Some(most.min(1 << 16)), ..limit }).expect("set");
}

#[tokio::test]
async fn a_stop_ends_a_thousand_waits_cleanly() {
    allow_many_files();
    let repository = Repository::shell("t", WAITS);
    let mut server = Server::serve(repository.path()).await;
    let request = server.publish("t", "").await;
    let (began, mut streams) = mpsc::channel(CLIENTS);
    let (polled, _) = mpsc::channel(CLIENTS);
    let clients = (0..CLIENTS).flat_map(|_| {
        let events = answered(server.port(), format!("/api/v1/requests/{request}/events"), began.clone());
        let poll = answered(server.port(), format!("/api/v1/requests/{request}?wait=60"), polled.clone());
        [("events", tokio::spawn(events)), ("poll", tokio::spawn(poll))]
    });
    let clients: Vec<_> = clients.collect();
    for _ in 0..CLIENTS {
        streams.recv().await.expect("a stream that began");
    }
    eventually("everybody waits", async || {
        let waiting = format!("gitfaas_waiting {}\n", 2 * CLIENTS);
        server.get("/metrics").await.text().contains(&waiting).then_some(())
    })
    .await;
    let asked = Instant::now();
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::TERM).expect("signalled");
    assert!(server.ended().await.success());
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    for (kind, client) in clients {
        let text = client.await.expect("a client").unwrap_or_else(|error| panic!("{kind}: {error}"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{kind}: {text}"));
        assert!(head.starts_with("HTTP/1.1 200 "), "{kind}: {text}");
        if kind == "events" {
            assert!(body.contains("event: problem") && body.contains("stopping"), "{text}");
            assert!(body.ends_with("\r\n0\r\n\r\n"), "the last chunk: {text}");
        } else {
            let view: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(view["id"], request.as_str());
        }
    }
    repository.write("go", "");
}
