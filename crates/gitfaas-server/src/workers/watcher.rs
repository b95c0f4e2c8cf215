//! Feeds what the cluster tells to the engine: in order for each run, side by side for different ones.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use gitfaas_core::id::RunId;
use gitfaas_core::run::ObjectKey;
use gitfaas_core::run::machine::Observation;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{Cluster, ClusterError, ClusterEvent};
use crate::engine::{Engine, EngineError, ErrorCode};

/// Runs that are settled side by side: enough for the store to put many into one fsync.
const LANES: usize = 32;
/// Events waiting in a lane before the stream is made to wait.
const WAITING: usize = 64;

/// The least time between two lists of everything.
const LEAST_WAIT: Duration = Duration::from_secs(1);

pub(super) async fn run(engine: Arc<Engine>, cluster: Arc<dyn Cluster>) {
    loop {
        let begun = Instant::now();
        follow(&engine, &cluster).await;
        if engine.draining().is_cancelled() {
            return;
        }
        tokio::time::sleep_until(begun + LEAST_WAIT).await;
    }
}

/// Feeds one stream to the engine, from its list of everything to its end.
async fn follow(engine: &Arc<Engine>, cluster: &Arc<dyn Cluster>) {
    let mut failures = 0;
    // Taken before the list begins: a Job that the ledger knew before must be in the list, or it is gone.
    let known = loop {
        match engine.live_jobs().await {
            Ok(known) => break known,
            Err(error) => {
                failures += 1;
                super::wait_after(engine, failures, "watcher", &error).await;
            }
        }
    };
    let lanes = Lanes::start(engine);
    let mut missing = JoinSet::new();
    // Not kept beyond the list: there may be many.
    let mut listing = Some((known, HashSet::new()));
    let mut events = cluster.watch();
    while let Some(event) = events.next().await {
        match event {
            ClusterEvent::Job { run, observation } => {
                if let Some((_, listed)) = &mut listing {
                    listed.insert((run, observation.job.clone()));
                }
                lanes.send(run, observation).await;
            }
            ClusterEvent::Synced => {
                engine.worker_succeeded("watcher", None);
                if let Some((known, listed)) = listing.take() {
                    let unlisted: Vec<_> = known.into_iter().filter(|known| !listed.contains(known)).collect();
                    let told = listed.into_iter().map(|(_, job)| job).collect();
                    missing.spawn(report_missing(engine.clone(), cluster.clone(), unlisted, told));
                }
            }
        }
    }
    lanes.finish().await;
}

/// Reports the Jobs that are gone of those that were not told of. `told` are those that were told of for other runs: two
/// runs may have applied a Job of the same fixed name, and it is told of the later one.
async fn report_missing(
    engine: Arc<Engine>,
    cluster: Arc<dyn Cluster>,
    unlisted: Vec<(RunId, ObjectKey)>,
    told: HashSet<ObjectKey>,
) {
    for (run, job) in unlisted {
        let mut failures = 0;
        while let Err(error) = report_if_missing(&engine, &*cluster, run, &job, told.contains(&job)).await {
            failures += 1;
            if !try_again(&engine, run, failures, &error).await {
                break;
            }
        }
    }
}

/// A Job also leaves the list when somebody takes its labels away, or when its namespace is not watched any more.
async fn report_if_missing(
    engine: &Arc<Engine>,
    cluster: &dyn Cluster,
    run: RunId,
    job: &ObjectKey,
    is_anothers: bool,
) -> Result<(), EngineError> {
    let unavailable = |error: ClusterError| EngineError::new(ErrorCode::ClusterUnavailable, error.message);
    if !is_anothers && cluster.exists(job).await.map_err(unavailable)? {
        tracing::warn!(run.id = %run, job = %job, "the Job exists and is not watched: how it ends is not seen");
        return Ok(());
    }
    engine.miss(run, job.clone()).await
}

/// A task for each lane; a run always goes to the same one.
struct Lanes {
    senders: Vec<mpsc::Sender<(RunId, Observation)>>,
    tasks: JoinSet<()>,
}

impl Lanes {
    fn start(engine: &Arc<Engine>) -> Self {
        let mut tasks = JoinSet::new();
        let senders = (0..LANES)
            .map(|_| {
                let (sender, receiver) = mpsc::channel(WAITING);
                tasks.spawn(settle(engine.clone(), receiver));
                sender
            })
            .collect();
        Self { senders, tasks }
    }

    async fn send(&self, run: RunId, observation: Observation) {
        // The last characters are a hash: they spread evenly.
        let lane = run.as_str().bytes().rev().take(4).fold(0_usize, |n, byte| n * 31 + usize::from(byte)) % LANES;
        // A lane ends only when the watcher itself is ended.
        drop(self.senders[lane].send((run, observation)).await);
    }

    async fn finish(self) {
        let Self { senders, mut tasks } = self;
        drop(senders);
        while tasks.join_next().await.is_some() {}
    }
}

async fn settle(engine: Arc<Engine>, mut events: mpsc::Receiver<(RunId, Observation)>) {
    'next: while let Some((run, observation)) = events.recv().await {
        let mut failures = 0;
        // A fault with one run must not end the lane, and so the watch of all others in it.
        while let Some(Err(error)) = super::without_fault("watcher", engine.observe(run, observation.clone())).await {
            failures += 1;
            if !try_again(&engine, run, failures, &error).await {
                continue 'next;
            }
        }
        engine.worker_succeeded("watcher", None);
    }
}

/// Waits before trying again; false when that cannot help, and would only hold up what is told of other runs.
async fn try_again(engine: &Engine, run: RunId, failures: u32, error: &EngineError) -> bool {
    if !error.may_pass() {
        tracing::error!(run.id = %run, %error, "what the cluster told of the run is left out");
        return false;
    }
    super::wait_after(engine, failures, "watcher", error).await;
    true
}

#[cfg(test)]
mod tests {
    use gitfaas_core::id::Try;
    use gitfaas_core::run::{JobState, Run};

    use super::*;
    use crate::engine::tests::{Bench, PATIENCE};

    fn runs(run: &Run) -> (RunId, Observation) {
        let job = run.objects[0].key.clone();
        (run.id, Observation { try_no: Try::FIRST, job, state: JobState::Running, attempts: 7 })
    }

    #[tokio::test]
    async fn a_damaged_run_holds_up_no_other() {
        let bench = Bench::start().await;
        let bad = bench.applied().await;
        bench.tamper("UPDATE run SET record = '{'");
        let good = bench.applied().await;
        let (sender, receiver) = mpsc::channel(2);
        for run in [&bad, &good] {
            sender.send(runs(run)).await.expect("a lane");
        }
        drop(sender);
        let settled = tokio::time::timeout(PATIENCE, settle(bench.engine.clone(), receiver));
        settled.await.expect("an end of the lane");
        assert_eq!(bench.until(good.id, |_| true).await.attempts, 7);
    }
}
