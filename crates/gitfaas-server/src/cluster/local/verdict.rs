//! What follows from the end of an attempt, as the Job controller of Kubernetes decides it. Pure.

use gitfaas_core::run::{JobState, Reason};
use jiff::Timestamp;

use super::attempt::{Asked, Exit, How};
use super::spec::Spec;

/// How an attempt came to its end.
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
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The Job is over.
    Over(JobState),
    /// There is to be another attempt; what happened to this one.
    Again(String),
}

/// What follows from the end of attempt `attempt`, the last of which `said` this in its log.
pub(super) fn judge(spec: &Spec, attempt: u32, outcome: &Outcome, said: &str) -> Verdict {
    let Outcome::Ended(exit) = outcome else {
        let what = "its supervisor was killed, or the machine stopped";
        if attempt <= spec.retries {
            return Verdict::Again(format!("attempt {attempt} was lost: {what}"));
        }
        // Nobody can say that the function failed.
        let message = format!("attempt {attempt} of {attempt} was lost: {what}");
        return Verdict::Over(JobState::Interrupted { reason: Reason::new("Lost", message) });
    };
    match (exit.asked, &exit.how) {
        (Some(Asked::Stop), _) => {
            let reason = Reason::new("Stopped", "it was ended because the server or the machine stopped");
            Verdict::Over(JobState::Interrupted { reason })
        }
        (Some(Asked::JobDeadline), how) => Verdict::Over(deadline_exceeded(spec, how.code())),
        (None, How::Code(0)) => Verdict::Over(JobState::Succeeded),
        (asked, how) if attempt <= spec.retries => {
            Verdict::Again(format!("attempt {attempt} {}", describe(asked, how, said)))
        }
        (asked, how) => {
            let message = format!("attempt {attempt} of {attempt} {}", describe(asked, how, said));
            let code = if asked.is_some() { "DeadlineExceeded" } else { "BackoffLimitExceeded" };
            Verdict::Over(JobState::Failed { reason: Reason::new(code, message), exit_code: how.code() })
        }
    }
}

/// The Job's own deadline is over.
pub(super) fn deadline_exceeded(spec: &Spec, exit_code: Option<i32>) -> JobState {
    let seconds = spec.job_deadline.map_or(0, |deadline| deadline.as_secs());
    let message = format!("it was active for longer than its activeDeadlineSeconds, {seconds} s");
    JobState::Failed { reason: Reason::new("DeadlineExceeded", message), exit_code }
}

fn describe(asked: Option<Asked>, how: &How, said: &str) -> String {
    let mut text = match how {
        _ if asked.is_some() => "ran for longer than its pod's activeDeadlineSeconds".to_owned(),
        How::Code(code) => format!("ended with exit code {code}"),
        How::Signal(signal) => format!("was ended by signal {signal} (exit code {})", 128 + signal),
        How::NotStarted(why) => format!("could not be started: {why}"),
    };
    if !said.is_empty() {
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
    use rstest::rstest;

    use super::*;

    fn spec(retries: u32) -> Spec {
        let json = r#"{"spec": {"backoffLimit": 0, "activeDeadlineSeconds": 7, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "main", "command": ["true"]}]}}}}"#;
        Spec { retries, ..Spec::read(json).expect("a spec") }
    }

    fn ended(how: How, asked: Option<Asked>) -> Outcome {
        Outcome::Ended(Exit { how, asked, at: Timestamp::UNIX_EPOCH })
    }

    fn over(verdict: Verdict) -> JobState {
        match verdict {
            Verdict::Over(state) => state,
            Verdict::Again(why) => panic!("again: {why}"),
        }
    }

    #[rstest]
    #[case::code(How::Code(7), None, "BackoffLimitExceeded", "attempt 3 of 3 ended with exit code 7: boom", Some(7))]
    #[case::signal(
        How::Signal(9),
        None,
        "BackoffLimitExceeded",
        "attempt 3 of 3 was ended by signal 9 (exit code 137): boom",
        Some(137)
    )]
    #[case::pod(
        How::Signal(15),
        Some(Asked::PodDeadline),
        "DeadlineExceeded",
        "attempt 3 of 3 ran for longer than its pod's activeDeadlineSeconds: boom",
        Some(143)
    )]
    fn a_job_fails_when_no_attempt_is_left(
        #[case] how: How,
        #[case] asked: Option<Asked>,
        #[case] code: &str,
        #[case] message: &str,
        #[case] exit_code: Option<i32>,
    ) {
        let outcome = ended(how, asked);
        assert!(matches!(judge(&spec(2), 2, &outcome, "boom"), Verdict::Again(_)));
        let state = over(judge(&spec(2), 3, &outcome, "boom"));
        assert_eq!(state, JobState::Failed { reason: Reason::new(code, message), exit_code });
    }

    #[test]
    fn a_job_whose_own_deadline_is_over_gets_no_further_attempt() {
        let state = over(judge(&spec(5), 1, &ended(How::Signal(15), Some(Asked::JobDeadline)), ""));
        let JobState::Failed { reason, .. } = state else { panic!("{state:?}") };
        assert_eq!((reason.code.as_str(), reason.message.contains("7 s")), ("DeadlineExceeded", true));
    }

    #[test]
    fn a_lost_attempt_is_repeated_and_the_last_one_is_no_failure_of_the_function() {
        assert!(matches!(judge(&spec(1), 1, &Outcome::Lost(Timestamp::UNIX_EPOCH), ""), Verdict::Again(_)));
        assert!(matches!(
            over(judge(&spec(1), 2, &Outcome::Lost(Timestamp::UNIX_EPOCH), "")),
            JobState::Interrupted { .. }
        ));
    }

    #[test]
    fn what_is_stopped_is_interrupted_even_if_it_then_ended_well() {
        let state = over(judge(&spec(5), 1, &ended(How::Code(0), Some(Asked::Stop)), ""));
        assert!(matches!(state, JobState::Interrupted { .. }));
        assert_eq!(over(judge(&spec(5), 1, &ended(How::Code(0), None), "")), JobState::Succeeded);
    }

    #[test]
    fn the_last_words_are_short_and_printable() {
        assert_eq!(last_words(b"one\ntwo\n\nthree\n  four\x1b[0m \n"), "two | three | four [0m");
        assert_eq!(last_words(b""), "");
        let long = last_words("é".repeat(9999).as_bytes());
        assert_eq!(long.chars().count(), 401);
        assert_eq!(last_words(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
