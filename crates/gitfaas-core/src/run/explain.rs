//! Where a run stands and why, in sentences for people. Says only what the run itself holds; promises nothing.

use jiff::Timestamp;

use super::{JobState, Phase, Reason, Run, RunObject};

/// An account of a run: lower case, no full stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Where it stands.
    pub stands: String,
    /// Why, where more is known than that.
    pub because: Option<String>,
    /// What happens next, and what makes it happen.
    pub next: String,
    /// What else is known, a fact each.
    pub facts: Vec<String>,
}

/// Explains `run` at `now`; `held` is why it is held back, where something outside of it does that.
pub fn explain(run: &Run, held: Option<&Reason>, now: Timestamp) -> Explanation {
    let reason = held.or(run.reason.as_ref());
    Explanation {
        stands: stands(run),
        because: reason.map(|reason| format!("{}: {}", reason.code, reason.message)),
        next: next(run, held, now),
        facts: facts(run),
    }
}

fn stands(run: &Run) -> String {
    let has_jobs = run.objects.iter().any(|object| object.job.is_some());
    match run.phase {
        Phase::Queued if run.apply_failures > 0 => {
            format!("it waits to be applied again; that failed {} so far", times(run.apply_failures, "time"))
        }
        Phase::Queued => "it is accepted and waits to be applied".to_owned(),
        Phase::Applying => match &run.mark {
            Some(mark) => format!("{} is handing it to the cluster since {}", mark.holder, mark.at),
            None => "it is being handed to the cluster".to_owned(),
        },
        Phase::Pending => "the cluster has its objects, and no process of it runs yet".to_owned(),
        Phase::Running => format!("attempt {} runs", run.attempts.max(1)),
        Phase::Succeeded if has_jobs => "each of its Jobs succeeded".to_owned(),
        Phase::Succeeded => "everything was applied, and it has no Job that could run".to_owned(),
        Phase::Failed if run.purged => "it gave up, and somebody gave it up for good".to_owned(),
        Phase::Failed => "it gave up: it is a dead letter".to_owned(),
        Phase::Cancelled => "somebody cancelled it".to_owned(),
        Phase::Interrupted => "its processes were ended from outside".to_owned(),
        Phase::Unknown => "its Job is gone, and nobody saw how it ended".to_owned(),
        Phase::Expired => "it gave up: it could not be applied for as long as that is tried again".to_owned(),
    }
}

fn next(run: &Run, held: Option<&Reason>, now: Timestamp) -> String {
    match run.phase {
        Phase::Queued if held.is_some() => "it is applied when nothing holds it back any more".to_owned(),
        Phase::Queued => match run.due_at.filter(|due| *due > now) {
            Some(due) => format!("it is applied again at {due}"),
            None => "it is applied as soon as the server has a place for it".to_owned(),
        },
        Phase::Applying if run.cancelling.is_some() => {
            "it is cancelled when the cluster has answered for each object, and its Jobs are ended".to_owned()
        }
        Phase::Applying => {
            "it goes on when the cluster has answered for each object; should the server end meanwhile, the \
             next one applies the same try again, which makes nothing twice"
                .to_owned()
        }
        Phase::Pending => "it runs when the cluster starts a process".to_owned(),
        Phase::Running => "it is settled when the cluster says that its Jobs are over".to_owned(),
        Phase::Cancelled if run.live_jobs().next().is_some() => "its Jobs are being ended".to_owned(),
        Phase::Failed | Phase::Unknown | Phase::Interrupted | Phase::Expired if !run.purged => {
            "nothing by itself; it can be redriven, or purged".to_owned()
        }
        Phase::Failed | Phase::Unknown | Phase::Interrupted | Phase::Expired | Phase::Succeeded | Phase::Cancelled => {
            "nothing; it is forgotten with its request".to_owned()
        }
    }
}

