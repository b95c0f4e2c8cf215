//! Forgets what the retention says is over.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;

/// How often it looks.
const LOOK: Duration = Duration::from_mins(1);

pub(super) async fn run(engine: Arc<Engine>) {
    let mut failures = 0;
    loop {
        match engine.expire().await {
            Ok(expired) => {
                failures = 0;
                if expired > 0 {
                    tracing::info!(requests = expired, "forgot expired requests");
                }
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => {
                failures += 1;
                super::wait_after(failures, "janitor", &error).await;
            }
        }
    }
}
