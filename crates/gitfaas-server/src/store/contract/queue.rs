//! What is to be applied, what goes on, how much there is.

use gitfaas_core::run::{Phase, Run};

use super::{Ground, accept, accepted, at, ids, settled};
use crate::store::Store;

/// Queued runs, due at these moments.
async fn queued(store: &dyn Store, due: &[i64]) -> Vec<Run> {
    let mut runs = Vec::new();
    for due in due {
        let run = accepted(store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
        runs.push(settled(store, &run, Phase::Queued, *due).await);
    }
    runs
}

pub(crate) async fn due_runs_come_longest_due_first(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[30, 10, 20]).await;
    let due = store.due(at(100), 10).await.expect("read");
    assert_eq!(due, [runs[1].clone(), runs[2].clone(), runs[0].clone()]);
}

pub(crate) async fn due_includes_its_moment_and_nothing_later(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[20, 21]).await;
    assert_eq!(store.due(at(19), 10).await, Ok(Vec::new()));
    assert_eq!(store.due(at(20), 10).await, Ok(vec![runs[0].clone()]));
    assert_eq!(store.due(at(21), 10).await.map(|due| due.len()), Ok(2));
}

pub(crate) async fn due_gives_no_more_than_asked(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[14, 13, 12, 11]).await;
    assert_eq!(store.due(at(100), 0).await, Ok(Vec::new()));
    let due = store.due(at(100), 3).await.expect("read");
    assert_eq!(ids(&due), [runs[3].id, runs[2].id, runs[1].id]);
}

pub(crate) async fn only_queued_runs_are_due(ground: &impl Ground) {
    let store = ground.open().await;
    for phase in Phase::ALL {
        let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
        settled(&*store, &run, phase, 5).await;
    }
    let due = store.due(at(100), 100).await.expect("read");
    assert_eq!(due.iter().map(|run| run.phase).collect::<Vec<_>>(), [Phase::Queued]);
}

pub(crate) async fn the_next_due_is_the_earliest(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = queued(&*store, &[5_000, 3_000, 4_000]).await;
    assert_eq!(store.next_due().await, Ok(Some(at(3_000))));
    settled(&*store, &runs[1], Phase::Applying, 3_001).await;
    assert_eq!(store.next_due().await, Ok(Some(at(4_000))));
}

pub(crate) async fn nothing_queued_means_nothing_due_ever(ground: &impl Ground) {
    let store = ground.open().await;
    assert_eq!(store.next_due().await, Ok(None));
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    settled(&*store, &run, Phase::Running, 5).await;
    assert_eq!(store.next_due().await, Ok(None));
}

pub(crate) async fn runs_in_phases_come_in_the_order_of_ids(ground: &impl Ground) {
    let store = ground.open().await;
    let mut expected = Vec::new();
    for (n, phase) in Phase::ALL.into_iter().cycle().take(30).enumerate() {
        // Later moments first, so that the order of writing is not the order of ids.
        let accept = accept(1_000 - i64::try_from(n).expect("small"), "collect", &["a.yaml"]);
        let run = accepted(&*store, &accept).await.remove(0);
        let run = settled(&*store, &run, phase, 5_000).await;
        if matches!(phase, Phase::Unknown | Phase::Applying) {
            expected.push(run);
        }
    }
    expected.sort_by_key(|run| run.id);
    assert_eq!(store.runs_in(&[Phase::Unknown, Phase::Applying], None, 100).await, Ok(expected.clone()));
    assert_eq!(
        store.runs_in(&[Phase::Unknown, Phase::Applying, Phase::Unknown], None, 3).await,
        Ok(expected[..3].to_vec())
    );
}

pub(crate) async fn runs_in_phases_can_be_paged_through(ground: &impl Ground) {
    let store = ground.open().await;
    let mut expected = Vec::new();
    for n in 0..7 {
        for run in accepted(&*store, &accept(n, "collect", &["a.yaml", "b.yaml"])).await {
            expected.push(run.id);
        }
    }
    expected.sort();
    let mut read = Vec::new();
    loop {
        let page = store.runs_in(&[Phase::Queued], read.last().copied(), 3).await.expect("read");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        read.extend(ids(&page));
    }
    assert_eq!(read, expected);
}

pub(crate) async fn runs_in_no_phase_are_none(ground: &impl Ground) {
    let store = ground.open().await;
    accepted(&*store, &accept(1, "collect", &["a.yaml"])).await;
    assert_eq!(store.runs_in(&[], None, 10).await, Ok(Vec::new()));
    assert_eq!(store.runs_in(&[Phase::Failed], None, 10).await, Ok(Vec::new()));
}

pub(crate) async fn counts_follow_the_phases(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml", "c.yaml"])).await;
    settled(&*store, &runs[1], Phase::Failed, 5).await;
    let counted = store.count().await.expect("counted");
    let expected = Phase::ALL.map(|phase| match phase {
        Phase::Queued => (phase, 2),
        Phase::Failed => (phase, 1),
        _ => (phase, 0),
    });
    assert_eq!(counted, expected);
}