fn facts(run: &Run) -> Vec<String> {
    let mut facts = vec![format!("this is try {}, accepted at {}", run.try_no, run.created_at)];
    if let Some(revision) = &run.revision {
        facts.push(format!("it is made from {revision}, a later revision than its request's"));
    }
    if run.reruns > 0 {
        let reruns = times(u32::try_from(run.reruns).unwrap_or(u32::MAX), "time");
        facts.push(format!(
            "it was tried once more by itself {reruns}, because what became of the try before is not known"
        ));
    }
    if let Some(started) = run.started_at {
        facts.push(format!("{} of it since {started}", times(run.attempts, "attempt")));
    }
    if let Some(finished) = run.finished_at {
        let code = run.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
        facts.push(format!("it was over at {finished}{code}"));
        let logs = if run.logs_captured { "its logs are in the ledger" } else { "its logs are not in the ledger yet" };
        facts.push(logs.to_owned());
    }
    facts.extend(run.objects.iter().map(object));
    facts
}

fn object(object: &RunObject) -> String {
    let (word, reason) = match &object.job {
        None => ("applied", None),
        Some(JobState::Pending { reason }) => ("waits", reason.as_ref()),
        Some(JobState::Running) => ("runs", None),
        Some(JobState::Succeeded) => ("succeeded", None),
        Some(JobState::Failed { reason, .. }) => ("failed", Some(reason)),
        Some(JobState::Interrupted { reason }) => ("was interrupted", Some(reason)),
        Some(JobState::Gone) => ("is gone", None),
    };
    let why = reason.map(|reason| format!(" ({}: {})", reason.code, reason.message)).unwrap_or_default();
    format!("{} {word}{why}", object.key)
}

fn times(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{RequestId, RunId};
    use crate::run::ObjectKey;

    const NOW: Timestamp = Timestamp::constant(1_795_443_501, 0);

    fn run() -> Run {
        let function = "collect.yaml".parse().expect("a function");
        let id = RunId::derive(RequestId::from_bytes([7; 16]), &function);
        Run::planned(id, "collect".parse().expect("a topic"), function, 0, NOW)
    }

    #[test]
    fn a_run_that_waits_after_a_failure_says_why_and_until_when() {
        let due = Timestamp::constant(1_795_443_509, 0);
        let reason = Some(Reason::new("Timeout", "the cluster did not answer"));
        let run = Run { apply_failures: 2, due_at: Some(due), reason, ..run() };
        let told = explain(&run, None, NOW);
        assert_eq!(told.stands, "it waits to be applied again; that failed 2 times so far");
        assert_eq!(told.because.as_deref(), Some("Timeout: the cluster did not answer"));
        assert_eq!(told.next, format!("it is applied again at {due}"));
    }

    #[test]
    fn what_holds_a_run_back_comes_before_its_own_reason() {
        let held = Reason::new("Paused", "the topic is paused");
        let told = explain(&Run { reason: Some(Reason::new("Timeout", "late")), ..run() }, Some(&held), NOW);
        assert_eq!(told.because.as_deref(), Some("Paused: the topic is paused"));
        assert_eq!(told.next, "it is applied when nothing holds it back any more");
    }

    #[test]
    fn what_became_of_each_object_is_a_fact() {
        let key = ObjectKey {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            namespace: None,
            name: "collect-x7".to_owned(),
        };
        let reason = Reason::new("BackoffLimitExceeded", "it failed 3 times");
        let job = Some(JobState::Failed { reason: reason.clone(), exit_code: Some(4) });
        let failed = Run {
            phase: Phase::Failed,
            reason: Some(reason),
            attempts: 3,
            exit_code: Some(4),
            started_at: Some(NOW),
            finished_at: Some(NOW),
            due_at: None,
            objects: vec![RunObject { key: key.clone(), job }],
            ..run()
        };
        let told = explain(&failed, None, NOW);
        assert_eq!(told.facts[1], format!("3 attempts of it since {NOW}"));
        assert_eq!(told.facts[2], format!("it was over at {NOW} with exit code 4"));
        assert_eq!(told.facts[3], "its logs are not in the ledger yet");
        assert_eq!(told.facts[4], format!("{key} failed (BackoffLimitExceeded: it failed 3 times)"));
    }

    #[test]
    fn every_phase_says_where_it_stands_and_what_is_next() {
        for phase in Phase::ALL {
            let told = explain(&Run { phase, ..run() }, None, NOW);
            assert!(!told.stands.is_empty() && !told.next.is_empty(), "{phase}");
            assert!(!told.stands.ends_with('.') && !told.next.ends_with('.'), "{phase}");
        }
    }
}
