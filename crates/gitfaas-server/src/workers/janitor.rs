//! Forgets what the retention says is over.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;

/// How often it looks, at least and at most; between them, ten times within the retention.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

pub(super) async fn run(engine: Arc<Engine>) {
    let look = (engine.settings().retention / 10).clamp(LOOK.0, LOOK.1);
    let mut failures = 0;
    loop {
        match engine.expire().await {
            Ok(expired) => {
                failures = 0;
                engine.worker_succeeded("janitor", Some(look));
                if expired > 0 {
                    tracing::info!(requests = expired, "forgot expired requests");
                }
                tokio::time::sleep(look).await;
            }
            Err(error) => {
                failures += 1;
                super::wait_after(&engine, failures, "janitor", &error).await;
            }
        }
    }
}
