//! What goes on without being asked: holding the lease, dispatching, watching, refreshing, inspecting, forgetting.
//!
//! Of several servers that share a ledger the one that leads watches and forgets; the others do when it is over.
//!
//! Each worker is woken by a signal and by a timer, does one idempotent verb of the engine, and survives its failures
//! by waiting longer. None of them holds state that a restart would lose.

mod dispatcher;
mod inspector;
mod janitor;
mod lease;
mod refresher;
mod watcher;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gitfaas_core::retry::Backoff;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::engine::{Engine, EngineError};
use crate::source::Source;

/// How long a worker waits after failures.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30) };

/// The workers of a server; they end when they are dropped or stopped.
pub struct Workers {
    // Ends with the cluster's stream, so that what the cluster tells while it stops is still settled.
    watcher: JoinSet<()>,
    others: JoinSet<()>,
}

impl Workers {
    /// Starts them all.
    pub fn start(engine: &Arc<Engine>, source: Arc<dyn Source>, cluster: Arc<dyn Cluster>) -> Self {
        let (mut watcher, inspected) = (JoinSet::new(), cluster.clone());
        let own = engine.clone();
        watcher.spawn(steadily("watcher", move || {
            let (engine, cluster) = (own.clone(), cluster.clone());
            async move { while_leading(&engine, || watcher::run(engine.clone(), cluster.clone())).await }
        }));
        let mut others = JoinSet::new();
        let (dispatched, refreshed, kept, inspecting) =
            (engine.clone(), engine.clone(), engine.clone(), engine.clone());
        let (holding, listening) = (engine.clone(), engine.clone());
        others.spawn(steadily("lease", move || lease::run(holding.clone())));
        others.spawn(steadily("listener", move || {
            let engine = listening.clone();
            async move { engine.take_changes().await }
        }));
        others.spawn(steadily("dispatcher", move || dispatcher::run(dispatched.clone())));
        others.spawn(steadily("refresher", move || refresher::run(refreshed.clone(), source.clone())));
        others.spawn(steadily("inspector", move || inspector::run(inspecting.clone(), inspected.clone())));
        others.spawn(steadily("janitor", move || {
            let engine = kept.clone();
            async move { while_leading(&engine, || janitor::run(engine.clone())).await }
        }));
        Self { watcher, others }
    }

    /// Ends all but the watcher, which ends when the cluster has told its last; waits for that at most `patience`. The
    /// lease is not renewed from here on, and outlasts the rest of an orderly stop.
    pub async fn stop(mut self, patience: Duration) {
        self.others.shutdown().await;
        if tokio::time::timeout(patience, async { while self.watcher.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("the cluster did not finish telling; what it had left is told at the next start");
        }
    }
}

/// Runs a worker to its end, and begins it anew after a fault of this program: the others, and everybody who publishes,
/// count on it.
async fn steadily<W: Future<Output = ()>>(worker: &'static str, work: impl Fn() -> W) {
    let mut faults = 0;
    while without_fault(worker, work()).await.is_none() {
        faults += 1;
        tokio::time::sleep(BACKOFF.ceiling(faults)).await;
    }
}

/// Does the work while this server leads, and ends when the work does, or when the server stops and does not lead.
async fn while_leading<W: Future<Output = ()>>(engine: &Engine, work: impl Fn() -> W) {
    let mut standing = engine.standing();
    loop {
        tokio::select! {
            _ = standing.wait_for(|standing| standing.leads) => {}
            () = engine.draining().cancelled() => return,
        }
        tokio::select! {
            () = work() => return,
            _ = standing.wait_for(|standing| !standing.leads) => {}
        }
    }
}

/// What the work yields; `None`, and a line in the log, when it panicked.
async fn without_fault<T>(worker: &'static str, work: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    if done.is_err() {
        tracing::error!(worker, "failed by a fault of this program; where is said above");
    }
    done.ok()
}

/// Waits after the `failures`-th failure in a row of what a worker does, having said so.
async fn wait_after(engine: &Engine, failures: u32, worker: &'static str, error: &EngineError) {
    engine.worker_failed(worker, error, BACKOFF.ceiling(failures));
    tracing::warn!(worker, failures, %error, "failed; trying again");
    tokio::time::sleep(BACKOFF.ceiling(failures)).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::engine::tests::{Bench, PATIENCE};

    #[tokio::test]
    async fn who_does_not_lead_does_not_hold_a_stop_up() {
        let bench = Bench::start().await;
        let engine = Engine::new(bench.engine.settings().clone(), bench.parts(), bench.engine.metrics().clone());
        engine.drain();
        tokio::time::timeout(PATIENCE, while_leading(&engine, std::future::pending)).await.expect("its end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_fails_by_a_fault_begins_anew() {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = begun.clone();
        steadily("tester", move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move { assert!(number >= 2, "a fault") }
        })
        .await;
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }
}
