//! What gitfaas may do: its own rules, the API server's, and the rights of those who were there first.

use serde_json::{Value, json};

use crate::support::{Api, Namespace, Repository, Server, documented_role, ended, eventually, idle_job, shell_image};

/// Somebody else's, before gitfaas comes.
const THEIRS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: theirs}
data: {colour: red}
";

fn config_map(name: &str, namespace: &str) -> String {
    let place = if namespace.is_empty() { String::new() } else { format!(", namespace: {namespace}") };
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: '{name}'{place}}}\ndata: {{colour: green}}\n")
}

/// A Job that says something, with a time to live of its own.
fn speaker() -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{name: 'speaker-{{{{RANDOM}}}}'}}
spec:
  ttlSecondsAfterFinished: 7
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: main, image: '{}', command: [echo, harbour]}}]
",
        shell_image()
    )
}

/// The first run of a request, once it has ended.
async fn run(server: &Server, topic: &str) -> Value {
    let request = server.publish(topic, "").await;
    ended(server, &request).await["runs"][0].clone()
}

fn said(run: &Value) -> String {
    format!("{}: {}", run["reason"]["code"], run["reason"]["message"])
}

/// What gitfaas is in its namespace when somebody follows the documents: a service account with their Role.
async fn with_the_role(namespace: &Namespace) -> Api {
    namespace.apply(&documented_role());
    let account = namespace.account("gitfaas").await;
    namespace.bind("gitfaas", "gitfaas");
    account
}

#[tokio::test]
async fn a_manifest_for_another_namespace_is_refused_before_anything_is_stored() {
    let Some(namespace) = Namespace::new("the rights of a Role").await else { return };
    let account = with_the_role(&namespace).await;
    let settings = config_map("settings-{{RANDOM}}", "{{where}}");
    let repository = Repository::with(&[("elsewhere", &[("elsewhere.yaml", &settings)])]);
    let server = namespace.serve_as(&account, repository.path(), &[]).await;
    let refused = server.post("/publish/elsewhere?where=default", "").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "not-admitted"), "{}", refused.text());
    for word in ["default", namespace.name.as_str()] {
        assert!(refused.text().contains(word), "{word}: {}", refused.text());
    }
    let listed = server.get("/api/v1/requests").await.json();
    assert_eq!(listed["items"], json!([]), "nothing of it is in the ledger");
}

#[tokio::test]
async fn the_documented_role_is_enough_for_a_job_from_its_beginning_to_its_end() {
    let Some(namespace) = Namespace::new("the rights of a Role").await else { return };
    let account = with_the_role(&namespace).await;
    let repository = Repository::with(&[("speak", &[("speaker.yaml", &speaker())])]);
    let server = namespace.serve_as(&account, repository.path(), &[]).await;
    let run = run(&server, "speak").await;
    assert_eq!(run["phase"], "succeeded", "{run:#}");
    let id = run["id"].as_str().expect("an id");
    assert_eq!(server.get(&format!("/api/v1/runs/{id}/logs")).await.text(), "harbour\n");
    eventually("the Job is gone after its own time to live", async || {
        namespace.list("batch/v1", "jobs").await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_admission_allows_and_the_role_does_not_is_refused_in_the_words_of_the_api_server() {
    let Some(namespace) = Namespace::new("the rights of a Role").await else { return };
    let account = with_the_role(&namespace).await;
    let repository = Repository::with(&[
        ("unique", &[("unique.yaml", &config_map("settings-{{RANDOM}}", "default"))]),
        ("fixed", &[("fixed.yaml", &config_map(&format!("{}-settings", namespace.name), "default"))]),
    ]);
    let server = namespace.serve_as(&account, repository.path(), &["--namespaces", "default"]).await;
    for topic in ["unique", "fixed"] {
        let run = run(&server, topic).await;
        assert_eq!(run["phase"], "failed", "{run:#}");
        let said = said(&run);
        assert!(said.starts_with("\"Forbidden\"") && said.contains("in the namespace"), "{topic}: {said}");
    }
}

#[tokio::test]
async fn an_object_of_somebody_else_stays_as_it_is() {
    let Some(namespace) = Namespace::new("what belongs to somebody else").await else { return };
    namespace.apply(THEIRS);
    let before = namespace.get("v1", "configmaps", "theirs").await;
    let repository = Repository::with(&[("take", &[("take.yaml", &config_map("theirs", ""))])]);
    let server = namespace.serve(repository.path()).await;
    let run = run(&server, "take").await;
    assert_eq!(run["phase"], "failed", "{run:#}");
    let said = said(&run);
    assert!(said.contains("NameTaken") && said.contains("app.kubernetes.io/managed-by=gitfaas"), "{said}");
    assert_eq!(namespace.get("v1", "configmaps", "theirs").await, before, "untouched");
    let dead = server.get("/api/v1/dead-letters").await.json();
    assert_eq!(dead["items"].as_array().map(Vec::len), Some(1), "it is not tried again: {dead:#}");
}

#[tokio::test]
async fn a_job_of_somebody_else_that_has_the_name_of_a_try_stays_as_it_is() {
    let Some(namespace) = Namespace::new("a name that was taken").await else { return };
    let job = idle_job("job-{{RUN_ID}}");
    let repository = Repository::with(&[("take", &[("take.yaml", &job)])]);
    let server = namespace.serve(repository.path()).await;
    // Held back, the run has its id before it has its Job.
    let paused = server.post("/api/v1/topics/take:pause", "").await;
    assert!(paused.status.is_success(), "{}", paused.text());
    let request = server.publish("take", "").await;
    let view = server.get(&format!("/api/v1/requests/{request}")).await.json();
    let id = view["runs"][0]["id"].as_str().expect("a run").to_owned();
    let name = format!("job-{id}");
    namespace.apply(&idle_job(&name));
    let before = namespace.get("batch/v1", "jobs", &name).await.expect("theirs");
    let resumed = server.post("/api/v1/topics/take:resume", "").await;
    assert!(resumed.status.is_success(), "{}", resumed.text());
    let run = ended(&server, &request).await["runs"][0].clone();
    assert_eq!(run["phase"], "failed", "{run:#}");
    assert!(said(&run).contains("NameTaken"), "{run:#}");
    let after = namespace.get("batch/v1", "jobs", &name).await.expect("theirs");
    assert_eq!((&after["metadata"]["uid"], &after["spec"]), (&before["metadata"]["uid"], &before["spec"]), "untouched");
}
