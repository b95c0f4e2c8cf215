//! What is to be applied next in a topic, and how many may be live.

use std::num::NonZeroU32;
use std::sync::Arc;

use gitfaas_core::run::{JobState, ObjectKey, Phase, Run, RunObject};
use gitfaas_core::topic::TopicName;

use super::{Ground, accept, accepted, at, ids, moved, settled};
use crate::store::{Load, Marking, Order, Place, Queue, Store};

fn topic(name: &str) -> TopicName {
    name.parse().expect("a topic")
}

/// Queued runs of `collect`, due at these moments, in the order of acceptance.
async fn queued(store: &dyn Store, due: &[i64]) -> Vec<Run> {
    let mut runs = Vec::new();
    for due in due {
        let run = accepted(store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
        runs.push(settled(store, &run, Phase::Queued, *due).await);
    }
    runs
}

async fn due(store: &dyn Store, order: Order, now: i64, limit: usize) -> Vec<Run> {
    store.due(&topic("collect"), order, at(now), limit).await.expect("read")
}

async fn next_due(store: &dyn Store) -> Vec<(String, i64)> {
    let queues = store.queues().await.expect("read");
    let spell = |queue: Queue| (queue.topic.to_string(), queue.due_at.as_millisecond() - at(0).as_millisecond());
    queues.into_iter().map(spell).collect()
}

pub(crate) async fn due_runs_come_longest_due_first(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[30, 10, 20]).await;
    assert_eq!(due(&*store, Order::Due, 100, 10).await, [runs[1].clone(), runs[2].clone(), runs[0].clone()]);
}

pub(crate) async fn runs_due_at_the_same_time_come_as_they_were_accepted(ground: &impl Ground) {
    let store = ground.open().await;
    let names = [["a.yaml", "b.yaml", "c.yaml"], ["c.yaml", "b.yaml", "a.yaml"]];
    let mut expected = Vec::new();
    for (milliseconds, names) in (1..).zip(names) {
        for run in accepted(&*store, &accept(milliseconds, "collect", &names)).await {
            expected.push(settled(&*store, &run, Phase::Queued, 50).await);
        }
    }
    assert!(!ids(&expected).is_sorted(), "the test does not tell the orders apart");
    assert_eq!(due(&*store, Order::Due, 100, 10).await, expected);
}

pub(crate) async fn due_includes_its_moment_and_nothing_later(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[20, 21]).await;
    for order in [Order::Due, Order::Accepted] {
        assert_eq!(due(&*store, order, 19, 10).await, []);
        assert_eq!(due(&*store, order, 20, 10).await, [runs[0].clone()]);
        assert_eq!(due(&*store, order, 21, 10).await.len(), 2);
    }
}

pub(crate) async fn due_gives_no_more_than_asked(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[14, 13, 12, 11]).await;
    for (order, expected) in [(Order::Due, [3, 2, 1]), (Order::Accepted, [0, 1, 2])] {
        assert_eq!(due(&*store, order, 100, 0).await, []);
        assert_eq!(ids(&due(&*store, order, 100, 3).await), expected.map(|place: usize| runs[place].id));
    }
}

pub(crate) async fn only_queued_runs_are_due(ground: &impl Ground) {
    let store = ground.open().await;
    for phase in Phase::ALL {
        let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
        settled(&*store, &run, phase, 5).await;
    }
    for order in [Order::Due, Order::Accepted] {
        let due = due(&*store, order, 100, 100).await;
        assert_eq!(due.iter().map(|run| run.phase).collect::<Vec<_>>(), [Phase::Queued]);
    }
}

pub(crate) async fn a_line_goes_by_acceptance_and_not_by_when_runs_are_due(ground: &impl Ground) {
    let store = ground.open().await;
    // The names are such that the order of ids within a request is not the config's, in one of the two at least.
    let names = [["a.yaml", "b.yaml", "c.yaml"], ["c.yaml", "b.yaml", "a.yaml"]];
    let mut expected = Vec::new();
    for (milliseconds, names) in (1..).zip(names) {
        for run in accepted(&*store, &accept(milliseconds, "collect", &names)).await {
            expected.push(settled(&*store, &run, Phase::Queued, 50 - milliseconds).await);
        }
    }
    assert!(!ids(&expected).is_sorted(), "the test does not tell the orders apart");
    assert_eq!(due(&*store, Order::Accepted, 100, 10).await, expected);
}

pub(crate) async fn who_waits_for_its_next_time_lets_others_pass_and_is_before_them_again(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[70, 10, 10]).await;
    assert_eq!(due(&*store, Order::Accepted, 69, 1).await, [runs[1].clone()]);
    assert_eq!(due(&*store, Order::Accepted, 70, 1).await, [runs[0].clone()]);
}

