//! What becomes of runs that cannot be applied, or of which nobody knows whether they were.

use gitfaas_core::admission::{Namespaces, Policy};
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::run::machine::MOST_RERUNS;
use gitfaas_core::run::{JobState, ObjectKey};

use super::cluster::{Scripted, passing};
use super::*;
use crate::cluster::ApplyError;
use crate::store::DeadLetterQuery;

/// The time that a try may take in these tests: over after a few of the waits of a [`Bench`].
const MAX_AGE: Duration = Duration::from_millis(30);

impl Bench {
    async fn recorded(&self, run: &Run) -> Vec<RecordedManifest> {
        self.engine.parts.store.manifests(run.id).await.expect("manifests")
    }

    /// The Job that a run makes.
    async fn job_of(&self, run: &Run) -> ObjectKey {
        let key = self.engine.parts.store.ledger_key();
        let fillings = Fillings::new(key, run.id, run.try_no, &self.engine.settings.base_url, "");
        self.recorded(run).await[0].fill(&fillings).key
    }

    /// Publishes a message whose run the cluster has been asked to make, and has not answered for.
    async fn asked_for(&self, cluster: &Scripted) -> Run {
        let before = cluster.times();
        let run = self.publish("t", Duration::ZERO).await.expect("accepted");
        cluster.asked(before + 1).await;
        run
    }

    /// The verdict of the cluster on that run is this failure.
    async fn fails(&self, cluster: &Scripted, run: &Run, error: ApplyError) -> Run {
        cluster.fails([error]);
        cluster.let_go(1);
        self.until(run.id, |run| run.phase != Phase::Applying).await
    }

    async fn dead(&self) -> Vec<Run> {
        let query = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
        self.engine.dead_letters(&query).await.expect("listed")
    }

    /// Marked by an earlier life, which did not tell what came of it.
    pub(super) async fn left_marked(&self, run: &Run) -> Run {
        let before = self.engine.now() - Duration::from_millis(1);
        let mark = Mark { at: before, ..self.engine.mark() };
        let marked = step(run, Event::Marked(mark), before).next.expect("a mark");
        assert!(self.engine.parts.store.settle(run, &marked).await.expect("settled"));
        marked
    }
}

