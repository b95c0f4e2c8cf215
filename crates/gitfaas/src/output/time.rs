//! Spans of time in few characters.

use jiff::Timestamp;

/// The time from `start` to `end` as people say it: `0.3s`, `42s`, `3m12s`, `2h05m`, `3d4h`.
pub(crate) fn span(start: Timestamp, end: Timestamp) -> String {
    let millis = u64::try_from(end.duration_since(start).as_millis()).unwrap_or(0);
    let seconds = millis / 1000;
    match seconds {
        0..10 => format!("{}.{}s", seconds, millis % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// How long ago `then` was.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(then, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_keep_two_figures_that_matter() {
        let start: Timestamp = "2026-11-23T14:42:59.250Z".parse().expect("a time");
        for (millis, text) in [
            (0, "0.0s"),
            (1_390, "1.3s"),
            (59_999, "59s"),
            (192_000, "3m12s"),
            (7_500_000, "2h05m"),
            (273_600_000, "3d4h"),
        ] {
            let end = start + jiff::SignedDuration::from_millis(millis);
            assert_eq!(span(start, end), text);
        }
    }

    #[test]
    fn clocks_that_disagree_make_no_negative_span() {
        let start: Timestamp = "2026-11-23T14:42:59Z".parse().expect("a time");
        assert_eq!(span(start, start - jiff::SignedDuration::from_secs(3)), "0.0s");
    }
}
