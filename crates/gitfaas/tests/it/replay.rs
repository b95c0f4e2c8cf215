//! Replaying: the same message as a request of its own, by what was recorded or by what is served now.

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Repository, Server, eventually, shell_job};

/// Names itself in each way that a template can.
const SAYS: &str = "echo $REQUEST_UUID $RUN_ID $MESSAGE $FUNCTION_UID >> said";

async fn replayed(server: &Server, request: &str, query: &str) -> Value {
    let reply = server.post(&format!("/api/v1/requests/{request}:replay{query}"), "").await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
    let id = reply.json()["requestUid"].as_str().expect("an id").to_owned();
    assert_eq!(reply.headers["location"], format!("/api/v1/requests/{id}").as_str());
    server.finished(&id).await
}

#[tokio::test]
async fn a_replay_is_a_request_of_its_own_with_names_and_rights_of_its_own() {
    let repository = Repository::shell("t", SAYS);
    let server = Server::dev(repository.path()).await;
    let first = server.finished(&server.publish("t?x=7", "hello").await).await;
    let request = first["id"].as_str().expect("an id");
    // What was recorded needs no functions: the topic is gone by now.
    repository.write("config.json", r#"{"topics": []}"#);
    eventually("the topic is gone", async || {
        (server.get("/api/v1/topics/t").await.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    let again = replayed(&server, request, "").await;
    assert_eq!((&again["phase"], &again["replayOf"]), (&"succeeded".into(), &request.into()), "{again:#}");
    for same in ["topic", "revision", "params", "size"] {
        assert_eq!(again[same], first[same], "{same}");
    }
    let said: Vec<Vec<String>> =
        repository.lines("said").iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect();
    for (view, said) in [&first, &again].into_iter().zip(&said) {
        let (id, run) = (view["id"].as_str().expect("an id"), view["runs"][0]["id"].as_str().expect("an id"));
        assert_eq!(said[..3], [id, run, "aGVsbG8="]);
        assert!(said[3].ends_with(&format!("-r-{id}")), "{said:?}");
    }
    assert_ne!(first["runs"][0]["objects"], again["runs"][0]["objects"], "each made a Job of its own");
    let refused = server.post(&format!("/api/v1/requests/{request}:replay?at=head"), "").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::NOT_FOUND, "unknown-topic".to_owned()));
}

#[tokio::test]
async fn a_replay_at_head_runs_what_is_served_now() {
    let repository = Repository::shell("t", "exit 3");
    let server = Server::dev(repository.path()).await;
    let first = server.finished(&server.publish("t", "").await).await;
    let request = first["id"].as_str().expect("an id");
    repository.write("job.yaml", &shell_job("true"));
    eventually("it is served", async || {
        (server.get("/api/v1/topics/t").await.json()["revision"] != first["revision"]).then_some(())
    })
    .await;
    assert_eq!(replayed(&server, request, "").await["phase"], "failed");
    let told = server.client(&["replay", request, "--at", "head", "--wait", "-o", "json"]);
    let tree: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    assert_eq!((&tree["request"]["phase"], &tree["request"]["replayOf"]), (&"succeeded".into(), &request.into()));
    assert_eq!(server.client(&["replay", "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e"]).status.code(), Some(1));
}