#[tokio::test]
async fn what_fails_in_passing_for_too_long_is_a_dead_letter_that_names_the_last_error() {
    let cluster = Arc::new(Scripted::willing());
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let bench = Bench::led_at(&cluster, clock.clone(), |settings| settings.max_age = MAX_AGE).await;
    cluster.fails((0..1000).map(|_| passing("Throttled")));
    // Time passes only while it waits for its next try.
    let to_the_end = async |mut run: Run| {
        while !run.phase.is_final() {
            let failures = run.apply_failures;
            clock.advance(bench.engine.until(run.due_at.expect("when")));
            bench.engine.dispatch_due().await.expect("a look");
            run = bench.until(run.id, |run| run.phase != Phase::Applying && run.apply_failures > failures).await;
        }
        run
    };
    let dead = to_the_end(bench.publish("t", PATIENCE).await.expect("accepted")).await;
    assert_eq!(dead.phase, Phase::Expired);
    let reason = dead.reason.clone().expect("a reason");
    assert_eq!(reason.code, "MaxAgeExceeded");
    assert!(reason.message.ends_with("the last time: Throttled: it may pass"), "{}", reason.message);
    assert!(dead.apply_failures > 1, "it was tried again: {dead:?}");
    assert_eq!(bench.dead().await, vec![dead.clone()]);
    let (_, told) = bench.engine.explain(dead.id).await.expect("explained");
    assert!(told.next.contains("redriven"), "{told:?}");
    let again = bench.engine.redrive(dead.id, At::Recorded).await.expect("redriven");
    assert_eq!((again.phase, again.retried_millis), (Phase::Queued, 0));
    let dead = to_the_end(again).await;
    assert_eq!((dead.phase, dead.try_no.0), (Phase::Expired, 2));
    bench.engine.purge(dead.id).await.expect("purged");
    assert_eq!(bench.dead().await, []);
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_uses_up_no_time() {
    let cluster = Arc::new(Scripted::hanging());
    let bench = Bench::led(&cluster, |settings| settings.max_age = Duration::ZERO).await;
    let run = bench.asked_for(&cluster).await;
    cluster.reached(false);
    let queued = bench.fails(&cluster, &run, passing("ClusterUnreachable")).await;
    assert_eq!((queued.phase, queued.apply_failures, queued.retried_millis), (Phase::Queued, 1, 0));
    cluster.reached(true);
    bench.engine.cancel(run.request(), false, Caller::Anyone).await.expect("nobody has to go behind it");
    let run = bench.asked_for(&cluster).await;
    let dead = bench.fails(&cluster, &run, passing("ClusterUnreachable")).await;
    assert_eq!(dead.phase, Phase::Expired, "the test does not tell the two apart");
}

#[tokio::test]
async fn a_job_is_looked_for_before_its_run_is_given_up() {
    let cluster = Arc::new(Scripted::hanging());
    let bench = Bench::led(&cluster, |settings| settings.max_age = Duration::ZERO).await;
    // It arrived, and the answer got lost.
    let made = bench.asked_for(&cluster).await;
    cluster.has(bench.job_of(&made).await);
    let queued = bench.fails(&cluster, &made, passing("Throttled")).await;
    assert_eq!(queued.phase, Phase::Queued);
    cluster.let_go(1);
    bench.until(made.id, |run| run.due_at.is_none_or(|due| due <= bench.engine.now())).await;
    bench.engine.dispatch_due().await.expect("a look");
    bench.until(made.id, |run| run.phase == Phase::Pending).await;
    // Nobody says whether it did.
    let run = bench.asked_for(&cluster).await;
    cluster.tells(false);
    assert_eq!(bench.fails(&cluster, &run, passing("Throttled")).await.phase, Phase::Queued);
    cluster.tells(true);
    bench.engine.cancel(run.request(), false, Caller::Anyone).await.expect("nobody has to go behind it");
    let run = bench.asked_for(&cluster).await;
    assert_eq!(bench.fails(&cluster, &run, passing("Throttled")).await.phase, Phase::Expired);
}

#[tokio::test]
async fn an_unknown_run_is_held_unless_it_is_to_be_tried_once_more() {
    for on_unknown in [OnUnknown::Hold, OnUnknown::Rerun] {
        let cluster = Arc::new(Scripted::willing());
        let bench = Bench::led(&cluster, |settings| settings.on_unknown = on_unknown).await;
        bench.dispatching();
        let mut run = bench.applied().await;
        let tries = if on_unknown == OnUnknown::Hold { 1 } else { 1 + MOST_RERUNS };
        for number in 1..=tries {
            run = bench.until(run.id, |run| run.phase == Phase::Pending).await;
            assert_eq!(u64::from(run.try_no.0), number);
            bench.engine.miss(run.id, run.objects[0].key.clone()).await.expect("told");
            if number < tries {
                run = bench.until(run.id, |now| now.try_no > run.try_no).await;
            }
        }
        let held = bench.until(run.id, |run| run.phase == Phase::Unknown && run.logs_captured).await;
        bench.engine.catch_up().await.expect("caught up");
        bench.engine.tasks.close();
        bench.engine.tasks.wait().await;
        assert_eq!(bench.dead().await, vec![held.clone()]);
        let (_, told) = bench.engine.explain(held.id).await.expect("explained");
        let said = told.facts.iter().any(|fact| fact.starts_with("it was tried once more by itself 3 times"));
        assert_eq!(said, on_unknown == OnUnknown::Rerun, "{told:?}");
    }
}

#[tokio::test]
async fn an_unknown_run_that_an_earlier_life_held_is_tried_once_more() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |settings| settings.on_unknown = OnUnknown::Rerun).await;
    let run = bench.applied().await;
    let lost = step(&run, Event::Missing(run.objects[0].key.clone()), bench.engine.now()).next.expect("an end");
    let lost = step(&lost, Event::LogsCaptured, bench.engine.now()).next.expect("kept");
    assert!(bench.engine.parts.store.settle(&run, &lost).await.expect("settled"));
    bench.engine.catch_up().await.expect("caught up");
    let again = bench.until(run.id, |run| run.phase == Phase::Queued).await;
    let reason = again.reason.clone().expect("why");
    assert_eq!((again.try_no.0, again.reruns, reason.code.as_str()), (2, 1, "Rerun"));
    assert!(reason.message.contains("try 1 is not known (Gone: "), "{}", reason.message);
}

