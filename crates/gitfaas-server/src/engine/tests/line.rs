//! Topics that hold their runs back: by a limit, by the config, by an operator.

use gitfaas_core::gate::Pauser;
use gitfaas_core::run::machine::ApplyFailure;
use gitfaas_core::run::{JobState, Reason};

use super::*;
use crate::store::Marking;

const LIMITED: &str = r#""concurrency": 2,"#;

impl Bench {
    /// What the dispatcher does, for as long as the test lasts.
    pub(super) fn dispatching(&self) {
        let engine = self.engine.clone();
        tokio::spawn(async move {
            loop {
                let next = engine.dispatch_due().await.expect("a look");
                tokio::select! {
                    () = engine.queued() => {}
                    () = tokio::time::sleep(next.map_or(PATIENCE, |due| engine.until(due))) => {}
                }
            }
        });
    }

    /// Publishes a message, whatever becomes of it, and never waits as long as for a verdict that does not come.
    async fn published(&self) -> Run {
        tokio::time::timeout(self.engine.settings().apply_wait / 2, self.applied()).await.expect("an answer at once")
    }

    async fn ends(&self, run: &Run) {
        let run = self.engine.run(run.id).await.expect("a run");
        let job = run.objects[0].key.clone();
        let end = Observation { try_no: run.try_no, job, state: JobState::Succeeded, attempts: 1 };
        self.engine.observe(run.id, end).await.expect("observed");
    }

    async fn goes(&self, run: &Run) {
        self.until(run.id, |run| run.phase == Phase::Pending).await;
    }

    /// The place of a run in its line, and the word for why it waits.
    async fn waits(&self, run: &Run) -> (Option<u32>, String) {
        let run = self.engine.run(run.id).await.expect("a run");
        let waiting = self.engine.waits([&run]).await.expect("read").remove(&run.id);
        let waiting = waiting.unwrap_or_else(|| panic!("it does not wait: {run:?}"));
        (waiting.position, waiting.reason.map(|reason| reason.code).unwrap_or_default())
    }
}

fn slot(position: u32) -> (Option<u32>, String) {
    (Some(position), "WaitingForSlot".to_owned())
}

fn paused(position: u32) -> (Option<u32>, String) {
    (Some(position), "Paused".to_owned())
}

#[tokio::test]
async fn who_finds_a_slot_is_applied_at_once_and_who_finds_none_is_told_its_place() {
    let bench = Bench::start_with(LIMITED).await;
    bench.dispatching();
    let mut runs = Vec::new();
    for phase in [Phase::Pending, Phase::Pending, Phase::Queued, Phase::Queued] {
        runs.push(bench.published().await);
        assert_eq!(runs.last().map(|run| run.phase), Some(phase), "the {}th", runs.len());
    }
    assert_eq!((bench.waits(&runs[2]).await, bench.waits(&runs[3]).await), (slot(1), slot(2)));
    let told = bench.engine.waits([&runs[3]]).await.expect("read").remove(&runs[3].id).and_then(|told| told.reason);
    assert_eq!(told.map(|reason| reason.message).as_deref(), Some("waiting for a slot, position 2"));
    bench.ends(&runs[1]).await;
    bench.goes(&runs[2]).await;
    assert_eq!(bench.waits(&runs[3]).await, slot(1));
    bench.ends(&runs[0]).await;
    bench.goes(&runs[3]).await;
}

