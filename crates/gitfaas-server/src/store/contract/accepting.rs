//! Accept: all or nothing, whole, whatever the bytes.

use std::sync::Arc;

use bytes::Bytes;
use gitfaas_core::id::RunId;
use gitfaas_core::message::{Message, Params};
use gitfaas_core::request::Lineage;

use super::{Ground, accept, accepted, manifest, request_id};
use crate::store::{Accept, RequestQuery, Store};

/// Reads everything that one accept wrote.
async fn read_back(store: &dyn Store, accept: &Accept) {
    let id = accept.request.id;
    assert_eq!(store.request(id).await, Ok(Some(accept.request.clone())));
    let message = Message { payload: accept.payload.clone(), meta: accept.request.meta.clone() };
    assert_eq!(store.message(id).await, Ok(Some(message)));
    let runs: Vec<_> = accept.runs.iter().map(|(run, _)| run.clone()).collect();
    assert_eq!(store.runs(id).await, Ok(runs));
    for (run, manifests) in &accept.runs {
        assert_eq!(store.run(run.id).await, Ok(Some(run.clone())));
        assert_eq!(store.manifests(run.id).await, Ok(manifests.clone()));
    }
}

pub(crate) async fn an_accept_is_read_back_whole(ground: &impl Ground) {
    let store = ground.open().await;
    let mut accept = accept(5, "collect", &["b.yaml", "a.yaml"]);
    let parent = RunId::derive(request_id(1), &"parent.yaml".parse().expect("a function"));
    accept.request.lineage = Lineage { parent: Some(parent), hops: 3 };
    accept.runs[1].1 = vec![manifest("only")];
    accepted(&*store, &accept).await;
    read_back(&*store, &accept).await;
}

pub(crate) async fn an_accept_is_all_or_nothing(ground: &impl Ground) {
    let store = ground.open().await;
    let mut accept = accept(5, "collect", &["a.yaml", "b.yaml"]);
    // The same run twice cannot be written.
    let twice = accept.runs[0].clone();
    accept.runs.push(twice);
    assert!(store.accept(accept.clone()).await.is_err());
    assert_eq!(store.request(accept.request.id).await, Ok(None));
    assert_eq!(store.message(accept.request.id).await, Ok(None));
    assert_eq!(store.runs(accept.request.id).await, Ok(Vec::new()));
    for (run, _) in &accept.runs {
        assert_eq!(store.run(run.id).await, Ok(None));
        assert_eq!(store.manifests(run.id).await, Ok(Vec::new()));
    }
    assert_eq!(store.queues().await, Ok(Vec::new()));
}

pub(crate) async fn a_refused_accept_takes_nothing_of_its_neighbours_along(ground: &impl Ground) {
    let store = ground.open().await;
    let accepts: Vec<_> = (0..60).map(|n| accept(n, "collect", &["a.yaml"])).collect();
    let tasks: Vec<_> = accepts
        .iter()
        .enumerate()
        .map(|(n, accept)| {
            let (store, mut accept) = (Arc::clone(&store), accept.clone());
            if n % 3 == 0 {
                accept.runs.push(accept.runs[0].clone());
            }
            tokio::spawn(async move { store.accept(accept).await.is_ok() })
        })
        .collect();
    for (n, (task, accept)) in tasks.into_iter().zip(&accepts).enumerate() {
        assert_eq!(task.await.expect("no panic"), n % 3 != 0, "{n}");
        if n % 3 == 0 {
            assert_eq!(store.request(accept.request.id).await, Ok(None), "{n}");
        } else {
            read_back(&*store, accept).await;
        }
    }
}

pub(crate) async fn accepts_of_many_at_once_are_all_there(ground: &impl Ground) {
    let store = ground.open().await;
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = Vec::new();
                for n in 0..50 {
                    let accept = accept(task * 50 + n, "collect", &["a.yaml"]);
                    accepted(&*store, &accept).await;
                    done.push(accept);
                }
                done
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("no panic"));
    }
    let store = ground.reopen(store).await;
    for accept in &all {
        read_back(&*store, accept).await;
    }
    let query = RequestQuery { limit: 10_000, ..RequestQuery::default() };
    assert_eq!(store.requests(&query).await.expect("listed").len(), 64 * 50);
}

async fn comes_back(ground: &impl Ground, payload: Bytes) {
    let store = ground.open().await;
    let mut accept = accept(5, "collect", &["a.yaml"]);
    accept.request.size = payload.len() as u64;
    accept.payload = payload;
    accepted(&*store, &accept).await;
    read_back(&*store, &accept).await;
}

pub(crate) async fn a_payload_of_one_mebibyte_comes_back(ground: &impl Ground) {
    comes_back(ground, (0..1 << 20).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect()).await;
}

pub(crate) async fn a_payload_of_every_byte_comes_back(ground: &impl Ground) {
    comes_back(ground, (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect()).await;
}

pub(crate) async fn an_empty_payload_is_not_a_missing_one(ground: &impl Ground) {
    comes_back(ground, Bytes::new()).await;
}

pub(crate) async fn odd_characters_come_back_as_they_went_in(ground: &impl Ground) {
    let store = ground.open().await;
    let odd = "\u{0}'\"; DROP TABLE run; -- \u{e000}R\u{e001}\u{202e}é\r\n{{x}}\u{10ffff}";
    let mut accept = accept(5, "météo:~v1", &["mit leer/ü'%_.yaml"]);
    accept.request.meta.content_type = Some(odd.to_owned());
    accept.request.meta.params = Params::from([(odd.to_owned(), odd.to_owned())]);
    accept.request.revision = odd.to_owned();
    accept.runs[0].1 = vec![manifest(odd)];
    accepted(&*store, &accept).await;
    read_back(&*store, &accept).await;
    let query = RequestQuery { topic: Some(accept.request.topic.clone()), limit: 2, ..RequestQuery::default() };
    assert_eq!(store.requests(&query).await, Ok(vec![accept.request]));
}

pub(crate) async fn a_request_without_runs_is_a_request(ground: &impl Ground) {
    let store = ground.open().await;
    let accept = accept(5, "collect", &[]);
    accepted(&*store, &accept).await;
    read_back(&*store, &accept).await;
    assert_eq!(store.queues().await, Ok(Vec::new()));
}

pub(crate) async fn what_was_never_accepted_is_not_there(ground: &impl Ground) {
    let store = ground.open().await;
    accepted(&*store, &accept(5, "collect", &["a.yaml"])).await;
    let other = accept(5, "collect", &["a.yaml"]);
    let (id, run) = (other.request.id, other.runs[0].0.id);
    assert_eq!(store.request(id).await, Ok(None));
    assert_eq!(store.message(id).await, Ok(None));
    assert_eq!(store.runs(id).await, Ok(Vec::new()));
    assert_eq!(store.run(run).await, Ok(None));
    assert_eq!(store.manifests(run).await, Ok(Vec::new()));
    assert_eq!(store.children(id, 10).await, Ok(Vec::new()));
    assert_eq!(store.responses(id).await, Ok(Vec::new()));
    assert_eq!(store.logs(run, gitfaas_core::id::Try(1)).await, Ok(Vec::new()));
}
