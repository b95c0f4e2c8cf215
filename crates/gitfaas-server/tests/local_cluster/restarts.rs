//! What an earlier server left: running, waiting, ended.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gitfaas_core::run::JobState;
use gitfaas_server::clock::{Clock, ManualClock, SystemClock};
use gitfaas_server::cluster::local::Settings;
use gitfaas_server::cluster::{Cluster, ClusterEvent};
use serde_json::json;

use crate::support::{Bench, eventually, lines, shell, with};

#[tokio::test]
async fn what_runs_is_adopted_and_its_end_is_seen() {
    let bench = Bench::open().await;
    let (count, go) = (bench.file("count"), bench.file("go"));
    let script = format!("echo x >> {}; until [ -e {} ]; do sleep 0.02; done; exit 5", count.display(), go.display());
    let key = bench.apply(&shell("adopted", &script)).await.expect("a job");
    eventually("the start", || (lines(&count).len() == 1).then_some(())).await;
    let mut bench = bench.reopen().await;
    let adopted = bench.until(&key, |_| true).await;
    assert_eq!((adopted.state, adopted.attempts), (JobState::Running, 1));
    std::fs::write(&go, "").expect("a file");
    let end = bench.end_of(&key).await;
    assert!(matches!(end.state, JobState::Failed { exit_code: Some(5), .. }), "{end:?}");
    assert_eq!(lines(&count).len(), 1);
}

#[tokio::test]
async fn what_ended_while_there_was_no_server_is_read() {
    let bench = Bench::open().await;
    let (began, ended) = (bench.file("began"), bench.file("ended"));
    let script = format!("touch {}; sleep 0.3; touch {}", began.display(), ended.display());
    let key = bench.apply(&shell("alone", &script)).await.expect("a job");
    eventually("the start", || began.exists().then_some(())).await;
    bench.cluster.stop(false, Duration::ZERO).await;
    eventually("the end", || ended.exists().then_some(())).await;
    let mut bench = bench.reopen().await;
    assert_eq!(bench.end_of(&key).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_deadline_holds_while_there_is_no_server() {
    let bench = Bench::open().await;
    let began = bench.file("began");
    let script = format!("touch {}; sleep 300", began.display());
    let key = bench.apply(&with(shell("timed", &script), "/activeDeadlineSeconds", json!(1))).await.expect("a job");
    eventually("the start", || began.exists().then_some(())).await;
    bench.cluster.stop(false, Duration::ZERO).await;
    let work = bench.file("data/jobs/work").read_dir().expect("a folder").next().expect("a job").expect("a job").path();
    eventually("the end", || work.join("attempt-1.1.0.main/exit.json").exists().then_some(())).await;
    let mut bench = bench.reopen().await;
    let end = bench.end_of(&key).await;
    assert!(matches!(&end.state, JobState::Failed { reason, .. } if reason.code == "DeadlineExceeded"), "{end:?}");
}

#[tokio::test]
async fn what_waited_is_started_in_its_order() {
    let bench = Bench::open_with(|settings| settings.max_live = 1).await;
    let (order, go) = (bench.file("order"), bench.file("go"));
    let mut keys = Vec::new();
    for number in 0..4 {
        let script =
            format!("echo {number} >> {}; until [ -e {} ]; do sleep 0.02; done", order.display(), go.display());
        keys.push(bench.apply(&shell(&format!("wait-{number}"), &script)).await.expect("a job"));
    }
    eventually("the start", || (lines(&order).len() == 1).then_some(())).await;
    bench.cluster.stop(false, Duration::ZERO).await;
    std::fs::write(&go, "").expect("a file");
    let mut bench = Bench::open_in(Arc::clone(&bench.root), |settings| settings.max_live = 1).await;
    for key in &keys {
        assert_eq!(bench.end_of(key).await.state, JobState::Succeeded);
    }
    assert_eq!(lines(&order), ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn attempts_go_on_counting_after_a_restart() {
    let mut bench = Bench::open().await;
    let key = bench.apply(&with(shell("count", "exit 1"), "/backoffLimit", json!(30))).await.expect("a job");
    bench.until(&key, |seen| seen.attempts >= 2).await;
    let mut bench = bench.reopen().await;
    let end = bench.end_of(&key).await;
    assert_eq!(end.attempts, 31);
    let attempts: Vec<u32> = bench.logs(&key).await.iter().map(|(attempt, _)| *attempt).collect();
    assert_eq!(attempts, (1..=31).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_watch_tells_all_jobs_before_it_is_synced_and_released_ones_no_more() {
    let mut bench = Bench::open().await;
    let (kept, released) = (bench.run(&shell("kept", "true")).await, bench.run(&shell("released", "true")).await);
    bench.cluster.release(&released.job).await.expect("a release");
    let bench = bench.reopen().await;
    let mut events = bench.cluster.watch();
    let Some(ClusterEvent::Job { observation, .. }) = events.next().await else { panic!("no job") };
    assert_eq!(observation, kept);
    assert_eq!(events.next().await, Some(ClusterEvent::Synced));
}

#[tokio::test]
async fn what_a_single_run_left_is_forgotten_after_a_day() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let own_clock = |settings: &mut Settings| settings.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let mut bench = Bench::open_with(own_clock).await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}});
    bench.apply(&map).await.expect("an applied object");
    let key = bench.run(&shell("past", "true")).await.job;
    bench.cluster.release(&key).await.expect("a release");
    let folders = [bench.file("data/jobs/released"), bench.file("data/jobs/objects")];
    let left = || folders.iter().map(|folder| folder.read_dir().expect("a folder").count()).collect::<Vec<_>>();
    for (hours, wanted) in [(23, [1, 1]), (2, [0, 0])] {
        clock.advance(Duration::from_hours(hours));
        bench.cluster.stop(false, Duration::ZERO).await;
        bench = Bench::open_in(Arc::clone(&bench.root), own_clock).await;
        eventually("tidying", || (left() == wanted).then_some(())).await;
    }
}
