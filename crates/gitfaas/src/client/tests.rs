//! The client against servers that misbehave in ways that gitfaas itself never does.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Serves `router` on a free port; it ends with the test's runtime.
async fn serve(router: Router) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(axum::serve(listener, router).into_future());
    Client::at(&address, Token::parse("s3cret")).expect("a client")
}

/// Answers everything with this.
async fn answering(status: StatusCode, body: &'static str) -> Client {
    serve(Router::new().fallback(move || async move { (status, body).into_response() })).await
}

/// Accepts one connection, reads some of it, writes `reply` and closes.
async fn raw(reply: &'static [u8]) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let read = connection.read(&mut [0; 1024]).await.expect("a request");
        assert!(read > 0);
        connection.write_all(reply).await.expect("it is read");
    });
    Client::at(&address, None).expect("a client")
}

fn topic() -> TopicName {
    "orders".parse().expect("a topic")
}

fn message(payload: impl Into<Bytes>) -> Publication {
    let params = [("a b".to_owned(), "1+1&é".to_owned())].into();
    Publication { payload: payload.into(), content_type: Some("text/csv".to_owned()), params }
}

#[tokio::test]
async fn nobody_there_is_told_with_what_to_do() {
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let error = Client::at(&format!("127.0.0.1:{port}"), None).expect("a client").topics().await.expect_err("nobody");
    assert_eq!(
        error.to_string(),
        format!(
            "no gitfaas answers at http://127.0.0.1:{port} (connection refused); is it running? `gitfaas dev` starts one"
        )
    );
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_message_arrives_as_it_was_given() {
    type Seen = Arc<Mutex<Vec<String>>>;
    let seen = Seen::default();
    let note = seen.clone();
    let client = serve(Router::new().fallback(move |request: Request| {
        let note = note.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1024).await.expect("a body");
            let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
            let lines = [
                format!("{} {}", parts.method, parts.uri),
                header(CONTENT_TYPE),
                header(header::AUTHORIZATION),
                String::from_utf8_lossy(&body).into_owned(),
            ];
            note.lock().expect("no panic").extend(lines);
            r#"{"requestUid": "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e", "applies": [], "error": false, "new": 1}"#
        }
    }))
    .await;
    let receipt = client.publish(&topic(), &message("x;y"), None).await.expect("it is accepted");
    assert!(receipt.json.contains("\"new\": 1"), "{}", receipt.json);
    let seen = seen.lock().expect("no panic");
    assert_eq!(*seen, ["POST /publish/orders?a%20b=1%2B1%26%C3%A9", "text/csv", "Bearer s3cret", "x;y"]);
}

#[tokio::test]
async fn each_failure_of_a_refusal_has_a_line() {
    let client = answering(
        StatusCode::UNPROCESSABLE_ENTITY,
        r#"{"type": "urn:x", "title": "x", "status": 422, "code": "missing-parameter", "detail": "a; b", "error": true,
            "failures": [{"function": "a.yaml", "code": "c", "message": "m",
                          "problem": {"file": "a.yaml", "position": {"line": 3, "column": 7}, "message": "no `n`", "help": "add `-p n=`"}},
                         {"function": "b.yaml", "code": "c", "message": "too large"}]}"#,
    )
    .await;
    let error = client.topics().await.expect_err("it is refused");
    assert_eq!(error.to_string(), "the server said no:\n  a.yaml:3:7: no `n` (add `-p n=`)\n  b.yaml: too large");
    assert!(!error.is_passing());
}

#[tokio::test]
async fn what_is_not_gitfaas_is_called_so() {
    for (status, body) in [
        (StatusCode::OK, "<html>hello</html>"),
        (StatusCode::OK, r#"{"items": 7}"#),
        (StatusCode::NOT_FOUND, "<html>nothing here</html>"),
        (StatusCode::FOUND, ""),
    ] {
        let error = answering(status, body).await.topics().await.expect_err("it is not gitfaas");
        assert!(matches!(error, Error::Strange(_)), "{error:?}");
        assert!(error.to_string().starts_with("what answers at http://127.0.0.1:"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_shown_and_not_followed() {
    let client = serve(Router::new().fallback(|| async {
        (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "https://elsewhere.example/")]).into_response()
    }))
    .await;
    let error = client.publish(&topic(), &message("x"), None).await.expect_err("it is elsewhere");
    assert!(error.to_string().contains("it points to https://elsewhere.example/"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_refuses_by_size_is_understood() {
    let error = answering(StatusCode::PAYLOAD_TOO_LARGE, "<html>").await;
    let error = error.publish(&topic(), &message("x"), None).await.expect_err("too large");
    assert_eq!(
        error.to_string(),
        "the server, or a proxy before it, said 413 Payload Too Large\n\
         put large data where the function can fetch it, and publish its address"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_while_a_large_message_is_sent_is_explained() {
    let client = raw(b"").await;
    let error = client.publish(&topic(), &message(vec![0; 64 << 20]), None).await.expect_err("it closed");
    assert!(error.to_string().contains("67108864 bytes were being sent"), "{error}");
}

#[tokio::test]
async fn an_answer_that_ends_early_is_a_broken_connection() {
    let error =
        raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"items\"").await.topics().await.expect_err("half");
    assert!(matches!(error, Error::Lost(_)), "{error:?}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn bytes_that_are_no_http_are_a_broken_connection() {
    let error = raw(b"SSH-2.0-OpenSSH_9.9\r\n").await.topics().await.expect_err("garbage");
    assert!(matches!(error, Error::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_slow_is_given_up() {
    let client = serve(Router::new().fallback(std::future::pending::<Bytes>)).await;
    let request = client.request(Method::GET, client.base.clone()).timeout(Duration::from_millis(50));
    let error = Error::of_transport(client.server(), &request.send().await.expect_err("it never answers"));
    assert_eq!(error.to_string(), format!("{} took too long to answer", client.server()));
}

#[tokio::test]
async fn logs_come_line_by_line_also_when_they_break_off() {
    let mut lines = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\none\ntwo\nth")
        .await
        .logs("01j79r8m61f999qfg0000000016c3tn1".parse().expect("a run"), false, None)
        .await
        .expect("it begins");
    assert_eq!(lines.next().await.expect("a line").as_deref(), Some(&b"one\n"[..]));
    assert_eq!(lines.next().await.expect("a line").as_deref(), Some(&b"two\n"[..]));
    assert!(matches!(lines.next().await, Err(Error::Lost(_))));
}
