//! What holds topics back.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use gitfaas_core::gate::Gate;
use gitfaas_core::topic::TopicName;

use super::{Ground, at};

fn topic(name: &str) -> TopicName {
    name.parse().expect("a topic")
}

pub(crate) async fn no_topic_is_held_at_first(ground: &impl Ground) {
    let store = ground.open().await;
    assert_eq!(store.gates().await, Ok(BTreeMap::new()));
}

pub(crate) async fn what_the_config_says_and_what_an_operator_says_are_apart(ground: &impl Ground) {
    let store = ground.open().await;
    let (collect, audit) = (topic("collect"), topic("audit"));
    let said = Gate { concurrency: NonZeroU32::new(3), paused_by_config: Some(at(5)), paused_by_operator: None };
    // Whatever the caller holds for the operator's part, it is not written.
    let told = Gate { paused_by_operator: Some(at(9)), ..said };
    store.configure(vec![(collect.clone(), told), (audit.clone(), Gate::default())]).await.expect("kept");
    assert_eq!(store.gates().await, Ok(BTreeMap::from([(collect.clone(), said)])), "what holds nothing is no gate");
    store.pause(&collect, Some(at(7))).await.expect("paused");
    store.pause(&audit, Some(at(8))).await.expect("paused");
    store.configure(vec![(collect.clone(), Gate::default())]).await.expect("kept");
    let paused = |since| Gate { paused_by_operator: Some(at(since)), ..Gate::default() };
    let both = BTreeMap::from([(audit.clone(), paused(8)), (collect.clone(), paused(7))]);
    assert_eq!(store.gates().await, Ok(both));
    store.configure(vec![(collect.clone(), said)]).await.expect("kept");
    store.pause(&collect, None).await.expect("resumed");
    store.pause(&audit, None).await.expect("resumed");
    assert_eq!(store.gates().await, Ok(BTreeMap::from([(collect, said)])));
}

pub(crate) async fn a_pause_keeps_its_first_time(ground: &impl Ground) {
    let store = ground.open().await;
    let collect = topic("collect");
    for since in [Some(at(4)), Some(at(6))] {
        store.pause(&collect, since).await.expect("paused");
        assert_eq!(store.gates().await.map(|gates| gates[&collect].paused_by_operator), Ok(Some(at(4))));
    }
    store.pause(&collect, None).await.expect("resumed");
    store.pause(&collect, None).await.expect("resumed again");
    store.pause(&collect, Some(at(8))).await.expect("paused");
    assert_eq!(store.gates().await.map(|gates| gates[&collect].paused_by_operator), Ok(Some(at(8))));
}

pub(crate) async fn gates_stay_after_reopening(ground: &impl Ground) {
    let store = ground.open().await;
    let said = Gate { concurrency: NonZeroU32::new(u32::MAX), paused_by_config: Some(at(5)), paused_by_operator: None };
    store.configure(vec![(topic("collect"), said)]).await.expect("kept");
    store.pause(&topic("collect"), Some(at(7))).await.expect("paused");
    let kept = Gate { paused_by_operator: Some(at(7)), ..said };
    let store = ground.reopen(store).await;
    assert_eq!(store.gates().await, Ok(BTreeMap::from([(topic("collect"), kept)])));
}
