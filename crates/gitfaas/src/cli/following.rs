//! How a server keeps up with where its functions come from, as flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

/// When the source is looked at.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(crate) struct Following {
    /// How often to look whether there is something new: minutes as a plain number (`10`, `0.5`), or `30s`, `5m`, `1h`; a
    /// tenth more or less, from 1s to 24h. `off` looks at the start, after a failure, and when a webhook or /refresh says
    /// so
    #[arg(long, value_name = "MINUTES", env = "GITFAAS_POLL", default_value = "10", value_parser = poll)]
    pub(crate) poll: Poll,
    /// A file with the secret that push webhooks are signed with, or several, one a line, while one is being replaced. It is
    /// read at each delivery [default: no webhooks are taken]
    #[arg(long, value_name = "FILE", env = "GITFAAS_WEBHOOK_SECRET_FILE", value_hint = ValueHint::FilePath)]
    pub(crate) webhook_secret_file: Option<PathBuf>,
}

/// How often to look; `None` for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Poll(pub(crate) Option<Duration>);

const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_hours(24);

fn poll(given: &str) -> Result<Poll, String> {
    if matches!(given, "off" | "0") {
        return Ok(Poll(None));
    }
    let every = interval(given).ok_or("write it in minutes (10, 0.5), as 30s, 5m or 1h, or as off")?;
    if (LEAST..=MOST).contains(&every) {
        return Ok(Poll(Some(every)));
    }
    Err("it must be from 1s to 24h, or off".to_owned())
}

/// A plain number is minutes: the unit of the Python gitfaas.
fn interval(given: &str) -> Option<Duration> {
    let number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if given.bytes().all(number) {
        return Duration::try_from_secs_f64(given.parse::<f64>().ok()? * 60.0).ok();
    }
    given.parse::<jiff::SignedDuration>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_is_minutes() {
        let seconds = |given: &str| poll(given).expect("a time").0.map(|every| every.as_secs_f64());
        for (given, every) in [
            ("10", 600.0),
            ("0.5", 30.0),
            ("1440", 86400.0),
            ("30s", 30.0),
            ("5m", 300.0),
            ("1h", 3600.0),
            ("1h30m", 5400.0),
        ] {
            assert_eq!(seconds(given), Some(every), "{given}");
        }
    }

    #[test]
    fn polling_can_be_off() {
        assert_eq!([poll("off"), poll("0")], [Ok(Poll(None)), Ok(Poll(None))]);
    }

    #[test]
    fn what_is_no_time_or_too_short_or_too_long_says_what_to_write() {
        for wrong in ["", ".", "-1", "soon", "1e9", "NaN", "inf", "1.2.3", "5 parsecs", "-5s", "10 ", "10min 5x"] {
            assert!(poll(wrong).is_err_and(|said| said.contains("minutes")), "{wrong}");
        }
        for wrong in ["0.01", "999ms", "0s", "1441", "25h", &"9".repeat(400)] {
            assert!(poll(wrong).is_err(), "{wrong}");
        }
    }
}
