//! Keeps the lease of this life of the server, and that of leading where it has it or nobody does.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;

/// How long it waits after a failure: a lease lasts seconds, and each try may be the one that saves it.
const WAIT: Duration = Duration::from_secs(1);

pub(super) async fn run(engine: Arc<Engine>) {
    loop {
        match engine.renew_lease().await {
            Ok(wait) => {
                engine.worker_succeeded("lease", Some(wait));
                tokio::time::sleep(wait).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the lease of this server cannot be renewed now");
                engine.worker_failed("lease", &error, WAIT);
                tokio::time::sleep(WAIT).await;
            }
        }
    }
}
