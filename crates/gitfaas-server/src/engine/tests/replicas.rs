//! Two servers on one ledger in a real Redis, over one cluster.

use gitfaas_core::gate::Pauser;
use gitfaas_core::id::RequestId;
use gitfaas_core::idempotency::{IdempotencyKey, KeyKind};
use gitfaas_fixtures::{Options, RedisServer};

use super::*;
use crate::store::Marking;
use crate::store::redis::{RedisStore, Settings as RedisSettings};

/// Two engines without workers. The first leads.
struct Two {
    bench: Bench,
    other: Arc<Engine>,
    _redis: RedisServer,
}

impl Two {
    /// `None` where there is no Redis.
    async fn start() -> Option<Self> {
        if !RedisServer::is_there("two servers on one ledger") {
            return None;
        }
        let redis = RedisServer::start(Options::default());
        let mut bench = Bench::start().await;
        bench.engine = beside(&bench.engine, &redis).await;
        let other = beside(&bench.engine, &redis).await;
        assert!(bench.engine.leads() && !other.leads());
        Some(Self { bench, other, _redis: redis })
    }

    fn one(&self) -> &Arc<Engine> {
        &self.bench.engine
    }

    /// Publishes to a server that has no slot free, so that the run is queued.
    async fn queued(at: &Arc<Engine>) -> Run {
        let all = at.slots.clone().acquire_many_owned(3).await.expect("slots");
        let run = published(at).await;
        drop(all);
        assert_eq!(run.phase, Phase::Queued);
        run
    }
}

/// Another engine over the same parts, but with its ledger in Redis.
async fn beside(engine: &Arc<Engine>, redis: &RedisServer) -> Arc<Engine> {
    let settings = RedisSettings::new(redis.url().parse().expect("an address"));
    let store = Arc::new(RedisStore::open(settings).await.expect("a ledger"));
    let parts = Parts { store, ..engine.parts.clone() };
    let other = Engine::new(engine.settings.clone(), parts, Metrics::default());
    other.renew_lease().await.expect("a lease");
    other.refresh().await.expect("a catalog");
    other
}

async fn published(at: &Arc<Engine>) -> Run {
    let message = Message { payload: Bytes::from_static(b"7"), meta: MessageMeta::default() };
    let options = PublishOptions { caller: Caller::Anyone, key: None, apply_wait: PATIENCE };
    at.publish("t", message, options).await.expect("accepted").runs.remove(0)
}

/// Has a server take what another one changes; returns when it does.
async fn hears(engine: &Arc<Engine>, of: RequestId) -> (Subscription, tokio_util::task::AbortOnDropHandle<()>) {
    let mut changes = engine.subscribe(of);
    let listening = engine.clone();
    let task = tokio::spawn(async move { listening.take_changes().await });
    // That it may have missed anything is what it says first.
    soon(changes.changed()).await;
    (changes, tokio_util::task::AbortOnDropHandle::new(task))
}

async fn soon<T>(comes: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, comes).await.expect("in time")
}

#[tokio::test]
async fn what_a_server_had_in_hand_is_taken_over_when_its_life_is_over_and_not_before() {
    let Some(two) = Two::start().await else { return };
    let run = Two::queued(two.one()).await;
    let marked = step(&run, Event::Marked(two.one().mark()), two.one().now()).next.expect("a mark");
    assert_eq!(two.one().parts.store.mark(&run, &marked, None).await, Ok(Marking::Marked));
    two.other.renew_lease().await.expect("renewed");
    assert_eq!(two.other.recover().await.expect("a look"), Recovered { runs: 0 }, "the first one lives");
    two.one().parts.store.close().await;
    two.other.renew_lease().await.expect("renewed");
    assert!(two.other.leads());
    assert_eq!(two.other.recover().await.expect("a look"), Recovered { runs: 1 });
    let end = two.bench.end_of(&run).await;
    assert_eq!(end.try_no, run.try_no);
    assert_eq!(two.other.recover().await.expect("a look"), Recovered { runs: 0 }, "once");
}

#[tokio::test]
async fn who_waits_on_one_server_is_woken_by_what_another_one_stored() {
    let Some(two) = Two::start().await else { return };
    let run = published(two.one()).await;
    let (mut changes, _hearing) = hears(&two.other, run.request()).await;
    let answer = Answer { content_type: None, body: Bytes::from_static(b"42") };
    two.one().respond(run.id.as_str(), answer, Caller::Anyone).await.expect("stored");
    soon(changes.changed()).await;
    let answers = two.other.parts.store.responses(run.request()).await.expect("read");
    assert_eq!(answers.first().map(|answer| answer.body.clone()), Some(Bytes::from_static(b"42")));
}

#[tokio::test]
async fn what_is_queued_at_one_server_is_dispatched_by_the_one_that_leads() {
    let Some(two) = Two::start().await else { return };
    let (_changes, _hearing) = hears(two.one(), RequestId::from_bytes([1; 16])).await;
    soon(two.one().queued()).await;
    let run = Two::queued(&two.other).await;
    soon(two.one().queued()).await;
    assert_eq!(two.other.dispatch_due().await.expect("a look"), None);
    let stands = two.other.run(run.id).await.expect("a run");
    assert_eq!(stands.phase, Phase::Queued, "who does not lead leaves the line alone");
    two.one().dispatch_due().await.expect("a look");
    two.bench.end_of(&run).await;
}

#[tokio::test]
async fn a_pause_at_one_server_holds_a_topic_at_each() {
    let Some(two) = Two::start().await else { return };
    let (_changes, _hearing) = hears(&two.other, RequestId::from_bytes([1; 16])).await;
    soon(two.other.queued()).await;
    two.one().pause("t").await.expect("paused");
    // The gates are read before it is told that something may go, or not.
    soon(two.other.queued()).await;
    let topic = "t".parse().expect("a topic");
    assert_eq!(two.other.gate(&topic).paused().map(|(by, _)| by), Some(Pauser::Operator));
    assert_eq!(published(&two.other).await.phase, Phase::Queued);
}

#[tokio::test]
async fn one_key_at_two_servers_at_once_is_one_request() {
    let Some(two) = Two::start().await else { return };
    let publish = |at: &Arc<Engine>| {
        let (at, key) = (at.clone(), IdempotencyKey::from_header(KeyKind::Header, "k").expect("a key"));
        tokio::spawn(async move {
            let message = Message { payload: Bytes::from_static(b"7"), meta: MessageMeta::default() };
            let options = PublishOptions { caller: Caller::Anyone, key: Some(key), apply_wait: Duration::ZERO };
            at.publish("t", message, options).await.expect("accepted").request
        })
    };
    let publishing: Vec<_> = (0..16).flat_map(|_| [publish(two.one()), publish(&two.other)]).collect();
    let mut requests = Vec::new();
    for publish in publishing {
        requests.push(publish.await.expect("no fault"));
    }
    requests.dedup();
    assert_eq!(requests.len(), 1, "{requests:?}");
}
