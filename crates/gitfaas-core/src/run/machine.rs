//! What may follow what: `(run, event, now) → next run and effects`, without IO.
//!
//! The caller stores the next run first and carries the effects out afterwards; each effect is safe to repeat, and
//! one that was lost in a crash is asked for again by the next observation.

use std::time::Duration;

use jiff::Timestamp;

use super::{JobState, Mark, ObjectKey, Phase, Reason, Run, RunObject};
use crate::id::Try;

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server is about to apply it.
    Marked(Mark),
    /// Everything was applied.
    Applied(Vec<ObjectKey>),
    /// Applying failed, after these objects had been applied.
    ApplyFailed(Vec<ObjectKey>, ApplyFailure),
    /// The cluster said something about one of its Jobs.
    Observed(Observation),
    /// The cluster's whole list does not contain one of its Jobs.
    Missing(ObjectKey),
    /// Its logs are in the store.
    LogsCaptured,
    /// Somebody wants it to end, for this reason.
    Cancelled(Reason),
    /// Somebody wants a dead letter to be tried once more.
    Redriven {
        /// The revision that its manifests are made from now; `None` when they are what they were.
        revision: Option<String>,
    },
    /// It is to be tried once more by itself, because what became of it is not known.
    Rerun,
    /// Somebody gives a dead letter up for good.
    Purged,
}

/// How often a run is tried once more by itself.
pub const MOST_RERUNS: u64 = 3;

/// Why applying failed, and whether trying again can help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyFailure {
    /// It may pass: try again at this time.
    Passing {
        /// When.
        retry_at: Timestamp,
        /// How much of the time until then it [has been tried again](Run::retried_millis).
        counts: Duration,
        /// Whether it is known that this try to apply it made nothing. Where it is not, the run is
        /// [in doubt](Run::in_doubt_since) from here on.
        answered: bool,
        /// What was said.
        reason: Reason,
    },
    /// It will not pass: refused, forbidden, somebody else's name.
    Final {
        /// What was said.
        reason: Reason,
    },
    /// It might pass, and it was tried again for as long as may be.
    Expired {
        /// What was said last.
        reason: Reason,
    },
    /// It was applied so long ago, perhaps, that nobody can tell whether it was.
    Unknown {
        /// What is known.
        reason: Reason,
    },
}

/// What the cluster says about one Job of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The try that the Job was made for.
    pub try_no: Try,
    /// The Job.
    pub job: ObjectKey,
    /// How it stands.
    pub state: JobState,
    /// Attempts made so far.
    pub attempts: u32,
}

/// What is to be done after the next run is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Fetch the logs of its Jobs into the store, then say [`Event::LogsCaptured`].
    CaptureLogs,
    /// These Jobs of that try may be collected: their own time to live begins to count.
    Release(Try, Vec<ObjectKey>),
    /// Nothing of these Jobs may run any more.
    End(Vec<ObjectKey>),
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The run after it; `None` when nothing changed.
    pub next: Option<Run>,
    /// What to do once it is stored.
    pub effects: Vec<Effect>,
}

impl Step {
    const fn nothing() -> Self {
        Self { next: None, effects: Vec::new() }
    }
}

/// What `event` makes of `run` at `now`.
///
/// A final phase never changes but by [`Event::Redriven`] and [`Event::Rerun`], an observation about another try changes
/// nothing, and what the cluster says twice changes nothing the second time; so a caller may tell what it knows as often
/// as it likes.
///
/// A dead letter is redriven only when it [is done](Run::is_done): until then its try could still leave something behind.
pub fn step(run: &Run, event: Event, now: Timestamp) -> Step {
    let mut next = run.clone();
    match event {
        Event::Marked(mark) => marked(&mut next, mark, now),
        Event::Applied(objects) => applied(&mut next, objects, now),
        Event::ApplyFailed(objects, failure) => apply_failed(&mut next, objects, failure, now),
        Event::Observed(observation) if observation.try_no == run.try_no => observed(&mut next, observation, now),
        Event::Observed(observation) => return left_over(run, observation),
        Event::Missing(job) => missing(&mut next, &job, now),
        Event::LogsCaptured if next.phase.is_final() => next.logs_captured = true,
        Event::LogsCaptured => {}
        Event::Cancelled(reason) => cancelled(&mut next, reason, now),
        Event::Redriven { revision } => redriven(&mut next, revision, now),
        Event::Rerun => rerun(&mut next, now),
        Event::Purged => next.purged |= next.is_dead_letter(),
    }
    let effects = effects(&next);
    Step { next: (next != *run).then_some(next), effects }
}

