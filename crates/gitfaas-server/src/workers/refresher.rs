//! Reads the source again: when it has changed or somebody says so, when it is time to look, and until it can be read.

mod waits;

use std::sync::Arc;

use tokio::time::Instant;

use self::waits::{Waits, waits};
use crate::engine::{Engine, Refreshed, jitter};
use crate::source::Source;

pub(super) async fn run(engine: Arc<Engine>, source: Arc<dyn Source>) {
    let mut refreshed = engine.refreshes();
    loop {
        // Listening begins before reading, so that a change during the read is not missed.
        let changed = source.changed();
        engine.next_look(None);
        // What came of it is in `refreshed`.
        drop(engine.refresh().await);
        tokio::select! {
            () = changed => {}
            () = until_due(&engine, &*source, &mut refreshed) => {}
        }
    }
}

/// Returns when it is time to look: each refresh of somebody else puts that off.
async fn until_due(
    engine: &Engine,
    source: &dyn Source,
    refreshed: &mut tokio::sync::watch::Receiver<Option<Refreshed>>,
) {
    // One that is pushed while the source is being read may be missing in what is read.
    let mut pushed = false;
    loop {
        let read = Instant::now();
        let Waits { poll, push } = waits(&engine.source_status(), source.poll_every(), source.backoff(), jitter());
        note(engine, refreshed.borrow_and_update().as_ref(), poll);
        loop {
            let due = if pushed { Some(poll.map_or(push, |poll| poll.min(push))) } else { poll };
            engine.next_look(due.map(|due| (read + due).saturating_duration_since(Instant::now())));
            tokio::select! {
                () = engine.pushed(), if !pushed => pushed = true,
                () = due_at(due.map(|due| read + due)) => return,
                changed = refreshed.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return std::future::pending().await,
                },
            }
        }
    }
}

async fn due_at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Notes how the newest refresh went, for people who look at the workers.
fn note(engine: &Engine, newest: Option<&Refreshed>, next: Option<std::time::Duration>) {
    match (newest, next) {
        (Some(Err(error)), Some(next)) => engine.worker_failed("refresher", error, next),
        _ => engine.worker_succeeded("refresher", next),
    }
}

#[cfg(test)]
#[path = "refresher_tests.rs"]
mod tests;
