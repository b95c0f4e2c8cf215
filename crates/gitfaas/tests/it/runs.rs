//! Runs: attempts, reasons, deadlines and logs, as their users see them.

use crate::support::{Repository, Server, eventually, http, shell_job};

#[tokio::test]
async fn a_function_that_fails_is_tried_as_often_as_it_says_and_each_attempt_has_its_log() {
    let template = shell_job("echo attempt >> count; n=$(wc -l < count); echo this is $n; [ $n -ge 2 ]")
        .replace("backoffLimit: 0", "backoffLimit: 2");
    let repository = Repository::with(&[("t", &[("job.yaml", &template)])]);
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("t", "").await).await;
    let run = &view["runs"][0];
    assert_eq!((&run["phase"], &run["attempts"]), (&"succeeded".into(), &2.into()), "{view:#}");
    let logs = server.get(&format!("/api/v1/runs/{}/logs", run["id"].as_str().expect("an id"))).await.text();
    assert_eq!(logs, "this is 1\n==> attempt 2, container main <==\nthis is 2\n");
}

#[tokio::test]
async fn a_failure_says_why_in_words() {
    let repository = Repository::with(&[
        ("exit", &[("exit.yaml", &shell_job("echo no such station >&2; exit 3"))]),
        ("command", &[("command.yaml", &shell_job("").replace("\"sh\"", "\"no-such-program\""))]),
        (
            "deadline",
            &[("deadline.yaml", &shell_job("sleep 600").replace("backoffLimit: 0", "activeDeadlineSeconds: 1"))],
        ),
        ("image", &[("image.yaml", &shell_job("").replace("        command: [\"sh\", \"-c\", \"\"]\n", ""))]),
    ]);
    let server = Server::dev(repository.path()).await;
    for (topic, code, words) in [
        ("exit", "BackoffLimitExceeded", "no such station"),
        ("command", "", "no-such-program"),
        ("deadline", "DeadlineExceeded", ""),
        ("image", "", "command"),
    ] {
        let view = server.finished(&server.publish(topic, "").await).await;
        let run = &view["runs"][0];
        assert_eq!(run["phase"], "failed", "{view:#}");
        let reason = &run["reason"];
        assert!(code.is_empty() || reason["code"] == code, "{topic}: {reason}");
        assert!(reason["message"].as_str().is_some_and(|said| said.contains(words)), "{topic}: {reason}");
    }
    let view = server.finished(&server.publish("exit", "").await).await;
    assert_eq!(view["runs"][0]["exitCode"], 3);
}

#[tokio::test]
async fn a_function_sees_its_manifest_s_environment_and_nothing_of_the_machine_s() {
    let repository = Repository::shell("t", "env");
    let data = repository.path().join("data");
    let mut command = Server::command("dev", repository.path(), &data, 0);
    command.env("CANARY_OF_THE_HOST", "s3cret").env("GITFAAS_TOKEN", "s3cret");
    let server = Server::launch(command, data).ready().await;
    let view = server.finished(&server.publish("t", "").await).await;
    let log = server.get(&format!("/api/v1/runs/{}/logs", view["runs"][0]["id"].as_str().expect("an id"))).await.text();
    assert!(log.contains("REQUEST_UUID=") && log.contains("PATH="), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[tokio::test]
async fn logs_are_followed_while_they_are_written() {
    let repository = Repository::shell("t", "echo first; while [ ! -e go ]; do sleep 0.05; done; echo last");
    let server = Server::dev(repository.path()).await;
    let receipt = server.post("/publish/t", "").await.json();
    let run = receipt["applies"][0]["runId"].as_str().expect("a run").to_owned();
    let mut followed =
        http().get(format!("{}/api/v1/runs/{run}/logs?follow=true", server.url)).send().await.expect("an answer");
    let first = followed.chunk().await.expect("read").expect("a piece");
    assert_eq!(&first[..], b"first\n");
    repository.write("go", "");
    let mut rest = Vec::new();
    while let Some(piece) = followed.chunk().await.expect("read") {
        rest.extend_from_slice(&piece);
    }
    assert_eq!(rest, b"last\n");
}

#[tokio::test]
async fn a_large_log_is_kept_from_its_end_and_says_what_was_cut() {
    let repository = Repository::shell("t", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end");
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("t", "").await).await;
    let path = format!("/api/v1/runs/{}/logs", view["runs"][0]["id"].as_str().expect("an id"));
    let log = eventually("the log is in the ledger", async || {
        let log = server.get(&path).await.text();
        log.ends_with("the end\n").then_some(log)
    })
    .await;
    assert!(log.starts_with("(… 1951433 earlier bytes left out)\n"), "{}", &log[..60]);
}

#[tokio::test]
async fn several_documents_of_one_function_are_applied_together() {
    let template = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: 'c-{{{{RANDOM}}}}'}}\ndata: {{a: '{{{{x}}}}'}}\n---\n{}",
        shell_job("true")
    );
    let repository = Repository::with(&[("t", &[("two.yaml", &template)])]);
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("t?x=1", "").await).await;
    let objects = view["runs"][0]["objects"].as_array().expect("objects").clone();
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].clone()).collect();
    assert_eq!((kinds, &view["phase"]), (vec!["ConfigMap".into(), "Job".into()], &"succeeded".into()));
}

#[tokio::test]
async fn requests_are_listed_newest_first_by_page_topic_and_phase() {
    let repository =
        Repository::with(&[("good", &[("g.yaml", &shell_job("true"))]), ("bad", &[("b.yaml", &shell_job("false"))])]);
    let server = Server::dev(repository.path()).await;
    let mut ids = Vec::new();
    for topic in ["good", "bad", "good"] {
        ids.push(server.publish(topic, "").await);
    }
    for id in &ids {
        server.finished(id).await;
    }
    let listed = async |query: &str| {
        let page = server.get(&format!("/api/v1/requests{query}")).await.json();
        let items: Vec<String> = page["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| item["id"].as_str().expect("an id").to_owned())
            .collect();
        (items, page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(listed("").await, (vec![ids[2].clone(), ids[1].clone(), ids[0].clone()], None));
    assert_eq!(listed("?topic=good").await.0, [ids[2].clone(), ids[0].clone()]);
    assert_eq!(listed("?phase=failed").await.0, [ids[1].clone()]);
    let (first, next) = listed("?limit=2").await;
    assert_eq!(first, [ids[2].clone(), ids[1].clone()]);
    assert_eq!(listed(&format!("?limit=2&before={}", next.expect("more"))).await, (vec![ids[0].clone()], None));
    assert_eq!(server.get("/api/v1/requests?limt=2").await.status, reqwest::StatusCode::BAD_REQUEST);
}
