//! `examples/pipeline` as it stands, in pods, and everything about it after they are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Namespace, Server, checkout, leave_out, variable, within};

/// What its manifests say, in seconds.
const TTL: u64 = 60;
const WHAT: &str = "the pipeline in pods";

/// A request of the pipeline, in the order of a walk from the first to the last.
struct Stage<'a> {
    topic: &'a str,
    phase: &'a str,
    run: &'a str,
    parent: Option<&'a str>,
    answer: &'a Value,
}

fn stages(tree: &Value) -> Vec<Stage<'_>> {
    let request = &tree["request"];
    let stage = Stage {
        topic: request["topic"].as_str().unwrap_or_default(),
        phase: request["phase"].as_str().unwrap_or_default(),
        run: request["runs"][0]["id"].as_str().unwrap_or_default(),
        parent: request["parent"].as_str(),
        answer: &tree["responses"][0]["body"]["json"],
    };
    let children = tree["children"].as_array().into_iter().flatten();
    std::iter::once(stage).chain(children.flat_map(stages)).collect()
}

async fn tree(server: &Server, request: &str) -> Value {
    server.get(&format!("/api/v1/requests/{request}/tree")).await.json()
}

fn is_whole(tree: &Value) -> bool {
    let stages = stages(tree);
    stages.len() == 11 && stages.iter().all(|stage| stage.phase == "succeeded" && stage.answer.is_object())
}

/// The pod of each run that has one now: where it is, by run.
async fn addresses(namespace: &Namespace) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pods = namespace.list("v1", "pods").await;
    let known = pods
        .iter()
        .filter_map(|pod| Some((text(&pod["metadata"]["labels"]["gitfaas.io/run"])?, text(&pod["status"]["podIP"])?)));
    known.collect()
}

async fn logs(server: &Server, tree: &Value) -> Vec<String> {
    let mut logs = Vec::new();
    for stage in stages(tree) {
        let reply = server.get(&format!("/api/v1/runs/{}/logs", stage.run)).await;
        assert_eq!(reply.status, 200, "{}: {}", stage.topic, reply.text());
        logs.push(reply.text());
    }
    logs
}

#[tokio::test]
async fn the_pipeline_runs_in_pods_and_is_read_when_they_are_gone() {
    let Some(namespace) = Namespace::new(WHAT).await else { return };
    if variable("GITFAAS_E2E_EXAMPLES").is_none() {
        return leave_out(WHAT, "images with the examples in them (GITFAAS_E2E_EXAMPLES)");
    }
    let folder = checkout("examples/pipeline");
    let server = namespace.serve(&folder).await;
    let message = std::fs::read(folder.join("message.json")).expect("a message");
    let request = server.publish("collect", message).await;

    let mut pods = BTreeMap::new();
    let whole = within(Duration::from_mins(5), "every stage has succeeded and answered", async || {
        pods.extend(addresses(&namespace).await);
        Some(tree(&server, &request).await).filter(is_whole)
    })
    .await;
    published_and_answered_by_pods(&whole, &pods);
    has_its_statistics(&whole);

    let most = Duration::from_secs(TTL) + Duration::from_mins(2);
    within(most, "each Job has its own time to live again, and then is gone with its pods", async || {
        for job in namespace.list("batch/v1", "jobs").await {
            let released = job["metadata"]["labels"]["gitfaas.io/released"] == "true";
            assert!(!released || job["spec"]["ttlSecondsAfterFinished"] == TTL, "{job:#}");
        }
        let left = [namespace.list("batch/v1", "jobs").await, namespace.list("v1", "pods").await].concat();
        left.is_empty().then_some(())
    })
    .await;
    assert_eq!(tree(&server, &request).await, whole, "as it was while there were pods");
    for (stage, log) in stages(&whole).iter().zip(logs(&server, &whole).await) {
        let said = match stage.topic {
            "collect" => "request",
            "uncompress" => "bytes out",
            _ => "columns",
        };
        assert!(log.contains(said), "{}: {log}", stage.topic);
    }
}

fn published_and_answered_by_pods(whole: &Value, pods: &BTreeMap<String, String>) {
    let stages = stages(whole);
    let count = |topic: &str| stages.iter().filter(|stage| stage.topic == topic).count();
    assert_eq!([count("collect"), count("uncompress"), count("convert")], [1, 5, 5]);
    for stage in &stages {
        assert!(pods.contains_key(stage.run), "{} had a pod: {pods:?}", stage.run);
        // Only a run's own token, which its pod alone has, makes a child of it.
        let before = stage.parent.and_then(|parent| stages.iter().find(|stage| stage.run == parent));
        let before = before.map_or("", |before| before.topic);
        let expected = match stage.topic {
            "collect" => "",
            "uncompress" => "collect",
            _ => "uncompress",
        };
        assert_eq!(before, expected, "{}", stage.topic);
    }
}

fn has_its_statistics(whole: &Value) {
    let mut files: Vec<_> = stages(whole)
        .iter()
        .filter(|stage| stage.topic == "convert")
        .map(|stage| {
            assert!(stage.answer["rows"].as_u64().is_some_and(|rows| rows > 0), "{}", stage.answer);
            stage.answer["file"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    files.sort();
    assert_eq!(files, ["harbour.csv", "hilltop.csv", "lakeside.csv", "orchard.csv", "valley.csv"]);
}
