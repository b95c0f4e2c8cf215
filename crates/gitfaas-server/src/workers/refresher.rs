//! Reads the source again whenever it may have changed, and until it could be read at all.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::engine::{Engine, EngineError, Refresh};
use crate::source::Source;

/// Where the outcome of each refresh goes, for somebody who shows it.
pub type Reports = Option<mpsc::UnboundedSender<Result<Refresh, EngineError>>>;

pub(super) async fn run(engine: Arc<Engine>, source: Arc<dyn Source>, reports: Reports) {
    let mut failures = 0;
    loop {
        // Listening begins before reading, so that a change during the read is not missed.
        let changed = source.changed();
        let refreshed = engine.refresh().await;
        let failed = refreshed.as_ref().err().cloned();
        if let Some(reports) = &reports {
            // Nobody looks any more: that is no reason to stop.
            drop(reports.send(refreshed));
        }
        if let Some(error) = failed {
            failures += 1;
            tokio::select! {
                () = changed => {}
                () = super::wait_after(&engine, failures, "refresher", &error) => {}
            }
        } else {
            failures = 0;
            engine.worker_succeeded("refresher", None);
            changed.await;
        }
    }
}
