//! Keys by which senders say that a publish is the same one as before.

use std::sync::Arc;

use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::run::Phase;

use super::{Ground, accept, accepted, at, settled};
use crate::store::{Accept, Acceptance};

const KEY: Idempotency = Idempotency { key: [7; 32], fingerprint: [8; 32] };

/// An accept under the key, with an id of its own.
fn under(idempotency: Idempotency) -> Accept {
    Accept { idempotency: Some(idempotency), ..accept(5, "collect", &["a.yaml", "b.yaml"]) }
}

pub(crate) async fn the_same_key_and_message_is_the_first_request(ground: &impl Ground) {
    let store = ground.open().await;
    let (first, second) = (under(KEY), under(KEY));
    assert_eq!(store.accepted_under(KEY).await, Ok(Acceptance::New));
    assert_eq!(store.accept(first.clone()).await, Ok(Acceptance::New));
    assert_eq!(store.accept(second.clone()).await, Ok(Acceptance::Repeats(first.request.id)));
    assert_eq!(store.request(second.request.id).await, Ok(None));
    assert_eq!(store.runs(second.request.id).await, Ok(Vec::new()));
    let store = ground.reopen(store).await;
    assert_eq!(store.accepted_under(KEY).await, Ok(Acceptance::Repeats(first.request.id)));
    assert_eq!(store.accept(second).await, Ok(Acceptance::Repeats(first.request.id)));
    let other = Idempotency { key: [9; 32], ..KEY };
    assert_eq!(store.accept(under(other)).await, Ok(Acceptance::New), "another key is another request");
}

pub(crate) async fn the_same_key_with_another_message_is_refused_and_writes_nothing(ground: &impl Ground) {
    let store = ground.open().await;
    let other = Idempotency { fingerprint: [0; 32], ..KEY };
    let (first, second) = (under(KEY), under(other));
    assert_eq!(store.accept(first.clone()).await, Ok(Acceptance::New));
    assert_eq!(store.accept(second.clone()).await, Ok(Acceptance::Contradicts(first.request.id)));
    assert_eq!(store.accepted_under(other).await, Ok(Acceptance::Contradicts(first.request.id)));
    assert_eq!(store.request(second.request.id).await, Ok(None));
    assert_eq!(store.accept(under(KEY)).await, Ok(Acceptance::Repeats(first.request.id)), "the first stands");
}

pub(crate) async fn of_many_with_one_key_at_once_one_is_new(ground: &impl Ground) {
    let store = ground.open().await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (store, accept) = (Arc::clone(&store), under(KEY));
            tokio::spawn(async move { (accept.request.id, store.accept(accept).await) })
        })
        .collect();
    let (mut new, mut repeated) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.expect("no panic") {
            (id, Ok(Acceptance::New)) => new.push(id),
            (_, Ok(Acceptance::Repeats(first))) => repeated.push(first),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new.len(), repeated.len()), (1, 63));
    assert!(repeated.iter().all(|first| *first == new[0]));
}

pub(crate) async fn a_key_lasts_as_long_as_its_request(ground: &impl Ground) {
    let store = ground.open().await;
    let first = under(KEY);
    let runs = accepted(&*store, &first).await;
    for run in &runs {
        settled(&*store, run, Phase::Succeeded, 50).await;
    }
    assert_eq!(store.expire(at(50), at(50), 10).await, Ok(0));
    assert_eq!(store.accepted_under(KEY).await, Ok(Acceptance::Repeats(first.request.id)));
    assert_eq!(store.expire(at(51), at(51), 10).await, Ok(1));
    assert_eq!(store.accepted_under(KEY).await, Ok(Acceptance::New));
    assert_eq!(store.accept(under(KEY)).await, Ok(Acceptance::New));
}
