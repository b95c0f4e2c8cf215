//! `Prefer` (RFC 7240): how a publisher wants to be answered.
//!
//! Preferences that are not known here, or make no sense, are passed over, as that specification says.

use std::time::Duration;

use axum::http::HeaderMap;

/// What was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Prefer {
    /// Not to wait for what the cluster says.
    pub(super) respond_async: bool,
    /// To wait for the answers of the functions, for so long at most.
    pub(super) wait: Option<Duration>,
}

impl Prefer {
    /// The preferences of a request; nobody waits for longer than `most`.
    pub(super) fn of(headers: &HeaderMap, most: Duration) -> Self {
        let mut prefer = Self::default();
        let lines = headers.get_all("prefer").into_iter().filter_map(|line| line.to_str().ok());
        for preference in lines.flat_map(|line| line.split(',')) {
            // What follows a semicolon only says more about a preference.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.eq_ignore_ascii_case("respond-async") && value.is_empty() {
                prefer.respond_async = true;
            } else if name.eq_ignore_ascii_case("wait") && prefer.wait.is_none() {
                // The first of two counts.
                let seconds = value.parse::<u32>().ok();
                prefer.wait = seconds.map(|seconds| Duration::from_secs(seconds.into()).min(most));
            }
        }
        prefer
    }

    /// How long to wait for the first apply of each function, where nothing else is said for `usual`. Who waits for the
    /// answers waits for that anyway.
    pub(super) const fn apply_wait(self, usual: Duration) -> Duration {
        if self.respond_async || self.wait.is_some() { Duration::ZERO } else { usual }
    }

    /// What of it was heeded, as `Preference-Applied` tells it; nothing when nothing was asked.
    pub(super) fn applied(self) -> Option<String> {
        let wait = self.wait.map(|wait| format!("wait={}", wait.as_secs()));
        let asynchronous = self.respond_async.then(|| "respond-async".to_owned());
        let applied: Vec<String> = asynchronous.into_iter().chain(wait).collect();
        (!applied.is_empty()).then(|| applied.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_mins(1);

    fn prefer(lines: &[&str]) -> Prefer {
        let line = |line: &&str| (http::HeaderName::from_static("prefer"), line.parse().expect("a value"));
        Prefer::of(&lines.iter().map(line).collect(), MOST)
    }

    #[test]
    fn what_is_known_is_heard_and_the_rest_passed_over() {
        let waits = |seconds| Some(Duration::from_secs(seconds));
        for (lines, respond_async, wait) in [
            (&["respond-async"][..], true, None),
            (&["Respond-Async; foo=bar"], true, None),
            (&["wait=7"], false, waits(7)),
            (&["respond-async, wait = \"7\""], true, waits(7)),
            (&["wait=7", "respond-async"], true, waits(7)),
            (&["wait=7, wait=9"], false, waits(7)),
            (&["wait=4000000000"], false, Some(MOST)),
            (&["wait=soon", "handling=lenient", "respond-async=no", ",,;="], false, None),
            (&[], false, None),
        ] {
            assert_eq!(prefer(lines), Prefer { respond_async, wait }, "{lines:?}");
        }
    }

    #[test]
    fn what_was_heeded_is_told_back() {
        assert_eq!(prefer(&["respond-async, wait=9999"]).applied().as_deref(), Some("respond-async, wait=60"));
        assert_eq!(prefer(&["return=minimal"]).applied(), None);
    }

    #[test]
    fn who_does_not_want_to_wait_does_not() {
        let usual = Duration::from_secs(5);
        assert_eq!(prefer(&["respond-async"]).apply_wait(usual), Duration::ZERO);
        assert_eq!(prefer(&["wait=2"]).apply_wait(usual), Duration::ZERO, "it waits for the answers instead");
        assert_eq!(prefer(&[]).apply_wait(usual), usual);
    }
}
