//! Jobs that start other Jobs.

use reqwest::{Method, StatusCode};

use crate::support::{Repository, Server, eventually, shell_job};

#[tokio::test]
async fn what_a_function_publishes_is_a_child_of_its_run() {
    let publish =
        "curl -sS -H \"Authorization: Bearer $RUN_TOKEN\" -d \"from $REQUEST_UUID\" $GITFAAS_URL/publish/second";
    let repository = Repository::with(&[
        ("first", &[("first.yaml", &shell_job(publish))]),
        ("second", &[("second.yaml", &shell_job("curl -sS -d done $GITFAAS_URL/response/$FUNCTION_UID"))]),
    ]);
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("first", "").await).await;
    let (request, run) = (view["id"].as_str().expect("an id"), view["runs"][0]["id"].clone());
    let tree = eventually("the child has answered", async || {
        let tree = server.get(&format!("/api/v1/requests/{request}/tree")).await.json();
        tree["children"][0]["responses"][0].is_object().then_some(tree)
    })
    .await;
    let child = &tree["children"][0];
    assert_eq!(
        (&child["request"]["topic"], &child["request"]["parent"], &child["request"]["hops"]),
        (&"second".into(), &run, &1.into())
    );
    assert_eq!(child["responses"][0]["body"]["text"], "done");
}

#[tokio::test]
async fn a_topic_that_publishes_to_itself_is_stopped() {
    let publish =
        "curl -sS -o answer.$RUN_ID -H \"Authorization: Bearer $RUN_TOKEN\" -d again $GITFAAS_URL/publish/loop";
    let repository = Repository::shell("loop", publish);
    let server = Server::dev(repository.path()).await;
    server.publish("loop", "once").await;
    let answers = || {
        let entries = std::fs::read_dir(repository.path()).expect("a folder");
        let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
        texts.filter(|text| text.contains("requestUid") || text.contains("hop-limit")).collect::<Vec<_>>()
    };
    let mut seen = answers();
    let refused = loop {
        if let Some(refused) = seen.iter().find(|answer| answer.contains("hop-limit")) {
            break refused.clone();
        }
        // However slow the machine is: as long as it goes on, it is not stuck.
        let more = async || Some(answers()).filter(|now| now.len() > seen.len());
        seen = eventually("one more hop is made, or refused", more).await;
    };
    assert!(refused.contains("32"), "{refused}");
    let listed = server.get("/api/v1/requests?limit=500").await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(33), "the first, and 32 hops");
}

#[tokio::test]
async fn a_parent_can_be_named_and_must_exist() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("t", "").await).await;
    let run = view["runs"][0]["id"].as_str().expect("a run").to_owned();
    let publish = async |headers: &[(&str, &str)]| server.send(Method::POST, "/publish/t", headers, "").await;
    let child = publish(&[("x-gitfaas-parent", &run)]).await;
    let child =
        server.get(&format!("/api/v1/requests/{}", child.json()["requestUid"].as_str().expect("an id"))).await.json();
    assert_eq!((&child["parent"], &child["hops"]), (&run.as_str().into(), &1.into()));
    assert_eq!(publish(&[("x-gitfaas-parent", "nonsense")]).await.status, StatusCode::BAD_REQUEST);
    let nobody = "0".repeat(32);
    assert_eq!(publish(&[("x-gitfaas-parent", &nobody)]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(publish(&[("authorization", "Bearer gfr_forged")]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(publish(&[("authorization", "Bearer of-another-kind")]).await.status, StatusCode::ACCEPTED);
}
