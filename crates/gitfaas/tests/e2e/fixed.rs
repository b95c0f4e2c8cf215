//! Jobs with a fixed name: applied as they are, once, and never taken for what they are not.

use serde_json::{Value, json};

use crate::support::{Namespace, Repository, Server, eventually, shell_image};

fn job(script: &str) -> String {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "nightly"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "main",
                "image": shell_image(),
                "command": ["sh", "-c", script],
                "env": [{"name": "MESSAGE", "value": "{{MESSAGE}}"}],
            }],
        }}},
    })
    .to_string()
}

/// The run of a request, once it is final.
async fn ended(server: &Server, request: &str) -> Value {
    eventually("its run ends", async || {
        let run = server.get(&format!("/api/v1/requests/{request}")).await.json()["runs"][0].clone();
        run["finishedAt"].is_string().then_some(run)
    })
    .await
}

#[tokio::test]
async fn a_job_that_is_over_is_no_success_of_another_message_and_keeps_its_run() {
    let Some(namespace) = Namespace::new("a Job with a fixed name that is over").await else { return };
    let repository = Repository::with(&[("t", &[("job.json", &job("true"))])]);
    let server = namespace.serve(repository.path()).await;
    let first = ended(&server, &server.publish("t", "same").await).await;
    assert_eq!(first["phase"], "succeeded", "{first:#}");
    let again = ended(&server, &server.publish("t", "same").await).await;
    assert_eq!((&again["phase"], &again["reason"]["code"]), (&"failed".into(), &"AlreadyOver".into()), "{again:#}");
    let advice = again["reason"]["message"].as_str().unwrap_or_default();
    assert!(advice.contains("put {{RANDOM}} into its name"), "{advice}");
    let left = namespace.get("batch/v1", "jobs", "nightly").await.expect("the Job");
    assert_eq!(left["metadata"]["annotations"]["gitfaas.io/run"], first["id"], "it is told as the first one's");
}

#[tokio::test]
async fn a_job_that_would_have_to_change_is_refused_with_advice_and_goes_on() {
    let Some(namespace) = Namespace::new("a Job with a fixed name that cannot change").await else { return };
    let repository = Repository::with(&[("t", &[("job.json", &job("until [ -e /go ]; do sleep 0.1; done"))])]);
    let server = namespace.serve(repository.path()).await;
    let first = server.publish("t", "one").await;
    eventually("it runs", async || {
        let view = server.get(&format!("/api/v1/requests/{first}")).await.json();
        (view["phase"] == "running").then_some(())
    })
    .await;
    let refused = ended(&server, &server.publish("t", "another").await).await;
    let advice = refused["reason"]["message"].as_str().unwrap_or_default();
    assert!(advice.contains("spec.template is immutable") && advice.contains("{{RANDOM}}"), "{advice}");
    namespace.kubectl(&["exec", "job/nightly", "--", "sh", "-c", ": > /go"]);
    assert_eq!(ended(&server, &first).await["phase"], "succeeded");
}
