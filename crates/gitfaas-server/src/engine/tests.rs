//! The verbs over a real store and the real local cluster, in the states that only a failure leaves.

mod cluster;
mod doubt;
mod line;
mod poison;
mod queue;
mod replicas;
mod retry;
pub(crate) mod scripted;

use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use gitfaas_core::id::RunId;
use gitfaas_core::manifest::Fillings;
use gitfaas_core::message::{Message, MessageMeta};
use gitfaas_core::run::machine::{ApplyFailure, Event, Observation, step};
use gitfaas_core::run::{JobState, Mark, ObjectKey, Phase, Reason, Run};

pub(crate) use self::cluster::Scripted;
use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::cluster::ClusterEvent;
use crate::cluster::local::{LocalCluster, Settings as ClusterSettings, SupervisorCommand, supervisor};
use crate::source::directory::DirectorySource;
use crate::store::embedded::EmbeddedStore;

/// Far more than anything here takes; only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const FUNCTION: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: "said-{{RANDOM}}"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: registry.example/sh:7, command: [sh, -c, "SCRIPT"]}]
"#;

/// Not a test of its own: what the cluster of the other tests calls as `gitfaas supervise`.
#[test]
#[expect(clippy::exit, reason = "a supervisor's exit code is what it returns")]
fn supervise() {
    let last = std::env::args_os().next_back().map(PathBuf::from).unwrap_or_default();
    let called = last.file_name().is_some_and(|name| name.to_string_lossy().starts_with("attempt-"));
    if last.is_absolute() && called {
        std::process::exit(i32::from(supervisor::run(&last)));
    }
}

