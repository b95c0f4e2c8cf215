//! What somebody else wrote under our keys, or over our records: it is not served, and what is beside it is.

use gitfaas_core::id::Try;
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;

use super::{Prefix, settings};
use crate::store::contract::{accept, accepted, at, moved, response, settled};
use crate::store::redis::RedisStore;
use crate::store::{Acceptance, DeadLetterQuery, Marking, Order, RequestQuery, Room, Store, StoreError};

fn is_damaged<T>(read: &Result<T, StoreError>) -> bool {
    matches!(read, Err(StoreError::Damaged(_)))
}

/// Every way to spoil the hash of a record.
fn spoil(ground: &Prefix, key: &str, how: usize) {
    let key = &ground.key(key);
    let held = ground.ask(&["HGET", key, "record"]);
    match how {
        0 => drop(ground.ask(&["HSET", key, "record", "no JSON"])),
        1 => drop(ground.ask(&["HSET", key, "record", "[7]"])),
        // Another's record.
        2 => drop(ground.ask(&["HSET", key, "record", &held.replacen('0', "1", 1).replacen('a', "b", 1)])),
        3 => drop(ground.ask(&["HSET", key, "record", &held[..held.len() / 2]])),
        4 => {
            ground.ask(&["DEL", key]);
            ground.ask(&["SET", key, "a string"]);
        }
        _ => drop(ground.ask(&["HDEL", key, "record"])),
    }
}

const WAYS: usize = 6;

fn requests() -> RequestQuery {
    RequestQuery { limit: 9, ..RequestQuery::default() }
}

#[tokio::test]
async fn a_damaged_run_is_not_served_and_hides_no_other() {
    for how in 0..WAYS {
        let Some(ground) = Prefix::if_there() else { return };
        let store = ground.store().await;
        let spoiled = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
        let whole = accepted(&*store, &accept(2, "collect", &["a.yaml"])).await.remove(0);
        spoil(&ground, &format!("run:{}", spoiled[0].id), how);
        let read = store.run(spoiled[0].id).await;
        assert!(is_damaged(&read) || (how == 5 && read == Ok(None)), "{how}: {read:?}");
        assert!(is_damaged(&store.runs(spoiled[0].request()).await), "{how}");
        let left = vec![spoiled[1].clone(), whole.clone()];
        assert_eq!(store.runs_in(&Phase::ALL, None, 9).await, Ok(left.clone()), "{how}");
        for order in [Order::Due, Order::Accepted] {
            assert_eq!(store.due(&whole.topic, order, at(9), 9).await, Ok(left.clone()), "{how}");
        }
        let first = store.queues().await.expect("read").remove(0);
        assert_eq!((first.topic, first.due_at), (whole.topic.clone(), at(1)), "{how}");
        assert_eq!(store.run(whole.id).await, Ok(Some(whole.clone())));
        let settled = store.settle(&spoiled[0], &moved(&spoiled[0], Phase::Running, 5)).await;
        assert!(is_damaged(&settled) || settled == Ok(false), "{how}: {settled:?}");
        assert_eq!(store.settle(&whole, &moved(&whole, Phase::Running, 5)).await, Ok(true), "{how}");
    }
}

#[tokio::test]
async fn a_damaged_request_is_not_served_and_hides_no_other() {
    for how in 0..WAYS {
        let Some(ground) = Prefix::if_there() else { return };
        let store = ground.store().await;
        let (spoiled, whole) = (accept(1, "collect", &["a.yaml"]), accept(2, "collect", &["a.yaml"]));
        accepted(&*store, &spoiled).await;
        accepted(&*store, &whole).await;
        spoil(&ground, &format!("request:{}", spoiled.request.id), how);
        let read = store.request(spoiled.request.id).await;
        assert!(is_damaged(&read) || (how == 5 && read == Ok(None)), "{how}: {read:?}");
        let topic = RequestQuery { topic: Some(whole.request.topic.clone()), ..requests() };
        let queued = RequestQuery { phase: Some(Phase::Queued), ..requests() };
        for query in [requests(), topic, queued] {
            assert_eq!(store.requests(&query).await, Ok(vec![whole.request.clone()]), "{how}");
        }
    }
}

