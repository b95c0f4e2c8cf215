use futures_util::future::join_all;

use super::*;
use crate::engine::tests::scripted::{Scripted, unauthorized};
use crate::engine::tests::{Bench, PATIENCE};

/// Has the engine asked for a refresh, in a task of its own, once all tasks before stand still.
async fn asked(engine: &Arc<Engine>) -> tokio::task::JoinHandle<Refreshed> {
    let asking = engine.clone();
    let asked = tokio::spawn(async move { asking.refresh().await });
    // With one thread, each task gets as far as it can at its turn.
    for _ in 0..9 {
        tokio::task::yield_now().await;
    }
    asked
}

fn revision(refreshed: &Refreshed) -> &str {
    refreshed.as_ref().expect("read").revision.as_deref().expect("a revision")
}

#[tokio::test]
async fn ten_thousand_who_ask_cost_two_looks_and_none_is_answered_by_one_that_began_before() {
    let source = Scripted::gated(1);
    let bench = Bench::of_source(source.clone()).await;
    let first = asked(&bench.engine).await;
    source.looks(1).await;
    // The first look has begun: it cannot see this.
    source.push(Ok(2));
    let others = join_all((0..10_000).map(|_| bench.engine.refresh()));
    let (others, ()) = tokio::join!(others, async { source.let_go(99) });
    assert_eq!(revision(&first.await.expect("told")), "main@sha1:1");
    assert!(others.iter().all(|refreshed| revision(refreshed) == "main@sha1:2"));
    assert_eq!(source.looked(), 2);
}

#[tokio::test]
async fn an_error_is_told_to_all_who_share_it_and_noted_once() {
    let source = Scripted::with(Err(unauthorized()), None);
    let bench = Bench::of_source(source.clone()).await;
    let told = join_all((0..100).map(|_| bench.engine.refresh())).await;
    for refreshed in told {
        let error = refreshed.expect_err("it cannot be read");
        assert_eq!((error.code, error.detail.as_str()), (ErrorCode::SourceUnavailable, "the token is not accepted"));
    }
    let status = bench.engine.source_status();
    assert_eq!((source.looked(), status.failures), (1, 1));
    let error = status.last_error.expect("an error");
    assert_eq!((error.fault.as_str(), error.message.as_str()), ("unauthorized", "the token is not accepted"));
    source.push(Ok(1));
    bench.engine.refresh().await.expect("read");
    let status = bench.engine.source_status();
    assert_eq!((status.failures, status.last_error), (0, None), "it heals without a restart");
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_nothing() {
    let source = Scripted::gated(1);
    let bench = Bench::of_source(source.clone()).await;
    let (gone, stays) = (asked(&bench.engine).await, asked(&bench.engine).await);
    gone.abort();
    source.let_go(2);
    assert_eq!(revision(&stays.await.expect("told")), "main@sha1:1");
    assert!(bench.engine.catalog().is_some());
}

#[tokio::test]
async fn a_stop_waits_for_no_source() {
    let source = Scripted::gated(1);
    let bench = Bench::of_source(source.clone()).await;
    let (first, second) = (asked(&bench.engine).await, asked(&bench.engine).await);
    bench.engine.drain();
    for refreshed in [first.await, second.await, asked(&bench.engine).await.await] {
        assert_eq!(refreshed.expect("told").expect_err("it stops").code, ErrorCode::Stopping);
    }
    tokio::time::timeout(PATIENCE, bench.engine.finish()).await.expect("nothing is left to be done");
    assert_eq!(bench.engine.source_status().failures, 0, "that is no failure of the source");
}

#[tokio::test]
async fn every_outcome_is_reported_whoever_asked() {
    let bench = Bench::of_source(Scripted::with(Ok(1), None)).await;
    let (reports, mut told) = mpsc::unbounded_channel();
    bench.engine.report_refreshes(reports);
    bench.engine.refresh().await.expect("read");
    bench.engine.refresh().await.expect("read");
    let changes = [told.recv().await, told.recv().await];
    let changes = changes.map(|told| told.expect("told").expect("read").changes.len());
    assert_eq!(changes, [1, 0]);
}

#[tokio::test]
async fn files_of_a_commit_that_is_served_as_it_is_are_not_read_again() {
    let source = Scripted::with(Ok(1), None);
    let bench = Bench::of_source(source.clone()).await;
    let first = bench.engine.refresh().await.expect("read");
    let reads = source.reads();
    let again = bench.engine.refresh().await.expect("read");
    assert_eq!(
        (again.revision.as_ref(), &again.changes[..], &again.problems[..]),
        (first.revision.as_ref(), &[][..], &[][..])
    );
    assert_eq!(source.reads(), reads);
    // What is restored may be less than what was served, and what is wrong may have been a fault of this machine.
    source.push(Ok(666));
    for _ in 0..2 {
        assert_eq!(bench.engine.refresh().await.expect("read").problems.len(), 1);
    }
    assert_eq!(bench.engine.source_status().config_problems.len(), 1);
    source.push(Ok(1));
    bench.engine.refresh().await.expect("read");
    assert_eq!(bench.engine.source_status().config_problems, []);
}

#[tokio::test]
async fn the_commit_of_what_is_served_survives_a_restart() {
    let source = Scripted::with(Ok(7), None);
    let bench = Bench::of_source(source.clone()).await;
    bench.engine.refresh().await.expect("read");
    source.push(Err(unauthorized()));
    bench.engine.catalog.store(Arc::new(None));
    bench.engine.restore().await.expect("restored");
    let catalog = bench.engine.catalog();
    let commit = catalog.as_ref().as_ref().and_then(|catalog| catalog.commit()).expect("a commit");
    assert_eq!((commit.id.as_str(), commit.subject.as_str()), ("7", "Push 7"));
}
