//! What an accept does when others are due before it, and when there is no room for it.

use std::sync::Arc;

use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::run::{Phase, Run};

use super::{Ground, accept, accepted, at, ids, moved, settled};
use crate::store::{Accept, Acceptance, Bound, Load, Order, Room, Store};

/// An accept at that moment of two runs that are to be applied at once.
fn marked(milliseconds: i64, topic: &str, room: Room) -> Accept {
    let planned = accept(milliseconds, topic, &["b.yaml", "a.yaml"]);
    let mark = |(run, manifests)| (moved(&run, Phase::Applying, milliseconds), manifests);
    Accept { runs: planned.runs.into_iter().map(mark).collect(), room, ..planned }
}

/// An accept of so many runs that are to wait.
fn queued(topic: &str, runs: usize, room: Room) -> Accept {
    let functions: Vec<String> = (0..runs).map(|n| format!("{n}.yaml")).collect();
    let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
    Accept { room, ..accept(1, topic, &functions) }
}

const fn per_topic(runs: u64) -> Room {
    Room { per_topic: runs, ..Room::ENDLESS }
}

const fn in_all(runs: u64) -> Room {
    Room { in_all: runs, ..Room::ENDLESS }
}

/// A queued run of `collect` that is due at that moment.
async fn waiting(store: &dyn Store, due: i64) -> Run {
    let run = accepted(store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    settled(store, &run, Phase::Queued, due).await
}

async fn runs(store: &dyn Store, accept: &Accept) -> Vec<Run> {
    store.runs(accept.request.id).await.expect("read")
}

fn as_accepted(accept: &Accept) -> Vec<Run> {
    accept.runs.iter().map(|(run, _)| run.clone()).collect()
}

/// What is queued and live in each topic that has such.
async fn loads(store: &dyn Store) -> Vec<(String, u64, u64)> {
    let loads = store.loads(None).await.expect("read");
    loads.into_iter().map(|Load { topic, queued, live }| (topic.to_string(), queued, live)).collect()
}

fn load(topic: &str, queued: u64, live: u64) -> (String, u64, u64) {
    (topic.to_owned(), queued, live)
}

pub(crate) async fn who_is_to_be_applied_at_once_goes_behind_who_is_due(ground: &impl Ground) {
    let store = ground.open().await;
    let first = waiting(&*store, 20).await;
    let late = marked(20, "collect", Room::ENDLESS);
    assert_eq!(store.accept(late.clone()).await, Ok(Acceptance::Behind));
    let unmarked: Vec<Run> = as_accepted(&late).into_iter().map(|run| run.unmarked(at(20))).collect();
    assert_eq!(unmarked.iter().map(|run| run.phase).collect::<Vec<_>>(), [Phase::Queued; 2]);
    assert_eq!(runs(&*store, &late).await, unmarked);
    for (run, manifests) in &late.runs {
        assert_eq!(store.manifests(run.id).await, Ok(manifests.clone()));
    }
    let line = [first.id, unmarked[0].id, unmarked[1].id];
    for order in [Order::Due, Order::Accepted] {
        assert_eq!(ids(&store.due(&first.topic, order, at(20), 9).await.expect("read")), line);
    }
    assert_eq!(loads(&*store).await, [load("collect", 3, 0)]);
}

pub(crate) async fn nobody_goes_behind_who_waits_for_its_next_time(ground: &impl Ground) {
    let store = ground.open().await;
    waiting(&*store, 21).await;
    let accept = marked(20, "collect", per_topic(1));
    assert_eq!(store.accept(accept.clone()).await, Ok(Acceptance::New));
    assert_eq!(runs(&*store, &accept).await, as_accepted(&accept));
    assert_eq!(loads(&*store).await, [load("collect", 1, 2)]);
}

pub(crate) async fn nobody_goes_behind_what_is_not_queued_or_another_topics(ground: &impl Ground) {
    let store = ground.open().await;
    waiting(&*store, 5).await;
    for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Queued) {
        let run = accepted(&*store, &accept(1, "audit", &["a.yaml"])).await.remove(0);
        settled(&*store, &run, phase, 5).await;
    }
    let accept = marked(20, "audit", Room { per_topic: 0, in_all: 0 });
    assert_eq!(store.accept(accept.clone()).await, Ok(Acceptance::New), "what need not wait needs no room");
    assert_eq!(runs(&*store, &accept).await, as_accepted(&accept));
}

pub(crate) async fn what_there_is_no_room_for_is_not_written(ground: &impl Ground) {
    let store = ground.open().await;
    let idempotency = Idempotency { key: [7; 32], fingerprint: [9; 32] };
    for (room, bound) in [(per_topic(4), Bound::Topic), (in_all(4), Bound::All)] {
        let store = Arc::clone(&store);
        let topic = if bound == Bound::Topic { "collect" } else { "audit" };
        let other = queued(topic, 2, in_all(9));
        assert_eq!(store.accept(other).await, Ok(Acceptance::New));
        let before = loads(&*store).await;
        let large = Accept { idempotency: Some(idempotency), ..queued("collect", 3, room) };
        assert_eq!(store.accept(large.clone()).await, Ok(Acceptance::Full(bound)));
        assert_eq!(loads(&*store).await, before);
        assert_eq!(store.request(large.request.id).await, Ok(None));
        assert_eq!(store.message(large.request.id).await, Ok(None));
        assert_eq!(runs(&*store, &large).await, []);
        assert_eq!(store.accepted_under(idempotency).await, Ok(Acceptance::New), "nothing was accepted under its key");
    }
    assert_eq!(store.accept(queued("collect", 2, per_topic(4))).await, Ok(Acceptance::New), "as many as there is room");
    assert_eq!(store.accept(queued("zoom", 1, in_all(6))).await, Ok(Acceptance::Full(Bound::All)));
    let both = Room { per_topic: 4, in_all: 4 };
    assert_eq!(store.accept(queued("collect", 1, both)).await, Ok(Acceptance::Full(Bound::Topic)));
    assert_eq!(store.accept(queued("collect", 0, both)).await, Ok(Acceptance::New), "no run needs no room");
}

