//! Dead letters: which runs are listed, how long they keep their request, and a run whose manifests are replaced.

use gitfaas_core::id::{RunId, Try};
use gitfaas_core::run::{Phase, Reason, Run};

use super::{Ground, accept, accepted, at, ids, manifest, moved, settled};
use crate::store::{DeadLetterQuery, Store};

/// A request of that topic at that moment whose one run ended so.
async fn ended(store: &dyn Store, topic: &str, phase: Phase, milliseconds: i64) -> Run {
    let run = accepted(store, &accept(milliseconds, topic, &["a.yaml"])).await.remove(0);
    settled(store, &run, phase, milliseconds).await
}

async fn listed(store: &dyn Store, query: DeadLetterQuery) -> Vec<RunId> {
    ids(&store.dead_letters(&DeadLetterQuery { limit: 9, ..query }).await.expect("listed"))
}

fn all() -> DeadLetterQuery {
    DeadLetterQuery::default()
}

pub(crate) async fn what_gave_up_is_listed_newest_first_until_somebody_decides(ground: &impl Ground) {
    let store = ground.open().await;
    let mut runs = Vec::new();
    for (phase, moment) in Phase::ALL.into_iter().zip(1..) {
        runs.push(ended(&*store, "collect", phase, moment).await);
    }
    let dead: Vec<Run> = runs.into_iter().filter(Run::is_dead_letter).rev().collect();
    assert_eq!(
        dead.iter().map(|run| run.phase).collect::<Vec<_>>(),
        [Phase::Expired, Phase::Unknown, Phase::Interrupted, Phase::Failed]
    );
    assert_eq!(store.dead_letters(&DeadLetterQuery { limit: 9, ..all() }).await, Ok(dead.clone()));
    let purged = Run { purged: true, ..dead[0].clone() };
    assert_eq!(store.settle(&dead[0], &purged).await, Ok(true));
    let redriven = Run { try_no: Try(2), ..moved(&dead[1], Phase::Queued, 50) };
    assert_eq!(store.settle(&dead[1], &redriven).await, Ok(true));
    assert_eq!(listed(&*store, all()).await, [dead[2].id, dead[3].id]);
    let again = settled(&*store, &redriven, Phase::Failed, 60).await;
    assert_eq!(listed(&*store, all()).await, [again.id, dead[2].id, dead[3].id], "in the order of acceptance");
}

pub(crate) async fn dead_letters_are_found_by_topic_function_and_reason(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
    let a = settled(&*store, &runs[0], Phase::Failed, 5).await;
    let other = Run { reason: Some(Reason::new("OOMKilled", "it was too large")), ..moved(&runs[1], Phase::Failed, 5) };
    assert_eq!(store.settle(&runs[1], &other).await, Ok(true));
    let audit = ended(&*store, "audit", Phase::Failed, 6).await;
    let topic = |name: &str| DeadLetterQuery { topic: Some(name.parse().expect("a topic")), ..all() };
    assert_eq!(listed(&*store, topic("audit")).await, [audit.id]);
    assert_eq!(listed(&*store, topic("collect")).await.len(), 2);
    assert_eq!(listed(&*store, topic("other")).await, []);
    let function = Some(a.function.clone());
    assert_eq!(listed(&*store, DeadLetterQuery { function: function.clone(), ..all() }).await, [audit.id, a.id]);
    assert_eq!(listed(&*store, DeadLetterQuery { function, ..topic("collect") }).await, [a.id]);
    let reason = || Some("OOMKilled".to_owned());
    assert_eq!(listed(&*store, DeadLetterQuery { reason: reason(), ..all() }).await, [other.id]);
    assert_eq!(listed(&*store, DeadLetterQuery { reason: reason(), ..topic("audit") }).await, []);
}

