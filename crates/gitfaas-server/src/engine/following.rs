//! How the source stands: when it was read, why it could not be, and when it is looked at next.
//!
//! It does not look itself: that is `refresh`; nor does it choose when: that is the refresher's.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use gitfaas_core::commit::Commit;
use gitfaas_core::problem::Problem;
use jiff::Timestamp;
use tokio::sync::watch;

use super::Engine;
use super::refresh::{Failed, Refreshed};
use crate::source::Fault;

/// How the source stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// When it was last read successfully (also when files in it are wrong), in this life of the server.
    pub last_success: Option<Timestamp>,
    /// Why the last look failed as a whole; `None` when it went well.
    pub last_error: Option<SourceFailure>,
    /// Failures in a row; 0 when all is well.
    pub failures: u32,
    /// When it is looked at again unless somebody asks before; `None` while it is looked at, and where only a change, a
    /// webhook or `/refresh` leads to a look.
    pub next_try: Option<Timestamp>,
    /// What is wrong with the config file of the newest state, which is therefore not served at all.
    pub config_problems: Vec<Problem>,
    /// The newest commit that was read, in this life of the server; `None` where there are none.
    pub newest: Option<Commit>,
}

/// Why a look at the source failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFailure {
    /// When.
    pub at: Timestamp,
    /// What kind of fault it is; [`Fault::Local`] where what was read could not be kept.
    pub fault: Fault,
    /// What happened and what to do.
    pub message: String,
    /// How long whoever has the source asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl Engine {
    /// How the source stands.
    pub fn source_status(&self) -> SourceStatus {
        self.lock_status().clone()
    }

    /// What came of the newest refresh that ended, whoever asked for it; it changes with each.
    pub fn refreshes(&self) -> watch::Receiver<Option<Refreshed>> {
        self.refreshing.newest()
    }

    /// Notes that somebody said that the source has changed: it is looked at soon, by the refresher. Many who say so
    /// before it is looked at cost one look.
    pub fn source_pushed(&self) {
        self.pushed.notify_one();
    }

    /// Returns when [`source_pushed`](Self::source_pushed) was called since the last time.
    pub async fn pushed(&self) {
        self.pushed.notified().await;
    }

    /// Notes when the source is looked at next, unless somebody asks before.
    pub fn next_look(&self, next: Option<Duration>) {
        let next_try = next.and_then(|next| self.now().checked_add(to_millisecond(next)).ok());
        self.lock_status().next_try = next_try;
        self.metrics.source_next(next_try);
    }

    /// Notes that the source was read at this commit; `config_problems` keep what was read from being served.
    pub(super) fn source_read(&self, newest: Option<Commit>, config_problems: Vec<Problem>) {
        let now = self.now();
        self.metrics.refreshed(if config_problems.is_empty() { "ok" } else { "config" });
        self.metrics.source_read(now);
        let mut status = self.lock_status();
        status.last_success = Some(now);
        status.last_error = None;
        status.failures = 0;
        status.config_problems = config_problems;
        status.newest = newest;
    }

    /// Notes, and says once, that it was not read, or that what was read could not be kept.
    pub(super) fn source_failed(&self, failed: &Failed) {
        let (fault, retry_after) = match failed {
            Failed::Source(error) => (error.fault, error.retry_after),
            Failed::Here(_) => (Fault::Local, None),
        };
        let failure = SourceFailure { at: self.now(), fault, message: failed.to_string(), retry_after };
        let failures = {
            let mut status = self.lock_status();
            status.failures = status.failures.saturating_add(1);
            status.last_error = Some(failure);
            status.failures
        };
        tracing::warn!(source.fault = %fault, source.failures = failures, error = %failed, "the functions cannot be read; what was served goes on being served");
        self.metrics.refreshed(fault.as_str());
        self.metrics.source_failed(failures);
    }

    pub(super) fn lock_status(&self) -> MutexGuard<'_, SourceStatus> {
        self.source_status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What times are told to.
const fn to_millisecond(duration: Duration) -> Duration {
    Duration::new(duration.as_secs(), duration.subsec_millis() * 1_000_000)
}