#[tokio::test]
async fn a_damaged_run_fills_no_queue_and_is_looked_at_again_by_the_next_life() {
    for order in [Order::Due, Order::Accepted] {
        let Some(ground) = Prefix::if_there() else { return };
        let store = ground.store().await;
        let mut runs = Vec::new();
        for milliseconds in 1..=3 {
            runs.push(accepted(&*store, &accept(milliseconds, "collect", &["a.yaml"])).await.remove(0));
        }
        let whole = ground.ask(&["HGET", &ground.key(&format!("run:{}", runs[0].id)), "record"]);
        for run in &runs[..2] {
            spoil(&ground, &format!("run:{}", run.id), 0);
        }
        let topic = runs[0].topic.clone();
        assert_eq!(store.due(&topic, order, at(9), 9).await, Ok(vec![runs[2].clone()]));
        let queued = async |store: &RedisStore| {
            store.loads(Some(&topic)).await.expect("read").iter().map(|load| load.queued).sum::<u64>()
        };
        assert_eq!((queued(&store).await, store.count().await.expect("counted")[0].1), (1, 1));
        let mut next = accept(4, "collect", &["a.yaml"]);
        next.room = Room { per_topic: 2, in_all: 2 };
        assert_eq!(store.accept(next).await, Ok(Acceptance::New));
        // Somebody mends one of them.
        ground.ask(&["HSET", &ground.key(&format!("run:{}", runs[0].id)), "record", &whole]);
        let later = ground.store().await;
        assert_eq!(later.due(&topic, order, at(2), 9).await, Ok(vec![runs[0].clone()]));
        assert_eq!(queued(&later).await, 3, "one of them is damaged yet");
    }
}

#[tokio::test]
async fn a_damaged_run_has_no_slot_and_keeps_its_request() {
    let Some(ground) = Prefix::if_there() else { return };
    let store = ground.store().await;
    let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
    let one_at_once = std::num::NonZeroU32::new(1);
    let mark = |run: &Run| moved(run, Phase::Applying, 3);
    assert_eq!(store.mark(&runs[0], &mark(&runs[0]), one_at_once).await, Ok(Marking::Marked));
    assert_eq!(store.mark(&runs[1], &mark(&runs[1]), one_at_once).await, Ok(Marking::Full));
    spoil(&ground, &format!("run:{}", runs[0].id), 0);
    assert_eq!(store.mark(&runs[1], &mark(&runs[1]), one_at_once).await, Ok(Marking::Marked));
    settled(&*store, &mark(&runs[1]), Phase::Succeeded, 5).await;
    assert_eq!(store.expire(at(1000), at(1000), 9).await, Ok(0));
    assert!(store.request(runs[1].request()).await.expect("read").is_some());
}

#[tokio::test]
async fn a_damaged_request_that_is_over_keeps_no_other_from_expiring() {
    let Some(ground) = Prefix::if_there() else { return };
    let store = ground.store().await;
    let mut over = Vec::new();
    for milliseconds in 1..=5 {
        let run = accepted(&*store, &accept(milliseconds, "collect", &["a.yaml"])).await.remove(0);
        over.push(settled(&*store, &run, Phase::Failed, 10 + milliseconds).await);
    }
    for (run, key) in [(&over[0], "run:"), (&over[1], "request:")] {
        let name = if key == "run:" { run.id.to_string() } else { run.request().to_string() };
        spoil(&ground, &format!("{key}{name}"), 0);
    }
    assert_eq!(store.expire(at(1000), at(1000), 2).await, Ok(2), "as many as were asked for");
    assert_eq!(store.expire(at(1000), at(1000), 9).await, Ok(1));
    let letters = store.dead_letters(&DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() }).await;
    assert_eq!(letters, Ok(vec![over[1].clone()]), "what is held is whole yet");
}

