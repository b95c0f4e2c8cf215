//! Callers that mean ill, or do not know better: connections, heads, bodies and content types that are odd.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use reqwest::{Method, StatusCode};

use crate::support::{DEADLINE, Repository, Server};

const CONFIG_MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a-{{RANDOM}}'}\ndata: {trace: \"{{TRACEPARENT}}\"}\n";

async fn server_with_a_topic() -> (Repository, Server) {
    let repository = Repository::with(&[("t", &[("a.yaml", CONFIG_MAP)])]);
    let server = Server::dev(repository.path()).await;
    (repository, server)
}

fn connect(server: &Server) -> TcpStream {
    let connection = TcpStream::connect(server.url.trim_start_matches("http://")).expect("connected");
    connection.set_read_timeout(Some(DEADLINE)).expect("set");
    connection.set_write_timeout(Some(DEADLINE)).expect("set");
    connection
}

/// Sends each of these on a connection of its own, and reads until the server ends it.
async fn answers_to(server: &Server, said: &[&[u8]]) -> Vec<String> {
    let ends: Vec<_> = said
        .iter()
        .map(|said| {
            let mut connection = connect(server);
            connection.write_all(said).expect("sent");
            tokio::task::spawn_blocking(move || {
                let mut answer = Vec::new();
                connection.read_to_end(&mut answer).expect("the server ends it");
                String::from_utf8_lossy(&answer).into_owned()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for end in ends {
        answers.push(end.await.expect("read"));
    }
    answers
}

#[tokio::test]
async fn who_says_nothing_or_speaks_another_http_does_not_hold_a_connection() {
    let (_repository, server) = server_with_a_topic().await;
    let http2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let answers = answers_to(&server, &[b"", b"PRI * HTTP", http2]).await;
    assert!(answers.iter().all(|answer| answer.is_empty() || answer.starts_with("HTTP/1.1 ")), "{answers:?}");
}

#[tokio::test]
async fn the_answer_to_a_body_that_is_too_large_reaches_who_sends_it_all_before_reading() {
    let (_repository, server) = server_with_a_topic().await;
    let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 0x10_0000], b"\r\n"].concat();
    let bodies: [(&str, Vec<u8>); 2] = [
        ("Content-Length: 41943040", vec![b'x'; 41_943_040]),
        ("Transfer-Encoding: chunked", [chunk.repeat(40).as_slice(), b"0\r\n\r\n"].concat()),
    ];
    for (header, body) in bodies {
        let mut connection = connect(&server);
        let head = format!("POST /publish/t HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n");
        let answer = tokio::task::spawn_blocking(move || {
            connection.write_all(head.as_bytes()).expect("sent");
            connection.write_all(&body).expect("the server takes what it will not keep");
            let mut answer = String::new();
            connection.read_to_string(&mut answer).expect("answered");
            answer
        });
        let answer = answer.await.expect("read");
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("too-large"), "{header}: {answer}");
    }
}

#[tokio::test]
async fn a_path_that_is_no_text_is_a_problem_document_everywhere() {
    let (_repository, server) = server_with_a_topic().await;
    for (method, path) in [
        (Method::GET, "/api/v1/requests/%ff"),
        (Method::GET, "/api/v1/requests/%ff/message"),
        (Method::GET, "/api/v1/topics/%ff"),
        (Method::GET, "/api/v1/runs/%ff/logs"),
        (Method::GET, "/response/%ff"),
        (Method::POST, "/response/%ff"),
        (Method::POST, "/publish/%ff"),
    ] {
        let reply = server.send(method, path, &[], "").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(reply.headers["content-type"], "application/problem+json", "{path}");
        assert_eq!(reply.code(), "invalid-request", "{path}");
    }
}

#[tokio::test]
async fn odd_headers_do_not_stop_a_message() {
    let (_repository, server) = server_with_a_topic().await;
    let said =
        b"POST /publish/t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain; name=\xc3\xa9\r\n\
        traceparent: 00-\"}\xe9\r\nContent-Length: 3\r\n\r\nabc";
    let answer = answers_to(&server, &[said]).await.remove(0);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).expect("a location");
    let message = server.get(&format!("{location}/message")).await;
    assert_eq!(message.headers["content-type"].as_bytes(), "text/plain; name=é".as_bytes());
    assert_eq!(message.text(), "abc");
}

#[tokio::test]
async fn json_that_is_no_text_is_no_json() {
    let (_repository, server) = server_with_a_topic().await;
    let json = [("content-type", "application/json")];
    for body in [b"{\"a\": \"\xff\xfe\"}".as_slice(), b"\"\xed\xa0\x80\"", b"\xff\xfe{\x00}\x00"] {
        let reply = server.send(Method::POST, "/publish/t", &json, body.to_vec()).await;
        assert_eq!(
            (reply.status, reply.code()),
            (StatusCode::BAD_REQUEST, "invalid-json".to_owned()),
            "{}",
            reply.text()
        );
    }
    let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    let reply = server.send(Method::POST, "/publish/t", &json, deep).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "deep is not wrong: {}", reply.text());
}

#[tokio::test]
async fn a_body_that_is_only_announced_costs_no_memory() {
    let (_repository, server) = server_with_a_topic().await;
    let before = resident_kib(&server);
    let announced = b"POST /publish/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\nx";
    let mut connections: Vec<TcpStream> = (0..200).map(|_| connect(&server)).collect();
    for connection in &mut connections {
        connection.write_all(announced).expect("sent");
    }
    // Each is being read once a later one has been answered.
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    let grown = resident_kib(&server).saturating_sub(before);
    assert!(grown < 100 * 1024, "{grown} KiB for 200 bodies of which nothing is there");
}

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}
