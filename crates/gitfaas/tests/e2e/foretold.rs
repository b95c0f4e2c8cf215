//! What can be known before anybody publishes: what the cluster would forbid, and what it would refuse.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Namespace, Repository, Server, documented_role, eventually, program, shell_image};

fn job(head: &str, restart_policy: &str, field: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{{head}}}
spec:
  template:
    spec:
      restartPolicy: {restart_policy}
      containers: [{{name: main, image: '{}'{field}}}]
",
        shell_image()
    )
}

/// What is forbidden of the topic `t`, once `right` says that it is as expected.
async fn forbidden(server: &Server, right: impl Fn(&Value) -> bool) -> Value {
    eventually("the topic says what is forbidden", async || {
        let topic = server.get("/api/v1/topics/t").await.json();
        right(&topic["forbidden"]).then(|| topic["forbidden"].clone())
    })
    .await
}

#[tokio::test]
async fn what_the_cluster_would_forbid_is_on_the_topic_before_anybody_publishes() {
    let Some(namespace) = Namespace::new("what the cluster would forbid").await else { return };
    let account = namespace.account("little").await;
    namespace.kubectl(&["create", "role", "little", "--verb=create,get", "--resource=jobs.batch"]);
    namespace.bind("little", "little");
    let repository = Repository::empty();
    repository.write("config.json", r#"{"topics": [{"name": "t", "configs": ["job.yaml", "map.yaml"]}]}"#);
    repository.write("job.yaml", &job("name: 'a-{{RANDOM}}'", "Never", ""));
    repository.write("map.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: prices}}\n");
    let server = namespace.serve_as(&account, repository.path(), &[]).await;

    let found = forbidden(&server, |found| found.as_array().is_some_and(|found| found.len() == 2)).await;
    let place = format!("in the namespace `{}` gitfaas may not ", namespace.name);
    let said = |index: usize| found[index]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(found[0]["function"], "job.yaml", "{found:#}");
    assert!(
        said(0).starts_with(&format!("{place}patch, delete, list, watch jobs.batch; list, watch pods; get pods/log: "))
    );
    assert_eq!(found[1]["function"], "map.yaml", "{found:#}");
    assert!(said(1).starts_with(&format!("{place}create, get, patch configmaps `prices`: ")), "{found:#}");

    // For just this name, and nothing to watch pods with.
    namespace.kubectl(&[
        "create",
        "role",
        "map",
        "--verb=create,get,patch",
        "--resource=configmaps",
        "--resource-name=prices",
    ]);
    namespace.bind("map", "little");
    assert_eq!(server.post("/refresh", "").await.status, 200);
    let found = forbidden(&server, |found| found.as_array().is_some_and(|found| found.len() == 1)).await;
    assert_eq!(found[0]["function"], "job.yaml", "{found:#}");
}

#[tokio::test]
async fn the_rights_that_the_docs_name_are_all_that_jobs_need() {
    let Some(namespace) = Namespace::new("the rights that the docs name").await else { return };
    namespace.apply(&documented_role());
    let account = namespace.account("little").await;
    namespace.bind("gitfaas", "little");
    let repository = Repository::empty();
    repository.write("config.json", r#"{"topics": [{"name": "t", "configs": ["job.yaml", "fixed.yaml"]}]}"#);
    repository.write("job.yaml", &job("name: 'a-{{RANDOM}}'", "Never", ""));
    repository.write("fixed.yaml", &job("name: fixed", "Never", ""));
    let server = namespace.serve_as(&account, repository.path(), &[]).await;
    eventually("the cluster has been asked", async || {
        let workers = server.get("/api/v1/workers").await.json();
        let inspector = workers["items"].as_array()?.iter().find(|worker| worker["name"] == "inspector")?;
        inspector["lastSuccess"].as_str().map(drop)
    })
    .await;
    let topic = server.get("/api/v1/topics/t").await.json();
    assert_eq!(topic["forbidden"], Value::Null, "{topic:#}");
}

fn lint(namespace: &Namespace, repository: &Repository, more: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("lint").arg(repository.path()).args(["--server", "--namespace", &namespace.name]).args(more);
    command.arg("--kubeconfig").arg(&namespace.api.kubeconfig).output().expect("lint")
}

#[tokio::test]
async fn lint_tells_what_an_api_server_would_refuse_and_makes_nothing() {
    let Some(namespace) = Namespace::new("linting against an API server").await else { return };
    let repository = Repository::empty();
    repository.write(
        "config.json",
        r#"{"topics": [{"name": "t", "params": {"size": {"type": "string", "enum": ["small", "large"]}},
            "configs": ["fine.yaml", "always.yaml", "field.yaml", "kind.yaml", "away.yaml", "taken.yaml", "fixed.yaml", "unit.yaml"]}]}"#,
    );
    repository.write("fine.yaml", &job("name: 'fine-{{RANDOM}}-{{size}}'", "Never", ""));
    repository.write("always.yaml", &job("name: 'always-{{RANDOM}}'", "Always", ""));
    repository.write("field.yaml", &job("name: 'field-{{RANDOM}}'", "Never", ", comand: [sh]"));
    repository.write("kind.yaml", "{apiVersion: shop.example/v1, kind: Cart, metadata: {name: 'cart-{{RANDOM}}'}}\n");
    repository.write("away.yaml", &job("name: 'away-{{RANDOM}}', namespace: none-such", "Never", ""));
    repository.write("taken.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: taken}}\n");
    repository.write("fixed.yaml", &job("name: fixed", "Never", ""));
    repository.write(
        "unit.yaml",
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: '{{name}}'},\n spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: '{{much}}x'}}}}\n",
    );
    namespace.kubectl(&["create", "configmap", "taken"]);
    let other = job("name: fixed, labels: {app.kubernetes.io/managed-by: gitfaas}", "OnFailure", "");
    let apply = ["--namespace", &namespace.name, "apply", "--server-side", "--field-manager=gitfaas", "-f", "-"];
    namespace.api.kubectl_with(&apply, &other);

    let linted = lint(&namespace, &repository, &["--namespaces", "none-such"]);
    let said = String::from_utf8_lossy(&linted.stdout).into_owned();
    assert_eq!(linted.status.code(), Some(1), "{said}");
    for (file, words) in [
        ("always.yaml:1:1", "restartPolicy: "),
        ("field.yaml:1:1", "comand"),
        ("kind.yaml:1:1", "the cluster does not know the kind Cart of shop.example/v1"),
        ("away.yaml:1:1", "namespaces \"none-such\" not found"),
        ("taken.yaml:1:1", "gitfaas did not make it"),
        ("fixed.yaml:1:1", "Kubernetes does not change a Job (spec.template is immutable)"),
        ("unit.yaml:1:1", "it was tried with much=1, name=1, the message `{}`"),
    ] {
        let about =
            said.split("\n\n").find(|part| part.starts_with("error:") && part.contains(&format!("--> {file}\n")));
        assert!(about.is_some_and(|about| about.contains(words)), "{file} {words}\n{said}");
    }
    assert!(!said.contains("--> fine.yaml"), "{said}");
    let findings = lint(&namespace, &repository, &["--namespaces", "none-such", "-o", "json"]).stdout;
    let findings: Value = serde_json::from_slice(&findings).expect("JSON");
    let errors = findings.as_array().expect("a list").iter().filter(|finding| finding["severity"] == "error");
    assert_eq!(errors.count(), 7, "{findings:#}");
    let names: Vec<String> =
        namespace.list("batch/v1", "jobs").await.iter().map(|job| job["metadata"]["name"].to_string()).collect();
    assert_eq!(names, ["\"fixed\""], "nothing was made");
}

#[tokio::test]
async fn lint_fails_where_no_api_server_answers() {
    let repository = Repository::shell("t", "true");
    let kubeconfig = repository.path().join("kubeconfig");
    let nowhere = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],\n \
                   clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}], users: [{name: u, user: {}}]}\n";
    std::fs::write(&kubeconfig, nowhere).expect("written");
    let mut command = Command::new(program());
    command.arg("lint").arg(repository.path()).arg("--server").arg("--kubeconfig").arg(&kubeconfig);
    let output = command.output().expect("lint");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Kubernetes at http://127.0.0.1:9/, namespace default cannot be asked: "), "{said}");
}