pub(crate) async fn one_topic_is_not_anothers_line(ground: &impl Ground) {
    let store = ground.open().await;
    queued(&*store, &[10, 10]).await;
    let other = accepted(&*store, &accept(1, "audit", &["a.yaml"])).await.remove(0);
    for order in [Order::Due, Order::Accepted] {
        assert_eq!(store.due(&topic("audit"), order, at(100), 10).await, Ok(vec![other.clone()]));
        assert_eq!(store.due(&topic("nowhere"), order, at(100), 10).await, Ok(Vec::new()));
    }
}

pub(crate) async fn each_queue_tells_when_its_first_run_is_due(ground: &impl Ground) {
    let store = ground.open().await;
    accepted(&*store, &accept(7, "zoom", &["a.yaml", "b.yaml"])).await;
    let runs = queued(&*store, &[5_000, 3_000, 4_000]).await;
    accepted(&*store, &accept(9, "audit", &["a.yaml"])).await;
    let told = |due| [("audit".to_owned(), 9), ("collect".to_owned(), due), ("zoom".to_owned(), 7)];
    assert_eq!(next_due(&*store).await, told(3_000));
    settled(&*store, &runs[1], Phase::Applying, 3_001).await;
    assert_eq!(next_due(&*store).await, told(4_000));
}

pub(crate) async fn nothing_queued_means_no_queue(ground: &impl Ground) {
    let store = ground.open().await;
    assert_eq!(store.queues().await, Ok(Vec::new()));
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    settled(&*store, &run, Phase::Running, 5).await;
    assert_eq!(store.queues().await, Ok(Vec::new()));
}

async fn marked(store: &dyn Store, run: &Run, most_live: Option<u32>) -> Marking {
    let most_live = most_live.map(|most| NonZeroU32::new(most).expect("a limit"));
    store.mark(run, &moved(run, Phase::Applying, 9), most_live).await.expect("an answer")
}

pub(crate) async fn a_mark_takes_a_slot_and_an_end_gives_it_back(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[1, 1, 1, 1]).await;
    let other = accepted(&*store, &accept(1, "audit", &["a.yaml"])).await.remove(0);
    assert_eq!(marked(&*store, &runs[0], Some(2)).await, Marking::Marked);
    let applying = moved(&runs[0], Phase::Applying, 9);
    assert_eq!(store.run(applying.id).await, Ok(Some(applying.clone())));
    assert_eq!(marked(&*store, &runs[1], Some(2)).await, Marking::Marked);
    for phase in [Phase::Pending, Phase::Running] {
        let first = store.run(applying.id).await.expect("read").expect("there");
        settled(&*store, &first, phase, 10).await;
        assert_eq!(marked(&*store, &runs[2], Some(2)).await, Marking::Full, "with one {phase}");
        assert_eq!(store.run(runs[2].id).await, Ok(Some(runs[2].clone())));
    }
    assert_eq!(marked(&*store, &other, Some(1)).await, Marking::Marked, "another topic has slots of its own");
    let first = store.run(applying.id).await.expect("read").expect("there");
    settled(&*store, &first, Phase::Failed, 11).await;
    assert_eq!(marked(&*store, &runs[2], Some(2)).await, Marking::Marked);
    assert_eq!(marked(&*store, &runs[3], Some(2)).await, Marking::Full);
    assert_eq!(marked(&*store, &runs[3], None).await, Marking::Marked, "without a limit there is always a slot");
}

pub(crate) async fn what_is_live_already_can_be_marked_again(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[1]).await;
    assert_eq!(marked(&*store, &runs[0], Some(1)).await, Marking::Marked);
    let left = moved(&runs[0], Phase::Applying, 9);
    assert_eq!(store.mark(&left, &moved(&left, Phase::Applying, 12), NonZeroU32::new(1)).await, Ok(Marking::Marked));
}

/// The run with a Job in this state.
fn with_job(run: &Run, state: JobState) -> Run {
    let (api_version, kind, name) = ("batch/v1".to_owned(), "Job".to_owned(), "said-7".to_owned());
    let key = ObjectKey { api_version, kind, namespace: None, name };
    Run { objects: vec![RunObject { key, job: Some(state) }], ..run.clone() }
}

