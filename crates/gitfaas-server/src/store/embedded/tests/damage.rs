//! A record that nobody wrote like this: it alone is not served.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use gitfaas_core::id::Try;
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::run::{Phase, Run};

use super::{Folder, is_whole, opened, some_accepted};
use crate::cluster::LogPart;
use crate::store::contract::{Ground as _, accept, accepted, at, moved, request_ids, response, settled};
use crate::store::{Accept, Acceptance, Load, Marking, Order, RequestQuery, Store, StoreError};

/// Three requests, of which the first is tampered with.
async fn damaged(sql: &str) -> (Folder, Arc<dyn Store>, Vec<Accept>) {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let accepts = some_accepted(&*store, 3).await;
    store.close().await;
    drop(store);
    let first = *accepts[0].request.id.as_bytes();
    let changed = ground.tamper().execute(sql, [first]).expect("changed");
    assert_eq!(changed, 1, "{sql}");
    let store = ground.open().await;
    (ground, store, accepts)
}

fn is_damaged<T: std::fmt::Debug>(answer: &Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Damaged(_))), "{answer:?}");
}

fn all() -> RequestQuery {
    RequestQuery { limit: 100, ..RequestQuery::default() }
}

#[tokio::test]
async fn a_damaged_run_is_not_served_and_blocks_no_other() {
    for record in ["{", "{}", "null", "", "\u{1}"] {
        let sql = format!("UPDATE run SET record = '{record}' WHERE substr(id, 1, 16) = ?1 AND ordinal = 0");
        let (_ground, store, accepts) = damaged(&sql).await;
        let (bad, good) = (&accepts[0].runs[0].0, &accepts[0].runs[1].0);
        is_damaged(&store.run(bad.id).await);
        is_damaged(&store.runs(bad.request()).await);
        is_damaged(&store.settle(bad, &moved(bad, Phase::Running, 9)).await);
        assert_eq!(store.run(good.id).await, Ok(Some(good.clone())));
        for order in [Order::Due, Order::Accepted] {
            assert_eq!(store.due(&good.topic, order, at(100), 100).await.map(|due| due.len()), Ok(5));
            assert_eq!(store.due(&good.topic, order, at(100), 1).await, Ok(vec![good.clone()]));
        }
        assert_eq!(store.runs_in(&[Phase::Queued], None, 5).await.map(|runs| runs.len()), Ok(5));
        for accept in &accepts[1..] {
            is_whole(&*store, accept).await;
        }
        settled(&*store, good, Phase::Running, 9).await;
    }
}

#[tokio::test]
async fn a_damaged_run_is_not_what_is_due_next() {
    let (_ground, store, accepts) =
        damaged("UPDATE run SET record = '[' WHERE substr(id, 1, 16) = ?1 AND ordinal = 0").await;
    settled(&*store, &accepts[0].runs[1].0, Phase::Running, 9).await;
    assert_eq!(store.queues().await.map(|queues| queues[0].due_at), Ok(at(1)));
}

#[tokio::test]
async fn a_damaged_run_is_in_no_line_and_has_no_slot_once_it_was_met() {
    let wreck = "UPDATE run SET record = 'x' || record WHERE substr(id, 1, 16) = ?1 AND ordinal = 0";
    let one = |queued, live| Ok(vec![Load { topic: "collect".parse().expect("a topic"), queued, live }]);
    let damage = |ground: &Folder, run: &Run| {
        assert_eq!(ground.tamper().execute(wreck, [run.request().as_bytes()]).expect("changed"), 1);
    };
    // Met by a walk along its line, or by one that asks for its phase.
    for walk in 0..4 {
        let (ground, store, accepts) = damaged(wreck).await;
        let topic = &accepts[0].request.topic;
        assert_eq!(store.loads(None).await, one(6, 0), "nobody has met it");
        match walk {
            0 => drop(store.queues().await.expect("read")),
            1 => drop(store.due(topic, Order::Due, at(9), 9).await.expect("read")),
            2 => drop(store.due(topic, Order::Accepted, at(9), 9).await.expect("read")),
            _ => drop(store.runs_in(&[Phase::Queued], None, 9).await.expect("read")),
        }
        assert_eq!(store.loads(None).await, one(5, 0), "by walk {walk}");
        is_damaged(&store.run(accepts[0].runs[0].0.id).await);
        for run in [&accepts[0].runs[1].0, &accepts[1].runs[0].0, &accepts[1].runs[1].0] {
            settled(&*store, run, Phase::Running, 9).await;
        }
        let live = store.run(accepts[1].runs[0].0.id).await.expect("read").expect("there");
        damage(&ground, &live);
        assert_eq!(store.loads(None).await, one(2, 3));
        // Met by who wants its slot.
        let next = &accepts[2].runs[0].0;
        let marking = store.mark(next, &moved(next, Phase::Applying, 10), NonZeroU32::new(3)).await;
        assert_eq!(marking, Ok(Marking::Marked));
        assert_eq!(store.loads(None).await, one(1, 3));
        let last = &accepts[2].runs[1].0;
        let marking = store.mark(last, &moved(last, Phase::Applying, 10), NonZeroU32::new(3)).await;
        assert_eq!(marking, Ok(Marking::Full));
    }
}