pub(crate) fn config(rules: &str) -> String {
    format!(r#"{{"topics": [{{{rules} "name": "t", "configs": ["said.yaml"]}}]}}"#)
}

/// A folder with a config file with these rules, and its function.
fn with_functions(rules: &str, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let functions = folder.path().join("functions");
    std::fs::create_dir_all(&functions).expect("a folder");
    std::fs::write(functions.join("config.json"), config(rules)).expect("a file");
    std::fs::write(functions.join("said.yaml"), FUNCTION.replace("SCRIPT", script)).expect("a file");
    folder
}

/// An engine without workers, over a ledger, a cluster and a topic `t` with one function.
pub(crate) struct Bench {
    pub(crate) engine: Arc<Engine>,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same, with rules for the topic, each followed by a comma.
    async fn start_with(rules: &str) -> Self {
        Self::of(rules, "echo said").await
    }

    /// One with these rules, whose function is this shell script.
    async fn of(rules: &str, script: &str) -> Self {
        let bench = Self::over(None, Arc::new(SystemClock), rules, script).await;
        bench.engine.refresh().await.expect("a catalog");
        bench
    }

    /// One that has read nothing yet, over this source, whose clock stands still.
    pub(crate) async fn of_source(source: Arc<dyn Source>) -> Self {
        let clock = ManualClock::new(SystemClock.now());
        Self::over(Some(source), Arc::new(clock), "", "echo said").await
    }

    async fn over(source: Option<Arc<dyn Source>>, clock: Arc<dyn Clock>, rules: &str, script: &str) -> Self {
        let folder = with_functions(rules, script);
        let (data, functions) = (folder.path().join("data"), folder.path().join("functions"));
        let args = ["--exact", "engine::tests::supervise", "--nocapture", "--test-threads=1"];
        let program = std::env::current_exe().expect("this program");
        let usual = ClusterSettings::new(data, functions, program.clone(), None);
        let supervisor = SupervisorCommand { program, args: args.map(Into::into).to_vec() };
        let cluster = LocalCluster::open(ClusterSettings { supervisor, ..usual }).await.expect("a cluster");
        Self::whole(folder, source, Arc::new(cluster), clock, |_| {}).await
    }

    /// One over a cluster that the test leads, with these settings changed.
    pub(crate) async fn led(cluster: &Arc<Scripted>, change: impl FnOnce(&mut Settings)) -> Self {
        Self::led_at(cluster, Arc::new(SystemClock), change).await
    }

    /// The same, by this clock.
    async fn led_at(cluster: &Arc<Scripted>, clock: Arc<dyn Clock>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = with_functions("", "echo said");
        let bench = Self::whole(folder, None, cluster.clone(), clock, change).await;
        bench.engine.refresh().await.expect("a catalog");
        bench
    }

    async fn whole(
        folder: tempfile::TempDir,
        source: Option<Arc<dyn Source>>,
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn Clock>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let (data, functions) = (folder.path().join("data"), folder.path().join("functions"));
        let directory = || Arc::new(DirectorySource::new(&functions, "config.json").expect("a source"));
        let parts = Parts {
            source: source.unwrap_or_else(|| directory()),
            store: Arc::new(EmbeddedStore::open(&data).expect("a ledger")),
            cluster,
            clock,
        };
        let backoff = Backoff { first: Duration::from_millis(7), most: Duration::from_millis(70) };
        let mut settings = Settings { dispatches: 3, backoff, ..Settings::default() };
        change(&mut settings);
        let engine = Engine::new(settings, parts, Metrics::default());
        engine.renew_lease().await.expect("a lease");
        Self { engine, folder }
    }

    /// Serves another config file.
    async fn reconfigure(&self, config: &str) {
        std::fs::write(self.folder.path().join("functions/config.json"), config).expect("a file");
        let refreshed = self.engine.refresh().await.expect("a catalog");
        assert_eq!(refreshed.problems, []);
    }

    /// Publishes; the run is applied at once.
    pub(crate) async fn applied(&self) -> Run {
        self.publish("t", PATIENCE).await.expect("accepted")
    }

    /// Publishes to a topic and waits so long for a verdict.
    async fn publish(&self, topic: &str, apply_wait: Duration) -> Result<Run, EngineError> {
        let message = Message { payload: Bytes::from_static(b"7"), meta: MessageMeta::default() };
        let options = PublishOptions { caller: Caller::Anyone, key: None, apply_wait };
        self.engine.publish(topic, message, options).await.map(|mut published| published.runs.remove(0))
    }

    /// Publishes while no slot is free; the run is queued.
    async fn queued(&self) -> Run {
        let all = self.engine.slots.clone().acquire_many_owned(3).await.expect("slots");
        let run = self.applied().await;
        drop(all);
        assert_eq!(run.phase, Phase::Queued);
        run
    }

    /// How the Job of a run ended, as the cluster tells it.
    async fn end_of(&self, run: &Run) -> Observation {
        let mut events = self.engine.parts.cluster.watch();
        let ended = async {
            while let Some(event) = events.next().await {
                match event {
                    ClusterEvent::Job { run: id, observation } if id == run.id && observation.state.is_final() => {
                        return observation;
                    }
                    _ => {}
                }
            }
            unreachable!("the stream ended")
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("its end")
    }

    pub(crate) async fn until(&self, id: RunId, stands: impl Fn(&Run) -> bool) -> Run {
        let end = Instant::now() + PATIENCE;
        loop {
            let run = self.engine.run(id).await.expect("a run");
            if stands(&run) {
                return run;
            }
            assert!(Instant::now() < end, "it does not come to stand so: {run:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> Parts {
        self.engine.parts.clone()
    }

    /// What runs its manifests.
    pub(crate) fn cluster(&self) -> Arc<dyn Cluster> {
        self.engine.parts.cluster.clone()
    }

    /// Does to the ledger what no program of ours does.
    pub(crate) fn tamper(&self, sql: &str) {
        let ledger = rusqlite::Connection::open(self.folder.path().join("data/ledger.db")).expect("opened");
        ledger.busy_timeout(PATIENCE).expect("set");
        assert_eq!(ledger.execute(sql, []).expect("changed"), 1, "{sql}");
    }

    async fn kept(&self, id: RunId) -> Vec<Bytes> {
        let logs = self.engine.logs(id, None).await.expect("logs");
        logs.into_iter().map(|part| part.text).collect()
    }
}

#[tokio::test]
async fn a_run_whose_mark_was_written_though_the_store_said_no_is_applied_in_this_life() {
    let bench = Bench::start().await;
    let run = bench.queued().await;
    // What an fsync that fails once leaves: the mark is in the ledger, and nobody applies.
    // Of the moment before: two marks of one millisecond would be the same one, and nothing would be taken.
    let before = bench.engine.now() - Duration::from_millis(1);
    let mark = Mark { at: before, ..bench.engine.mark() };
    let marked = step(&run, Event::Marked(mark), before).next.expect("a mark");
    assert!(bench.engine.parts.store.settle(&run, &marked).await.expect("settled"));
    let hold = bench.engine.applying.hold(run.id);
    assert_eq!(bench.engine.recover().await.expect("recovered"), Recovered { runs: 0 }, "somebody applies it");
    drop(hold);
    assert_eq!(bench.engine.recover().await.expect("recovered"), Recovered { runs: 1 });
    bench.until(run.id, |run| run.phase == Phase::Pending).await;
}

#[tokio::test]
async fn a_run_that_was_left_is_taken_also_when_the_cluster_tells_of_it_meanwhile() {
    let bench = Bench::start().await;
    let (run, store) = (bench.queued().await, &bench.engine.parts.store);
    let before = bench.engine.now() - Duration::from_millis(1);
    let mark = Mark { epoch: store.epoch() + 1, at: before, ..bench.engine.mark() };
    let left = step(&run, Event::Marked(mark), before).next.expect("a mark");
    assert!(store.settle(&run, &left).await.expect("settled"));
    let job = ObjectKey { api_version: "batch/v1".into(), kind: "Job".into(), namespace: None, name: "said-7".into() };
    let seen = Observation { try_no: run.try_no, job, state: JobState::Running, attempts: 1 };
    let told = step(&left, Event::Observed(seen), bench.engine.now()).next.expect("it is told of");
    assert_eq!(told.phase, Phase::Applying, "whether all was made is not known");
    assert!(store.settle(&left, &told).await.expect("settled"));
    assert!(bench.engine.take_left(left).await.expect("taken"));
}

#[tokio::test]
async fn a_queued_run_that_somebody_has_in_hand_is_looked_for_later_and_not_again_and_again() {
    let bench = Bench::start().await;
    let run = bench.queued().await;
    let hold = bench.engine.applying.hold(run.id);
    let again = tokio::time::timeout(PATIENCE, bench.engine.dispatch_due()).await.expect("an end of the look");
    assert!(again.expect("a look").is_some_and(|again| again > run.created_at));
    drop(hold);
    bench.engine.dispatch_due().await.expect("a look");
    bench.until(run.id, |run| run.phase == Phase::Pending).await;
}

#[tokio::test]
async fn nothing_is_dispatched_any_more_when_the_server_is_about_to_stop() {
    let bench = Bench::start().await;
    let run = bench.queued().await;
    bench.engine.drain();
    bench.engine.parts.cluster.stop(false, Duration::ZERO).await;
    bench.engine.dispatch_due().await.expect("a look");
    bench.engine.finish().await;
    assert_eq!(bench.engine.run(run.id).await.expect("a run"), run);
}

#[tokio::test]
async fn logs_are_not_kept_again_once_their_job_is_released() {
    let bench = Bench::start().await;
    let run = bench.applied().await;
    let end = bench.end_of(&run).await;
    let over = step(&run, Event::Observed(end.clone()), bench.engine.now()).next.expect("an end");
    bench.engine.observe(run.id, end.clone()).await.expect("observed");
    bench.until(run.id, |run| run.logs_captured).await;
    let end_of_release = Instant::now() + PATIENCE;
    while !bench.engine.parts.cluster.logs(&end.job, 99).await.expect("logs").is_empty() {
        assert!(Instant::now() < end_of_release, "it is not released");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The end was told twice, and the second capture comes late.
    bench.engine.capture_logs(over).await;
    assert_eq!(bench.kept(run.id).await, ["said\n"]);
}

#[test]
fn logs_that_cannot_be_read_at_once_are_kept_later() {
    // With one thread that may block, what was asked for first is done first.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(async {
        let bench = Bench::start().await;
        let run = bench.applied().await;
        let end = bench.end_of(&run).await;
        let work = bench.folder.path().join("data/jobs/work").read_dir().expect("a folder").next();
        let starts = std::fs::read_dir(work.expect("a job").expect("a job").path()).expect("a folder");
        let mut starts = starts.map(|entry| entry.expect("an entry").path());
        let start = starts.find(|path| path.to_string_lossy().contains("/attempt-")).expect("a start");
        let log = start.join(format!("log-{:020}", 0));
        let aside = bench.folder.path().join("aside");
        std::fs::hard_link(&log, &aside).expect("a second name");
        let unreadable = bench.folder.path().join("unreadable");
        std::os::unix::fs::symlink(bench.folder.path(), &unreadable).expect("a link to what is no file");
        // Both ways in one step: at no moment is there no log.
        std::fs::rename(&unreadable, &log).expect("replaced");
        bench.engine.observe(run.id, end.clone()).await.expect("observed");
        for _ in 0..9 {
            let read = bench.engine.parts.cluster.logs(&end.job, 1 << 20).await;
            assert!(read.is_err(), "the test does not make reading fail: {read:?}");
        }
        std::fs::rename(&aside, &log).expect("moved back");
        bench.until(run.id, |run| run.logs_captured).await;
        assert_eq!(bench.kept(run.id).await, ["said\n"]);
    });
}

#[tokio::test]
async fn a_verdict_on_a_damaged_run_is_given_up() {
    let bench = Bench::start().await;
    let run = bench.applied().await;
    bench.tamper("UPDATE run SET record = '{'");
    let told = bench.engine.settle_verdict(run.clone(), Event::Applied(Vec::new()));
    assert_eq!(tokio::time::timeout(PATIENCE, told).await.expect("an end"), run);
}

#[tokio::test]
async fn a_damaged_source_of_what_was_served_does_not_keep_the_server_from_starting() {
    let bench = Bench::start().await;
    bench.tamper("UPDATE source SET body = x'00' WHERE hash = (SELECT min(hash) FROM source)");
    bench.engine.catalog.store(Arc::new(None));
    bench.engine.restore().await.expect("a start");
    assert!(bench.engine.catalog().is_none());
    bench.engine.refresh().await.expect("a catalog");
    assert!(bench.engine.parts.store.load_catalog().await.expect("what is served is whole again").is_some());
}

#[tokio::test]
async fn who_waits_is_woken_by_what_was_settled_before_the_store_said_so() {
    let bench = Bench::start().await;
    let run = bench.applied().await;
    let end = bench.end_of(&run).await;
    bench.engine.observe(run.id, end.clone()).await.expect("observed");
    bench.until(run.id, |run| run.logs_captured).await;
    bench.engine.tasks.close();
    bench.engine.tasks.wait().await;
    // The store took the end and answered with an error; it is told again, and changes nothing.
    let mut changes = bench.engine.subscribe(run.request());
    bench.engine.observe(run.id, end).await.expect("observed");
    tokio::time::timeout(PATIENCE, changes.changed()).await.expect("woken");
}

#[tokio::test]
async fn a_tree_leaves_out_answers_that_are_more_than_it_may_hold_and_says_so() {
    let bench = Bench::start().await;
    let run = bench.queued().await;
    let answered = async |bytes: usize| {
        let answer = Answer { content_type: None, body: vec![b'7'; bytes].into() };
        bench.engine.respond(run.id.as_str(), answer, Caller::Anyone).await.expect("kept");
        let tree = bench.engine.tree(run.request()).await.expect("a tree");
        (tree.responses.len(), tree.cut)
    };
    assert_eq!(answered(16 * 1024 * 1024).await, (1, false));
    assert_eq!(answered(16 * 1024 * 1024 + 1).await, (0, true));
    assert_eq!(answered(1).await, (1, false), "only the newest answer counts");
}

#[tokio::test]
async fn a_queued_run_that_is_cancelled_is_never_applied() {
    let bench = Bench::start().await;
    let run = bench.queued().await;
    let told = bench.engine.cancel(run.request(), false, Caller::Anyone).await.expect("cancelled");
    assert_eq!(told.runs[0].phase, Phase::Cancelled);
    assert_eq!(bench.engine.dispatch_due().await.expect("a look"), None);
    assert!(bench.engine.run(run.id).await.expect("a run").objects.is_empty());
}

#[tokio::test]
async fn a_run_cancelled_while_its_server_applied_it_is_over_in_the_next_life_without_being_applied() {
    let bench = Bench::start().await;
    let run = bench.queued().await;
    let marked = step(&run, Event::Marked(bench.engine.mark()), bench.engine.now()).next.expect("a mark");
    assert!(bench.engine.parts.store.settle(&run, &marked).await.expect("settled"));
    let told = bench.engine.cancel(run.request(), false, Caller::Anyone).await.expect("cancelled");
    assert_eq!(told.runs[0].phase, Phase::Applying, "nobody knows what it made");
    assert!(told.runs[0].cancelling.is_some());
    bench.engine.recover().await.expect("recovered");
    let run = bench.engine.run(run.id).await.expect("a run");
    assert_eq!((run.phase, run.objects), (Phase::Cancelled, Vec::new()));
}

#[tokio::test]
async fn an_end_that_was_wanted_and_not_asked_for_is_asked_when_the_cluster_tells_of_the_job() {
    let bench = Bench::of("", "exec sleep 300").await;
    let run = bench.applied().await;
    // What a kill between the two leaves.
    let reason = Reason::new("Cancelled", "somebody cancelled it");
    let cancelled = step(&run, Event::Cancelled(reason), bench.engine.now()).next.expect("cancelled");
    assert!(bench.engine.parts.store.settle(&run, &cancelled).await.expect("settled"));
    let job = run.objects[0].key.clone();
    let live = bench.engine.live_jobs(true).await.expect("read");
    assert_eq!(live, [(run.id, job.clone())], "its disappearance would be noticed too");
    let state = JobState::Running;
    let seen = Observation { try_no: run.try_no, job, state, attempts: 1 };
    bench.engine.observe(run.id, seen).await.expect("observed");
    let end = bench.end_of(&run).await;
    bench.engine.observe(run.id, end).await.expect("observed");
    let run = bench.until(run.id, |run| run.logs_captured).await;
    assert_eq!(run.phase, Phase::Cancelled);
    assert!(bench.engine.live_jobs(true).await.expect("read").is_empty());
}

#[tokio::test]
async fn a_job_that_this_try_made_is_not_made_again_after_a_failure_that_passes() {
    let bench = Bench::start().await;
    let run = bench.queued().await;
    let marked = step(&run, Event::Marked(bench.engine.mark()), bench.engine.now()).next.expect("a mark");
    assert!(bench.engine.parts.store.settle(&run, &marked).await.expect("settled"));
    // One of its Jobs was made, and ended, before another object of it failed in passing.
    let key =
        Fillings::new(bench.engine.parts.store.ledger_key(), run.id, run.try_no, &bench.engine.settings.base_url, "");
    let manifests = bench.engine.parts.store.manifests(run.id).await.expect("manifests");
    let job = manifests[0].fill(&key).key;
    let failure = ApplyFailure::Passing {
        retry_at: bench.engine.now(),
        counts: Duration::ZERO,
        answered: true,
        reason: Reason::new("Quota", "used up"),
    };
    bench.engine.tell(run.id, Event::ApplyFailed(vec![job.clone()], failure)).await.expect("told");
    bench.engine.dispatch_due().await.expect("a look");
    bench.until(run.id, |run| run.phase == Phase::Pending).await;
    assert!(!bench.engine.parts.cluster.exists(&job).await.expect("told"), "nobody made it in truth");
}

#[tokio::test]
async fn logs_that_an_earlier_life_did_not_keep_are_settled_though_their_job_is_gone() {
    let bench = Bench::of("", "exit 3").await;
    let run = bench.applied().await;
    let end = bench.end_of(&run).await;
    let over = step(&run, Event::Observed(end.clone()), bench.engine.now()).next.expect("an end");
    assert!(bench.engine.parts.store.settle(&run, &over).await.expect("settled"));
    bench.engine.parts.cluster.release(&end.job).await.expect("released");
    bench.engine.catch_up().await.expect("caught up");
    bench.until(run.id, |run| run.logs_captured).await;
}

#[tokio::test]
async fn a_run_of_three_days_keeps_its_request_until_the_retention_after_its_end() {
    let day = Duration::from_hours(24);
    let clock = Arc::new(ManualClock::new(SystemClock.now() - 3 * day));
    let bench = Bench::over(None, clock.clone(), "", "while [ ! -e go ]; do sleep 0.01; done").await;
    bench.engine.refresh().await.expect("a catalog");
    let run = bench.applied().await;
    for _ in 0..3 {
        clock.advance(day);
        assert_eq!(bench.engine.expire().await.expect("looked"), 0);
    }
    std::fs::write(bench.folder.path().join("functions/go"), "").expect("a file");
    let end = bench.end_of(&run).await;
    bench.engine.observe(run.id, end).await.expect("observed");
    assert_eq!(bench.engine.run(run.id).await.expect("a run").phase, Phase::Succeeded);
    assert_eq!(bench.engine.expire().await.expect("looked"), 0);
    clock.advance(2 * day + Duration::from_mins(1));
    assert_eq!(bench.engine.expire().await.expect("looked"), 1);
    assert!(bench.engine.run(run.id).await.is_err());
}
