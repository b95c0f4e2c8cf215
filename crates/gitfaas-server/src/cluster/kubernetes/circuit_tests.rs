//! The circuit around a real client, over real connections.

use std::net::SocketAddr;

use kube::Config;
use kube::client::ClientBuilder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::cluster::kubernetes::calls::{CallError, Calls};
use crate::cluster::kubernetes::kinds::get;

const PATIENCE: Duration = Duration::from_secs(30);
const WELL: &str = "200 OK";

fn calls(server: SocketAddr, timeout: Duration) -> Calls {
    // It may be there already, by another test of this process.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut config = Config::new(format!("http://{server}").parse().expect("a URL"));
    config.default_retry = false;
    let circuit = Circuit::new();
    let client = ClientBuilder::try_from(config).expect("a client").with_layer(&CircuitLayer(circuit.clone())).build();
    tokio::spawn(Circuit::watch_over(Arc::downgrade(&circuit), client.clone()));
    Calls { client, circuit, timeout }
}

/// An address at which nobody listens now.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address")
}

/// The path of the next request, which is answered with this status.
async fn answer(listener: &TcpListener, status: &str) -> String {
    let answered = async {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.expect("a head"));
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        connection.write_all(answer.as_bytes()).await.expect("answered");
        String::from_utf8_lossy(&head).split(' ').nth(1).expect("a path").to_owned()
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("a request in time")
}

async fn until_up(calls: &Calls) {
    let mut reach = calls.circuit.reach();
    let up = tokio::time::timeout(PATIENCE, reach.wait_for(|reach| *reach == Reach::Up)).await;
    drop(up.expect("a way back").expect("a circuit"));
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_whether_it_is_back_and_nothing_else() {
    let address = nobody().await;
    let calls = calls(address, PATIENCE);
    let first = calls.call(get("/version")).await;
    assert!(matches!(first, Err(CallError::Unanswered(_))), "{first:?}");
    for _ in 0..100 {
        let next = calls.call(get("/version")).await;
        assert!(matches!(next, Err(CallError::Open(_))), "{next:?}");
    }
    let listener = TcpListener::bind(address).await.expect("the same port");
    assert_eq!(answer(&listener, "503 Service Unavailable").await, "/readyz", "not ready is not back");
    assert!(matches!(calls.call(get("/version")).await, Err(CallError::Open(_))));
    assert_eq!(answer(&listener, WELL).await, "/readyz");
    until_up(&calls).await;
    let (path, answered) = tokio::join!(answer(&listener, WELL), calls.call(get("/version")));
    assert_eq!((path.as_str(), answered.expect("answered").status.as_u16()), ("/version", 200));
}

#[tokio::test]
async fn probes_are_a_second_apart() {
    let address = nobody().await;
    let calls = calls(address, PATIENCE);
    let failed = Instant::now();
    assert!(calls.call(get("/version")).await.is_err());
    let listener = TcpListener::bind(address).await.expect("the same port");
    for probe in 1..=3 {
        answer(&listener, "500 Internal Server Error").await;
        assert!(failed.elapsed() >= PROBE * probe, "the {probe}. probe after {:?}", failed.elapsed());
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_away_when_nothing_else_went_well() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let calls = calls(silent.local_addr().expect("its address"), Duration::from_millis(50));
    let late = calls.call(get("/version")).await;
    assert!(matches!(late, Err(CallError::Unanswered(_))), "{late:?}");
    assert!(matches!(calls.call(get("/version")).await, Err(CallError::Open(_))));
}

#[test]
fn one_request_that_is_late_says_nothing_of_a_server_that_answers_others() {
    let circuit = Circuit::new();
    circuit.went_well.store(7, Ordering::Relaxed);
    circuit.doubt(circuit.begun + Duration::from_millis(6), "late");
    assert!(circuit.open().is_none());
    circuit.doubt(circuit.begun + Duration::from_millis(7), "late");
    assert!(circuit.open().is_some());
}

#[tokio::test]
async fn a_refusal_and_a_server_that_is_busy_are_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let calls = calls(listener.local_addr().expect("its address"), PATIENCE);
    for status in
        ["403 Forbidden", "404 Not Found", "429 Too Many Requests", "500 Internal Server Error", "502 Bad Gateway"]
    {
        let (_, answered) = tokio::join!(answer(&listener, status), calls.call(get("/version")));
        assert!(status.starts_with(answered.expect("answered").status.as_str()));
        assert_eq!(*calls.circuit.reach().borrow(), Reach::Up, "{status}");
    }
}

#[tokio::test]
async fn a_server_that_is_unwell_again_and_again_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let calls = calls(listener.local_addr().expect("its address"), PATIENCE);
    for time in 1..=UNWELL {
        assert_eq!(*calls.circuit.reach().borrow(), Reach::Up, "the {time}. time");
        let (_, answered) = tokio::join!(answer(&listener, "503 Service Unavailable"), calls.call(get("/version")));
        assert_eq!(answered.expect("answered").status.as_u16(), 503);
    }
    assert!(matches!(calls.call(get("/version")).await, Err(CallError::Open(_))));
}
