//! What a life of a server holds.

use super::Ground;

pub(crate) async fn a_life_that_renews_its_lease_lives_and_leads(ground: &impl Ground) {
    let store = ground.open().await;
    for _ in 0..2 {
        let lease = store.renew(true).await.expect("renewed");
        assert!(lease.leads, "nobody else does");
        assert_eq!(lease.lives, [store.epoch()].into());
        assert!(!lease.lasts.is_zero());
    }
}

pub(crate) async fn a_life_that_was_closed_is_followed_at_once(ground: &impl Ground) {
    let store = ground.open().await;
    store.renew(true).await.expect("renewed");
    let before = store.epoch();
    let store = ground.reopen(store).await;
    let lease = store.renew(true).await.expect("renewed");
    assert!(lease.leads && !lease.lives.contains(&before), "{lease:?}");
    assert_eq!(lease.lives, [store.epoch()].into());
}
