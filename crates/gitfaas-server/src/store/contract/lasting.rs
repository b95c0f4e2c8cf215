//! What stays when the ledger is closed and opened.

use std::sync::Arc;

use bytes::Bytes;
use gitfaas_core::id::Try;
use gitfaas_core::message::Message;
use gitfaas_core::run::Phase;

use super::{Ground, accept, accepted, at, moved, response, settled};
use crate::cluster::LogPart;
use crate::store::{RequestQuery, StoreError};

pub(crate) async fn everything_is_there_after_reopening(ground: &impl Ground) {
    let store = ground.open().await;
    let accept = accept(5, "collect", &["a.yaml", "b.yaml"]);
    let runs = accepted(&*store, &accept).await;
    let failed = settled(&*store, &runs[0], Phase::Failed, 40).await;
    store.put_response(response(&failed, 30, "answer")).await.expect("stored");
    let log = LogPart { attempt: 2, container: "main".into(), text: Bytes::from_static(b"x"), cut: 9 };
    store.put_logs(failed.id, Try(1), "job", vec![log.clone()]).await.expect("stored");
    store.save_catalog("live".to_owned(), Vec::new()).await.expect("saved");

    let store = ground.reopen(store).await;
    let id = accept.request.id;
    assert_eq!(store.ready().await, Ok(()));
    assert_eq!(store.request(id).await, Ok(Some(accept.request.clone())));
    let message = Message { payload: accept.payload.clone(), meta: accept.request.meta.clone() };
    assert_eq!(store.message(id).await, Ok(Some(message)));
    assert_eq!(store.runs(id).await, Ok(vec![failed.clone(), runs[1].clone()]));
    assert_eq!(store.manifests(failed.id).await, Ok(accept.runs[0].1.clone()));
    assert_eq!(store.responses(id).await, Ok(vec![response(&failed, 30, "answer")]));
    assert_eq!(store.logs(failed.id, Try(1)).await, Ok(vec![log]));
    assert_eq!(store.load_catalog().await, Ok(Some(("live".to_owned(), Vec::new()))));
    assert_eq!(store.queues().await.map(|queues| queues[0].due_at), Ok(at(5)));
    assert_eq!(store.settle(&failed, &moved(&failed, Phase::Queued, 90)).await, Ok(true));
}

pub(crate) async fn the_key_stays_and_the_epoch_rises(ground: &impl Ground) {
    let mut store = ground.open().await;
    let (key, mut epoch) = (store.ledger_key().clone(), store.epoch());
    assert_ne!(key.expose(), &[0; 32]);
    for _ in 0..3 {
        store = ground.reopen(store).await;
        assert_eq!(store.ledger_key(), &key);
        assert_eq!(store.epoch(), epoch + 1);
        epoch = store.epoch();
    }
}

pub(crate) async fn what_expired_stays_away_after_reopening(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(5, "collect", &["a.yaml"])).await.remove(0);
    settled(&*store, &run, Phase::Succeeded, 6).await;
    assert_eq!(store.expire(at(7), at(7), 10).await, Ok(1));
    let store = ground.reopen(store).await;
    assert_eq!(store.request(run.request()).await, Ok(None));
    assert_eq!(store.requests(&RequestQuery { limit: 9, ..RequestQuery::default() }).await, Ok(Vec::new()));
}

fn is_unavailable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

pub(crate) async fn a_closed_ledger_answers_unavailable(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(5, "collect", &["a.yaml"])).await.remove(0);
    store.close().await;
    store.close().await;
    assert!(is_unavailable(&store.ready().await));
    assert!(is_unavailable(&store.accept(accept(6, "collect", &[])).await));
    assert!(is_unavailable(&store.settle(&run, &moved(&run, Phase::Running, 9)).await));
    assert!(is_unavailable(&store.request(run.request()).await));
    assert!(is_unavailable(&store.queues().await));
    assert!(is_unavailable(&store.mark(&run, &moved(&run, Phase::Applying, 9), None).await));
    assert!(is_unavailable(&store.pause(&run.topic, None).await));
    assert!(is_unavailable(&store.put_response(response(&run, 9, "x")).await));
    assert!(is_unavailable(&store.expire(at(9), at(9), 1).await));
    assert!(is_unavailable(&store.load_catalog().await));
}

pub(crate) async fn what_was_being_written_at_close_is_either_done_or_refused(ground: &impl Ground) {
    let store = ground.open().await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let store = Arc::clone(&store);
            let accept = accept(n, "collect", &["a.yaml"]);
            tokio::spawn(async move { (accept.request.id, store.accept(accept).await) })
        })
        .collect();
    store.close().await;
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("no panic"));
    }
    drop(store);
    let store = ground.open().await;
    for (id, answer) in answers {
        let there = store.request(id).await.expect("read").is_some();
        match answer {
            Ok(_) => assert!(there, "{id} was acknowledged"),
            Err(error) => assert!(is_unavailable::<()>(&Err(error))),
        }
    }
}
