//! Feeds what the cluster tells to the engine: in order for each run, side by side for different ones. Now and then it
//! compares what the ledger believes to be alive with what the cluster tells of.

mod missing;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use gitfaas_core::id::RunId;
use gitfaas_core::run::machine::Observation;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use self::missing::Told;
use crate::cluster::{Cluster, ClusterEvent};
use crate::engine::{Engine, EngineError};

/// Runs that are settled side by side: enough for the store to put many into one fsync.
const LANES: usize = 32;
/// Events waiting in a lane before the stream is made to wait.
const WAITING: usize = 64;
/// The time between two comparisons of the ledger with the cluster.
const ROUND: Duration = Duration::from_mins(5);

/// The least time between two lists of everything.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Watches until the server stops.
pub(super) async fn run(engine: Arc<Engine>, cluster: Arc<dyn Cluster>) {
    loop {
        let begun = Instant::now();
        watch(&engine, &cluster).await;
        // The cluster also ends its stream when it is stopped, and that comes after this.
        if engine.draining().is_cancelled() {
            return;
        }
        tokio::time::sleep_until(begun + LEAST_WAIT).await;
    }
}

/// Feeds one stream to the engine, from its list of everything to its end.
async fn watch(engine: &Arc<Engine>, cluster: &Arc<dyn Cluster>) {
    let lanes = Lanes::start(engine);
    let (mut told, mut synced, mut rounds) = (Told::default(), false, JoinSet::new());
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut forgot = engine.forgot();
    let mut events = cluster.watch();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = round.tick(), if synced && rounds.is_empty() => {
                rounds.spawn(missing::report(engine.clone(), cluster.clone(), told.clone(), false));
                continue;
            }
            _ = rounds.join_next(), if !rounds.is_empty() => continue,
            // What it told and the ledger lost it tells no more, unless it is asked for everything.
            Ok(()) = forgot.changed() => break,
        };
        match event {
            None => break,
            Some(ClusterEvent::Job { run, observation }) => {
                told.note(run, &observation);
                lanes.send(run, observation).await;
            }
            Some(ClusterEvent::Synced) => {
                engine.worker_succeeded("watcher", None);
                round.reset();
                if !std::mem::replace(&mut synced, true) {
                    rounds.spawn(missing::report(engine.clone(), cluster.clone(), told.clone(), true));
                }
            }
        }
    }
    lanes.finish().await;
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
