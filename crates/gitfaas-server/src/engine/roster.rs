//! How the background workers stand, for people who look. Starts and ends none of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{Engine, EngineError};

/// How a worker stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    /// When it last did what it is there for.
    pub last_success: Option<Timestamp>,
    /// When it last failed, and why; kept after it went well again.
    pub last_failure: Option<(Timestamp, String)>,
    /// Failures in a row; 0 when all is well.
    pub failures: u32,
    /// When it looks again unless it is woken before; `None` while it is at work, or when only a signal wakes it.
    pub next_look: Option<Timestamp>,
}

/// The workers by name.
#[derive(Debug, Default)]
pub(super) struct Roster(Mutex<BTreeMap<&'static str, WorkerStatus>>);

impl Roster {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, WorkerStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Notes that a worker did what it is there for, and looks again after `next` unless it is woken before.
    pub fn worker_succeeded(&self, worker: &'static str, next: Option<Duration>) {
        let now = self.now();
        let mut roster = self.roster.lock();
        let status = roster.entry(worker).or_default();
        status.last_success = Some(now);
        status.failures = 0;
        status.next_look = next.and_then(|next| now.checked_add(next).ok());
    }

    /// Notes that a worker failed, and tries again after `next`.
    pub fn worker_failed(&self, worker: &'static str, error: &EngineError, next: Duration) {
        let now = self.now();
        let mut roster = self.roster.lock();
        let status = roster.entry(worker).or_default();
        status.last_failure = Some((now, error.to_string()));
        status.failures = status.failures.saturating_add(1);
        status.next_look = now.checked_add(next).ok();
    }

    /// How each worker stands that has done anything yet, by name.
    pub fn workers(&self) -> Vec<(&'static str, WorkerStatus)> {
        self.roster.lock().iter().map(|(name, status)| (*name, status.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::tests::Bench;
    use crate::engine::{EngineError, ErrorCode};

    use super::*;

    #[tokio::test]
    async fn a_worker_that_went_well_again_still_tells_what_failed() {
        let engine = Bench::start().await.engine.clone();
        let error = EngineError::new(ErrorCode::StoreUnavailable, "the disk is full");
        for _ in 0..3 {
            engine.worker_failed("tester", &error, Duration::from_secs(9));
        }
        let failed = engine.workers().remove(0);
        assert_eq!((failed.0, failed.1.failures), ("tester", 3));
        assert_eq!(failed.1.next_look, engine.now().checked_add(Duration::from_secs(9)).ok());
        engine.worker_succeeded("tester", None);
        let (_, status) = engine.workers().remove(0);
        assert_eq!((status.failures, status.last_success), (0, Some(engine.now())));
        assert_eq!(status.last_failure.map(|(_, why)| why).as_deref(), Some("the disk is full"));
        assert_eq!(status.next_look, None);
    }
}
