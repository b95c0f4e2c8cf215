//! The next step of a Job, decided from its files alone: so a server that died between any two steps is no different
//! from one that did not.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gitfaas_core::run::{JobState, Reason};
use jiff::Timestamp;

use super::attempt::{self, Look, Started};
use super::folder::{End, Record};
use super::jobs::{Job, Shared};
use super::launch::{Launch, Live};
use super::spec::{Refused, Spec};
use super::verdict::{Outcome, Verdict, deadline_exceeded, judge, last_words};
use super::{disk, log, processes};

/// How much of the end of a log is looked at for a reason.
const LAST_WORDS: u64 = 4096;
/// A supervisor that did not come to life is given up after so many.
const FALSE_STARTS: u32 = 5;
/// How often it is looked whether what was missing is there now.
const NOT_READY: Duration = Duration::from_secs(2);

/// What is to be done next.
pub(super) enum Step {
    /// An attempt runs: wait for its end.
    Runs(u32, Live),
    /// An attempt runs whose supervisor has not yet written down who it is.
    Begins,
    /// An attempt may be started: wait for a slot.
    Ready,
    /// No attempt before this time.
    Wait { until: Timestamp, attempts: u32, reason: Reason },
    /// It is over.
    Over { state: JobState, attempts: u32 },
}

impl Shared {
    /// Looks where the Job stands, and does the next step: starts an attempt if one is due and there is a slot for it.
    /// Blocks.
    pub(super) fn step(&self, job: &Job, may_start: bool) -> io::Result<Step> {
        let record: Record = disk::read(&self.folder.record(&job.file))?
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the Job's record is gone"))?;
        let spec = match Spec::read(&record.object) {
            Ok(spec) => spec,
            Err(Refused::Malformed(reason) | Refused::Unsupported(reason)) => return Ok(failed(reason, 0)),
        };
        let Some(last) = self.folder.attempts(&job.file)?.last().copied() else {
            return self.begin(job, &spec, 1, may_start);
        };
        let dir = self.folder.attempt(&job.file, last);
        match attempt::look(&dir)? {
            Look::Alive => Ok(attempt::started(&dir)?
                .and_then(|started| started.supervisor.open())
                .map_or(Step::Begins, |handle| Step::Runs(last, Live::adopted(handle)))),
            Look::Fresh(lock) => {
                // It is locked again when it is started; until then nobody else starts it, as this folder is ours.
                drop(lock);
                self.fresh(job, &spec, last, may_start)
            }
            Look::Ended(exit) => {
                job.false_starts.store(0, Ordering::Relaxed);
                self.after(job, &spec, last, &Outcome::Ended(exit), may_start)
            }
            Look::Lost(Started { supervisor, at }) => {
                for pod in self.folder.pods(&job.file)? {
                    processes::sweep(&supervisor, &self.folder.pod(&job.file, pod))?;
                }
                self.after(job, &spec, last, &Outcome::Lost(at), may_start)
            }
        }
    }

    /// An attempt that has a folder and was never started.
    fn fresh(&self, job: &Job, spec: &Spec, attempt: u32, may_start: bool) -> io::Result<Step> {
        let complaint = std::fs::read(self.folder.attempt(&job.file, attempt).join(attempt::COMPLAINT));
        let complaint = last_words(&complaint.unwrap_or_default());
        let false_starts = job.false_starts.load(Ordering::Relaxed);
        let reason = || Reason::new("SupervisorFailed", format!("its supervisor cannot be started: {complaint}"));
        match false_starts {
            FALSE_STARTS.. => Ok(failed(reason(), attempt - 1)),
            // What keeps one from living may pass (a full disk, a program that is being replaced): not all at once.
            1.. if !may_start => {
                let until = later(self.settings.clock.now(), self.settings.backoff.ceiling(false_starts));
                Ok(Step::Wait { until, attempts: attempt - 1, reason: reason() })
            }
            _ => self.begin(job, spec, attempt, may_start),
        }
    }

    fn after(&self, job: &Job, spec: &Spec, attempt: u32, outcome: &Outcome, may_start: bool) -> io::Result<Step> {
        let said = log::tail(&self.folder.attempt(&job.file, attempt), LAST_WORDS)?.1;
        let why = match judge(spec, attempt, outcome, &last_words(&said)) {
            Verdict::Over(state) => return Ok(Step::Over { state, attempts: attempt }),
            Verdict::Again(why) => why,
        };
        let mut until = later(outcome.at(), self.settings.backoff.ceiling(attempt));
        if let Some(deadline) = self.job_deadline(job, spec)? {
            until = until.min(deadline);
        }
        if until <= self.settings.clock.now() {
            return self.begin(job, spec, attempt + 1, may_start);
        }
        let message = format!("{why}; attempt {} starts at {until:.0}", attempt + 1);
        Ok(Step::Wait { until, attempts: attempt, reason: Reason::new("BackOff", message) })
    }

    /// When the Job's own deadline is over: counted from its first attempt, as waiting for this machine is nobody's
    /// fault.
    fn job_deadline(&self, job: &Job, spec: &Spec) -> io::Result<Option<Timestamp>> {
        let Some(deadline) = spec.job_deadline else { return Ok(None) };
        let first = attempt::started(&self.folder.attempt(&job.file, 1))?;
        Ok(first.map(|first| later(first.at, deadline)))
    }

    fn begin(&self, job: &Job, spec: &Spec, attempt: u32, may_start: bool) -> io::Result<Step> {
        let deadline = self.job_deadline(job, spec)?;
        if deadline.is_some_and(|deadline| deadline <= self.settings.clock.now()) {
            return Ok(Step::Over { state: deadline_exceeded(spec, None), attempts: attempt - 1 });
        }
        if !may_start {
            return Ok(Step::Ready);
        }
        match self.launch(job, spec, attempt, deadline)? {
            Launch::Started(live) => Ok(Step::Runs(attempt, live)),
            Launch::Refused(reason) => Ok(failed(reason, attempt - 1)),
            Launch::NotReady(reason) => {
                let until = later(self.settings.clock.now(), NOT_READY);
                Ok(Step::Wait { until, attempts: attempt - 1, reason })
            }
        }
    }

    /// Writes the end of a Job down, and removes what only its function needed. Blocks.
    pub(super) fn finish(&self, job: &Job, state: &JobState, attempts: u32) -> io::Result<()> {
        let end = End { state: state.clone(), attempts, at: self.settings.clock.now() };
        disk::replace(&self.folder.end(&job.file), &end)?;
        self.remove_pods(job, None)
    }
}

fn failed(reason: Reason, attempts: u32) -> Step {
    Step::Over { state: JobState::Failed { reason, exit_code: None }, attempts }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
