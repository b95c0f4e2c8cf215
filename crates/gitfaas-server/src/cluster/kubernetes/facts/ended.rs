//! How a Job came to its end, and what is said of it, in the words of the local cluster.

use gitfaas_core::run::{JobState, Reason};

use super::super::objects::{Condition, Container, Job, Pod, Terminated};
use super::waiting::{sentence, word};

/// The exit code of what was killed.
const KILLED: i32 = 137;

/// How a start ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct End {
    /// The word for a Job that gives up over it, where it is not that it gave up.
    code: Option<&'static str>,
    exit_code: Option<i32>,
    /// The rest of a sentence that names the attempt.
    text: Box<str>,
}

impl End {
    /// How the last start of a pod ended, if it did not go well.
    pub(super) fn of(pod: &Pod) -> Option<Self> {
        let container = worst(pod);
        let exit_code = container.map(|(_, ended)| ended.exit_code);
        if &*pod.status.phase == "Failed"
            && let Some((code, text)) = whole_pod(pod)
        {
            return Some(Self { code, exit_code, text: text.into() });
        }
        let (container, ended) = container?;
        let oom = is_oom(ended);
        let mut text = if oom {
            format!("was killed because it used more memory than its limit (exit code {})", ended.exit_code)
        } else if matches!(ended.reason.as_str(), "StartError" | "ContainerCannotRun") {
            "could not be started".to_owned()
        } else if ended.exit_code == KILLED && pod.metadata.deletion_timestamp.is_none() {
            // Not every node tells why.
            format!("was killed (exit code {KILLED}): if nobody did that, it needed more memory than it may have")
        } else {
            format!("ended with exit code {}", ended.exit_code)
        };
        // Where there is only one, its name helps nobody.
        if pod.containers().count() > 1 {
            text = format!("failed: container {} {text}", container.name);
        }
        let said = sentence(ended.message.as_str());
        if !said.is_empty() {
            text = format!("{text}: {said}");
        }
        Some(Self { code: oom.then_some("OOMKilled"), exit_code, text: text.into() })
    }
}

/// What befell the pod as a whole.
fn whole_pod(pod: &Pod) -> Option<(Option<&'static str>, String)> {
    let said = sentence(pod.status.message.as_str());
    let with = |text: &str| if said.is_empty() { text.to_owned() } else { format!("{text}: {said}") };
    match pod.status.reason.as_str() {
        "" => None,
        "Evicted" => Some((Some("Evicted"), with("was evicted from its node"))),
        "DeadlineExceeded" => {
            Some((Some("DeadlineExceeded"), "ran for longer than its pod's activeDeadlineSeconds".to_owned()))
        }
        reason => Some((None, with(&format!("failed ({reason})")))),
    }
}

fn is_oom(ended: &Terminated) -> bool {
    ended.reason.as_str() == "OOMKilled"
}

/// The container that a pod failed over: one that was killed for memory, else the first that did not end well.
fn worst(pod: &Pod) -> Option<(&Container, &Terminated)> {
    let ended = || {
        let containers = pod.containers().filter(|container| !pod.is_sidecar(&container.name));
        containers.filter_map(|container| Some((container, container.ended()?)))
    };
    ended().find(|(_, ended)| is_oom(ended)).or_else(|| ended().find(|(_, ended)| ended.exit_code != 0))
}

/// The Job failed, after so many attempts.
pub(super) fn failed(job: &Job, condition: &Condition, end: Option<&End>, attempts: u32) -> JobState {
    let exit_code = end.and_then(|end| end.exit_code);
    let said = sentence(condition.message.as_str());
    let attempt = end.map(|end| format!("attempt {attempts} of {attempts} {}", end.text));
    let reason = match condition.reason.as_str() {
        "DeadlineExceeded" => {
            let seconds = job.spec.active_deadline_seconds.unwrap_or_default();
            let text = format!("it was active for longer than its activeDeadlineSeconds, {seconds} s");
            Reason::new("DeadlineExceeded", text)
        }
        "BackoffLimitExceeded" => {
            let code = end.and_then(|end| end.code).unwrap_or("BackoffLimitExceeded");
            Reason::new(code, attempt.unwrap_or_else(|| said.to_owned()))
        }
        other => {
            let text =
                if said.is_empty() { attempt.unwrap_or_else(|| "it failed".to_owned()) } else { said.to_owned() };
            Reason::new(word(other, "Failed"), text)
        }
    };
    JobState::Failed { reason, exit_code }
}

/// Nobody let it come to its end.
pub(super) fn deleted() -> JobState {
    JobState::Interrupted { reason: Reason::new("Deleted", "somebody deleted the Job before it was over") }
}
