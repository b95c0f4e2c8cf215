//! What goes on without being asked: dispatching, watching, refreshing, forgetting.
//!
//! Each worker is woken by a signal and by a timer, does one idempotent verb of the engine, and survives its failures
//! by waiting longer. None of them holds state that a restart would lose.

mod dispatcher;
mod janitor;
mod refresher;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use gitfaas_core::retry::Backoff;
use tokio::task::JoinSet;

pub use self::refresher::Reports;

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
    /// Starts them all. `reports` gets what each refresh found.
    pub fn start(engine: &Arc<Engine>, source: Arc<dyn Source>, cluster: Arc<dyn Cluster>, reports: Reports) -> Self {
        let mut watcher = JoinSet::new();
        watcher.spawn(watcher::run(engine.clone(), cluster));
        let mut others = JoinSet::new();
        others.spawn(dispatcher::run(engine.clone()));
        others.spawn(refresher::run(engine.clone(), source, reports));
        others.spawn(janitor::run(engine.clone()));
        Self { watcher, others }
    }

    /// Ends all but the watcher, which ends when the cluster has told its last; waits for that at most `patience`.
    pub async fn stop(mut self, patience: Duration) {
        self.others.shutdown().await;
        if tokio::time::timeout(patience, async { while self.watcher.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("the cluster did not finish telling; what it had left is told at the next start");
        }
    }
}

/// Waits after the `failures`-th failure in a row of what a worker does, having said so.
async fn wait_after(failures: u32, worker: &'static str, error: &EngineError) {
    tracing::warn!(worker, failures, %error, "failed; trying again");
    tokio::time::sleep(BACKOFF.ceiling(failures)).await;
}
