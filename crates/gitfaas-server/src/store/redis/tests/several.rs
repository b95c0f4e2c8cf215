//! Several lives on one ledger: leases, and what they tell one another.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use gitfaas_core::gate::Gate;
use gitfaas_core::run::Phase;
use tokio::time::timeout;

use super::{Prefix, settings};
use crate::store::contract::{accept, accepted, at, response, settled};
use crate::store::redis::RedisStore;
use crate::store::{Change, Store, StoreError};

#[tokio::test]
async fn one_of_several_leads_and_each_knows_who_lives() {
    let Some(ground) = Prefix::if_there() else { return };
    let (one, other) = (ground.store().await, ground.store().await);
    assert_eq!(one.ledger_key(), other.ledger_key());
    assert!(one.epoch() < other.epoch());
    assert!(one.renew(true).await.expect("renewed").leads);
    let lease = other.renew(true).await.expect("renewed");
    assert!(!lease.leads);
    let both = BTreeSet::from([one.epoch(), other.epoch()]);
    assert_eq!(lease.lives, both);
    let lease = one.renew(true).await.expect("renewed");
    assert!(lease.leads && lease.lives == both && lease.lasts == Duration::from_secs(10), "{lease:?}");
    assert_eq!(one.others().await, Ok(2));
}

#[tokio::test]
async fn a_life_that_is_closed_gives_its_leases_back_at_once() {
    let Some(ground) = Prefix::if_there() else { return };
    let (one, other) = (ground.store().await, ground.store().await);
    assert!(one.renew(true).await.expect("renewed").leads);
    assert!(!other.renew(true).await.expect("renewed").leads);
    one.close().await;
    let lease = other.renew(true).await.expect("renewed");
    assert!(lease.leads);
    assert_eq!(lease.lives, [other.epoch()].into());
    assert!(matches!(one.renew(true).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn who_may_not_lead_leaves_it_to_the_next_and_lives_on() {
    let Some(ground) = Prefix::if_there() else { return };
    let (one, other) = (ground.store().await, ground.store().await);
    assert!(one.renew(true).await.expect("renewed").leads);
    let lease = one.renew(false).await.expect("renewed");
    assert!(!lease.leads && lease.lives.contains(&one.epoch()));
    assert!(!one.renew(false).await.expect("renewed").leads, "nor does it take what nobody has");
    assert!(other.renew(true).await.expect("renewed").leads);
    one.renew(false).await.expect("renewed");
    assert!(other.renew(true).await.expect("renewed").leads, "it gives up nothing but its own");
}

#[tokio::test]
async fn a_lease_that_ran_out_is_anothers_and_a_life_comes_back_without_it() {
    let Some(ground) = Prefix::if_there() else { return };
    let (one, other) = (ground.store().await, ground.store().await);
    assert!(one.renew(true).await.expect("renewed").leads);
    // What the server does by itself when ten seconds have passed.
    for key in ["leader".to_owned(), format!("life:{}", one.epoch())] {
        assert_eq!(ground.ask(&["PEXPIRE", &ground.key(&key), "0"]), "1");
    }
    let lease = other.renew(true).await.expect("renewed");
    assert!(lease.leads);
    assert_eq!(lease.lives, [other.epoch()].into());
    let lease = one.renew(true).await.expect("renewed");
    assert!(!lease.leads);
    assert_eq!(lease.lives, [one.epoch(), other.epoch()].into());
    let left: i64 = ground.ask(&["PTTL", &ground.key("leader")]).parse().expect("a time");
    assert!((1..=10_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_life_whose_number_was_given_to_another_goes_on_with_another_number() {
    let Some(ground) = Prefix::if_there() else { return };
    let (one, last) = (ground.store().await, ground.store().await);
    last.renew(true).await.expect("renewed");
    // As after a failover to a replica that had not heard of the last one.
    ground.ask(&["HINCRBY", &ground.key("meta"), "epoch", "-1"]);
    ground.ask(&["DEL", &ground.key(&format!("life:{}", last.epoch()))]);
    let other = ground.store().await;
    let both = other.epoch();
    assert_eq!(last.epoch(), both);
    other.renew(true).await.expect("renewed");
    let lease = last.renew(true).await.expect("it recovers by itself");
    assert!(last.epoch() > both, "{} and {both}", last.epoch());
    assert_eq!(lease.lives, [both, last.epoch()].into());
    assert_eq!((other.ready().await, last.ready().await), (Ok(()), Ok(())));
    // And what was forgotten is not given again.
    ground.ask(&["HSET", &ground.key("meta"), "epoch", "1"]);
    last.renew(true).await.expect("renewed");
    let next = ground.store().await;
    assert!(next.epoch() > last.epoch());
    assert!(one.renew(true).await.is_ok());
}

#[tokio::test]
async fn a_redis_that_has_lost_the_ledger_takes_nothing_before_it_has_its_head_again() {
    let Some(ground) = Prefix::if_there() else { return };
    let store = ground.store().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    let forget = || {
        for key in ground.ask(&["KEYS", &ground.key("*")]).lines() {
            ground.ask(&["DEL", key]);
        }
    };
    forget();
    let unavailable = |refused: Result<(), StoreError>| {
        assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("ledger")), "{refused:?}");
    };
    unavailable(store.accept(accept(2, "collect", &["a.yaml"])).await.map(drop));
    unavailable(store.ready().await);
    assert_eq!(ground.ask(&["KEYS", &ground.key("*")]), "", "what no ledger would have is not written");
    unavailable(store.renew(true).await.map(drop));
    assert!(store.renew(true).await.expect("renewed").leads);
    assert_eq!(store.ready().await, Ok(()));
    accepted(&*store, &accept(2, "collect", &["a.yaml"])).await;
    assert_eq!(store.run(run.id).await, Ok(None));
    let next = ground.store().await;
    assert_eq!(next.ledger_key(), store.ledger_key());
    assert!(next.epoch() > store.epoch());
    // Where somebody else was quicker, it is another ledger, and tokens of this one are worth nothing there.
    forget();
    let other = ground.store().await;
    unavailable(store.renew(true).await.map(drop));
    unavailable(store.accept(accept(3, "collect", &["a.yaml"])).await.map(drop));
    assert_eq!(other.ready().await, Ok(()));
}

/// What comes next, without what has come of other things in between.
async fn heard(changes: &mut (impl futures_util::Stream<Item = Change> + Unpin), wanted: Change) {
    let hear = async { while changes.next().await.expect("it goes on") != wanted {} };
    timeout(Duration::from_secs(20), hear).await.unwrap_or_else(|_| panic!("{wanted:?} was not heard"));
}

#[tokio::test]
async fn each_hears_what_others_change_and_not_what_it_changes_itself() {
    let Some(ground) = Prefix::if_there() else { return };
    let (one, other) = (ground.store().await, ground.store().await);
    let mut changes = one.changes();
    heard(&mut changes, Change::Missed).await;
    // Its own go by.
    let own = accepted(&*one, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    settled(&*one, &own, Phase::Running, 2).await;
    let run = accepted(&*other, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    assert_eq!(timeout(Duration::from_secs(20), changes.next()).await, Ok(Some(Change::Queue)));
    let running = settled(&*other, &run, Phase::Running, 2).await;
    heard(&mut changes, Change::Request(run.request())).await;
    heard(&mut changes, Change::Queue).await;
    other.put_response(response(&running, 3, "answer")).await.expect("stored");
    heard(&mut changes, Change::Request(run.request())).await;
    other.pause(&run.topic, Some(at(4))).await.expect("paused");
    heard(&mut changes, Change::Gates).await;
    other.configure(vec![(run.topic.clone(), Gate::default())]).await.expect("configured");
    heard(&mut changes, Change::Gates).await;
    other.save_catalog("live".to_owned(), Vec::new()).await.expect("saved");
    heard(&mut changes, Change::Catalog).await;
    other.renew(true).await.expect("renewed");
    assert_eq!(changes.next().now_or_never(), None, "a lease is no change");
}

#[tokio::test]
async fn who_could_not_hear_for_a_while_is_told_so() {
    let Some(ground) = Prefix::if_there() else { return };
    let way = gitfaas_fixtures::Way::to(ground.server.address());
    let mut by_way = settings(&ground.server, &ground.prefix);
    by_way.address = format!("redis://{}", way.address()).parse().expect("an address");
    let (one, other) = (RedisStore::open(by_way).await.expect("opened"), ground.store().await);
    let mut changes = one.changes();
    heard(&mut changes, Change::Missed).await;
    way.close();
    let run = accepted(&*other, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    assert!(changes.next().now_or_never().is_none_or(|change| change == Some(Change::Missed)));
    way.go_on();
    heard(&mut changes, Change::Missed).await;
    settled(&*other, &run, Phase::Running, 2).await;
    heard(&mut changes, Change::Request(run.request())).await;
}
