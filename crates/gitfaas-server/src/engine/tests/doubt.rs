//! Runs of which nobody knows whether the cluster has something of them, and what makes sure that nothing is made twice.

use gitfaas_core::run::JobState;

use super::cluster::{Scripted, passing};
use super::*;
use crate::cluster::ApplyError;
use crate::engine::apply::Sent;

impl Bench {
    /// Has its function make two Jobs.
    async fn of_two_jobs(cluster: &Arc<Scripted>, change: impl FnOnce(&mut Settings)) -> Self {
        let bench = Self::led(cluster, change).await;
        let first = FUNCTION.replace("SCRIPT", "echo said");
        let two = format!("{first}---{}", first.replace("said-", "also-"));
        std::fs::write(bench.folder.path().join("functions/said.yaml"), two).expect("a file");
        bench.engine.refresh().await.expect("a catalog");
        bench
    }

    /// The Jobs that a run makes.
    async fn jobs_of(&self, run: &Run) -> Vec<ObjectKey> {
        let key = self.engine.parts.store.ledger_key();
        let fillings = Fillings::new(key, run.id, run.try_no, &self.engine.settings.base_url, "");
        let manifests = self.engine.parts.store.manifests(run.id).await.expect("manifests");
        manifests.iter().map(|manifest| manifest.fill(&fillings).key).collect()
    }

    /// A run that a life marked this long ago, and of which it told no more.
    async fn left_for(&self, time: Duration) -> Run {
        let run = self.queued().await;
        let at = self.engine.now() - time;
        let marked = step(&run, Event::Marked(Mark { at, ..self.engine.mark() }), at).next.expect("a mark");
        assert!(self.engine.parts.store.settle(&run, &marked).await.expect("settled"));
        marked
    }
}

fn names(run: &Run) -> Vec<&str> {
    run.objects.iter().map(|object| object.key.name.as_str()).collect()
}

#[tokio::test]
async fn of_a_try_that_was_left_for_very_long_the_jobs_that_are_there_are_followed() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::of_two_jobs(&cluster, |_| {}).await;
    let left = bench.left_for(Duration::from_hours(24)).await;
    let jobs = bench.jobs_of(&left).await;
    cluster.has(jobs[0].clone());
    bench.engine.recover().await.expect("a look");
    let held = bench.until(left.id, |run| run.phase != Phase::Applying).await;
    let reason = held.reason.clone().expect("why");
    assert_eq!((held.phase, reason.code.as_str(), cluster.times()), (Phase::Unknown, "Forgotten", 0));
    assert_eq!(names(&held), [jobs[0].name.as_str()], "it may run");
    assert!(held.is_live());
    let end = Observation { try_no: held.try_no, job: jobs[0].clone(), state: JobState::Succeeded, attempts: 1 };
    bench.engine.observe(held.id, end).await.expect("observed");
    bench.until(held.id, |run| !run.is_live() && run.logs_captured).await;
}

#[tokio::test]
async fn what_was_told_of_a_job_that_is_gone_by_now_counts() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |_| {}).await;
    let left = bench.left_for(Duration::from_hours(24)).await;
    let job = bench.jobs_of(&left).await.remove(0);
    let end = Observation { try_no: left.try_no, job, state: JobState::Succeeded, attempts: 1 };
    bench.engine.observe(left.id, end).await.expect("observed");
    // It was collected since.
    bench.engine.recover().await.expect("a look");
    let over = bench.until(left.id, |run| run.phase != Phase::Applying).await;
    assert_eq!((over.phase, cluster.times()), (Phase::Succeeded, 0), "{over:?}");
}

