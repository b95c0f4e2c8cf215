//! Settle: compare and replace.

use std::sync::Arc;

use gitfaas_core::id::Try;
use gitfaas_core::run::{JobState, Mark, ObjectKey, Phase, Reason, Run, RunObject};

use super::{Ground, accept, accepted, at, moved, settled};

pub(crate) async fn settle_replaces_exactly_what_was_read(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(5, "collect", &["a.yaml", "b.yaml"])).await;
    let running = settled(&*store, &runs[0], Phase::Running, 20).await;
    assert_eq!(store.run(running.id).await, Ok(Some(running.clone())));
    assert_eq!(store.runs(running.request()).await, Ok(vec![running, runs[1].clone()]));
}

pub(crate) async fn settle_with_an_old_reading_changes_nothing(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(5, "collect", &["a.yaml"])).await;
    let running = settled(&*store, &runs[0], Phase::Running, 20).await;
    assert_eq!(store.settle(&runs[0], &moved(&runs[0], Phase::Failed, 30)).await, Ok(false));
    assert_eq!(store.run(running.id).await, Ok(Some(running)));
}

pub(crate) async fn settle_tells_apart_what_differs_in_one_field(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(5, "collect", &["a.yaml"])).await.remove(0);
    let almost = [
        Run { try_no: Try(2), ..run.clone() },
        Run { attempts: 1, ..run.clone() },
        Run { due_at: Some(at(6)), ..run.clone() },
        Run { logs_captured: true, ..run.clone() },
        Run { reason: Some(Reason::new("", "")), ..run.clone() },
        Run { exit_code: Some(0), ..run.clone() },
    ];
    for before in &almost {
        assert_eq!(store.settle(before, &moved(&run, Phase::Failed, 30)).await, Ok(false), "{before:?}");
    }
    assert_eq!(store.run(run.id).await, Ok(Some(run)));
}

pub(crate) async fn settle_of_an_unknown_run_is_false(ground: &impl Ground) {
    let store = ground.open().await;
    let (run, _) = accept(5, "collect", &["a.yaml"]).runs.remove(0);
    assert_eq!(store.settle(&run, &moved(&run, Phase::Running, 9)).await, Ok(false));
    assert_eq!(store.run(run.id).await, Ok(None));
}

pub(crate) async fn settle_never_moves_a_run_to_another_id(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(5, "collect", &["a.yaml", "b.yaml"])).await;
    assert_eq!(store.settle(&runs[0], &moved(&runs[1], Phase::Running, 9)).await, Ok(false));
    assert_eq!(store.runs(runs[0].request()).await, Ok(runs));
}

pub(crate) async fn one_of_many_that_settle_at_once_wins(ground: &impl Ground) {
    let store = ground.open().await;
    let before = accepted(&*store, &accept(5, "collect", &["a.yaml"])).await.remove(0);
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let (store, before) = (Arc::clone(&store), before.clone());
            let after = Run { attempts: n + 1, ..moved(&before, Phase::Running, 9) };
            tokio::spawn(async move { store.settle(&before, &after).await.expect("an answer").then_some(after) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.expect("no panic"));
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.run(before.id).await, Ok(winners.pop()));
}

pub(crate) async fn a_mark_is_kept_whole(ground: &impl Ground) {
    let store = ground.open().await;
    let mut accept = accept(5, "collect", &["a.yaml"]);
    // Dispatched inline, the mark is part of the accept.
    accept.runs[0].0 = moved(&accept.runs[0].0, Phase::Applying, 6);
    let run = accepted(&*store, &accept).await.remove(0);
    let store = ground.reopen(store).await;
    let read = store.run(run.id).await.expect("read").expect("there");
    assert_eq!(read.mark, Some(Mark { holder: "here".to_owned(), epoch: 7, at: at(6) }));
    let key = ObjectKey { api_version: "batch/v1".into(), kind: "Job".into(), namespace: None, name: "a".into() };
    let job = JobState::Failed { reason: Reason::new("OOMKilled", "it used more than 64Mi"), exit_code: Some(137) };
    let failed = Run { objects: vec![RunObject { key, job: Some(job) }], ..moved(&read, Phase::Failed, 8) };
    assert_eq!(store.settle(&read, &failed).await, Ok(true));
    assert_eq!(store.run(run.id).await, Ok(Some(failed)));
}
