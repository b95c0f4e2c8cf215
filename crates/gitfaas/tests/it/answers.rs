//! Answers: the contract of the Python client, and the one under `/api/v1`.

use reqwest::{Method, StatusCode};

use crate::support::{Repository, Server, eventually, shell_job};

const OLD_TEMPLATE: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: old-{{RANDOM}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: python:3.13-slim
        command: ["sh", "-c", "printf '%s\n' \"$PAYLOAD\" \"$FUNCTION_UID\" \"$TOPIC\" > $FUNCTION_UID.seen"]
        env:
        - {name: PAYLOAD, value: "{{PAYLOAD}}"}
        - {name: FUNCTION_UID, value: "{{FUNCTION_UID}}"}
        - {name: TOPIC, value: "{{TOPIC}}"}
"#;

async fn function_uids(repository: &Repository, number: usize) -> Vec<String> {
    eventually("the functions were told their uid", async || {
        let entries = std::fs::read_dir(repository.path()).expect("a folder");
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let uids: Vec<String> = names.filter_map(|name| name.strip_suffix(".seen").map(str::to_owned)).collect();
        (uids.len() == number).then_some(uids)
    })
    .await
}

#[tokio::test]
async fn the_python_client_finds_what_it_knows() {
    let repository = Repository::with(&[("old", &[("a.yaml", OLD_TEMPLATE), ("b.yaml", OLD_TEMPLATE)])]);
    let server = Server::dev(repository.path()).await;
    let request = server.publish("old", "hi").await;
    let uids = function_uids(&repository, 2).await;
    for uid in &uids {
        assert_eq!(uid.len(), 77);
        assert!(uid.starts_with("f-") && uid.ends_with(&format!("-r-{request}")), "{uid}");
    }
    let before = server.get(&format!("/response/{request}")).await.json();
    assert_eq!(before, serde_json::json!({"error": false, "responses": [null, null]}));

    let reply = server.post(&format!("/response/{}", uids[0]), "first answer").await;
    assert_eq!((reply.status, reply.json()["error"].clone()), (StatusCode::OK, false.into()), "{}", reply.text());
    let of_which = reply.json()["runId"].clone();
    server.post(&format!("/response/{}", uids[0]), "newer answer").await;

    let view = server.finished(&request).await;
    let place = usize::from(view["runs"][1]["id"] == of_which);
    let after = server.get(&format!("/response/r-{request}")).await.json();
    assert_eq!(after["responses"][place], "bmV3ZXIgYW5zd2Vy");
    assert_eq!(after["responses"][1 - place], serde_json::Value::Null);
}

#[tokio::test]
async fn a_request_with_one_function_is_answered_by_its_own_id_and_with_several_by_none() {
    let repository = Repository::with(&[
        ("one", &[("a.yaml", &shell_job("true"))]),
        ("two", &[("a.yaml", &shell_job("true")), ("b.yaml", &shell_job("true"))]),
    ]);
    let server = Server::dev(repository.path()).await;
    let request = server.publish("one", "").await;
    assert_eq!(server.post(&format!("/response/{request}"), "fine").await.status, StatusCode::OK);
    let request = server.publish("two", "").await;
    let reply = server.post(&format!("/response/{request}"), "whose?").await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::CONFLICT, "ambiguous-answer"));
}

#[tokio::test]
async fn answers_of_any_content_come_back_as_they_were() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    let answer = async |content_type: &str, body: &[u8]| {
        let path = format!("/response/{request}");
        let reply = server.send(Method::POST, &path, &[("content-type", content_type)], body.to_vec()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        server.get(&format!("/api/v1/requests/{request}/responses")).await.json()["items"][0].clone()
    };
    assert_eq!(answer("application/json", br#"{"n": 1}"#).await["body"], serde_json::json!({"json": {"n": 1}}));
    assert_eq!(answer("text/plain", "été".as_bytes()).await["body"], serde_json::json!({"text": "été"}));
    let binary = answer("image/png", b"\xff\x00").await;
    assert_eq!((&binary["body"], &binary["size"]), (&serde_json::json!({"base64": "/wA="}), &2.into()));
}

#[tokio::test]
async fn nobody_answers_for_a_run_that_is_not_theirs() {
    let repository = Repository::with(&[(
        "t",
        &[("a.yaml", &shell_job("echo $RUN_TOKEN > token.$RUN_ID")), ("b.yaml", &shell_job("true"))],
    )]);
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("t", "").await).await;
    let (own, other) = (view["runs"][0]["id"].as_str().expect("a run"), view["runs"][1]["id"].as_str().expect("a run"));
    let token = repository.lines(&format!("token.{own}"))[0].clone();
    let answer = async |run: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let reply = server.send(Method::POST, &format!("/response/{run}"), &[("authorization", &bearer)], "x").await;
        reply.status
    };
    assert_eq!(answer(own, &token).await, StatusCode::OK);
    assert_eq!(answer(other, &token).await, StatusCode::FORBIDDEN);
    assert_eq!(answer(own, &token[..token.len() - 1]).await, StatusCode::UNAUTHORIZED);
    let uid = "f-00000000-0000-4000-8000-000000000000-r-0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e";
    assert_eq!(server.post(&format!("/response/{uid}"), "x").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.post("/response/nonsense", "x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_message_is_read_back_byte_for_byte_and_never_run_by_a_browser() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let headers = [("content-type", "text/html")];
    let reply = server.send(Method::POST, "/publish/t", &headers, &b"<script>\xff</script>"[..]).await;
    let request = reply.json()["requestUid"].as_str().expect("an id").to_owned();
    let message = server.get(&format!("/api/v1/requests/{request}/message")).await;
    assert_eq!(message.body, b"<script>\xff</script>");
    assert_eq!(message.headers["content-type"], "text/html");
    assert_eq!(message.headers["x-content-type-options"], "nosniff");
    assert!(message.headers["content-security-policy"].to_str().is_ok_and(|policy| policy.contains("sandbox")));
}

#[tokio::test]
async fn a_long_poll_ends_when_the_answer_is_there() {
    let repository = Repository::shell("t", "curl -sS -d done $GITFAAS_URL/response/$FUNCTION_UID; sleep 30");
    let server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    let items = server.get(&format!("/api/v1/requests/{request}/responses?wait=60")).await.json()["items"].clone();
    assert_eq!(items[0]["body"]["text"], "done", "the run goes on, its answer is there");
}
