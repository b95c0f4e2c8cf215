//! What fails and passes, and what is gone: the ledger says so, and goes on.

use crate::support::{Repository, Server, eventually, processes_naming, shell_job};

#[tokio::test]
async fn a_cluster_that_cannot_take_a_job_now_gets_it_later() {
    let repository = Repository::shell("t", "echo ran >> seen");
    let server = Server::dev(repository.path()).await;
    let (jobs, away) = (server.data.join("jobs"), server.data.join("jobs.away"));
    std::fs::rename(&jobs, &away).expect("moved away");
    let receipt = server.post("/publish/t", "").await.json();
    assert_eq!(receipt["error"], false, "it is acknowledged, and not refused: {receipt:#}");
    assert!(
        receipt["applies"][0]["message"].as_str().is_some_and(|said| said.contains("not applied yet")),
        "{receipt:#}"
    );
    let request = receipt["requestUid"].as_str().expect("an id").to_owned();
    let waiting = server.get(&format!("/api/v1/requests/{request}")).await.json();
    assert_eq!(waiting["phase"], "queued", "{waiting:#}");
    assert!(waiting["runs"][0]["dueAt"].is_string() && waiting["runs"][0]["reason"].is_object(), "{waiting:#}");
    std::fs::rename(&away, &jobs).expect("moved back");
    assert_eq!(server.finished(&request).await["phase"], "succeeded");
    assert_eq!(repository.lines("seen"), ["ran"]);
}

#[tokio::test]
async fn what_waited_while_the_server_moved_is_told_where_it_is_now() {
    let repository = Repository::shell("t", "curl -sS -o /dev/null -d here $GITFAAS_URL/response/$FUNCTION_UID");
    let mut server = Server::dev(repository.path()).await;
    std::fs::rename(server.data.join("jobs"), server.data.join("jobs.away")).expect("moved away");
    let request = server.publish("t", "").await;
    assert_eq!(server.get(&format!("/api/v1/requests/{request}")).await.json()["phase"], "queued");
    server.kill_and_restart_elsewhere("dev", repository.path()).await;
    assert_eq!(server.finished(&request).await["phase"], "succeeded");
    let answers = server.get(&format!("/api/v1/requests/{request}/responses")).await.json();
    assert_eq!(answers["items"][0]["body"]["text"], "here");
}

#[tokio::test]
async fn a_job_that_was_deleted_while_nobody_looked_is_unknown_and_not_run_again() {
    let repository = Repository::shell("t", "echo up >> up; while [ ! -e go ]; do sleep 0.05; done");
    let mut server = Server::serve(repository.path()).await;
    let request = server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("up").is_empty()).then_some(())).await;
    server.kill();
    repository.write("go", "");
    let data = server.data.display().to_string();
    eventually("the function ends", async || processes_naming(&data).is_empty().then_some(())).await;
    std::fs::remove_dir_all(server.data.join("jobs")).expect("deleted");
    server.restart("serve", repository.path()).await;
    let view = server.finished(&request).await;
    assert_eq!((&view["phase"], &view["runs"][0]["reason"]["code"]), (&"unknown".into(), &"Gone".into()), "{view:#}");
    assert_eq!(repository.lines("up").len(), 1);
}

#[tokio::test]
async fn more_than_can_be_applied_at_once_waits_in_the_ledger_and_all_of_it_runs() {
    let templates: Vec<(String, String)> =
        (0..70).map(|number| (format!("f{number}.yaml"), shell_job("echo $RUN_ID >> seen"))).collect();
    let templates: Vec<(&str, &str)> = templates.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let repository = Repository::with(&[("wide", &templates)]);
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("wide", "").await).await;
    assert_eq!(view["phase"], "succeeded", "{view:#}");
    let mut seen = repository.lines("seen");
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), repository.lines("seen").len()), (70, 70));
}

#[tokio::test]
async fn what_has_been_over_for_long_is_forgotten_and_what_runs_is_not() {
    let repository = Repository::with(&[
        ("short", &[("short.yaml", &shell_job("true"))]),
        ("long", &[("long.yaml", &shell_job("while [ ! -e go ]; do sleep 0.05; done"))]),
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut command = Server::command("dev", repository.path(), &data, 0);
    command.args(["--retention", "1s"]);
    let server = Server::launch(command, data).ready().await;
    let long = server.publish("long", "").await;
    let short = server.publish("short", "").await;
    eventually("it is forgotten", async || {
        let reply = server.get(&format!("/api/v1/requests/{short}")).await;
        (reply.status == reqwest::StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    let view = server.get(&format!("/api/v1/requests/{long}")).await;
    assert_eq!(view.status, reqwest::StatusCode::OK, "what runs never expires");
    repository.write("go", "");
}
