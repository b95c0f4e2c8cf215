//! CloudEvents, as any sender of them sends them.

use reqwest::{Method, StatusCode};

use crate::support::{Repository, Server};

const SCRIPT: &str = "printf %s \"$MESSAGE\" | base64 -d | curl -sS -o /dev/null -H content-type:text/plain --data-binary @- $GITFAAS_URL/response/$FUNCTION_UID; echo {{TRACEPARENT}}";

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn answer(server: &Server, request: &str) -> String {
    server.finished(request).await;
    let answers = server.get(&format!("/api/v1/requests/{request}/responses")).await.json();
    answers["items"][0]["body"]["text"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn an_event_in_headers_is_published_by_its_body() {
    let repository = Repository::shell("t", SCRIPT);
    let server = Server::dev(repository.path()).await;
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "F-17"),
        ("ce-source", "/garden/east"),
        ("ce-type", "org.birds.seen"),
        ("ce-subject", "Euro%20%E2%82%AC"),
        ("content-type", "application/xml"),
    ];
    let reply = server.send(Method::POST, "/publish/t", &headers, "<much wow=\"xml\"/>").await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
    let request = reply.json()["requestUid"].as_str().expect("an id").to_owned();
    assert_eq!(answer(&server, &request).await, "<much wow=\"xml\"/>");
    let view = server.get(&format!("/api/v1/requests/{request}")).await.json();
    let event = serde_json::json!({
        "specversion": "1.0", "id": "F-17", "source": "/garden/east", "type": "org.birds.seen", "subject": "Euro €",
    });
    assert_eq!((&view["event"], &view["contentType"]), (&event, &"application/xml".into()), "{view:#}");
}

#[tokio::test]
async fn an_event_as_json_is_published_by_its_data() {
    let repository = Repository::shell("t", SCRIPT);
    let server = Server::dev(repository.path()).await;
    let body = format!(
        r#"{{"specversion": "1.0", "id": "F-18", "source": "/garden", "type": "org.birds.seen",
            "traceparent": "{TRACE}", "data": {{"count": 10000000000000000000001}}}}"#
    );
    let headers = [("content-type", "application/cloudevents+json; charset=utf-8")];
    let reply = server.send(Method::POST, "/publish/t", &headers, body).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
    let request = reply.json()["requestUid"].as_str().expect("an id").to_owned();
    assert_eq!(answer(&server, &request).await, "{\"count\": 10000000000000000000001}");
    let message = server.get(&format!("/api/v1/requests/{request}/message")).await;
    assert_eq!(message.headers["content-type"], "application/json");
    let run = server.get(&format!("/api/v1/requests/{request}")).await.json()["runs"][0]["id"].clone();
    let logs = server.get(&format!("/api/v1/runs/{}/logs", run.as_str().expect("an id"))).await.text();
    assert!(logs.contains("4bf92f3577b34da6a3ce929d0e0e4736"), "the trace goes on: {logs}");
}

#[tokio::test]
async fn what_is_no_valid_event_is_refused_and_leaves_nothing() {
    let repository = Repository::shell("t", SCRIPT);
    let server = Server::dev(repository.path()).await;
    let half = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-type", "t")];
    let whole = [("content-type", "application/cloudevents+json")];
    let several = [("content-type", "application/cloudevents-batch+json")];
    for (headers, body, named) in [
        (half.as_slice(), "x", "`source`"),
        (&whole, r#"{"specversion": "0.3"}"#, "`specversion`"),
        (&several, "[]", "publish each by itself"),
    ] {
        let reply = server.send(Method::POST, "/publish/t", headers, body).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "invalid-event".to_owned()), "{headers:?}");
        assert!(reply.text().contains(named), "{headers:?}: {}", reply.text());
    }
    let list = server.get("/api/v1/requests").await.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(0), "{list:#}");
}

#[tokio::test]
async fn an_event_that_is_sent_again_is_accepted_once() {
    let repository = Repository::shell("t", "echo ran >> seen");
    let server = Server::dev(repository.path()).await;
    let send = async |source: &str, id: &str, body: &'static str| {
        let headers = [("ce-specversion", "1.0"), ("ce-type", "t"), ("ce-source", source), ("ce-id", id)];
        server.send(Method::POST, "/publish/t", &headers, body).await
    };
    let first = send("a", "bc", "x").await;
    let again = send("a", "bc", "x").await;
    assert_eq!(first.json()["requestUid"], again.json()["requestUid"], "{}", again.text());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = send("ab", "c", "x").await;
    assert_ne!(first.json()["requestUid"], other.json()["requestUid"]);
    let changed = send("a", "bc", "y").await;
    assert_eq!(changed.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", changed.text());
    for request in [first, other] {
        server.finished(request.json()["requestUid"].as_str().expect("an id")).await;
    }
    assert_eq!(repository.lines("seen").len(), 2);
}
