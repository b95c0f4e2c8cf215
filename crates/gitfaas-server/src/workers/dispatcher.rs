//! Dispatches what is queued and due, and at the start what an earlier life left half done.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;

/// The longest time between two looks at the ledger.
const LOOK: Duration = Duration::from_secs(30);

pub(super) async fn run(engine: Arc<Engine>) {
    let mut failures = 0;
    while let Err(error) = engine.recover().await {
        failures += 1;
        super::wait_after(failures, "dispatcher", &error).await;
    }
    failures = 0;
    loop {
        let next = match engine.dispatch_due().await {
            Ok(next) => next,
            Err(error) => {
                failures += 1;
                super::wait_after(failures, "dispatcher", &error).await;
                continue;
            }
        };
        failures = 0;
        let wait = next.map_or(LOOK, |due| engine.until(due).min(LOOK));
        tokio::select! {
            () = engine.queued() => {}
            () = tokio::time::sleep(wait) => {}
            () = engine.draining().cancelled() => return,
        }
    }
}