#[tokio::test]
async fn a_job_that_was_made_before_the_policy_became_stricter_is_followed() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |_| {}).await;
    cluster.reached(false);
    let [made, lost] = [bench.applied().await, bench.applied().await];
    cluster.reached(true);
    for run in [&made, &lost] {
        bench.left_marked(run).await;
    }
    let job = bench.job_of(&made).await;
    cluster.has(job.clone());
    let policy = Policy::new("Job", Namespaces::Any).expect("a policy");
    let settings = Settings { policy, ..bench.engine.settings().clone() };
    let stricter = Engine::new(settings, bench.engine.parts.clone(), Metrics::default());
    stricter.renew_lease().await.expect("a lease");
    // As long as nobody says whether it was made, it is not given up.
    cluster.tells(false);
    assert_eq!(stricter.recover().await.expect("recovered"), Recovered { runs: 2 });
    for run in [&made, &lost] {
        let queued = bench.until(run.id, |run| run.phase == Phase::Queued && run.apply_failures > 0).await;
        assert_eq!(queued.reason.map(|reason| reason.code).as_deref(), Some(ApplyError::NO_ANSWER));
    }
    cluster.tells(true);
    let due = |run: &Run| run.due_at.is_none_or(|due| due <= bench.engine.now());
    for run in [&made, &lost] {
        bench.until(run.id, due).await;
    }
    stricter.dispatch_due().await.expect("a look");
    let refused = bench.until(lost.id, |run| run.phase.is_final()).await;
    assert_eq!(refused.reason.map(|reason| reason.code).as_deref(), Some("NotAdmitted"));
    let followed = bench.until(made.id, |run| run.phase == Phase::Pending).await;
    assert_eq!(followed.objects[0].key, job);
    assert_eq!(cluster.times(), 0, "nothing was sent that is not admitted");
    let end = Observation { try_no: made.try_no, job, state: JobState::Succeeded, attempts: 1 };
    stricter.observe(made.id, end).await.expect("observed");
    bench.until(made.id, |run| run.phase == Phase::Succeeded).await;
}

#[tokio::test]
async fn what_a_topic_may_publish_to_is_nothing_when_it_left_the_config() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |_| {}).await;
    let two = r#"{"topics": [{"name": "t", "configs": ["said.yaml"]}, {"name": "other", "configs": ["said.yaml"]}]}"#;
    bench.reconfigure(two).await;
    let run = bench.applied().await;
    let publish = async |caller: Caller| {
        let message = Message { payload: Bytes::new(), meta: MessageMeta::default() };
        let options = PublishOptions { caller, key: None, apply_wait: PATIENCE };
        bench.engine.publish("other", message, options).await.map(drop).map_err(|error| error.code)
    };
    assert_eq!(publish(Caller::Run(run.id, run.try_no)).await, Ok(()));
    bench.reconfigure(r#"{"topics": [{"name": "other", "configs": ["said.yaml"]}]}"#).await;
    assert_eq!(publish(Caller::Run(run.id, run.try_no)).await, Err(ErrorCode::Forbidden));
    assert_eq!(publish(Caller::Because(run.id)).await, Ok(()), "who only names a run has everybody's rights");
}