pub(crate) async fn pages_of_dead_letters_join_without_gap_or_double(ground: &impl Ground) {
    let store = ground.open().await;
    for moment in 1..=7 {
        ended(&*store, "collect", Phase::Failed, moment).await;
    }
    for topic in [None, Some("collect".parse().expect("a topic"))] {
        let whole = listed(&*store, DeadLetterQuery { topic: topic.clone(), ..all() }).await;
        let mut joined: Vec<RunId> = Vec::new();
        loop {
            let query = DeadLetterQuery { topic: topic.clone(), before: joined.last().copied(), limit: 3, ..all() };
            let page = ids(&store.dead_letters(&query).await.expect("listed"));
            if page.is_empty() {
                break;
            }
            joined.extend(page);
        }
        assert_eq!((joined.len(), joined), (7, whole));
    }
}

pub(crate) async fn a_dead_letter_keeps_its_request_for_a_time_of_its_own(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
    let dead = settled(&*store, &runs[0], Phase::Failed, 20).await;
    settled(&*store, &runs[1], Phase::Succeeded, 30).await;
    let plain = ended(&*store, "collect", Phase::Succeeded, 40).await;
    assert_eq!(store.expire(at(500), at(30), 9).await, Ok(1));
    assert_eq!(store.run(plain.id).await, Ok(None));
    assert_eq!(store.run(dead.id).await, Ok(Some(dead.clone())));
    let purged = Run { purged: true, ..dead.clone() };
    assert_eq!(store.settle(&dead, &purged).await, Ok(true));
    assert_eq!(store.expire(at(30), at(500), 9).await, Ok(0), "nothing goes early");
    assert_eq!(store.expire(at(31), at(0), 9).await, Ok(1));
    let dead = ended(&*store, "collect", Phase::Interrupted, 50).await;
    assert_eq!(store.expire(at(0), at(51), 0).await, Ok(0));
    assert_eq!(store.expire(at(0), at(51), 9).await, Ok(1));
    assert_eq!(store.run(dead.id).await, Ok(None));
}

pub(crate) async fn an_unknown_run_that_is_purged_is_held_no_more(ground: &impl Ground) {
    let store = ground.open().await;
    let unknown = ended(&*store, "collect", Phase::Unknown, 5).await;
    assert_eq!(store.expire(at(500), at(500), 9).await, Ok(0));
    let purged = Run { purged: true, ..unknown.clone() };
    assert_eq!(store.settle(&unknown, &purged).await, Ok(true));
    assert_eq!(store.expire(at(5), at(5), 9).await, Ok(0));
    assert_eq!(store.expire(at(6), at(5), 9).await, Ok(1));
}

pub(crate) async fn a_run_is_replaced_with_its_manifests_or_not_at_all(ground: &impl Ground) {
    let store = ground.open().await;
    let dead = ended(&*store, "collect", Phase::Failed, 5).await;
    let before = store.manifests(dead.id).await.expect("read");
    let again = Run { try_no: Try(2), ..moved(&dead, Phase::Queued, 50) };
    let stale = Run { attempts: 7, ..dead.clone() };
    assert_eq!(store.replace(&stale, &again, vec![manifest("third")]).await, Ok(false));
    assert_eq!(store.manifests(dead.id).await, Ok(before));
    assert_eq!(store.replace(&dead, &again, vec![manifest("third")]).await, Ok(true));
    assert_eq!(store.manifests(dead.id).await, Ok(vec![manifest("third")]));
    assert_eq!(store.run(dead.id).await, Ok(Some(again)));
}

pub(crate) async fn dead_letters_are_there_after_reopening_and_go_with_their_request(ground: &impl Ground) {
    let store = ground.open().await;
    let dead = ended(&*store, "collect", Phase::Failed, 5).await;
    let store = ground.reopen(store).await;
    assert_eq!(listed(&*store, all()).await, [dead.id]);
    assert_eq!(store.expire(at(0), at(6), 9).await, Ok(1));
    assert_eq!(listed(&*store, all()).await, []);
}
