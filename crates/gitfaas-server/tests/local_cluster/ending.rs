//! Jobs that are ended for good, by a person.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gitfaas_core::run::JobState;
use gitfaas_core::run::machine::Observation;
use gitfaas_server::cluster::Cluster;
use serde_json::{Value, json};

use crate::support::{Bench, CONTAINER, POD, eventually, lines, mark, own_time, processes_with, shell, sleepers, with};

fn marked(job: Value, mark: &str) -> Value {
    with(job, &format!("{CONTAINER}/env"), json!([{"name": "MARK", "value": mark}]))
}

fn is_ended(observation: &Observation) -> bool {
    matches!(&observation.state, JobState::Interrupted { reason } if reason.code == "Cancelled")
}

#[tokio::test]
async fn what_runs_of_a_job_is_gone_and_its_log_stays() {
    let mut bench = Bench::open().await;
    let (mark, time, ready) = (mark("ended"), own_time(4), bench.file("ready"));
    let script = format!(
        "trap 'echo goodbye; exit 0' TERM; setsid sleep 300 & env -i setsid -f sleep {time}; echo hello; touch {}; while :; do sleep 0.05; done",
        ready.display()
    );
    let job = with(marked(shell("ended", &script), &mark), "/backoffLimit", json!(5));
    let key = bench.apply(&job).await.expect("a job");
    eventually("the start", || ready.exists().then_some(())).await;
    bench.cluster.end(&key).await.expect("an end");
    bench.cluster.end(&key).await.expect("a second end");
    let end = bench.end_of(&key).await;
    assert!(is_ended(&end) && end.attempts == 1, "{end:?}");
    let log = &bench.logs(&key).await[0].1;
    assert!(log.starts_with("hello\n") && log.ends_with("goodbye\n"), "{log}");
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    assert_eq!(sleepers(&time), Vec::<String>::new());
    // It stays the Job of this try: nothing is started again.
    assert_eq!(bench.apply(&job).await, Ok(key.clone()));
    bench.cluster.release(&key).await.expect("a release");
    assert_eq!(bench.apply(&job).await, Ok(key));
}

#[tokio::test]
async fn what_does_not_end_is_killed_when_its_grace_is_over() {
    let mut bench = Bench::open().await;
    let mark = mark("deaf-end");
    let deaf = shell("deaf", "trap '' TERM; while :; do sleep 0.05; done");
    let job = marked(with(deaf, &format!("{POD}/terminationGracePeriodSeconds"), json!(1)), &mark);
    let key = bench.apply(&job).await.expect("a job");
    bench.until(&key, |it| it.state == JobState::Running).await;
    eventually("its processes", || (!processes_with(&mark).is_empty()).then_some(())).await;
    bench.cluster.end(&key).await.expect("an end");
    assert!(is_ended(&bench.end_of(&key).await));
    assert_eq!(processes_with(&mark), Vec::<String>::new());
}

#[tokio::test]
async fn all_pods_and_containers_of_a_job_are_ended() {
    let mut bench = Bench::open().await;
    let (mark, count) = (mark("all-ended"), bench.file("count"));
    let script = format!("echo x >> {}; sleep 300", count.display());
    let mut job = with(with(shell("all", ""), "/completions", json!(5)), "/parallelism", json!(2));
    let container =
        |name: &str| json!({"name": name, "command": ["sh", "-c", script], "env": [{"name": "MARK", "value": mark}]});
    job = with(job, &format!("{POD}/containers"), json!([container("a"), container("b")]));
    let key = bench.apply(&job).await.expect("a job");
    eventually("the start of all", || (lines(&count).len() == 4).then_some(())).await;
    bench.cluster.end(&key).await.expect("an end");
    assert!(is_ended(&bench.end_of(&key).await));
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    assert_eq!(lines(&count).len(), 4);
}

#[tokio::test]
async fn what_waits_is_ended_at_once_and_takes_nobodys_turn() {
    let mut bench = Bench::open_with(|settings| {
        settings.max_live = 1;
        settings.backoff.first = Duration::from_hours(1);
        settings.backoff.most = Duration::from_hours(1);
    })
    .await;
    let failed = bench.apply(&with(shell("failed", "exit 1"), "/backoffLimit", json!(3))).await.expect("a job");
    bench
        .until(
            &failed,
            |it| matches!(&it.state, JobState::Pending { reason: Some(reason) } if reason.code == "BackOff"),
        )
        .await;
    let runs = bench.apply(&shell("runs", "sleep 300")).await.expect("a job");
    bench.until(&runs, |it| it.state == JobState::Running).await;
    let waits = bench.apply(&shell("waits", "true")).await.expect("a job");
    let begun = Instant::now();
    for key in [&failed, &waits, &runs] {
        bench.cluster.end(key).await.expect("an end");
        assert!(is_ended(&bench.end_of(key).await), "{key}");
    }
    assert!(begun.elapsed() < Duration::from_mins(1));
    assert_eq!(bench.run(&shell("next", "true")).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn an_end_that_a_killed_server_began_is_brought_about_by_the_next() {
    let bench = Bench::open().await;
    let (mark, count) = (mark("end-later"), bench.file("count"));
    let script = format!("echo x >> {}; trap '' TERM; while :; do sleep 0.05; done", count.display());
    let job = with(marked(shell("later", &script), &mark), "/backoffLimit", json!(3));
    let key = bench.apply(&job).await.expect("a job");
    eventually("the start", || (lines(&count).len() == 1).then_some(())).await;
    bench.cluster.end(&key).await.expect("an end");
    bench.cluster.stop(false, Duration::ZERO).await;
    assert!(!processes_with(&mark).is_empty(), "its grace is 30 s");
    let mut bench = Bench::open_in(Arc::clone(&bench.root), |_| {}).await;
    // A person who stops the server does not wait so long.
    bench.cluster.stop(true, Duration::from_millis(100)).await;
    assert!(is_ended(&bench.end_of(&key).await));
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    let mut bench = Bench::open_in(Arc::clone(&bench.root), |_| {}).await;
    assert!(is_ended(&bench.end_of(&key).await));
    assert_eq!(lines(&count), ["x"]);
}

#[tokio::test]
async fn what_is_over_or_was_never_there_is_no_error() {
    let mut bench = Bench::open().await;
    let end = bench.run(&shell("over", "true")).await;
    bench.cluster.end(&end.job).await.expect("nothing to end");
    let mut other = end.job.clone();
    other.name = "other".to_owned();
    bench.cluster.end(&other).await.expect("nothing to end");
    let mut bench = bench.reopen().await;
    assert_eq!(bench.end_of(&end.job).await.state, JobState::Succeeded);
}
