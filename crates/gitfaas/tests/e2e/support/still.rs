//! Jobs that stand still: they start no pod, and end when a test says so. Any number of them needs no node.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::{Namespace, Repository, Server, eventually, idle_job};

/// How many things are asked for at once.
const AT_ONCE: usize = 16;

/// How a Job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    Failed,
}

/// A repository whose topic `t` makes one such Job for each message; `spec` is more lines of its specification.
pub(crate) fn still(spec: &str) -> Repository {
    let standing = "  parallelism: 0\n";
    let template = idle_job("still-{{RANDOM}}").replace(standing, &format!("{standing}{spec}"));
    Repository::with(&[("t", &[("job.yaml", &template)])])
}

/// Which run a Job is of.
pub(crate) fn run_of(job: &Value) -> &str {
    job["metadata"]["labels"]["gitfaas.io/run"].as_str().expect("a run")
}

/// What a Job is called.
pub(crate) fn name_of(job: &Value) -> &str {
    job["metadata"]["name"].as_str().expect("a name")
}

/// Whether a Job has ended.
pub(crate) fn has_ended(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| matches!(one["type"].as_str(), Some("Complete" | "Failed"))))
}

/// Whether gitfaas has let a Job go, so that its own time to live counts.
pub(crate) fn is_released(job: &Value) -> bool {
    job["metadata"]["labels"]["gitfaas.io/released"] == "true"
}

impl Namespace {
    /// The Jobs of this namespace.
    pub(crate) async fn jobs(&self) -> Vec<Value> {
        self.list("batch/v1", "jobs").await
    }

    /// Says of a Job that it has ended, as the cluster itself would.
    pub(crate) async fn end_job(&self, job: &Value, end: End) {
        // The time of its end is that of its beginning: its time to live begins to count at once.
        let time = &job["metadata"]["creationTimestamp"];
        let condition = |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": time });
        let status = match end {
            End::Complete => json!({
                "startTime": time,
                "completionTime": time,
                "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
            }),
            End::Failed => {
                let mut failed = condition("Failed");
                failed["reason"] = "BackoffLimitExceeded".into();
                failed["message"] = "it failed as often as it may".into();
                json!({ "startTime": time, "conditions": [condition("FailureTarget"), failed] })
            }
        };
        let path = format!("/apis/batch/v1/namespaces/{}/jobs/{}/status", self.name, name_of(job));
        self.api.patch(&path, &json!({ "status": status })).await.expect("the Job");
    }

    /// Ends the Jobs that have not; how many there were.
    pub(crate) async fn end_jobs(&self, end: End) -> usize {
        let jobs: Vec<Value> = self.jobs().await.into_iter().filter(|job| !has_ended(job)).collect();
        futures_util::stream::iter(&jobs).for_each_concurrent(AT_ONCE, |job| self.end_job(job, end)).await;
        jobs.len()
    }

    /// Deletes a Job, as somebody would by hand.
    pub(crate) async fn delete_job(&self, job: &Value) {
        let path =
            format!("/apis/batch/v1/namespaces/{}/jobs/{}?propagationPolicy=Background", self.name, name_of(job));
        self.api.delete(&path).await;
    }
}

/// The phase of each run of these requests.
pub(crate) async fn phases(server: &Server, requests: &[String]) -> BTreeMap<String, String> {
    let runs = futures_util::stream::iter(requests).map(|request| runs(server, request)).buffer_unordered(AT_ONCE);
    runs.concat().await.into_iter().collect()
}

async fn runs(server: &Server, request: &str) -> Vec<(String, String)> {
    let view = server.get(&format!("/api/v1/requests/{request}")).await.json();
    let word = |run: &Value, field: &str| run[field].as_str().expect("a word").to_owned();
    view["runs"].as_array().expect("runs").iter().map(|run| (word(run, "id"), word(run, "phase"))).collect()
}

/// How many runs are in one of these phases, as the server counts them.
pub(crate) async fn runs_in(server: &Server, phases: &[&str]) -> u64 {
    let metrics = server.get("/metrics").await.text();
    phases.iter().map(|phase| metric(&metrics, &format!("gitfaas_runs{{phase=\"{phase}\"}}"))).sum()
}

/// Whether the server believes that it reaches its cluster.
pub(crate) async fn reaches_cluster(server: &Server) -> bool {
    metric(&server.get("/metrics").await.text(), "gitfaas_cluster_up") == 1
}

fn metric(metrics: &str, name: &str) -> u64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
}

/// Waits until every run has a Job, however long that takes: as long as there are fewer and fewer without, it goes on.
pub(crate) async fn all_applied(server: &Server) {
    none_left(server, &["queued", "applying"]).await;
}

/// Waits in the same way until every run has ended.
pub(crate) async fn all_over(server: &Server) {
    none_left(server, &["queued", "applying", "pending", "running"]).await;
}

async fn none_left(server: &Server, phases: &[&str]) {
    let mut left = runs_in(server, phases).await;
    while left > 0 {
        left = eventually(&format!("fewer than {left} runs are {phases:?}"), async || {
            Some(runs_in(server, phases).await).filter(|now| *now < left)
        })
        .await;
    }
}

/// Messages that are published at a steady pace, whatever becomes of them.
pub(crate) struct Publishing(tokio::task::JoinHandle<Vec<String>>);

impl Publishing {
    /// Begins to publish `number` messages to the topic `t`, one each `pace`.
    pub(crate) fn begin(server: &Server, number: usize, pace: Duration) -> Self {
        let (http, url) = (super::http(), format!("{}/publish/t", server.url));
        Self(tokio::spawn(async move {
            let mut answers = tokio::task::JoinSet::new();
            let mut pace = tokio::time::interval(pace);
            for number in 0..number {
                pace.tick().await;
                let request = http.post(&url).body(format!("{number}"));
                answers.spawn(async move {
                    let answer = request.send().await.expect("an answer");
                    assert_eq!(answer.status(), reqwest::StatusCode::ACCEPTED);
                    let receipt: Value = answer.json().await.expect("a receipt");
                    receipt["requestUid"].as_str().expect("an id").to_owned()
                });
            }
            answers.join_all().await
        }))
    }

    /// The requests, once each message is acknowledged.
    pub(crate) async fn acknowledged(self) -> Vec<String> {
        self.0.await.expect("every publish is acknowledged")
    }
}
