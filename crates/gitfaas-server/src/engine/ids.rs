//! Request ids: `UUIDv7`, rising within this process even when many are made in one millisecond.

use gitfaas_core::id::RequestId;
use jiff::Timestamp;
use std::sync::Mutex;
use uuid::{ContextV7, Uuid};

/// Makes request ids.
pub(super) struct Ids(Mutex<ContextV7>);

impl Default for Ids {
    fn default() -> Self {
        Self(Mutex::new(ContextV7::new()))
    }
}

impl Ids {
    /// The id of a request accepted at `now`.
    pub(super) fn next(&self, now: Timestamp) -> RequestId {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let time = uuid::Timestamp::from_unix(&self.0, seconds, nanoseconds);
        RequestId::new(Uuid::new_v7(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_moment_are_different_and_rise() {
        let ids = Ids::default();
        let now = Timestamp::from_millisecond(1_795_443_501_123).expect("a time");
        let made: Vec<RequestId> = (0..10_000).map(|_| ids.next(now)).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }
}
