//! Logs: read, and followed.

use std::time::Duration;

use futures_util::StreamExt as _;
use gitfaas_core::run::JobState;
use gitfaas_server::cluster::Cluster as _;
use serde_json::json;

use super::support::{Bench, PATIENCE, POD, shell, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_cut_at_its_beginning_and_marked() {
    let Some(mut bench) = Bench::open("a long log").await else { return };
    let end = bench.run(&shell("long", "seq 100000 200000; sleep 1")).await;
    let parts = bench.cluster.logs(&end.job, 1000).await.expect("logs");
    assert_eq!(parts.len(), 1);
    assert_eq!((parts[0].text.len(), parts[0].cut), (1000, 7 * 100_001 - 1000));
    assert!(parts[0].text.ends_with(b"199999\n200000\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_followed_from_its_first_byte_to_the_last_attempt() {
    let Some(mut bench) = Bench::open("a log that is followed").await else { return };
    let job = with(shell("told", "echo begins; sleep 2; echo ends; exit 1"), "/backoffLimit", json!(1));
    let job = bench.apply(&job).await;
    bench.until(&job, |seen| seen.state == JobState::Running).await;
    let mut chunks = bench.cluster.follow_logs(&job).await.expect("a stream");
    let first = tokio::time::timeout(PATIENCE, chunks.next()).await.expect("in time").expect("a chunk");
    assert_eq!((first.attempt, first.container.as_str()), (1, "main"));
    let mut told = [String::from_utf8_lossy(&first.text).into_owned(), String::new()];
    let rest = tokio::time::timeout(PATIENCE, chunks.collect::<Vec<_>>()).await.expect("an end");
    for chunk in rest {
        let attempt = usize::try_from(chunk.attempt).expect("small");
        told[attempt - 1].push_str(&String::from_utf8_lossy(&chunk.text));
    }
    assert_eq!(told, ["begins\nends\n", "begins\nends\n"]);
    // The stream ends with the Job.
    let end = tokio::time::timeout(Duration::from_secs(20), bench.end_of(&job)).await.expect("an end");
    assert_eq!(end.attempts, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_container_has_its_own_log() {
    let Some(mut bench) = Bench::open("several containers").await else { return };
    let mut job = shell("many", "echo main");
    let container = |name: &str| {
        let mut container = job["spec"]["template"]["spec"]["containers"][0].clone();
        container["name"] = json!(name);
        container["command"] = json!(["sh", "-c", format!("echo {name}")]);
        container
    };
    let (init, beside) = (container("prepare"), container("beside"));
    let main = job["spec"]["template"]["spec"]["containers"][0].clone();
    job = with(job, &format!("{POD}/initContainers"), json!([init]));
    job = with(job, &format!("{POD}/containers"), json!([main, beside]));
    let end = bench.run(&job).await;
    let mut logs = bench.logs(&end.job).await;
    assert_eq!(logs.remove(0), (1, "prepare".to_owned(), "prepare\n".to_owned()));
    logs.sort();
    let expected = ["beside", "main"].map(|name| (1, name.to_owned(), format!("{name}\n")));
    assert_eq!(logs, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_does_not_exist_or_has_not_begun_has_no_logs() {
    let Some(mut bench) = Bench::open("no logs").await else { return };
    let job = with(shell("none", ""), "/template/spec/nodeSelector", json!({"disk": "none"}));
    let job = bench.apply(&job).await;
    bench.until(&job, |_| true).await;
    assert_eq!(bench.parts(&job).await, []);
    let absent = gitfaas_core::run::ObjectKey { name: "absent".to_owned(), ..job };
    assert_eq!(bench.parts(&absent).await, []);
    let followed = bench.cluster.follow_logs(&absent).await.expect("a stream").collect::<Vec<_>>();
    assert_eq!(tokio::time::timeout(PATIENCE, followed).await.expect("an end"), []);
}
