//! How long the refresher waits before it looks at the source again, as a rule without a clock.

use std::time::Duration;

use gitfaas_core::retry::Backoff;

use crate::engine::SourceStatus;

/// The least time from one look to the next that webhooks lead to: many pushes in a row are seen by few looks.
const PUSH: Duration = Duration::from_secs(1);
/// The same while looks fail: what is broken is not asked about at each push.
const PUSH_FAILING: Duration = Duration::from_secs(10);
/// The longest that a source is left alone because it asks for that.
const LONGEST: Duration = Duration::from_hours(1);

/// Counted from the end of the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waits {
    /// Until it is looked at unasked; `None` for never.
    pub(super) poll: Option<Duration>,
    /// Until it may be looked at because a webhook says that there is something new.
    pub(super) push: Duration,
}

/// The waits of a source that stands so; `jitter` is drawn evenly from 0 to 1.
pub(super) fn waits(status: &SourceStatus, poll: Option<Duration>, backoff: Backoff, jitter: f64) -> Waits {
    let Some(failure) = status.last_error.as_ref() else {
        // A tenth more or less, so that many servers of one repository do not ask at the same moment.
        return Waits { poll: poll.map(|every| every.mul_f64(0.2f64.mul_add(jitter, 0.9))), push: PUSH };
    };
    let asked = failure.retry_after.unwrap_or_default().min(LONGEST);
    Waits {
        // Half of the wait is sure: what is broken is never asked about again at once.
        poll: Some(backoff.wait(status.failures, jitter.mul_add(0.5, 0.5)).max(asked)),
        push: PUSH_FAILING.max(asked),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::engine::SourceFailure;
    use crate::source::Fault;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(5), most: Duration::from_mins(9) };

    fn failing(failures: u32, retry_after: Option<Duration>) -> SourceStatus {
        let failure =
            SourceFailure { at: Timestamp::UNIX_EPOCH, fault: Fault::Throttled, message: String::new(), retry_after };
        SourceStatus { failures, last_error: Some(failure), ..SourceStatus::default() }
    }

    fn seconds(jitter: f64, status: &SourceStatus) -> (u64, u64) {
        let waits = waits(status, Some(Duration::from_mins(10)), BACKOFF, jitter);
        (waits.poll.expect("a time").as_secs(), waits.push.as_secs())
    }

    #[test]
    fn a_source_that_is_well_is_polled_a_tenth_sooner_or_later() {
        let well = SourceStatus::default();
        assert_eq!([0.0, 0.5, 1.0].map(|jitter| seconds(jitter, &well)), [(540, 1), (600, 1), (660, 1)]);
        assert_eq!(waits(&well, None, BACKOFF, 0.5).poll, None);
    }

    #[test]
    fn a_failing_source_is_looked_at_soon_and_then_less_and_less() {
        let after = |failures| seconds(1.0, &failing(failures, None)).0;
        assert_eq!([1, 2, 3, 7, 8, 4_000_000].map(after), [5, 10, 20, 320, 540, 540]);
        assert_eq!(seconds(0.0, &failing(3, None)).0, 10, "half of the wait at least");
        assert!(waits(&failing(1, None), None, BACKOFF, 0.5).poll.is_some(), "also one that is not polled");
    }

    #[test]
    fn a_source_that_asks_to_be_left_alone_is_left_alone_within_reason() {
        let asked = |wait| seconds(1.0, &failing(1, Some(Duration::from_secs(wait))));
        assert_eq!(asked(90), (90, 90));
        assert_eq!(asked(1), (5, 10));
        assert_eq!(asked(10_000_000_000), (3600, 3600));
    }
}