pub(crate) async fn who_would_go_behind_needs_room(ground: &impl Ground) {
    let store = ground.open().await;
    waiting(&*store, 5).await;
    let refused = marked(20, "collect", per_topic(2));
    assert_eq!(store.accept(refused.clone()).await, Ok(Acceptance::Full(Bound::Topic)));
    assert_eq!(store.request(refused.request.id).await, Ok(None));
    assert_eq!(loads(&*store).await, [load("collect", 1, 0)]);
    assert_eq!(store.accept(marked(20, "collect", per_topic(3))).await, Ok(Acceptance::Behind));
}

pub(crate) async fn what_repeats_needs_no_room(ground: &impl Ground) {
    let store = ground.open().await;
    let idempotency = Idempotency { key: [7; 32], fingerprint: [9; 32] };
    let first = Accept { idempotency: Some(idempotency), ..queued("collect", 2, per_topic(2)) };
    assert_eq!(store.accept(first.clone()).await, Ok(Acceptance::New));
    let again = Accept { idempotency: Some(idempotency), ..queued("collect", 2, per_topic(2)) };
    assert_eq!(store.accept(again).await, Ok(Acceptance::Repeats(first.request.id)));
    let other = Idempotency { fingerprint: [8; 32], ..idempotency };
    let other = Accept { idempotency: Some(other), ..queued("collect", 2, per_topic(2)) };
    assert_eq!(store.accept(other).await, Ok(Acceptance::Contradicts(first.request.id)));
}

pub(crate) async fn who_leaves_a_queue_makes_room_and_who_comes_back_takes_it(ground: &impl Ground) {
    let store = ground.open().await;
    let more = || store.accept(queued("collect", 1, Room { per_topic: 2, in_all: 2 }));
    let mut runs = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Queued) {
        let run = waiting(&*store, 5).await;
        assert_eq!(more().await, Ok(Acceptance::New));
        assert_eq!(more().await, Ok(Acceptance::Full(Bound::Topic)));
        for run in store.due(&run.topic, Order::Due, at(9), 9).await.expect("read") {
            runs.push(settled(&*store, &run, phase, 6).await);
        }
        assert!(loads(&*store).await.iter().all(|(_, queued, _)| *queued == 0), "as {phase}");
    }
    // What is tried again is not bounded, and counts.
    for run in &runs {
        settled(&*store, run, Phase::Queued, 9).await;
    }
    assert_eq!(loads(&*store).await, [load("collect", 18, 0)]);
    assert_eq!(more().await, Ok(Acceptance::Full(Bound::Topic)));
    let store = ground.reopen(Arc::clone(&store)).await;
    assert_eq!(loads(&*store).await, [load("collect", 18, 0)]);
    assert_eq!(store.accept(queued("collect", 1, per_topic(18))).await, Ok(Acceptance::Full(Bound::Topic)));
    assert_eq!(store.accept(queued("collect", 1, per_topic(19))).await, Ok(Acceptance::New));
}

/// How many of 64 at once are accepted so.
async fn at_once(store: &Arc<dyn Store>, accept: impl Fn(i64) -> Accept, expected: Acceptance) -> usize {
    let accepting: Vec<_> = (0..64)
        .map(|n| {
            let (store, accept) = (Arc::clone(store), accept(n));
            tokio::spawn(async move { store.accept(accept).await.expect("an answer") })
        })
        .collect();
    let mut taken = 0;
    for acceptance in accepting {
        match acceptance.await.expect("no panic") {
            Acceptance::Full(Bound::Topic) => {}
            acceptance => {
                assert_eq!(acceptance, expected);
                taken += 1;
            }
        }
    }
    taken
}

pub(crate) async fn of_many_at_once_no_more_are_accepted_than_there_is_room_for(ground: &impl Ground) {
    let store = ground.open().await;
    let taken = at_once(&store, |_| queued("collect", 1, per_topic(10)), Acceptance::New).await;
    assert_eq!(taken, 10);
    assert_eq!(loads(&*store).await, [load("collect", 10, 0)]);
    let taken = at_once(&store, |n| marked(50 + n, "collect", per_topic(21)), Acceptance::Behind).await;
    assert_eq!(taken, 5, "two runs each");
    assert_eq!(loads(&*store).await, [load("collect", 20, 0)]);
    let taken = at_once(&store, |n| marked(50 + n, "audit", per_topic(0)), Acceptance::New).await;
    assert_eq!(taken, 64, "nothing of this topic waits");
}
