//! Waiting on conditions, with a deadline.

use std::time::{Duration, Instant};

/// How long a condition may take to come true. Generous: it is only waited out when a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something; fails with `what` when it never does.
pub(crate) async fn eventually<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    within(DEADLINE, what, condition).await
}

/// The same, for what may take longer.
pub(crate) async fn within<T>(deadline: Duration, what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < deadline, "{what}: not within {deadline:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
