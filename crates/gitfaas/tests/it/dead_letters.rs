//! Dead letters: tried once more, given up for good, and how long they are kept.

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Repository, Server, eventually, shell_job};

/// Fails until the file `mended` is there.
const BROKEN: &str = "echo $RUN_ID >> tries; echo this is $(wc -l < tries); test -f mended";

fn run_of(view: &Value) -> String {
    view["runs"][0]["id"].as_str().expect("a run").to_owned()
}

async fn failed(server: &Server, topic: &str) -> (String, String) {
    let view = server.finished(&server.publish(topic, "").await).await;
    assert_eq!(view["phase"], "failed", "{view:#}");
    (view["id"].as_str().expect("an id").to_owned(), run_of(&view))
}

async fn listed(server: &Server, query: &str) -> Vec<String> {
    let list = server.get(&format!("/api/v1/dead-letters{query}")).await.json();
    list["items"].as_array().expect("a list").iter().map(|run| run["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_dead_letter_is_tried_once_more_and_keeps_the_logs_of_each_try() {
    let repository = Repository::shell("t", BROKEN);
    let server = Server::dev(repository.path()).await;
    let (request, run) = failed(&server, "t").await;
    assert_eq!(listed(&server, "").await, [run.as_str()]);
    assert_eq!(listed(&server, "?topic=t&function=job.yaml&reason=BackoffLimitExceeded").await, [run.as_str()]);
    assert!(listed(&server, "?topic=other").await.is_empty());
    repository.write("mended", "");
    let path = format!("/api/v1/dead-letters/{run}:redrive");
    let told = server.post(&path, "").await;
    assert_eq!((told.status, &told.json()["try"]), (StatusCode::OK, &2.into()), "{}", told.text());
    let view = server.finished(&request).await;
    assert_eq!((&view["phase"], &view["runs"][0]["try"]), (&"succeeded".into(), &2.into()), "{view:#}");
    assert_eq!(repository.lines("tries"), [run.as_str(), run.as_str()]);
    assert!(listed(&server, "").await.is_empty());
    let log = async |number: u32| server.get(&format!("/api/v1/runs/{run}/logs?try={number}")).await;
    assert_eq!((log(1).await.text(), log(2).await.text()), ("this is 1\n".to_owned(), "this is 2\n".to_owned()));
    assert_eq!(log(3).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.client(&["logs", &run, "--try", "1"]).stdout, b"this is 1\n");
    let again = server.post(&path, "").await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "not-dead-letter".to_owned()));
    assert!(again.text().contains("succeeded"), "{}", again.text());
}

#[tokio::test]
async fn a_dead_letter_is_redriven_with_what_was_recorded_or_with_what_is_served_now() {
    let repository = Repository::shell("t", "exit 3");
    let server = Server::dev(repository.path()).await;
    let (request, run) = failed(&server, "t").await;
    let revision = async || server.get("/api/v1/topics/t").await.json()["revision"].clone();
    let serve = async |template: &str| {
        let before = revision().await;
        repository.write("job.yaml", template);
        eventually("it is served", async || (revision().await != before).then_some(())).await;
    };
    serve(&shell_job("true")).await;
    assert_eq!(server.post(&format!("/api/v1/dead-letters/{run}:redrive"), "").await.status, StatusCode::OK);
    let view = server.finished(&request).await;
    assert_eq!((&view["phase"], &view["runs"][0]["try"]), (&"failed".into(), &2.into()), "{view:#}");
    serve(&shell_job("true {{wanted}}")).await;
    let refused = server.post(&format!("/api/v1/dead-letters/{run}:redrive?at=head"), "").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, "missing-parameter".to_owned()));
    assert_eq!(listed(&server, "").await, [run.as_str()], "it is what it was");
    serve(&shell_job("echo mended")).await;
    let told = server.client(&["dead-letters", "redrive", &run, "--at", "head"]);
    assert_eq!(String::from_utf8_lossy(&told.stdout), "1 run is redriven\n", "{told:?}");
    let view = server.finished(&request).await;
    assert_eq!((&view["phase"], &view["runs"][0]["try"]), (&"succeeded".into(), &3.into()), "{view:#}");
    assert_eq!(view["runs"][0]["revision"], revision().await);
}

#[tokio::test]
async fn many_dead_letters_are_seen_to_at_once_and_never_by_mistake() {
    let repository =
        Repository::with(&[("t", &[("job.yaml", &shell_job(BROKEN))]), ("u", &[("other.yaml", &shell_job("exit 1"))])]);
    let server = Server::dev(repository.path()).await;
    for _ in 0..3 {
        failed(&server, "t").await;
    }
    let (_, other) = failed(&server, "u").await;
    for verb in [":redrive", "%3Aredrive", "%3aredrive", ":purge", "%3Apurge", "%3apurge"] {
        let refused = server.post(&format!("/api/v1/dead-letters{verb}"), "").await;
        assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, "invalid-request".to_owned()));
    }
    let step = server.post("/api/v1/dead-letters:purge?topic=t&limit=1", "").await.json();
    assert_eq!((&step["done"], step["next"].is_string()), (&1.into(), true), "{step:#}");
    repository.write("mended", "");
    let told = server.client(&["dead-letters", "redrive", "--topic", "t"]);
    assert_eq!(String::from_utf8_lossy(&told.stdout), "2 runs are redriven\n", "{told:?}");
    assert_eq!(listed(&server, "").await, [other.as_str()]);
    let table = server.client(&["dead-letters", "list"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains(&other), "{table:?}");
    let told = server.client(&["dead-letters", "purge", "--all", "-o", "json"]);
    assert_eq!(serde_json::from_slice::<Value>(&told.stdout).expect("JSON")["done"], 1, "{told:?}");
    assert!(listed(&server, "").await.is_empty());
    let again = server.client(&["dead-letters", "purge", &other]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
}

#[tokio::test]
async fn a_dead_letter_outlives_the_ordinary_retention_until_it_is_purged() {
    let repository =
        Repository::with(&[("t", &[("job.yaml", &shell_job("exit 1"))]), ("u", &[("other.yaml", &shell_job("true"))])]);
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Server::command("serve", repository.path(), folder.path(), 0);
    command.args(["--retention", "1s", "--dead-letter-retention", "1h"]);
    let server = Server::launch(command, folder.path().to_owned()).ready().await;
    let (request, run) = failed(&server, "t").await;
    let is_gone = async |request: &str| {
        let gone = server.get(&format!("/api/v1/requests/{request}")).await.status == StatusCode::NOT_FOUND;
        gone.then_some(())
    };
    let plain = server.publish("u", "").await;
    eventually("what succeeded later is forgotten", async || is_gone(&plain).await).await;
    assert_eq!(listed(&server, "").await, [run.as_str()]);
    assert_eq!(server.post(&format!("/api/v1/dead-letters/{run}:purge"), "").await.status, StatusCode::OK);
    eventually("what was purged is forgotten", async || is_gone(&request).await).await;
}