#[tokio::test]
async fn what_is_queued_follows_the_limit_that_holds_now() {
    let bench = Bench::start_with(LIMITED).await;
    bench.dispatching();
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(bench.published().await);
    }
    bench.reconfigure(&config(r#""concurrency": 3,"#)).await;
    bench.goes(&runs[2]).await;
    bench.reconfigure(&config(r#""concurrency": 1,"#)).await;
    bench.ends(&runs[0]).await;
    bench.ends(&runs[1]).await;
    assert_eq!(bench.waits(&runs[3]).await, slot(1), "one is live");
    bench.ends(&runs[2]).await;
    bench.goes(&runs[3]).await;
    assert_eq!(bench.waits(&runs[4]).await, slot(1));
    bench.reconfigure(&config("")).await;
    bench.goes(&runs[4]).await;
}

#[tokio::test]
async fn a_topic_that_left_the_config_keeps_its_limit_until_it_is_done() {
    let bench = Bench::start_with(LIMITED).await;
    bench.dispatching();
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(bench.published().await);
    }
    let left = r#"{"topics": []}"#;
    bench.reconfigure(left).await;
    assert_eq!(bench.waits(&runs[2]).await, slot(1));
    for ended in 0..4 {
        assert!(bench.engine.gate(&runs[0].topic).holds(), "with {ended} ended");
        bench.goes(&runs[ended]).await;
        bench.ends(&runs[ended]).await;
    }
    bench.reconfigure(left).await;
    assert!(!bench.engine.gate(&runs[0].topic).holds(), "nothing of it is left");
    assert_eq!(bench.engine.pause("t").await.expect_err("unknown").code, ErrorCode::UnknownTopic);
}

#[tokio::test]
async fn what_waits_for_its_next_time_lets_others_pass() {
    let bench = Bench::start_with(r#""concurrency": 1,"#).await;
    bench.engine.pause("t").await.expect("paused");
    let (poison, other, last) = (bench.published().await, bench.published().await, bench.published().await);
    let marked = step(&poison, Event::Marked(bench.engine.mark()), bench.engine.now()).next.expect("a mark");
    let marking = bench.engine.parts.store.mark(&poison, &marked, None).await;
    assert_eq!(marking, Ok(Marking::Marked));
    let retry_at = bench.engine.now() + jiff::SignedDuration::from_hours(7);
    let reason = Reason::new("ClusterUnavailable", "it does not answer");
    let failure = ApplyFailure::Passing { retry_at, counts: Duration::ZERO, answered: true, reason };
    bench.engine.settle_verdict(marked, Event::ApplyFailed(Vec::new(), failure)).await;
    assert_eq!(bench.waits(&poison).await, paused(1), "without the pause it would be tried again");
    assert_eq!(bench.waits(&other).await, paused(1));
    bench.engine.resume("t").await.expect("resumed");
    let again = bench.engine.dispatch_due().await.expect("a look");
    assert_eq!(again, None, "whoever ends wakes the dispatcher, and not before can anything go");
    bench.goes(&other).await;
    let poison = bench.engine.run(poison.id).await.expect("a run");
    assert_eq!(bench.engine.waits([&poison]).await.expect("read").len(), 0, "its own reason is told");
    assert_eq!(bench.waits(&last).await, slot(1));
    bench.ends(&other).await;
    bench.engine.dispatch_due().await.expect("a look");
    bench.goes(&last).await;
    bench.ends(&last).await;
    assert_eq!(bench.engine.dispatch_due().await.expect("a look"), Some(retry_at));
}

#[tokio::test]
async fn a_paused_topic_accepts_and_holds_and_what_is_live_goes_on() {
    let bench = Bench::start().await;
    bench.dispatching();
    let live = bench.published().await;
    bench.engine.pause("t").await.expect("paused");
    bench.engine.pause("t").await.expect("paused again");
    let held = [bench.published().await, bench.published().await];
    assert_eq!((bench.waits(&held[0]).await, bench.waits(&held[1]).await), (paused(1), paused(2)));
    // No look takes anything, and none is due by itself.
    let look = tokio::time::timeout(PATIENCE, bench.engine.dispatch_due()).await.expect("an end of the look");
    assert_eq!(look.expect("a look"), None);
    bench.ends(&live).await;
    assert_eq!(bench.engine.run(live.id).await.expect("a run").phase, Phase::Succeeded);
    bench.engine.resume("t").await.expect("resumed");
    bench.engine.resume("t").await.expect("resumed again");
    bench.goes(&held[0]).await;
    bench.goes(&held[1]).await;
}

#[tokio::test]
async fn what_the_config_pauses_is_resumed_there_only() {
    let bench = Bench::start_with(r#""paused": true,"#).await;
    bench.dispatching();
    let held = bench.published().await;
    let topic = held.topic.clone();
    assert_eq!(bench.waits(&held).await, paused(1));
    let refused = bench.engine.resume("t").await.expect_err("refused");
    assert_eq!(refused.code, ErrorCode::PausedByConfig);
    assert!(refused.detail.contains("take `\"paused\": true` out of it"), "{}", refused.detail);
    bench.engine.pause("t").await.expect("paused by an operator too");
    bench.reconfigure(&config("")).await;
    assert_eq!(bench.engine.gate(&topic).paused().map(|(by, _)| by), Some(Pauser::Operator));
    assert_eq!(bench.waits(&held).await, paused(1));
    bench.engine.resume("t").await.expect("resumed");
    bench.goes(&held).await;
}

#[tokio::test]
async fn a_topic_that_left_the_config_paused_is_held_until_somebody_resumes_it() {
    let bench = Bench::start_with(r#""paused": true, "concurrency": 1,"#).await;
    bench.dispatching();
    let held = [bench.published().await, bench.published().await];
    bench.reconfigure(r#"{"topics": []}"#).await;
    assert_eq!(bench.waits(&held[0]).await, paused(1));
    bench.engine.resume("t").await.expect("nobody else can");
    bench.goes(&held[0]).await;
    assert_eq!(bench.waits(&held[1]).await, slot(1), "the limit stays");
}

#[tokio::test]
async fn a_topic_that_comes_back_with_nothing_but_mistakes_can_be_resumed() {
    let bench = Bench::start_with(r#""paused": true,"#).await;
    bench.dispatching();
    let held = bench.published().await;
    bench.reconfigure(r#"{"topics": []}"#).await;
    let functions = bench.folder.path().join("functions");
    std::fs::write(functions.join("config.json"), r#"{"topics": [{"name": "t", "configs": ["none.yaml"]}]}"#)
        .expect("a file");
    assert!(!bench.engine.refresh().await.expect("looked").problems.is_empty());
    assert_eq!(bench.waits(&held).await, paused(1), "nobody says otherwise");
    bench.engine.resume("t").await.expect("the config does not say that it is paused");
    bench.goes(&held).await;
}

#[tokio::test]
async fn a_limit_is_known_again_after_a_restart_before_anything_goes() {
    let bench = Bench::start_with(LIMITED).await;
    bench.engine.pause("t").await.expect("paused");
    let topic = bench.published().await.topic;
    let gate = bench.engine.gate(&topic);
    bench.engine.gates.store(Arc::default());
    bench.engine.catalog.store(Arc::new(None));
    bench.engine.restore().await.expect("a start");
    assert_eq!(bench.engine.gate(&topic), gate);
}
