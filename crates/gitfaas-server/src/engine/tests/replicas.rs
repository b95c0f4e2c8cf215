//! Two servers on one ledger in a real Redis, over one cluster.

use gitfaas_core::gate::Pauser;
use gitfaas_core::id::RequestId;
use gitfaas_core::idempotency::{IdempotencyKey, KeyKind};
use gitfaas_fixtures::{Fsync, Options, RedisServer};

use super::*;
use crate::store::Marking;
use crate::store::redis::{RedisStore, Settings as RedisSettings};

/// Two engines without workers. The first leads.
struct Two {
    bench: Bench,
    other: Arc<Engine>,
    redis: RedisServer,
}

impl Two {
    /// `None` where there is no Redis.
    async fn start() -> Option<Self> {
        Self::start_over(Options::default()).await
    }

    async fn start_over(options: Options) -> Option<Self> {
        if !RedisServer::is_there("two servers on one ledger") {
            return None;
        }
        let redis = RedisServer::start(options);
        let mut bench = Bench::start().await;
        bench.engine = beside(&bench.engine, &redis).await;
        let other = beside(&bench.engine, &redis).await;
        let two = Self { bench, other, redis };
        two.renew().await;
        Some(two)
    }

    /// Renews the leases of both; the first one leads. Before each step for which it has to: a machine may be slow.
    async fn renew(&self) {
        for engine in [self.one(), &self.other] {
            engine.renew_lease().await.expect("a lease");
        }
        self.one().renew_lease().await.expect("a lease");
        assert!(self.one().leads() && !self.other.leads());
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
    two.renew().await;
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
    two.renew().await;
    two.one().dispatch_due().await.expect("a look");
    two.bench.end_of(&run).await;
}

#[tokio::test]
async fn a_pause_at_one_server_holds_a_topic_at_each() {
    let Some(two) = Two::start().await else { return };
    let (_changes, _hearing) = hears(&two.other, RequestId::from_bytes([1; 16])).await;
    two.one().pause("t").await.expect("paused");
    let topic = "t".parse().expect("a topic");
    let paused = async {
        // It is woken for other reasons too.
        while two.other.gate(&topic).paused().is_none() {
            two.other.queued().await;
        }
    };
    soon(paused).await;
    assert_eq!(two.other.gate(&topic).paused().map(|(by, _)| by), Some(Pauser::Operator));
    assert_eq!(published(&two.other).await.phase, Phase::Queued);
}

#[tokio::test]
async fn a_ledger_that_may_have_lost_its_last_moments_is_told_everything_anew() {
    let lossy = Options { fsync: Fsync::EverySecond, ..Options::default() };
    for (options, loses) in [(lossy, true), (Options::default(), false)] {
        let Some(two) = Two::start_over(options).await else { return };
        let (mut changes, _hearing) = hears(&two.other, RequestId::from_bytes([1; 16])).await;
        let mut forgot = two.other.forgot();
        two.redis.restart();
        soon(changes.changed()).await;
        if loses {
            soon(forgot.changed()).await.expect("it is told");
        }
        assert!(!forgot.has_changed().expect("the engine is there"));
    }
}

#[tokio::test]
async fn who_cannot_renew_its_lease_in_time_leads_no_more_and_goes_on() {
    let Some(two) = Two::start().await else { return };
    two.redis.kill();
    two.one().renew_lease().await.expect_err("there is no ledger");
    assert!(two.one().leads(), "it is held yet");
    two.one().lease_is_over();
    two.one().renew_lease().await.expect_err("there is no ledger");
    assert!(!two.one().leads() && !two.one().standing().borrow().leads);
    two.redis.restart();
    let again = async {
        while two.one().renew_lease().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(again).await;
    assert!(two.one().leads());
}

#[tokio::test]
async fn a_life_that_goes_on_as_another_has_its_lease_from_then_on() {
    let Some(two) = Two::start().await else { return };
    let run = published(two.one()).await;
    let marked = |at| Run { mark: Some(Mark { holder: "here".to_owned(), epoch: 1, at }), ..run.clone() };
    let before = two.one().now();
    assert!(two.one().is_still_ours(&marked(before)).await, "without a look at the ledger");
    let life = format!("gitfaas:life:{}", two.one().parts.store.epoch());
    two.redis.ask(&["SET", &life, "another one"]);
    two.one().renew_lease().await.expect("renewed");
    assert!(!two.one().is_still_ours(&marked(before)).await, "the other one may have taken it");
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

#[tokio::test]
async fn what_a_life_has_in_hand_that_began_since_the_last_renewal_is_not_taken_from_it() {
    let Some(two) = Two::start().await else { return };
    let third = beside(two.one(), &two.redis).await;
    two.renew().await;
    third.renew_lease().await.expect("a lease");
    let run = Two::queued(&third).await;
    let marked = step(&run, Event::Marked(third.mark()), third.now()).next.expect("a mark");
    assert_eq!(third.parts.store.mark(&run, &marked, None).await, Ok(Marking::Marked));
    assert_eq!(two.one().recover().await.expect("a look"), Recovered { runs: 0 });
}

#[tokio::test]
async fn a_topic_that_another_server_knows_to_be_paused_is_held_here_too() {
    let Some(two) = Two::start().await else { return };
    let file = two.bench.folder.path().join("functions/config.json");
    std::fs::write(&file, config("\"paused\": true,")).expect("a file");
    two.one().refresh().await.expect("a catalog");
    two.other.read_gates().await.expect("read");
    assert_eq!(published(&two.other).await.phase, Phase::Queued, "though it has not read the config yet");
    std::fs::write(&file, config("")).expect("a file");
    two.one().refresh().await.expect("a catalog");
    two.other.read_gates().await.expect("read");
    two.renew().await;
    two.one().dispatch_due().await.expect("a look");
    let run = published(&two.other).await;
    assert_ne!(run.phase, Phase::Queued, "the test does not tell the two apart: {run:?}");
}

#[tokio::test]
async fn what_another_server_may_know_already_is_not_refused_for_good() {
    let Some(two) = Two::start().await else { return };
    let (_changes, _hearing) = hears(&two.other, RequestId::from_bytes([1; 16])).await;
    two.other.refresh().await.expect("a catalog");
    let publish = async || {
        let message = Message { payload: Bytes::new(), meta: MessageMeta::default() };
        let options = PublishOptions { caller: Caller::Anyone, key: None, apply_wait: Duration::ZERO };
        two.other.publish("new", message, options).await.map(drop).map_err(|error| error.code)
    };
    assert_eq!(publish().await, Err(ErrorCode::UnknownTopic));
    let config = r#"{"topics": [{"name": "new", "configs": ["said.yaml"]}]}"#;
    std::fs::write(two.bench.folder.path().join("functions/config.json"), config).expect("a file");
    two.one().refresh().await.expect("a catalog");
    soon(two.other.pushed()).await;
    assert_eq!(publish().await, Err(ErrorCode::NoCatalog), "it is told to come again");
    two.other.refresh().await.expect("a catalog");
    assert_eq!(publish().await, Ok(()));
}

#[tokio::test]
async fn a_job_is_let_go_only_when_its_end_cannot_be_forgotten_any_more() {
    let everysec = Options { fsync: Fsync::EverySecond, ..Options::default() };
    let Some(two) = Two::start_over(everysec).await else { return };
    let one = two.one();
    let run = published(one).await;
    let end = two.bench.end_of(&run).await;
    let there = async || one.parts.cluster.exists(&end.job).await.expect("told");
    // As a Redis has it that came back without its last moments.
    one.release(run.id, run.try_no, vec![end.job.clone()]).await;
    assert!(there().await, "it is going to be applied again");
    one.observe(run.id, end.clone()).await.expect("observed");
    let gone = async {
        while there().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(gone).await;
    assert!(one.run(run.id).await.expect("a run").is_done());
}

#[tokio::test]
async fn logs_that_the_ledger_has_forgotten_are_kept_again_before_their_job_is_let_go() {
    let everysec = Options { fsync: Fsync::EverySecond, ..Options::default() };
    let Some(two) = Two::start_over(everysec).await else { return };
    let one = two.one();
    let run = published(one).await;
    let end = two.bench.end_of(&run).await;
    let over = step(&run, Event::Observed(end.clone()), one.now()).next.expect("an end");
    assert!(one.parts.store.settle(&run, &over).await.expect("settled"));
    one.release(run.id, run.try_no, vec![end.job]).await;
    let done = two.bench.until(run.id, Run::is_done).await;
    assert_eq!(two.bench.kept(done.id).await, ["said\n"]);
}

#[tokio::test]
async fn a_lease_that_was_broken_is_held_from_the_answer_on() {
    let Some(two) = Two::start().await else { return };
    let run = published(two.one()).await;
    two.one().lease_is_over();
    two.redis.pause();
    let renewing = tokio::spawn({
        let one = two.one().clone();
        async move { one.renew_lease().await }
    });
    tokio::task::yield_now().await;
    let mark = Mark { holder: "here".to_owned(), epoch: 1, at: two.one().now() + Duration::from_millis(1) };
    while two.one().now() <= mark.at {
        tokio::task::yield_now().await;
    }
    two.redis.go_on();
    renewing.await.expect("no fault").expect("renewed");
    assert!(!two.one().is_still_ours(&Run { mark: Some(mark), ..run }).await, "somebody may have taken it before");
}

#[tokio::test]
async fn an_older_state_of_the_source_does_not_undo_what_another_server_read_since() {
    let Some(two) = Two::start().await else { return };
    let (_changes, _hearing) = hears(&two.other, RequestId::from_bytes([1; 16])).await;
    two.other.refresh().await.expect("a catalog");
    let older = two.other.catalog();
    let heard = two.other.news.heard();
    let file = two.bench.folder.path().join("functions/config.json");
    std::fs::write(&file, config("\"paused\": true,")).expect("a file");
    two.one().refresh().await.expect("a catalog");
    soon(two.other.pushed()).await;
    let older = older.as_ref().as_ref().expect("one");
    two.other.keep_gates_unless_newer(older, heard).await.expect("left as they are");
    two.one().read_gates().await.expect("read");
    let topic = "t".parse().expect("a topic");
    assert!(two.one().gate(&topic).paused().is_some());
    two.other.keep_gates_unless_newer(older, two.other.news.heard()).await.expect("kept");
    two.one().read_gates().await.expect("read");
    assert!(two.one().gate(&topic).paused().is_none(), "the test does not tell the two apart");
}

#[tokio::test]
async fn what_could_not_be_read_when_it_changed_is_read_again_until_it_can() {
    let Some(two) = Two::start().await else { return };
    let (_changes, _hearing) = hears(&two.other, RequestId::from_bytes([1; 16])).await;
    two.redis.ask(&["SET", "gitfaas:gates:config", "of nobody"]);
    two.one().pause("t").await.expect_err("it is paused, and what else holds topics back cannot be read");
    let topic = "t".parse().expect("a topic");
    assert!(two.other.gate(&topic).paused().is_none());
    // Nobody tells of anything any more.
    two.redis.ask(&["DEL", "gitfaas:gates:config"]);
    let paused = async {
        while two.other.gate(&topic).paused().is_none() {
            two.other.queued().await;
        }
    };
    soon(paused).await;
}