#[tokio::test]
async fn a_message_that_is_not_as_long_as_it_was_is_damaged() {
    let Some(ground) = Prefix::if_there() else { return };
    let store = ground.store().await;
    let accept = accept(1, "collect", &["a.yaml"]);
    let run = accepted(&*store, &accept).await.remove(0);
    let key = ground.key(&format!("request:{}", accept.request.id));
    ground.ask(&["HSET", &key, "payload", "cut"]);
    assert!(is_damaged(&store.message(accept.request.id).await));
    ground.ask(&["HDEL", &key, "payload"]);
    assert!(is_damaged(&store.message(accept.request.id).await));
    ground.ask(&["HSET", &ground.key(&format!("run:{}", run.id)), "manifests", "{"]);
    assert!(is_damaged(&store.manifests(run.id).await));
    assert_eq!(store.request(accept.request.id).await, Ok(Some(accept.request)));
}

#[tokio::test]
async fn damaged_answers_and_logs_are_left_out() {
    let Some(ground) = Prefix::if_there() else { return };
    let store = ground.store().await;
    let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
    for run in &runs {
        store.put_response(response(run, 3, "answer")).await.expect("stored");
    }
    ground.ask(&["HSET", &ground.key(&format!("response:{}", runs[0].id)), "body", "ans"]);
    assert_eq!(store.responses(runs[0].request()).await, Ok(vec![response(&runs[1], 3, "answer")]));
    let log = crate::cluster::LogPart { attempt: 1, container: "a".to_owned(), text: "hello".into(), cut: 0 };
    for job in ["x", "y"] {
        store.put_logs(runs[0].id, Try(1), job, vec![log.clone()]).await.expect("stored");
    }
    ground.ask(&["HSET", &ground.key(&format!("logs:{}", runs[0].id)), "1:x", "[]hello"]);
    assert_eq!(store.logs(runs[0].id, Try(1)).await, Ok(vec![log]));
    ground.ask(&["DEL", &ground.key(&format!("response:{}", runs[1].id))]);
    ground.ask(&["SET", &ground.key(&format!("response:{}", runs[1].id)), "foreign"]);
    assert!(is_damaged(&store.put_response(response(&runs[1], 5, "x")).await));
}

#[tokio::test]
async fn a_key_of_another_type_in_an_index_lets_nothing_be_written_by_halves() {
    for set in ["requests", "requests:collect", "phase:queued", "due:collect", "line:collect", "topics:queued"] {
        let Some(ground) = Prefix::if_there() else { return };
        let store = ground.store().await;
        ground.ask(&["SET", &ground.key(set), "foreign"]);
        let one = accept(1, "collect", &["a.yaml"]);
        let refused = store.accept(one.clone()).await;
        assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains(set)), "{set}: {refused:?}");
        let keys = ground.ask(&["KEYS", &ground.key("*")]);
        let mut keys: Vec<&str> = keys.lines().collect();
        keys.sort_unstable();
        let mut there = [ground.key("meta"), ground.key(set)];
        there.sort_unstable();
        assert_eq!(keys, there, "{set}");
        ground.ask(&["DEL", &ground.key(set)]);
        assert_eq!(store.accept(one).await, Ok(Acceptance::New), "{set}");
    }
    for set in
        ["phase:queued", "due:collect", "line:collect", "phase:failed", "over:failed:collect", "dead", "ended:dead"]
    {
        let Some(ground) = Prefix::if_there() else { return };
        let store = ground.store().await;
        let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
        let moved_away = ground.ask(&["EXISTS", &ground.key(set)]) == "1";
        if moved_away {
            ground.ask(&["RENAME", &ground.key(set), &ground.key("aside")]);
        }
        ground.ask(&["SET", &ground.key(set), "foreign"]);
        let failed = moved(&run, Phase::Failed, 5);
        assert!(store.settle(&run, &failed).await.is_err(), "{set}");
        assert_eq!(store.run(run.id).await, Ok(Some(run.clone())), "{set}");
        ground.ask(&["DEL", &ground.key(set)]);
        if moved_away {
            ground.ask(&["RENAME", &ground.key("aside"), &ground.key(set)]);
        }
        assert_eq!(store.settle(&run, &failed).await, Ok(true), "{set}");
        assert_eq!(store.expire(at(1000), at(1000), 9).await, Ok(1), "{set}");
    }
}

