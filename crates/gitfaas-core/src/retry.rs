//! How long to wait before trying again.

use std::time::Duration;

/// Exponential backoff with full jitter: the wait is drawn evenly between nothing and a ceiling that doubles.
///
/// Full jitter spreads a crowd of retries over the whole window instead of letting it come back as one wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Ceiling of the first wait.
    pub first: Duration,
    /// Ceiling of every wait.
    pub most: Duration,
}

impl Backoff {
    /// The ceiling before the try after `failures` failures (at least one).
    pub fn ceiling(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }

    /// The wait after `failures` failures; `jitter` is drawn evenly from 0 to 1 by the caller, who has the randomness.
    pub fn wait(&self, failures: u32, jitter: f64) -> Duration {
        self.ceiling(failures).mul_f64(jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_most() {
        let backoff = Backoff { first: Duration::from_millis(500), most: Duration::from_mins(1) };
        assert_eq!(backoff.ceiling(1), Duration::from_millis(500));
        assert_eq!(backoff.ceiling(2), Duration::from_secs(1));
        assert_eq!(backoff.ceiling(7), Duration::from_secs(32));
        assert_eq!(backoff.ceiling(8), Duration::from_mins(1));
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_mins(1));
    }

    #[test]
    fn jitter_spreads_the_wait_over_the_whole_window() {
        let backoff = Backoff { first: Duration::from_secs(2), most: Duration::from_mins(1) };
        assert_eq!(backoff.wait(1, 0.0), Duration::ZERO);
        assert_eq!(backoff.wait(1, 0.5), Duration::from_secs(1));
        assert_eq!(backoff.wait(1, 7.0), Duration::from_secs(2));
    }
}
