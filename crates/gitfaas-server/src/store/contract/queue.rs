//! What goes on, and how much there is.

use gitfaas_core::run::Phase;

use super::{Ground, accept, accepted, ids, settled};

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
