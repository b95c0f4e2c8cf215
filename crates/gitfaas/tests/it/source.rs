//! How the source stands, as it is told to people, probes and metrics.

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Repository, Server};

/// What a command says, and its exit code.
fn typed(server: &Server, arguments: &[&str]) -> (String, Option<i32>) {
    let output = server.client(arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (said, output.status.code())
}

async fn has_metrics(server: &Server, lines: &[&str]) {
    let text = server.get("/metrics").await.text();
    for line in lines {
        assert!(text.lines().any(|told| told.starts_with(line)), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_told_everywhere_while_what_was_read_is_served() {
    let repository = Repository::empty();
    let (functions, away) = (repository.file("functions"), repository.file("away"));
    repository.write("functions/config.json", r#"{"topics": [{"name": "t", "configs": ["job.yaml"]}]}"#);
    repository.write("functions/job.yaml", &crate::support::shell_job("true"));
    let server = Server::serve(&functions).await;
    assert_eq!(typed(&server, &["source", "status"]).1, Some(0));
    let view = server.get("/api/v1/source").await.json();
    assert_eq!((&view["failures"], &view["pollEvery"]), (&0.into(), &600.into()), "{view:#}");
    assert!(view["lastSuccess"].is_string() && view["nextTry"].is_string(), "{view:#}");
    has_metrics(&server, &["gitfaas_source_failures 0", "gitfaas_refreshes_total{outcome=\"ok\"}"]).await;

    std::fs::rename(&functions, &away).expect("moved");
    let refreshed = server.post("/refresh", "").await;
    assert_eq!((refreshed.status, refreshed.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "source-unavailable"));
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK, "what was read is served");
    let told = ready.json()["source"].clone();
    assert_eq!((&told["state"], &told["fault"]), (&"failing".into(), &"local".into()), "{told:#}");
    let view = server.get("/api/v1/source").await.json();
    let error = view["lastError"]["message"].as_str().expect("a message");
    assert!(error.contains(&functions.display().to_string()), "{view:#}");
    assert!(view["failures"].as_u64() >= Some(1) && view["lastError"]["at"].is_string(), "{view:#}");
    assert!(view["revision"].is_string() && view["nextTry"].is_string(), "{view:#}");
    has_metrics(&server, &["gitfaas_refreshes_total{outcome=\"local\"}", "gitfaas_source_next_try_timestamp_seconds"])
        .await;
    has_metrics(&server, &["gitfaas_source_last_success_timestamp_seconds", "gitfaas_ready 1"]).await;
    let (said, code) = typed(&server, &["source", "status"]);
    assert!(code == Some(1) && said.contains("local at ") && said.contains(error), "{said}");
    let (said, code) = typed(&server, &["source", "refresh"]);
    assert!(code == Some(1) && said.contains(error), "{said}");
    server.publish("t", "").await;

    std::fs::rename(&away, &functions).expect("moved back");
    let (said, code) = typed(&server, &["source", "refresh"]);
    assert!(code == Some(0) && said.contains(" is served, as before"), "{said}");
    assert_eq!(server.get("/readyz").await.json()["source"]["state"], "ok");
}

#[tokio::test]
async fn a_refresh_that_finds_mistakes_prints_them_and_fails() {
    let repository = Repository::shell("t", "true");
    let server = Server::serve(repository.path()).await;
    repository.write("job.yaml", "kind: [");
    let (said, code) = typed(&server, &["source", "refresh"]);
    assert!(code == Some(1) && said.contains("\njob.yaml:"), "{said}");
    let (said, code) = typed(&server, &["source", "refresh", "-o", "json"]);
    let view: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &view["error"], &view["problems"][0]["file"]), (Some(1), &true.into(), &"job.yaml".into()));
    let (said, code) = typed(&server, &["source", "status"]);
    assert!(code == Some(1) && said.contains("something is wrong with what was read\n\njob.yaml:"), "{said}");
    repository.write("job.yaml", &crate::support::shell_job("false"));
    let (said, code) = typed(&server, &["source", "refresh"]);
    assert!(code == Some(0) && said.contains(" is served, "), "{said}");
}
