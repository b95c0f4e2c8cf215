//! What may follow what: `(run, event, now) → next run and effects`, without IO.
//!
//! The caller stores the next run first and carries the effects out afterwards; each effect is safe to repeat, and
//! one that was lost in a crash is asked for again by the next observation.

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
}

/// Why applying failed, and whether trying again can help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyFailure {
    /// It may pass: try again at this time.
    Passing {
        /// When.
        retry_at: Timestamp,
        /// What was said.
        reason: Reason,
    },
    /// It will not pass: refused, forbidden, somebody else's name.
    Final {
        /// What was said.
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
    /// Its Jobs may be collected: their own time to live begins to count.
    Release,
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
/// A final phase never changes, an observation about another try changes nothing, and an event told twice changes nothing
/// the second time; so a caller may tell what it knows as often as it likes.
pub fn step(run: &Run, event: Event, now: Timestamp) -> Step {
    let mut next = run.clone();
    match event {
        Event::Marked(mark) => marked(&mut next, mark),
        Event::Applied(objects) => applied(&mut next, objects, now),
        Event::ApplyFailed(objects, failure) => apply_failed(&mut next, objects, failure, now),
        Event::Observed(observation) if observation.try_no == run.try_no => observed(&mut next, observation, now),
        Event::Observed(_) => return Step::nothing(),
        Event::Missing(job) => missing(&mut next, &job, now),
        Event::LogsCaptured if next.phase.is_final() => next.logs_captured = true,
        Event::LogsCaptured => {}
    }
    let effects = effects(&next);
    Step { next: (next != *run).then_some(next), effects }
}

fn marked(run: &mut Run, mark: Mark) {
    // A run that is already applying was marked by an earlier life of a server: its objects may exist, and applying
    // the same try again is how one finds out.
    if matches!(run.phase, Phase::Queued | Phase::Applying) {
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
    run.mark = None;
    conclude(run, now);
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
    run.mark = None;
    run.apply_failures = run.apply_failures.saturating_add(1);
    match failure {
        ApplyFailure::Passing { retry_at, reason } => {
            run.phase = Phase::Queued;
            run.due_at = Some(retry_at);
            run.reason = Some(reason);
        }
        ApplyFailure::Final { reason } => finish(run, Phase::Failed, Some(reason), now),
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
    run.due_at = None;
    run.mark = None;
}

/// What a run in this state asks for. A function of the state alone, so that what a crash swallowed is asked again.
fn effects(run: &Run) -> Vec<Effect> {
    let mut jobs = run.objects.iter().filter_map(|object| object.job.as_ref()).peekable();
    let jobs_ended = jobs.peek().is_some() && jobs.all(JobState::is_final);
    match (run.phase.is_final() && jobs_ended, run.logs_captured) {
        (false, _) => Vec::new(),
        (true, false) => vec![Effect::CaptureLogs],
        (true, true) => vec![Effect::Release],
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