pub(crate) async fn a_run_that_is_over_keeps_its_slot_while_a_job_of_it_is_not(ground: &impl Ground) {
    let mut store = ground.open().await;
    let mut runs = queued(&*store, &[1; 7]).await;
    let next = runs.remove(0);
    for (phase, run) in [Phase::Cancelled, Phase::Failed, Phase::Unknown, Phase::Expired].into_iter().zip(runs) {
        let ending = with_job(&moved(&run, phase, 9), JobState::Running);
        assert_eq!(store.settle(&run, &ending).await, Ok(true));
        store = ground.reopen(store).await;
        assert_eq!(store.live(&topic("collect")).await, Ok(1), "{phase}");
        assert_eq!(marked(&*store, &next, Some(1)).await, Marking::Full, "{phase}");
        let ended = with_job(&ending, JobState::Succeeded);
        assert_eq!(store.settle(&ending, &ended).await, Ok(true));
        assert_eq!(store.live(&topic("collect")).await, Ok(0), "{phase}");
    }
    assert_eq!(marked(&*store, &next, Some(1)).await, Marking::Marked);
}

pub(crate) async fn a_queued_run_with_a_job_that_lives_has_its_slot(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[1, 1]).await;
    let again = with_job(&runs[1], JobState::Pending { reason: None });
    assert_eq!(store.settle(&runs[1], &again).await, Ok(true));
    assert_eq!(store.loads(None).await, Ok(vec![Load { topic: topic("collect"), queued: 2, live: 1 }]));
    assert_eq!(marked(&*store, &runs[0], Some(1)).await, Marking::Full);
    assert_eq!(marked(&*store, &again, Some(1)).await, Marking::Marked);
    assert_eq!(store.loads(None).await, Ok(vec![Load { topic: topic("collect"), queued: 1, live: 1 }]));
}

pub(crate) async fn a_mark_of_what_changed_changes_nothing(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[1]).await;
    let failed = settled(&*store, &runs[0], Phase::Failed, 5).await;
    assert_eq!(marked(&*store, &runs[0], Some(3)).await, Marking::Changed);
    assert_eq!(marked(&*store, &runs[0], None).await, Marking::Changed);
    assert_eq!(store.run(failed.id).await, Ok(Some(failed)));
}

pub(crate) async fn of_many_that_mark_at_once_no_more_than_may_be_live_get_a_slot(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[1; 32]).await;
    let marking = runs.into_iter().map(|run| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { marked(&*store, &run, Some(5)).await })
    });
    let mut took = 0;
    for marking in marking.collect::<Vec<_>>() {
        took += usize::from(marking.await.expect("no panic") == Marking::Marked);
    }
    assert_eq!(took, 5);
    assert_eq!(store.loads(None).await, Ok(vec![Load { topic: topic("collect"), queued: 27, live: 5 }]));
}

pub(crate) async fn a_place_counts_who_is_due_before(ground: &impl Ground) {
    let store = ground.open().await;
    let mut runs = queued(&*store, &[10, 90, 10, 10]).await;
    runs.extend(accepted(&*store, &accept(20, "collect", &["b.yaml", "a.yaml", "c.yaml"])).await);
    let before = accepted(&*store, &accept(1, "audit", &["a.yaml"])).await.remove(0);
    settled(&*store, &before, Phase::Running, 5).await;
    for (run, ahead) in runs.iter().zip([0, 1, 1, 2, 3, 4, 5]) {
        assert_eq!(store.place(run, at(50), 100).await, Ok(Place { ahead, live: 0 }), "of {}", run.function);
    }
    assert_eq!(store.place(&runs[6], at(90), 100).await, Ok(Place { ahead: 6, live: 0 }), "all are due");
    assert_eq!(store.place(&runs[6], at(90), 4).await, Ok(Place { ahead: 4, live: 0 }), "it counts no further");
    for run in &runs[..2] {
        settled(&*store, run, Phase::Running, 95).await;
    }
    assert_eq!(store.place(&runs[3], at(99), 100).await, Ok(Place { ahead: 1, live: 2 }));
}

pub(crate) async fn loads_count_what_is_queued_and_live(ground: &impl Ground) {
    let store = ground.open().await;
    assert_eq!(store.loads(None).await, Ok(Vec::new()));
    for phase in Phase::ALL {
        for name in ["collect", "audit"] {
            let run = accepted(&*store, &accept(1, name, &["a.yaml"])).await.remove(0);
            settled(&*store, &run, phase, 5).await;
        }
    }
    queued(&*store, &[7]).await;
    let over = accepted(&*store, &accept(1, "web", &["a.yaml"])).await.remove(0);
    settled(&*store, &over, Phase::Succeeded, 5).await;
    let audit = Load { topic: topic("audit"), queued: 1, live: 3 };
    let collect = Load { topic: topic("collect"), queued: 2, live: 3 };
    assert_eq!(store.loads(None).await, Ok(vec![audit, collect.clone()]));
    assert_eq!(store.live(&topic("collect")).await, Ok(3));
    assert_eq!(store.live(&topic("web")).await, Ok(0));
    assert_eq!(store.loads(Some(&topic("collect"))).await, Ok(vec![collect]));
    assert_eq!(store.loads(Some(&topic("web"))).await, Ok(Vec::new()));
}
