//! How a container came to its end, and what is said of it.

use gitfaas_core::run::{JobState, Reason};
use jiff::Timestamp;

use super::attempt::{Asked, Exit, How};
use super::spec::Spec;
use super::start::Start;

/// How a start came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its supervisor wrote it down.
    Ended(Exit),
    /// Its supervisor was gone without a word; when it had been started.
    Lost(Timestamp),
}

impl Outcome {
    /// The last that is known of it.
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Ended(exit) => exit.at,
            Self::Lost(started) => *started,
        }
    }

    /// Why it was told to end, if it was.
    pub(super) fn asked(&self) -> Option<Asked> {
        match self {
            Self::Ended(exit) => exit.asked,
            Self::Lost(_) => None,
        }
    }

    /// As a shell tells it.
    pub(super) fn code(&self) -> Option<i32> {
        match self {
            Self::Ended(exit) => exit.how.code(),
            Self::Lost(_) => None,
        }
    }

    /// Whether it did what it was to do.
    pub(super) fn succeeded(&self) -> bool {
        matches!(self, Self::Ended(Exit { how: How::Code(0), asked: None, .. }))
    }

    /// Whether it failed by itself, or nobody knows what became of it.
    pub(super) fn failed(&self) -> bool {
        self.asked().is_none() && !self.succeeded()
    }
}

/// The Job gave up with this start, after so many attempts; the last that it `said`.
pub(super) fn gave_up(spec: &Spec, start: &Start, attempts: u32, outcome: &Outcome, said: &str) -> JobState {
    let message = format!("attempt {} of {attempts} {}", start.attempt, describe(spec, start, outcome, said));
    match outcome {
        // Nobody can say that the function failed.
        Outcome::Lost(_) => JobState::Interrupted { reason: Reason::new("Lost", message) },
        Outcome::Ended(exit) => {
            let code = match exit.asked {
                Some(_) => "DeadlineExceeded",
                None if exit.was_killed_for_memory() => "OOMKilled",
                None => "BackoffLimitExceeded",
            };
            JobState::Failed { reason: Reason::new(code, message), exit_code: exit.how.code() }
        }
    }
}

/// The Job's own deadline is over.
pub(super) fn deadline_exceeded(spec: &Spec, exit_code: Option<i32>) -> JobState {
    let seconds = spec.job_deadline.map_or(0, |deadline| deadline.as_secs());
    let message = format!("it was active for longer than its activeDeadlineSeconds, {seconds} s");
    JobState::Failed { reason: Reason::new("DeadlineExceeded", message), exit_code }
}

/// What became of a start: as the rest of a sentence that names its attempt.
pub(super) fn describe(spec: &Spec, start: &Start, outcome: &Outcome, said: &str) -> String {
    let mut text = match outcome {
        Outcome::Lost(_) => "was lost: its supervisor was killed, or the machine stopped".to_owned(),
        Outcome::Ended(exit) if exit.asked.is_some() => {
            "ran for longer than its pod's activeDeadlineSeconds".to_owned()
        }
        Outcome::Ended(exit) if exit.was_killed_for_memory() => {
            "was killed because it used more memory than its limit (exit code 137)".to_owned()
        }
        Outcome::Ended(exit) => match &exit.how {
            How::Code(code) => format!("ended with exit code {code}"),
            How::Signal(signal) => format!("was ended by signal {signal} (exit code {})", 128 + signal),
            How::NotStarted(why) => format!("could not be started: {why}"),
        },
    };
    // Where there is only one, its name helps nobody.
    if spec.init.len() + spec.containers.len() > 1 {
        text = format!("failed: container {} {text}", start.container);
    }
    if spec.indexed {
        text = format!("(index {}) {text}", start.index);
    }
    if !said.is_empty() && matches!(outcome, Outcome::Ended(_)) {
        text.push_str(": ");
        text.push_str(said);
    }
    text
}

/// The last lines of a log, short enough for a sentence.
pub(super) fn last_words(log: &[u8]) -> String {
    const LINES: usize = 3;
    const CHARACTERS: usize = 400;
    let text = String::from_utf8_lossy(log);
    let clean = text.lines().map(|line| line.trim().replace(char::is_control, " ")).filter(|line| !line.is_empty());
    let lines: Vec<String> = clean.collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join(" | ");
    let skipped = last.chars().count().saturating_sub(CHARACTERS);
    if skipped == 0 { last } else { format!("…{}", last.chars().skip(skipped).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_short_and_printable() {
        assert_eq!(last_words(b"one\ntwo\n\nthree\n  four\x1b[0m \n"), "two | three | four [0m");
        assert_eq!(last_words(b""), "");
        let long = last_words("é".repeat(9999).as_bytes());
        assert_eq!(long.chars().count(), 401);
        assert_eq!(last_words(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
