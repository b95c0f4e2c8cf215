//! What people do about runs on a cluster: cancel, redrive, replay.

use serde_json::{Value, json};

use crate::support::{Namespace, Repository, Server, eventually, shell_image};

fn job(script: &str) -> String {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "fate-{{RANDOM}}"},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{
                        "name": "main",
                        "image": shell_image(),
                        "command": ["sh", "-c", script],
                        "envFrom": [{"configMapRef": {"name": "fate", "optional": true}}],
                    }],
                },
            },
        },
    })
    .to_string()
}

fn repository(script: &str) -> Repository {
    Repository::with(&[("t", &[("job.json", &job(script))])])
}

async fn view(server: &Server, request: &str) -> Value {
    server.get(&format!("/api/v1/requests/{request}")).await.json()
}

async fn until(server: &Server, request: &str, phase: &str) -> Value {
    eventually(phase, async || Some(view(server, request).await).filter(|view| view["phase"] == phase)).await
}

fn run(view: &Value) -> &str {
    view["runs"][0]["id"].as_str().expect("a run")
}

fn job_name(view: &Value) -> &str {
    view["runs"][0]["objects"][0]["name"].as_str().expect("a Job")
}

async fn log(server: &Server, run: &str, said: &str) {
    eventually("its log is kept", async || {
        let log = server.get(&format!("/api/v1/runs/{run}/logs")).await.text();
        log.contains(said).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_run_loses_its_job_and_pod_and_keeps_its_last_words() {
    let Some(namespace) = Namespace::new("cancelling in a cluster").await else { return };
    let repository = repository("trap 'echo goodbye; exit 0' TERM; echo hello; while :; do sleep 0.1; done");
    let server = namespace.serve(repository.path()).await;
    let request = server.publish("t", "").await;
    let running = until(&server, &request, "running").await;
    log(&server, run(&running), "hello").await;
    server.post(&format!("/api/v1/requests/{request}:cancel"), "").await;
    let cancelled = until(&server, &request, "cancelled").await;
    eventually("its Job and its pod are gone", async || {
        let left = [namespace.list("batch/v1", "jobs").await, namespace.list("v1", "pods").await].concat();
        left.is_empty().then_some(())
    })
    .await;
    log(&server, run(&cancelled), "goodbye").await;
    assert_eq!(view(&server, &request).await["phase"], "cancelled");
}

#[tokio::test]
async fn a_redrive_is_the_next_try_with_a_job_of_its_own() {
    let Some(namespace) = Namespace::new("redriving in a cluster").await else { return };
    let repository = repository("echo try of $0; exit ${CODE:-3}");
    let server = namespace.serve(repository.path()).await;
    let request = server.publish("t", "").await;
    let failed = until(&server, &request, "failed").await;
    assert_eq!(failed["runs"][0]["exitCode"], 3, "{failed:#}");
    namespace.kubectl(&["create", "configmap", "fate", "--from-literal=CODE=0"]);
    let path = format!("/api/v1/dead-letters/{}:redrive", run(&failed));
    eventually("its first try is done with", async || (server.post(&path, "").await.status == 200).then_some(())).await;
    let succeeded = until(&server, &request, "succeeded").await;
    assert_eq!(succeeded["runs"][0]["try"], 2);
    assert_ne!(job_name(&failed), job_name(&succeeded));
    let job = namespace.get("batch/v1", "jobs", job_name(&succeeded)).await.expect("the Job of the second try");
    assert_eq!(job["metadata"]["labels"]["gitfaas.io/try"], "2");
    for number in [1, 2] {
        let log = server.get(&format!("/api/v1/runs/{}/logs?try={number}", run(&failed))).await;
        assert_eq!((log.status.as_u16(), log.text().starts_with("try of")), (200, true), "{}", log.text());
    }
}

#[tokio::test]
async fn a_replay_is_a_request_of_its_own_as_recorded_or_by_what_is_served_now() {
    let Some(namespace) = Namespace::new("replaying in a cluster").await else { return };
    let repository = repository("echo first");
    let server = namespace.serve(repository.path()).await;
    let request = server.publish("t", "").await;
    let first = until(&server, &request, "succeeded").await;
    repository.write("job.json", &job("echo second"));
    assert_eq!(server.post("/refresh", "").await.status, 200);
    for (at, said) in [("", "first"), ("?at=head", "second")] {
        let replayed = server.post(&format!("/api/v1/requests/{request}:replay{at}"), "").await.json();
        let again = replayed["requestUid"].as_str().expect("a request");
        let view = until(&server, again, "succeeded").await;
        assert_ne!(job_name(&first), job_name(&view));
        log(&server, run(&view), said).await;
    }
}
