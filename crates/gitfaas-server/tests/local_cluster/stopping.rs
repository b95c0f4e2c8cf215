//! The server stops, and ends what runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gitfaas_core::run::JobState;
use gitfaas_server::cluster::{ApplyError, Cluster};
use serde_json::json;

use crate::support::{Bench, CONTAINER, eventually, lines, mark, processes_with, shell, with};

#[tokio::test]
async fn what_runs_is_ended_and_reported_and_what_waits_is_left_for_the_next_start() {
    let mut bench = Bench::open_with(|settings| settings.max_live = 2).await;
    let count = bench.file("count");
    let mark = mark("stopped-1");
    let env = json!([{"name": "MARK", "value": mark}]);
    let mut keys = Vec::new();
    for name in ["polite", "deaf", "waiting"] {
        let trap = if name == "deaf" { "trap '' TERM" } else { ":" };
        let script =
            format!("{trap}; echo {name} >> {}; [ {name} = waiting ] || while :; do sleep 0.05; done", count.display());
        let job = with(shell(name, &script), &format!("{CONTAINER}/env"), env.clone());
        keys.push(bench.apply(&with(job, "/backoffLimit", json!(3))).await.expect("a job"));
    }
    eventually("the start of two", || (lines(&count).len() == 2).then_some(())).await;
    let (grace, asked) = (Duration::from_millis(700), Instant::now());
    bench.cluster.stop(true, grace).await;
    assert!(asked.elapsed() < grace + Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    for key in &keys[..2] {
        let end = bench.end_of(key).await;
        assert!(matches!(&end.state, JobState::Interrupted { reason } if reason.code == "Stopped"), "{end:?}");
    }
    let refused = bench.apply(&shell("late", "true")).await;
    assert!(matches!(refused, Err(ApplyError::Passing { .. })), "{refused:?}");

    let mut bench = Bench::open_in(Arc::clone(&bench.root), |_| {}).await;
    assert_eq!(bench.end_of(&keys[2]).await.state, JobState::Succeeded);
    assert!(matches!(bench.end_of(&keys[0]).await.state, JobState::Interrupted { .. }));
    assert_eq!(lines(&count).len(), 3);
}

#[tokio::test]
async fn a_function_that_has_time_to_say_goodbye_says_it() {
    let mut bench = Bench::open().await;
    let ready = bench.file("ready");
    let script =
        format!("trap 'sleep 0.2; echo goodbye; exit 0' TERM; touch {}; while :; do sleep 0.05; done", ready.display());
    let key = bench.apply(&shell("polite", &script)).await.expect("a job");
    eventually("the start", || ready.exists().then_some(())).await;
    bench.cluster.stop(true, Duration::from_secs(20)).await;
    assert!(matches!(bench.end_of(&key).await.state, JobState::Interrupted { .. }));
    let log = &bench.logs(&key).await[0].1;
    assert!(log.ends_with("goodbye\n"), "{log}");
}

#[tokio::test]
async fn an_adopted_function_is_ended_too() {
    let bench = Bench::open().await;
    let mark = mark("stopped-2");
    let env = json!([{"name": "MARK", "value": mark}]);
    let key = bench.apply(&with(shell("old", "sleep 300"), &format!("{CONTAINER}/env"), env)).await.expect("a job");
    eventually("the start", || (!processes_with(&mark).is_empty()).then_some(())).await;
    let mut bench = bench.reopen().await;
    bench.cluster.stop(true, Duration::from_secs(20)).await;
    assert!(matches!(bench.end_of(&key).await.state, JobState::Interrupted { .. }));
    assert_eq!(processes_with(&mark), Vec::<String>::new());
}