#[tokio::test]
async fn a_failure_that_comes_late_is_not_heard_when_another_one_has_the_run_in_hand() {
    let cluster = Arc::new(Scripted::hanging());
    let bench = Bench::led(&cluster, |_| {}).await;
    let run = bench.publish("t", Duration::ZERO).await.expect("accepted");
    cluster.asked(1).await;
    let ours = bench.engine.run(run.id).await.expect("a run");
    let theirs = Mark { holder: "another".to_owned(), epoch: 99, at: bench.engine.now() };
    let theirs = step(&ours, Event::Marked(theirs), bench.engine.now()).next.expect("another mark");
    assert!(bench.engine.parts.store.settle(&ours, &theirs).await.expect("settled"));
    cluster.fails([ApplyError::Final { reason: Reason::new("Forbidden", "no") }]);
    cluster.let_go(1);
    bench.engine.tasks.close();
    tokio::time::timeout(PATIENCE, bench.engine.tasks.wait()).await.expect("an end");
    assert_eq!(bench.engine.run(run.id).await.expect("a run"), theirs);
}

#[tokio::test]
async fn a_doubt_outlives_the_reasons_that_come_after_it() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |_| {}).await;
    let left = bench.left_for(Duration::from_hours(24)).await;
    // One who takes it in hand, is refused for another reason, and leaves it to the next one.
    let (mark, now) = (bench.engine.mark(), bench.engine.now());
    let marked = step(&left, Event::Marked(mark), now).next.expect("a mark");
    let reason = Reason::new("Quota", "used up");
    let failure = ApplyFailure::Passing { retry_at: now, counts: Duration::ZERO, answered: true, reason };
    let refused = step(&marked, Event::ApplyFailed(Vec::new(), failure), now).next.expect("queued");
    assert!(bench.engine.parts.store.settle(&left, &refused).await.expect("settled"));
    bench.engine.dispatch_due().await.expect("a look");
    let held = bench.until(left.id, |run| run.phase.is_final()).await;
    assert_eq!((held.phase, cluster.times()), (Phase::Unknown, 0), "its Job may have come and gone: {held:?}");
}

#[tokio::test]
async fn a_run_is_not_given_up_while_the_last_call_may_be_heard_nor_while_any_job_of_it_exists() {
    let cluster = Arc::new(Scripted::hanging());
    let bench = Bench::of_two_jobs(&cluster, |settings| settings.max_age = Duration::ZERO).await;
    let run = bench.publish("t", Duration::ZERO).await.expect("accepted");
    let again = async |run: &Run| {
        bench.until(run.id, |run| run.due_at.is_some_and(|due| due <= bench.engine.now())).await;
        bench.engine.dispatch_due().await.expect("a look");
    };
    let fails = async |times, code| {
        cluster.asked(times).await;
        cluster.fails([passing(code)]);
        cluster.let_go(1);
        bench.until(run.id, |run| run.phase != Phase::Applying).await
    };
    let queued = fails(1, ApplyError::NO_ANSWER).await;
    assert_eq!(queued.phase, Phase::Queued, "it may be on its way");
    assert!(queued.in_doubt_since.is_some());
    let jobs = bench.jobs_of(&run).await;
    cluster.has(jobs[1].clone());
    again(&run).await;
    let queued = fails(2, "Throttled").await;
    assert_eq!(queued.phase, Phase::Queued, "the other one is there");
    cluster.loses(&jobs[1]);
    again(&run).await;
    assert_eq!(fails(3, "Throttled").await.phase, Phase::Expired);
}

#[tokio::test]
async fn who_lost_its_lease_and_its_mark_makes_nothing_any_more() {
    let cluster = Arc::new(Scripted::willing());
    let bench = Bench::led(&cluster, |_| {}).await;
    let (engine, run) = (&bench.engine, bench.queued().await);
    let ours = step(&run, Event::Marked(engine.mark()), engine.now()).next.expect("a mark");
    assert!(engine.parts.store.settle(&run, &ours).await.expect("settled"));
    // It stood still for longer than its lease, and the one that leads took the run meanwhile.
    let theirs = Mark { holder: "another".to_owned(), epoch: engine.parts.store.epoch() + 1, at: engine.now() };
    let theirs = step(&ours, Event::Marked(theirs), engine.now()).next.expect("another mark");
    assert!(engine.parts.store.settle(&ours, &theirs).await.expect("settled"));
    engine.lease_is_over();
    engine.apply_stored(ours, Sent::Never).await;
    assert_eq!(cluster.times(), 0, "it is the other one's to make");
    assert_eq!(engine.run(run.id).await.expect("a run"), theirs);
}
