//! What is to be done next for a Job, as the Job controller and the kubelet of Kubernetes decide it: from its spec, how
//! each of its containers stands, and the time. It starts and ends nothing itself.

mod pod;

use std::collections::BTreeSet;
use std::time::Duration;

use gitfaas_core::retry::Backoff;
use gitfaas_core::run::{JobState, Reason};
use jiff::Timestamp;

use self::pod::{Fate, Pod};
use super::attempt::Asked;
use super::spec::Spec;
use super::start::Start;
use super::verdict::{Outcome, deadline_exceeded, describe, gave_up};

/// A start that has a folder.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) start: Start,
    pub(super) state: State,
}

/// How it stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// It was never started.
    Fresh,
    /// Its supervisor lives.
    Alive,
    /// It is over; and whether that was before the machine was last started, so that nobody can be sure of its files.
    Over { outcome: Outcome, earlier_boot: bool },
}

/// Everything that decides what is next.
pub(super) struct View<'a> {
    pub(super) spec: &'a Spec,
    /// In the order of their attempts.
    pub(super) seen: &'a [Seen],
    /// When the first of them was started.
    pub(super) began: Option<Timestamp>,
    pub(super) backoff: Backoff,
    pub(super) now: Timestamp,
    /// The last words of a start.
    pub(super) said: &'a dyn Fn(&Start) -> String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing any more: this is how the Job ended.
    Over(JobState),
    /// Its end is certain, and what still lives is to be ended first.
    End,
    /// These are to be started.
    Go(Due),
}

/// What is to be started, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Now, in this order.
    pub(super) starts: Vec<Start>,
    /// The pods that are not over: their folders and slots stay.
    pub(super) pods: BTreeSet<u32>,
    /// To be ended now: sidecars of pods that are decided.
    pub(super) ends: Vec<Start>,
    /// Look again at this time, and why not before.
    pub(super) until: Option<(Timestamp, Reason)>,
}

