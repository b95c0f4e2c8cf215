//! What expires, when, and what stays.

use bytes::Bytes;
use gitfaas_core::id::Try;
use gitfaas_core::run::{Phase, Run};

use super::{Ground, accept, accepted, at, moved, request_ids, response, settled};
use crate::cluster::LogPart;
use crate::store::{RequestQuery, Store, StoreError};

/// A request of one run that ended so.
async fn ended(store: &dyn Store, phase: Phase, milliseconds: i64) -> Run {
    let run = accepted(store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    settled(store, &run, phase, milliseconds).await
}

pub(crate) async fn a_request_expires_after_its_last_run_ended(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
    settled(&*store, &runs[1], Phase::Failed, 90).await;
    settled(&*store, &runs[0], Phase::Succeeded, 50).await;
    assert_eq!(store.expire(at(60), at(60), 10).await, Ok(0));
    assert_eq!(store.expire(at(91), at(91), 10).await, Ok(1));
    assert_eq!(store.request(runs[0].request()).await, Ok(None));
}

pub(crate) async fn a_request_that_ended_at_the_limit_stays(ground: &impl Ground) {
    let store = ground.open().await;
    ended(&*store, Phase::Succeeded, 50).await;
    assert_eq!(store.expire(at(50), at(50), 10).await, Ok(0));
    assert_eq!(store.expire(at(51), at(51), 10).await, Ok(1));
}

pub(crate) async fn what_is_not_over_never_expires(ground: &impl Ground) {
    let store = ground.open().await;
    for phase in [Phase::Queued, Phase::Applying, Phase::Pending, Phase::Running] {
        let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
        settled(&*store, &runs[0], Phase::Succeeded, 5).await;
        settled(&*store, &runs[1], phase, 5).await;
    }
    assert_eq!(store.expire(at(1_000_000_000), at(1_000_000_000), 10).await, Ok(0));
}

pub(crate) async fn a_run_held_as_unknown_keeps_its_request(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
    settled(&*store, &runs[0], Phase::Succeeded, 5).await;
    let unknown = settled(&*store, &runs[1], Phase::Unknown, 5).await;
    assert_eq!(store.expire(at(1_000_000_000), at(1_000_000_000), 10).await, Ok(0));
    settled(&*store, &unknown, Phase::Cancelled, 6).await;
    assert_eq!(store.expire(at(1_000_000_000), at(1_000_000_000), 10).await, Ok(1));
}

pub(crate) async fn a_redrive_takes_the_end_back(ground: &impl Ground) {
    let store = ground.open().await;
    let failed = ended(&*store, Phase::Failed, 5).await;
    let again = Run { try_no: Try(2), ..moved(&failed, Phase::Queued, 100) };
    assert_eq!(store.settle(&failed, &again).await, Ok(true));
    assert_eq!(store.expire(at(1_000_000), at(1_000_000), 10).await, Ok(0));
    settled(&*store, &again, Phase::Succeeded, 200).await;
    assert_eq!(store.expire(at(200), at(200), 10).await, Ok(0));
    assert_eq!(store.expire(at(201), at(201), 10).await, Ok(1));
}

pub(crate) async fn expire_takes_the_longest_ended_first_and_no_more_than_asked(ground: &impl Ground) {
    let store = ground.open().await;
    let mut runs = Vec::new();
    for moment in [50, 20, 40, 30, 10] {
        runs.push(ended(&*store, Phase::Succeeded, moment).await);
    }
    assert_eq!(store.expire(at(1_000), at(1_000), 0).await, Ok(0));
    assert_eq!(store.expire(at(1_000), at(1_000), 3).await, Ok(3));
    let query = RequestQuery { limit: 10, ..RequestQuery::default() };
    let left = request_ids(&store.requests(&query).await.expect("listed"));
    assert_eq!(left, [runs[2].request(), runs[0].request()]);
    assert_eq!(store.expire(at(1_000), at(1_000), 3).await, Ok(2));
    assert_eq!(store.expire(at(1_000), at(1_000), 3).await, Ok(0));
}

pub(crate) async fn everything_of_an_expired_request_goes_and_nothing_else(ground: &impl Ground) {
    let store = ground.open().await;
    let gone = ended(&*store, Phase::Succeeded, 5).await;
    let kept = ended(&*store, Phase::Succeeded, 500).await;
    let log = LogPart { attempt: 1, container: "main".into(), text: Bytes::from_static(b"hello"), cut: 3 };
    for run in [&gone, &kept] {
        store.put_response(response(run, 6, "answer")).await.expect("stored");
        store.put_logs(run.id, Try(1), "x", vec![log.clone()]).await.expect("stored");
    }
    assert_eq!(store.expire(at(100), at(100), 10).await, Ok(1));

    assert_eq!(store.request(gone.request()).await, Ok(None));
    assert_eq!(store.message(gone.request()).await, Ok(None));
    assert_eq!(store.runs(gone.request()).await, Ok(Vec::new()));
    assert_eq!(store.run(gone.id).await, Ok(None));
    assert_eq!(store.manifests(gone.id).await, Ok(Vec::new()));
    assert_eq!(store.responses(gone.request()).await, Ok(Vec::new()));
    assert_eq!(store.logs(gone.id, Try(1)).await, Ok(Vec::new()));
    assert_eq!(store.runs_in(&Phase::ALL, None, 10).await, Ok(vec![kept.clone()]));

    assert!(store.message(kept.request()).await.expect("read").is_some());
    assert_eq!(store.manifests(kept.id).await.map(|manifests| manifests.len()), Ok(2));
    assert_eq!(store.responses(kept.request()).await, Ok(vec![response(&kept, 6, "answer")]));
    assert_eq!(store.logs(kept.id, Try(1)).await, Ok(vec![log]));
}

pub(crate) async fn a_request_without_runs_expires_by_its_arrival(ground: &impl Ground) {
    let store = ground.open().await;
    accepted(&*store, &accept(40, "collect", &[])).await;
    assert_eq!(store.expire(at(40), at(40), 10).await, Ok(0));
    assert_eq!(store.expire(at(41), at(41), 10).await, Ok(1));
}

pub(crate) async fn late_results_for_an_expired_run_are_not_found(ground: &impl Ground) {
    let store = ground.open().await;
    let run = ended(&*store, Phase::Succeeded, 5).await;
    assert_eq!(store.expire(at(100), at(100), 10).await, Ok(1));
    assert_eq!(store.put_response(response(&run, 200, "late")).await, Err(StoreError::NotFound));
    assert_eq!(store.put_logs(run.id, Try(1), "x", Vec::new()).await, Err(StoreError::NotFound));
    assert_eq!(store.settle(&run, &moved(&run, Phase::Queued, 200)).await, Ok(false));
}
