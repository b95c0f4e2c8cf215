//! Hostile parameters over HTTP: they fill scalars, whatever they contain.

use crate::support::{Repository, Server};

#[tokio::test]
async fn a_parameter_never_becomes_structure() {
    let template = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: job-{{RANDOM}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: debian:bookworm-slim
        command: ["printf", "%s", {{value}}]
"#;
    let repository = Repository::with(&[("t", &[("job.yaml", template)])]);
    let server = Server::dev(repository.path()).await;
    let hostile = [
        "1\n      - name: evil\n        image: evil",
        "---\nkind: Role",
        "\"]}\n- &anchor *alias !!tag",
        "{{RUN_TOKEN}} {{x}}",
        "yes",
        "0755",
        "a: b # no comment",
        "é\u{e000}T\u{e001}\u{2028}\u{85}",
    ];
    for value in hostile {
        let query = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        let reply = server.post(&format!("/publish/t?value={query}"), "").await;
        assert_eq!(reply.status, reqwest::StatusCode::ACCEPTED, "{value:?}: {}", reply.text());
        let view = server.finished(reply.json()["requestUid"].as_str().expect("an id")).await;
        let run = view["runs"][0]["id"].as_str().expect("a run").to_owned();
        assert_eq!(view["phase"], "succeeded", "{view:#}");
        assert_eq!(server.get(&format!("/api/v1/runs/{run}/logs")).await.text(), value);
    }
}