impl View<'_> {
    /// What is to be done next.
    pub(super) fn next(&self) -> Next {
        let pods = Pod::all(self.spec, self.seen);
        let fates: Vec<Fate<'_>> = pods.iter().map(|pod| pod.fate(self.spec)).collect();
        let alive = self.seen.iter().any(Seen::is_alive);
        match self.conclusion(&pods, &fates, alive) {
            Some(_) if alive => Next::End,
            Some(state) => Next::Over(state),
            None => Next::Go(self.due(&pods, &fates)),
        }
    }

    /// When the Job's own deadline is over: counted from its first start, as waiting for this machine is nobody's fault.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        Some(later(self.began?, self.spec.job_deadline?))
    }

    fn conclusion(&self, pods: &[Pod<'_>], fates: &[Fate<'_>], alive: bool) -> Option<JobState> {
        let retries = usize::try_from(self.spec.retries).unwrap_or(usize::MAX);
        if let Some((start, outcome)) = self.failures(fates).get(retries) {
            let attempts = self.seen.iter().map(|seen| seen.start.attempt).max().unwrap_or(start.attempt);
            return Some(gave_up(self.spec, start, attempts, outcome, &(self.said)(start)));
        }
        if let Some(outcome) = self.asked(Asked::JobDeadline) {
            return Some(deadline_exceeded(self.spec, outcome.code()));
        }
        if self.complete(pods, fates) {
            return Some(JobState::Succeeded);
        }
        if self.asked(Asked::Stop).is_some() {
            let reason = Reason::new("Stopped", "it was ended because the server or the machine stopped");
            return Some(JobState::Interrupted { reason });
        }
        // What lives has this deadline itself.
        let over = !alive && self.deadline().is_some_and(|deadline| deadline <= self.now);
        over.then(|| deadline_exceeded(self.spec, None))
    }

    /// What counts against `backoffLimit`, in its order: pods that failed, and containers that are started again.
    fn failures<'a>(&'a self, fates: &[Fate<'a>]) -> Vec<(&'a Start, &'a Outcome)> {
        let mut failures: Vec<(&Start, &Outcome)> = fates.iter().filter_map(Fate::failure).collect();
        if self.spec.restarts {
            failures.extend(self.own().filter_map(Seen::failure));
        }
        failures.sort_by_key(|(start, outcome)| (outcome.at(), start.attempt));
        failures
    }

    /// One that was told to end for this reason.
    fn asked(&self, why: Asked) -> Option<&Outcome> {
        self.own().filter_map(Seen::outcome).find(|outcome| outcome.asked() == Some(why))
    }

    /// What decides: all but sidecars.
    fn own(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(|seen| !self.spec.is_sidecar(&seen.start.container))
    }

    fn complete(&self, pods: &[Pod<'_>], fates: &[Fate<'_>]) -> bool {
        let done = succeeded(pods, fates);
        match self.spec.completions {
            Some(wanted) if self.spec.indexed => done.iter().collect::<BTreeSet<_>>().len() >= count(wanted),
            Some(wanted) => done.len() >= count(wanted),
            // The pods work off a queue that they know: the first that succeeds has seen its end.
            None => !done.is_empty() && !fates.iter().any(|fate| matches!(fate, Fate::Active)),
        }
    }

    fn due(&self, pods: &[Pod<'_>], fates: &[Fate<'_>]) -> Due {
        let mut due = Due::default();
        let mut attempt = self.seen.iter().map(|seen| seen.start.attempt).max().unwrap_or(0);
        for pod in pods.iter().zip(fates).filter_map(|(pod, fate)| matches!(fate, Fate::Active).then_some(pod)) {
            due.pods.insert(pod.number);
            due.ends.extend(pod.leftovers(self.spec).cloned());
            self.due_in(pod, &mut attempt, &mut due);
        }
        let at = self.next_pod_at(fates);
        for index in self.missing(pods, fates) {
            attempt += 1;
            if let Some((at, failure)) = at.filter(|(at, _)| *at > self.now) {
                self.wait(&mut due, at, attempt, failure);
                break;
            }
            due.pods.insert(attempt);
            let start = |container: String| Start { attempt, pod: attempt, index, container };
            let first = match self.spec.init.first() {
                Some(init) => std::slice::from_ref(init),
                None => &self.spec.containers,
            };
            due.starts.extend(first.iter().map(|container| start(container.name.clone())));
        }
        due
    }

    /// What is due in a pod that is not over.
    fn due_in(&self, pod: &Pod<'_>, attempt: &mut u32, due: &mut Due) {
        for container in pod.wanted(self.spec) {
            let start =
                Start { attempt: pod.attempt, pod: pod.number, index: pod.index, container: container.to_owned() };
            match pod.newest(container) {
                None => due.starts.push(start),
                Some(seen) => match &seen.state {
                    State::Fresh => due.starts.push(seen.start.clone()),
                    State::Over { outcome, .. } if self.is_started_again(seen) => {
                        *attempt += 1;
                        let at = later(outcome.at(), self.backoff.ceiling(pod.ends_of(container)));
                        if at <= self.now {
                            due.starts.push(Start { attempt: *attempt, ..start });
                        } else {
                            self.wait(due, at, *attempt, (&seen.start, outcome));
                        }
                    }
                    State::Alive | State::Over { .. } => {}
                },
            }
        }
    }

    /// Whether a container whose turn it is, and that is over, is started again in its pod.
    fn is_started_again(&self, seen: &Seen) -> bool {
        self.spec.is_sidecar(&seen.start.container) || (self.spec.restarts && seen.failure().is_some())
    }

    fn wait(&self, due: &mut Due, at: Timestamp, attempt: u32, (start, outcome): (&Start, &Outcome)) {
        let at = self.deadline().map_or(at, |deadline| at.min(deadline));
        if due.until.as_ref().is_none_or(|(until, _)| at < *until) {
            let why = describe(self.spec, start, outcome, &(self.said)(start));
            let message = format!("attempt {} {why}; attempt {attempt} starts at {at:.0}", start.attempt);
            due.until = Some((at, Reason::new("BackOff", message)));
        }
    }

    /// The completions that further pods are to be made for now.
    fn missing(&self, pods: &[Pod<'_>], fates: &[Fate<'_>]) -> Vec<u32> {
        let done = succeeded(pods, fates);
        let active: Vec<u32> =
            pods.iter().zip(fates).filter(|(_, fate)| matches!(fate, Fate::Active)).map(|(pod, _)| pod.index).collect();
        let parallelism = count(self.spec.parallelism);
        let wanted = match self.spec.completions {
            Some(completions) => parallelism.min(count(completions).saturating_sub(done.len())),
            None if done.is_empty() => parallelism,
            None => 0,
        };
        let more = wanted.saturating_sub(active.len());
        if !self.spec.indexed {
            return vec![0; more];
        }
        let taken: BTreeSet<u32> = done.into_iter().chain(active).collect();
        (0..self.spec.completions.unwrap_or(0)).filter(|index| !taken.contains(index)).take(more).collect()
    }

    /// When a further pod may be made after those that failed since one last succeeded; and the last of these.
    fn next_pod_at<'a>(&self, fates: &[Fate<'a>]) -> Option<(Timestamp, (&'a Start, &'a Outcome))> {
        let success = fates.iter().filter_map(Fate::success).max();
        let failed: Vec<_> = fates
            .iter()
            .filter_map(Fate::failure)
            .filter(|(_, outcome)| success.is_none_or(|success| outcome.at() > success))
            .collect();
        let last = failed.iter().max_by_key(|(_, outcome)| outcome.at())?;
        let failures = u32::try_from(failed.len()).unwrap_or(u32::MAX);
        Some((later(last.1.at(), self.backoff.ceiling(failures)), *last))
    }
}

impl Seen {
    fn is_alive(&self) -> bool {
        matches!(self.state, State::Alive)
    }

    fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Over { outcome, .. } => Some(outcome),
            State::Fresh | State::Alive => None,
        }
    }

    /// Its failure, if it is one of its own: what was told to end has not failed.
    fn failure(&self) -> Option<(&Start, &Outcome)> {
        self.outcome().filter(|outcome| outcome.failed()).map(|outcome| (&self.start, outcome))
    }
}

/// The completions that pods succeeded for.
fn succeeded(pods: &[Pod<'_>], fates: &[Fate<'_>]) -> Vec<u32> {
    pods.iter().zip(fates).filter(|(_, fate)| fate.success().is_some()).map(|(pod, _)| pod.index).collect()
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
