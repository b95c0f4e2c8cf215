//! Cancelling: what runs is ended for real, and stays so whatever becomes of the server.

use reqwest::Method;

use crate::support::{Repository, Server, eventually, processes_naming, shell_job};

fn run_of(view: &serde_json::Value) -> String {
    view["runs"][0]["id"].as_str().expect("a run").to_owned()
}

async fn started(server: &Server, repository: &Repository, request: &str) -> String {
    eventually("the function runs", async || (!repository.lines("started").is_empty()).then_some(())).await;
    run_of(&server.get(&format!("/api/v1/requests/{request}")).await.json())
}

async fn gone(run: &str) {
    eventually("its processes are gone", async || processes_naming(run).is_empty().then_some(())).await;
}

/// Runs until it is told to end, with a process beside it that is told nothing.
const LONG: &str =
    "trap 'echo goodbye; exit 0' TERM; setsid sleep 300 & echo x >> started; while :; do sleep 0.05; done";
/// Does not listen.
const DEAF: &str = "trap '' TERM; echo x >> started; while :; do sleep 0.05; done";

#[tokio::test]
async fn cancel_ends_the_processes_of_a_run_and_keeps_its_log() {
    let repository = Repository::shell("t", LONG);
    let server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    let run = started(&server, &repository, &request).await;
    assert!(!processes_naming(&run).is_empty());
    let path = format!("/api/v1/requests/{request}:cancel");
    let told = server.post(&path, "").await.json()["request"]["runs"][0].clone();
    assert_eq!((&told["phase"], &told["reason"]["code"]), (&"cancelled".into(), &"Cancelled".into()), "{told:#}");
    gone(&run).await;
    eventually("its log is kept", async || {
        let logs = server.get(&format!("/api/v1/runs/{run}/logs")).await.text();
        logs.contains("goodbye").then_some(())
    })
    .await;
    let again = server.post(&path, "").await.json()["request"]["runs"][0].clone();
    assert_eq!((&again["phase"], &again["finishedAt"]), (&told["phase"], &told["finishedAt"]));
    assert_eq!(repository.lines("started").len(), 1, "nothing of it is started again");
}

#[tokio::test]
async fn what_is_cancelled_stays_cancelled_when_the_server_is_killed_at_once() {
    let deaf =
        shell_job(DEAF).replace("restartPolicy: Never", "restartPolicy: Never\n      terminationGracePeriodSeconds: 1");
    let repository = Repository::with(&[("t", &[("job.yaml", &deaf.replace("backoffLimit: 0", "backoffLimit: 3"))])]);
    let mut server = Server::serve(repository.path()).await;
    let request = server.publish("t", "").await;
    let run = started(&server, &repository, &request).await;
    server.post(&format!("/api/v1/requests/{request}:cancel"), "").await;
    server.kill_and_restart("serve", repository.path()).await;
    gone(&run).await;
    let view = server.finished(&request).await;
    assert_eq!(view["phase"], "cancelled", "{view:#}");
    assert_eq!(repository.lines("started").len(), 1);
}

#[tokio::test]
async fn what_a_run_published_is_cancelled_only_where_that_is_wanted() {
    let repository = Repository::with(&[
        ("parent", &[("parent.yaml", &shell_job("true"))]),
        ("child", &[("child.yaml", &shell_job(LONG))]),
    ]);
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("parent", "").await).await;
    let parent = view["id"].as_str().expect("an id");
    let child = server.send(Method::POST, "/publish/child", &[("x-gitfaas-parent", &run_of(&view))], "").await;
    let child = child.json()["requestUid"].as_str().expect("an id").to_owned();
    let run = started(&server, &repository, &child).await;
    let alone = server.client(&["cancel", parent]);
    assert!(alone.status.success(), "{alone:?}");
    assert!(String::from_utf8_lossy(&alone.stdout).contains("succeeded"), "what is over stays as it is: {alone:?}");
    assert!(!processes_naming(&run).is_empty());
    let both = server.client(&["cancel", parent, "--descendants"]);
    assert!(String::from_utf8_lossy(&both.stderr).contains("and 1 request that followed from it"), "{both:?}");
    gone(&run).await;
    assert_eq!(server.finished(&child).await["phase"], "cancelled");
    assert_eq!(server.client(&["cancel", "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e"]).status.code(), Some(1));
}

#[tokio::test]
async fn an_answer_of_a_cancelled_run_is_kept() {
    let script = "trap 'curl -sS -d late $GITFAAS_URL/response/$FUNCTION_UID; exit 0' TERM; echo x >> started; while :; do sleep 0.05; done";
    let repository = Repository::shell("t", script);
    let server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    started(&server, &repository, &request).await;
    server.post(&format!("/api/v1/requests/{request}:cancel"), "").await;
    let answer = eventually("its answer is kept", async || {
        let answers = server.get(&format!("/api/v1/requests/{request}/responses")).await.json();
        answers["items"].get(0).cloned()
    })
    .await;
    assert_eq!(answer["body"]["text"], "late");
}