/// A Job of an earlier try that turns up again: that try was done when the run was redriven.
fn left_over(run: &Run, observation: Observation) -> Step {
    if observation.try_no > run.try_no {
        return Step::nothing();
    }
    let Observation { try_no, job, state, .. } = observation;
    let effect = if state.is_final() { Effect::Release(try_no, vec![job]) } else { Effect::End(vec![job]) };
    Step { next: None, effects: vec![effect] }
}

fn cancelled(run: &mut Run, reason: Reason, now: Timestamp) {
    match run.phase {
        Phase::Queued | Phase::Pending | Phase::Running => finish(run, Phase::Cancelled, Some(reason), now),
        // What it makes is known when it has been applied; until then it could not be ended.
        Phase::Applying => {
            run.cancelling.get_or_insert(reason);
        }
        _ => {}
    }
}

fn redriven(run: &mut Run, revision: Option<String>, now: Timestamp) {
    if !run.is_dead_letter() || !run.is_done() {
        return;
    }
    let planned = Run::planned(run.id, run.topic.clone(), run.function.clone(), run.ordinal, now);
    *run = Run {
        try_no: Try(run.try_no.0.saturating_add(1)),
        revision: revision.or_else(|| run.revision.take()),
        created_at: run.created_at,
        ..planned
    };
}

fn rerun(run: &mut Run, now: Timestamp) {
    if !may_rerun(run) || !run.is_done() {
        return;
    }
    let (reruns, try_no) = (run.reruns + 1, run.try_no);
    let why = run.reason.take().map_or_else(String::new, |reason| format!(" ({}: {})", reason.code, reason.message));
    redriven(run, None, now);
    run.reruns = reruns;
    let message = format!(
        "what became of try {try_no} is not known{why}; it is tried once more by itself, {reruns} of {MOST_RERUNS} times"
    );
    run.reason = Some(Reason::new("Rerun", message));
}

/// Whether a run may be tried once more by itself, when nothing of its present try is left to be done.
pub fn may_rerun(run: &Run) -> bool {
    run.phase == Phase::Unknown && run.is_dead_letter() && run.reruns < MOST_RERUNS
}

fn marked(run: &mut Run, mark: Mark, now: Timestamp) {
    // A run that is already applying was marked by an earlier life of a server: its objects may exist, and applying
    // the same try again is how one finds out. One that is to be cancelled need not be found out: what exists of it is
    // ended when the cluster tells of it.
    if let Some(reason) = run.cancelling.take() {
        finish(run, Phase::Cancelled, Some(reason), now);
    } else if matches!(run.phase, Phase::Queued | Phase::Applying) {
        if let Some(left) = run.mark.take() {
            run.in_doubt_since.get_or_insert(left.at);
        }
        run.phase = Phase::Applying;
        run.mark = Some(mark);
        run.due_at = None;
        run.reason = None;
    }
}

fn applied(run: &mut Run, objects: Vec<ObjectKey>, now: Timestamp) {
    if run.phase != Phase::Applying {
        return;
    }
    add_objects(run, objects);
    (run.mark, run.in_doubt_since) = (None, None);
    let cancelling = run.cancelling.take();
    conclude(run, now);
    // What is over by then has ended by itself.
    if let Some(reason) = cancelling.filter(|_| !run.phase.is_final()) {
        finish(run, Phase::Cancelled, Some(reason), now);
    }
}

fn add_objects(run: &mut Run, objects: Vec<ObjectKey>) {
    // A Job may have been observed before its apply was told: its state is kept, its place is where it was applied.
    let mut observed = std::mem::take(&mut run.objects);
    for key in objects {
        let known = observed.iter().position(|object| object.key == key).map(|place| observed.remove(place));
        run.objects.push(known.unwrap_or_else(|| {
            let job = key.is_job().then_some(JobState::Pending { reason: None });
            RunObject { key, job }
        }));
    }
    run.objects.append(&mut observed);
}

fn apply_failed(run: &mut Run, objects: Vec<ObjectKey>, failure: ApplyFailure, now: Timestamp) {
    if run.phase != Phase::Applying {
        return;
    }
    add_objects(run, objects);
    let mark = run.mark.take();
    run.apply_failures = run.apply_failures.saturating_add(1);
    if let Some(reason) = run.cancelling.take() {
        return finish(run, Phase::Cancelled, Some(reason), now);
    }
    match failure {
        ApplyFailure::Passing { retry_at, counts, answered, reason } => {
            if let Some(mark) = mark.filter(|_| !answered) {
                run.in_doubt_since.get_or_insert(mark.at);
            }
            let counts = u64::try_from(counts.as_millis()).unwrap_or(u64::MAX);
            run.retried_millis = run.retried_millis.saturating_add(counts);
            run.phase = Phase::Queued;
            run.due_at = Some(retry_at);
            run.reason = Some(reason);
        }
        ApplyFailure::Final { reason } => finish(run, Phase::Failed, Some(reason), now),
        ApplyFailure::Expired { reason } => finish(run, Phase::Expired, Some(reason), now),
        ApplyFailure::Unknown { reason } => finish(run, Phase::Unknown, Some(reason), now),
    }
}