#[tokio::test]
async fn nobody_goes_behind_a_damaged_run() {
    let (_ground, store, accepts) =
        damaged("UPDATE run SET record = '{' WHERE substr(id, 1, 16) = ?1 AND ordinal = 0").await;
    for (run, _) in accepts.iter().flat_map(|accept| &accept.runs).skip(1) {
        settled(&*store, run, Phase::Running, 9).await;
    }
    let planned = accept(20, "collect", &["a.yaml"]);
    let runs = planned.runs.iter().map(|(run, manifests)| (moved(run, Phase::Applying, 20), manifests.clone()));
    let marked = Accept { runs: runs.collect(), ..planned };
    assert_eq!(store.accept(marked).await, Ok(Acceptance::New));
}

#[tokio::test]
async fn a_run_that_says_it_is_another_is_damaged() {
    let swap = "UPDATE run SET record = (SELECT record FROM run AS other WHERE other.ordinal = 1 AND \
                substr(other.id, 1, 16) = ?1) WHERE substr(id, 1, 16) = ?1 AND ordinal = 0";
    let (_ground, store, accepts) = damaged(swap).await;
    is_damaged(&store.run(accepts[0].runs[0].0.id).await);
}

#[tokio::test]
async fn a_run_listed_in_a_phase_it_is_not_in_is_damaged() {
    let listed = "UPDATE run SET phase = 'failed' WHERE substr(id, 1, 16) = ?1 AND ordinal = 0";
    let (_ground, store, accepts) = damaged(listed).await;
    is_damaged(&store.run(accepts[0].runs[0].0.id).await);
    assert_eq!(store.runs_in(&[Phase::Failed], None, 10).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_damaged_request_is_left_out_of_lists() {
    let (_ground, store, accepts) = damaged("UPDATE request SET record = '{\"id\":7}' WHERE id = ?1").await;
    is_damaged(&store.request(accepts[0].request.id).await);
    is_damaged(&store.message(accepts[0].request.id).await);
    let there = [accepts[2].request.id, accepts[1].request.id];
    assert_eq!(request_ids(&store.requests(&all()).await.expect("listed")), there);
    let queued = RequestQuery { phase: Some(Phase::Queued), ..all() };
    assert_eq!(request_ids(&store.requests(&queued).await.expect("listed")), there);
    let topic = RequestQuery { topic: Some(accepts[0].request.topic.clone()), ..all() };
    assert_eq!(request_ids(&store.requests(&topic).await.expect("listed")), there);
}

#[tokio::test]
async fn a_payload_of_another_length_is_damaged() {
    let cut = "UPDATE payload SET body = substr(body, 2) WHERE seq = (SELECT payload FROM request WHERE id = ?1)";
    let (_ground, store, accepts) = damaged(cut).await;
    is_damaged(&store.message(accepts[0].request.id).await);
    assert_eq!(store.request(accepts[0].request.id).await, Ok(Some(accepts[0].request.clone())));
    let gone = "DELETE FROM payload WHERE seq = (SELECT payload FROM request WHERE id = ?1)";
    let (_ground, store, accepts) = damaged(gone).await;
    is_damaged(&store.message(accepts[0].request.id).await);
}

#[tokio::test]
async fn damaged_manifests_are_not_served() {
    let cut = "UPDATE manifests SET record = '[{]' WHERE seq = \
               (SELECT manifests FROM run WHERE substr(id, 1, 16) = ?1 AND ordinal = 1)";
    let (_ground, store, accepts) = damaged(cut).await;
    is_damaged(&store.manifests(accepts[0].runs[1].0.id).await);
    let (run, manifests) = &accepts[0].runs[0];
    assert_eq!(store.manifests(run.id).await, Ok(manifests.clone()));
}

/// One character of what is kept becomes another, which parses as well.
const OTHER: &str = "replace(record, 'replicas', 'replicaz')";

#[tokio::test]
async fn a_record_that_still_reads_well_but_is_not_what_was_written_is_not_served() {
    let request = format!("UPDATE request SET record = {OTHER} WHERE id = ?1");
    let (_ground, store, accepts) = damaged(&request).await;
    is_damaged(&store.request(accepts[0].request.id).await);
    let run =
        "UPDATE run SET record = replace(record, 'b.yaml', 'c.yaml') WHERE substr(id, 1, 16) = ?1 AND ordinal = 0";
    let (_ground, store, accepts) = damaged(run).await;
    is_damaged(&store.run(accepts[0].runs[0].0.id).await);
    is_damaged(&store.settle(&accepts[0].runs[0].0, &moved(&accepts[0].runs[0].0, Phase::Running, 9)).await);
    let payload = "UPDATE payload SET body = CAST(replace(body, 'of', 'if') AS BLOB)
                   WHERE seq = (SELECT payload FROM request WHERE id = ?1)";
    let (_ground, store, accepts) = damaged(payload).await;
    is_damaged(&store.message(accepts[0].request.id).await);
    let manifests = "UPDATE manifests SET record = replace(record, 'Job', 'Jab') WHERE seq = \
                     (SELECT manifests FROM run WHERE substr(id, 1, 16) = ?1 AND ordinal = 1)";
    let (_ground, store, accepts) = damaged(manifests).await;
    is_damaged(&store.manifests(accepts[0].runs[1].0.id).await);
}

#[tokio::test]
async fn the_payload_and_the_manifests_of_another_are_not_served() {
    let payload = "UPDATE request SET payload = (SELECT max(payload) FROM request) WHERE id = ?1";
    let (_ground, store, accepts) = damaged(payload).await;
    is_damaged(&store.message(accepts[0].request.id).await);
    let manifests = "UPDATE run SET manifests = (SELECT max(manifests) FROM run) \
                     WHERE substr(id, 1, 16) = ?1 AND ordinal = 0";
    let (_ground, store, accepts) = damaged(manifests).await;
    is_damaged(&store.manifests(accepts[0].runs[0].0.id).await);
}

#[tokio::test]
async fn answers_logs_keys_and_what_was_served_are_checked_when_they_are_read() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let mut accepting = accept(1, "collect", &["a.yaml"]);
    let idempotency = Idempotency { key: [1; 32], fingerprint: [2; 32] };
    accepting.idempotency = Some(idempotency);
    let run = accepted(&*store, &accepting).await.remove(0);
    store.put_response(response(&run, 6, "answer")).await.expect("stored");
    let part = LogPart { attempt: 1, container: "main".into(), text: Bytes::from_static(b"hello"), cut: 3 };
    store.put_logs(run.id, Try(1), "x", vec![part.clone()]).await.expect("stored");
    store.save_catalog("live".to_owned(), Vec::new()).await.expect("saved");
    assert_eq!(store.responses(run.request()).await.map(|found| found.len()), Ok(1));
    assert_eq!(store.logs(run.id, Try(1)).await, Ok(vec![part]));
    assert_eq!(store.accepted_under(idempotency).await, Ok(Acceptance::Repeats(run.request())));

    let changes = "UPDATE response SET content_type = 'text/plaim'; UPDATE log SET cut = 4;
                   UPDATE catalog SET live = 'lire'; UPDATE idempotency SET fingerprint = zeroblob(32);";
    ground.tamper().execute_batch(changes).expect("changed");
    assert_eq!(store.responses(run.request()).await, Ok(Vec::new()));
    assert_eq!(store.logs(run.id, Try(1)).await, Ok(Vec::new()));
    is_damaged(&store.load_catalog().await);
    is_damaged(&store.accepted_under(idempotency).await);
    let again = accept(2, "collect", &[]);
    is_damaged(&store.accept(Accept { idempotency: Some(idempotency), ..again }).await);
}

#[tokio::test]
async fn what_an_older_version_wrote_has_no_checksum_and_is_served_until_it_is_written_again() {
    let (ground, store, accepts) = damaged("UPDATE request SET crc = NULL WHERE id = ?1").await;
    ground.tamper().execute_batch("UPDATE run SET crc = NULL; UPDATE payload SET crc = NULL;").expect("changed");
    for accept in &accepts {
        is_whole(&*store, accept).await;
    }
    let run = settled(&*store, &accepts[0].runs[0].0, Phase::Running, 9).await;
    ground.tamper().execute_batch("UPDATE run SET record = replace(record, 'b.yaml', 'c.yaml')").expect("changed");
    is_damaged(&store.run(run.id).await);
}

#[tokio::test]
async fn a_ledger_whose_key_is_not_what_it_was_is_refused() {
    let ground = Folder::fresh().await;
    ground.open().await.close().await;
    ground.tamper().execute_batch("UPDATE ledger SET key = zeroblob(32)").expect("changed");
    let why = opened(&ground.data()).await.map(drop);
    assert!(matches!(&why, Err(StoreError::Refused(why)) if why.contains("restore it from a backup")), "{why:?}");
}

#[tokio::test]
async fn a_source_that_is_not_what_its_name_says_is_damaged() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let name = "0".repeat(64);
    store.save_catalog("live".to_owned(), vec![(name, Bytes::from_static(b"x"))]).await.expect("saved");
    is_damaged(&store.load_catalog().await);
}
