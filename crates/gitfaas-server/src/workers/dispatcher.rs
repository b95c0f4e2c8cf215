//! Dispatches what is queued and due, while this server leads, and again what was left half done: by a life of a server
//! that is over, or in this one by an error.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::Reach;
use crate::engine::{Engine, EngineError, reach_changed};

/// The longest time between two looks at the ledger, and the time between two looks for what was left half done.
const LOOK: Duration = Duration::from_secs(30);

pub(super) async fn run(engine: Arc<Engine>) {
    let mut failures = 0;
    let mut recover_at = Instant::now();
    let (mut reach, mut standing, mut forgot) = (engine.reach(), engine.standing(), engine.forgot());
    while !engine.draining().is_cancelled() {
        engine.metrics().reached(*reach.borrow_and_update() == Reach::Up);
        match look(&engine, &mut recover_at).await {
            Ok(wait) => {
                failures = 0;
                engine.worker_succeeded("dispatcher", Some(wait));
                tokio::select! {
                    () = engine.queued() => {}
                    // What was marked when the cluster went away waits for it too.
                    () = reach_changed(&mut reach) => recover_at = Instant::now(),
                    // A life that ended may have left something, and who leads now has what is queued to dispatch.
                    Ok(()) = standing.changed() => recover_at = Instant::now(),
                    // What it says is being applied may be in nobody's hands any more.
                    Ok(()) = forgot.changed() => recover_at = Instant::now(),
                    () = tokio::time::sleep(wait) => {}
                    () = engine.draining().cancelled() => {}
                }
            }
            Err(error) => {
                failures += 1;
                super::wait_after(&engine, failures, "dispatcher", &error).await;
                // What failed may have been done, and then nobody goes on from there.
                recover_at = Instant::now();
            }
        }
    }
}

/// Looks once; how long to wait for the next look.
async fn look(engine: &Arc<Engine>, recover_at: &mut Instant) -> Result<Duration, EngineError> {
    if *recover_at <= Instant::now() {
        engine.recover().await?;
        *recover_at = Instant::now() + LOOK;
    }
    let next = engine.dispatch_due().await?;
    Ok(next.map_or(LOOK, |due| engine.until(due).min(LOOK)))
}