#[tokio::test]
async fn nothing_is_left_of_what_expired() {
    let Some(ground) = Prefix::if_there() else { return };
    let store = ground.store().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    store.put_response(response(&run, 3, "answer")).await.expect("stored");
    settled(&*store, &run, Phase::Failed, 5).await;
    assert_eq!(store.expire(at(1000), at(1000), 9).await, Ok(1));
    assert_eq!(ground.ask(&["KEYS", &ground.key("*")]), ground.key("meta"));
}

#[tokio::test]
async fn a_record_with_what_a_newer_program_says_is_the_same_run() {
    let Some(ground) = Prefix::if_there() else { return };
    let store = ground.store().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    let key = ground.key(&format!("run:{}", run.id));
    let held = ground.ask(&["HGET", &key, "record"]);
    ground.ask(&["HSET", &key, "record", &held.replacen('{', "{ \"newer\": [1], ", 1)]);
    assert_eq!(store.run(run.id).await, Ok(Some(run.clone())));
    settled(&*store, &run, Phase::Running, 5).await;
}

#[tokio::test]
async fn members_that_are_none_are_left_out() {
    let Some(ground) = Prefix::if_there() else { return };
    let store = ground.store().await;
    let one = accept(1, "collect", &["a.yaml"]);
    let run = accepted(&*store, &one).await.remove(0);
    for set in ["requests", "phase:queued", "due:collect", "line:collect", "topics:queued"] {
        for member in ["", "no such thing", "zzz", "0"] {
            ground.ask(&["ZADD", &ground.key(set), "0", member]);
        }
        let foreign: Vec<String> = (0..40).map(|n| format!("~{n}")).collect();
        for member in &foreign {
            ground.ask(&["ZADD", &ground.key(set), "0", member]);
        }
    }
    assert_eq!(store.requests(&requests()).await, Ok(vec![one.request.clone()]));
    assert_eq!(store.requests(&RequestQuery { phase: Some(Phase::Queued), ..requests() }).await, Ok(vec![one.request]));
    assert_eq!(store.runs_in(&[Phase::Queued], None, 9).await, Ok(vec![run.clone()]));
    for order in [Order::Due, Order::Accepted] {
        assert_eq!(store.due(&run.topic, order, at(9), 9).await, Ok(vec![run.clone()]));
    }
    let topics: Vec<TopicName> = store.queues().await.expect("read").into_iter().map(|queue| queue.topic).collect();
    assert_eq!(topics, [run.topic]);
}

#[tokio::test]
async fn only_a_ledger_of_ours_is_opened() {
    let Some(ground) = Prefix::if_there() else { return };
    let refused = async || match RedisStore::open(settings(&ground.server, &ground.prefix)).await {
        Err(StoreError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    ground.store().await.close().await;
    let meta = ground.key("meta");
    ground.ask(&["HSET", &meta, "schema", "2"]);
    assert!(refused().await.contains("newer"));
    ground.ask(&["HSET", &meta, "schema", "x"]);
    assert!(refused().await.contains("damaged"));
    ground.ask(&["HSET", &meta, "schema", "1", "owner", "somebody"]);
    assert!(refused().await.contains("--redis-prefix"));
    ground.ask(&["HSET", &meta, "owner", "gitfaas"]);
    let store = ground.store().await;
    accepted(&*store, &accept(1, "collect", &[])).await;
    store.close().await;
    ground.ask(&["RENAME", &meta, &ground.key("aside")]);
    assert!(refused().await.contains("secret"));
    ground.ask(&["SET", &meta, "foreign"]);
    assert!(refused().await.contains("--redis-prefix"));
    ground.ask(&["RENAME", &ground.key("aside"), &meta]);
    assert_eq!(ground.store().await.requests(&requests()).await.map(|requests| requests.len()), Ok(1));
}
