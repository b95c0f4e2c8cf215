//! Manifests with all that a pod can have, on this machine.

use crate::support::{Repository, Server, is_installed, leave_out};

/// An init container, two containers that work on one volume, settings from a `ConfigMap` of the same template, and a
/// Secret as a variable and as a file.
const TEMPLATE: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-{{RANDOM}}
data:
  settings.ini: |
    mode = {{mode}}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: report-{{RANDOM}}
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {team: blue}
    spec:
      restartPolicy: Never
      initContainers:
      - name: fetch
        image: debian:bookworm-slim
        command: ["sh", "-c", "printf %s \"$MESSAGE\" | base64 -d > /work-of-tests/message; echo fetched for $TEAM"]
        env:
        - {name: MESSAGE, value: "{{MESSAGE}}"}
        - name: TEAM
          valueFrom: {fieldRef: {fieldPath: "metadata.labels['team']"}}
        volumeMounts: [{name: work, mountPath: /work-of-tests}]
      containers:
      - name: writer
        image: debian:bookworm-slim
        command: ["sh", "-c", "tr a-z A-Z < /work-of-tests/message > /work-of-tests/part; mv /work-of-tests/part /work-of-tests/out; cat /settings-of-tests/settings.ini"]
        volumeMounts: [{name: work, mountPath: /work-of-tests}, {name: settings, mountPath: /settings-of-tests}]
      - name: reader
        image: debian:bookworm-slim
        command: ["sh", "-c", "until [ -e /work-of-tests/out ]; do sleep 0.02; done; cat /work-of-tests/out; echo; cat /access-of-tests/token; echo; [ \"$TOKEN\" = open-sesame ] && echo same"]
        env:
        - name: TOKEN
          valueFrom: {secretKeyRef: {name: access, key: token}}
        volumeMounts: [{name: work, mountPath: /work-of-tests}, {name: access, mountPath: /access-of-tests}]
      volumes:
      - {name: work, emptyDir: {}}
      - {name: settings, configMap: {name: "settings-{{RANDOM}}"}}
      - name: access
        projected:
          sources:
          - secret: {name: access, items: [{key: token, path: token}]}
"#;

#[tokio::test]
async fn a_pod_of_several_containers_works_as_it_would_in_a_cluster() {
    if !is_installed("bwrap") {
        leave_out("volumes", "bwrap");
        return;
    }
    let repository = Repository::with(&[("report", &[("report.yaml", TEMPLATE)])]);
    let (objects, data) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    std::fs::create_dir_all(objects.path().join("secrets/access")).expect("a folder");
    std::fs::write(objects.path().join("secrets/access/token"), "open-sesame").expect("a file");
    let mut command = Server::command("dev", repository.path(), data.path(), 0);
    command.env("GITFAAS_OBJECTS", objects.path());
    let server = Server::launch(command, data.path().to_owned()).ready().await;
    let view = server.finished(&server.publish("report?mode=fast", "hello").await).await;
    assert_eq!(view["phase"], "succeeded", "{view:#}");
    let run = view["runs"][0]["id"].as_str().expect("a run");
    let log = server.get(&format!("/api/v1/runs/{run}/logs")).await.text();
    let mut parts: Vec<&str> = log.split("==> attempt 1, container ").collect();
    parts[1..].sort_unstable();
    let wanted = ["fetched for blue\n", "reader <==\nHELLO\nopen-sesame\nsame\n", "writer <==\nmode = fast\n"];
    assert_eq!(parts, wanted, "{log}");
}

#[tokio::test]
async fn the_container_that_failed_is_in_the_reason_of_the_run() {
    let two = r#"apiVersion: batch/v1
kind: Job
metadata: {name: "two-{{RANDOM}}"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: good, image: i, command: ["true"]}
      - {name: bad, image: i, command: ["sh", "-c", "echo no luck; exit 5"]}
"#;
    let repository = Repository::with(&[("two", &[("two.yaml", two)])]);
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("two", "").await).await;
    assert_eq!(view["phase"], "failed");
    let said = &view["runs"][0]["reason"]["message"];
    assert_eq!(said, "attempt 1 of 1 failed: container bad ended with exit code 5: no luck");
}
