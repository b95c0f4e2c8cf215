//! Publishing the same message again under its key, and asking for how a publish is answered.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};

use crate::support::{Reply, Repository, Server, eventually, http, shell_job};

const KEY: &str = "order-77";

async fn publish(server: &Server, headers: &[(&str, &str)], body: &str) -> Reply {
    server.send(Method::POST, "/publish/t", headers, body.to_owned()).await
}

fn request(reply: &Reply) -> String {
    reply.json()["requestUid"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_with_one_key_make_one_request() {
    let repository = Repository::shell("t", "echo $RUN_ID >> starts");
    let server = Server::dev(repository.path()).await;
    let http = http();
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let sent = http.post(format!("{}/publish/t", server.url)).header("idempotency-key", KEY).body("x").send();
            tokio::spawn(async move {
                let reply = sent.await.expect("an answer");
                let replayed = reply.headers().contains_key("idempotency-replayed");
                assert_eq!(reply.status(), StatusCode::ACCEPTED);
                let receipt: serde_json::Value = reply.json().await.expect("a receipt");
                (receipt["requestUid"].as_str().expect("an id").to_owned(), replayed)
            })
        })
        .collect();
    let (mut ids, mut first) = (BTreeSet::new(), 0);
    for client in clients {
        let (id, replayed) = client.await.expect("a client");
        ids.insert(id);
        first += usize::from(!replayed);
    }
    assert_eq!((ids.len(), first), (1, 1));
    let id = ids.pop_first().expect("an id");
    server.finished(&id).await;
    assert_eq!(repository.lines("starts").len(), 1);
    let listed = server.get("/api/v1/requests").await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));

    for (headers, body) in
        [(&[("idempotency-key", KEY)][..], "y"), (&[("idempotency-key", KEY), ("content-type", "text/csv")], "x")]
    {
        let other = publish(&server, headers, body).await;
        assert_eq!((other.status, other.code()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-conflict".to_owned()));
        assert!(other.text().contains(&id), "{}", other.text());
    }
    let quoted = publish(&server, &[("idempotency-key", &format!("\"{KEY}\""))], "x").await;
    assert_eq!((quoted.status, request(&quoted)), (StatusCode::ACCEPTED, id.clone()));
    let elsewhere = publish(&server, &[("webhook-id", KEY)], "x").await;
    assert_ne!(request(&elsewhere), id, "a key of another kind is another key");
    for key in ["", "a b", "\"open"] {
        assert_eq!(publish(&server, &[("idempotency-key", key)], "x").await.status, StatusCode::BAD_REQUEST, "{key:?}");
    }
}

#[tokio::test]
async fn a_kill_between_accept_and_answer_leaves_one_request() {
    let repository = Repository::shell("t", "echo $REQUEST_UUID >> starts; while [ ! -e go ]; do sleep 0.05; done");
    let mut server = Server::serve(repository.path()).await;
    let headers = [("idempotency-key", KEY), ("prefer", "wait=50")];
    let unanswered =
        http().post(format!("{}/publish/t", server.url)).header(headers[0].0, KEY).header("prefer", headers[1].1);
    let unanswered = tokio::spawn(unanswered.body("x").send());
    let first = eventually("the function runs", async || repository.lines("starts").pop()).await;
    server.kill_and_restart("serve", repository.path()).await;
    assert!(unanswered.await.expect("no panic").is_err(), "nobody was told");
    let again = publish(&server, &headers[..1], "x").await;
    assert_eq!((again.status, request(&again)), (StatusCode::ACCEPTED, first.clone()));
    assert_eq!(
        again.headers.get("idempotency-replayed").map(reqwest::header::HeaderValue::as_bytes),
        Some(&b"true"[..])
    );
    repository.write("go", "");
    assert_eq!(server.finished(&first).await["phase"], "succeeded");
    assert_eq!(repository.lines("starts").len(), 1);
}

#[tokio::test]
async fn a_repeat_is_the_first_request_also_when_the_functions_are_gone() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let first = publish(&server, &[("idempotency-key", KEY)], "x").await;
    repository.write("config.json", r#"{"topics": []}"#);
    server.post("/refresh", "").await;
    assert_eq!(publish(&server, &[], "x").await.status, StatusCode::NOT_FOUND);
    let again = publish(&server, &[("idempotency-key", KEY)], "x").await;
    assert_eq!((again.status, request(&again)), (StatusCode::ACCEPTED, request(&first)));
}

#[tokio::test]
async fn who_prefers_to_wait_gets_the_answers() {
    let answer =
        "curl -sS -o /dev/null -H 'content-type: application/json' -d '{\"n\": 7}' $GITFAAS_URL/response/$FUNCTION_UID";
    let repository = Repository::with(&[
        ("t", &[("answers.yaml", &shell_job(answer)), ("silent.yaml", &shell_job("exit 3"))]),
        ("slow", &[("slow.yaml", &shell_job("while [ ! -e go ]; do sleep 0.05; done"))]),
    ]);
    let server = Server::dev(repository.path()).await;
    let reply = publish(&server, &[("prefer", "respond-async, wait=40")], "x").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.headers["preference-applied"], "respond-async, wait=40");
    let receipt = reply.json();
    assert_eq!(receipt["responses"].as_array().map(Vec::len), Some(1), "{receipt:#}");
    assert_eq!(receipt["responses"][0]["body"]["json"]["n"], 7);
    assert_eq!((&receipt["error"], &receipt["applies"][1]["error"]), (&true.into(), &true.into()));

    let reply = server.send(Method::POST, "/publish/slow", &[("prefer", "wait=1")], "x".to_owned()).await;
    assert_eq!((reply.status, &reply.json()["responses"]), (StatusCode::ACCEPTED, &serde_json::Value::Null));
    assert_eq!(reply.headers["preference-applied"], "wait=1");
    repository.write("go", "");
}

#[tokio::test]
async fn the_command_line_publishes_under_a_key() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let output = server.client(&["publish", "t", "-d", "x", "--idempotency-key", KEY, "-o", "json"]);
            let receipt: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a receipt");
            receipt["requestUid"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(ids[0], ids[1]);
    let refused = server.client(&["publish", "t", "-d", "y", "--idempotency-key", KEY]);
    assert_eq!(refused.status.code(), Some(1));
}