fn observed(run: &mut Run, observation: Observation, now: Timestamp) {
    let Observation { job, state, attempts, .. } = observation;
    let place = run.objects.iter().position(|object| object.key == job);
    // What ended stays ended, whatever a late observation says.
    if place.is_some_and(|place| run.objects[place].job.as_ref().is_some_and(JobState::is_final)) {
        return;
    }
    if attempts > 0 && run.started_at.is_none() {
        run.started_at = Some(now);
    }
    run.attempts = run.attempts.max(attempts);
    if let JobState::Failed { exit_code: Some(code), .. } = &state {
        run.exit_code = Some(*code);
    }
    match place {
        Some(place) => run.objects[place].job = Some(state),
        None => run.objects.push(RunObject { key: job, job: Some(state) }),
    }
    // Of a try that is over, a Job may still run: its own state is kept, the verdict stands. And while a run is being
    // applied, not all of its objects are known: the verdict waits for `Applied`.
    if matches!(run.phase, Phase::Pending | Phase::Running) {
        conclude(run, now);
    }
}

fn missing(run: &mut Run, job: &ObjectKey, now: Timestamp) {
    // What is queued or applying is going to be applied (again), and that will tell.
    if matches!(run.phase, Phase::Queued | Phase::Applying) {
        return;
    }
    if let Some(object) = run.objects.iter_mut().find(|object| object.key == *job)
        && !object.job.as_ref().is_some_and(JobState::is_final)
    {
        object.job = Some(JobState::Gone);
        if !run.phase.is_final() {
            conclude(run, now);
        }
    }
}

/// Sets the phase that follows from the states of the run's Jobs.
fn conclude(run: &mut Run, now: Timestamp) {
    let jobs: Vec<&JobState> = run.objects.iter().filter_map(|object| object.job.as_ref()).collect();
    // One Job that did not succeed decides, even while others still run: the run cannot succeed any more.
    let verdict = jobs.iter().find_map(|state| match state {
        JobState::Failed { reason, .. } => Some((Phase::Failed, reason.clone())),
        JobState::Interrupted { reason } => Some((Phase::Interrupted, reason.clone())),
        JobState::Gone => Some((Phase::Unknown, gone())),
        JobState::Pending { .. } | JobState::Running | JobState::Succeeded => None,
    });
    let waiting = jobs.iter().find_map(|state| match state {
        JobState::Pending { reason } => reason.clone(),
        _ => None,
    });
    let all_succeeded = jobs.iter().all(|state| matches!(state, JobState::Succeeded));
    let one_runs = jobs.iter().any(|state| matches!(state, JobState::Running | JobState::Succeeded));
    match verdict {
        Some((phase, reason)) => finish(run, phase, Some(reason), now),
        None if all_succeeded => {
            // Success has one exit code; an object that is no Job has none.
            run.exit_code = (!jobs.is_empty()).then_some(0);
            finish(run, Phase::Succeeded, None, now);
        }
        None => {
            run.phase = if one_runs { Phase::Running } else { Phase::Pending };
            run.reason = waiting;
        }
    }
}

fn gone() -> Reason {
    Reason::new("Gone", "its Job was deleted before its end was seen; whether it completed is not known")
}

fn finish(run: &mut Run, phase: Phase, reason: Option<Reason>, now: Timestamp) {
    run.phase = phase;
    run.reason = reason;
    run.finished_at = Some(now);
    (run.due_at, run.mark, run.in_doubt_since) = (None, None, None);
}

/// What a run in this state asks for. A function of the state alone, so that what a crash swallowed is asked again.
pub fn effects(run: &Run) -> Vec<Effect> {
    if !run.phase.is_final() {
        return Vec::new();
    }
    let live: Vec<ObjectKey> = run.live_jobs().cloned().collect();
    let jobs: Vec<ObjectKey> =
        run.objects.iter().filter(|object| object.job.is_some()).map(|object| object.key.clone()).collect();
    match (live.is_empty(), run.phase) {
        (false, Phase::Cancelled) => vec![Effect::End(live)],
        // The others go on when one has failed.
        (false, _) => Vec::new(),
        (true, _) if jobs.is_empty() => Vec::new(),
        (true, _) if run.logs_captured => vec![Effect::Release(run.try_no, jobs)],
        (true, _) => vec![Effect::CaptureLogs],
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
