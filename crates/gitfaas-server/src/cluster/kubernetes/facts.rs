//! What a Job, its pods and the cluster's warnings say: how the Job stands, and how many attempts there were.
//!
//! Values only. Of each pod the little is kept that this takes.

mod ended;
mod waiting;

use gitfaas_core::run::{JobState, Reason};
use jiff::Timestamp;

pub(super) use self::ended::End;
use self::ended::failed;
pub(super) use self::waiting::{job_warning, pod_warning};
use super::objects::{Job, Pod};

/// What counts of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodFacts {
    pub(super) uid: Box<str>,
    pub(super) created: Option<Timestamp>,
    /// How often it was started; 0 before it is.
    pub(super) attempts: u32,
    pub(super) is_over: bool,
    /// Why nothing of it is started.
    pub(super) waits_for: Option<Box<Reason>>,
    /// How its last start ended.
    pub(super) end: Option<Box<End>>,
}

impl PodFacts {
    pub(super) fn of(pod: &Pod) -> Self {
        Self {
            uid: pod.metadata.uid.clone(),
            created: pod.metadata.creation_timestamp,
            attempts: pod.attempts(),
            is_over: pod.is_over(),
            waits_for: waiting::waits_for(pod).map(Box::new),
            end: End::of(pod).map(Box::new),
        }
    }

    /// Takes over what an earlier look at the pod said better.
    pub(super) fn after(mut self, earlier: &Self) -> Self {
        let waits_for_image = |reason: &Reason, code: &str| reason.code == code;
        let said = earlier.waits_for.as_ref();
        match (&self.waits_for, said) {
            // The two come in turns, and only the first says what is wrong.
            (Some(now), Some(was))
                if waits_for_image(now, "ImagePullBackOff") && waits_for_image(was, "ErrImagePull") =>
            {
                self.waits_for = Some(was.clone());
            }
            // What the cluster warned of goes on until something is started, or something else is known.
            (None, Some(was)) if self.attempts == 0 && !self.is_over && waiting::is_warning(was) => {
                self.waits_for = Some(was.clone());
            }
            _ => {}
        }
        self.attempts = self.attempts.max(earlier.attempts);
        self.end = self.end.or_else(|| earlier.end.clone());
        self
    }
}

/// What is known of a Job's pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pods {
    /// Those that exist.
    pub(super) here: Vec<PodFacts>,
    /// The attempts of those that do not any more.
    past: u32,
    /// How the last start of the last of these ended.
    past_end: Option<Box<End>>,
}

impl Pods {
    /// Takes in how a pod stands.
    pub(super) fn put(&mut self, pod: PodFacts) {
        match self.here.iter_mut().find(|known| known.uid == pod.uid) {
            Some(known) => *known = pod.after(known),
            None => self.here.push(pod),
        }
    }

    /// A pod is gone; its attempts were made all the same.
    pub(super) fn remove(&mut self, uid: &str) {
        if let Some(place) = self.here.iter().position(|pod| &*pod.uid == uid) {
            let pod = self.here.swap_remove(place);
            self.past = self.past.saturating_add(pod.attempts);
            self.past_end = pod.end.or_else(|| self.past_end.take());
        }
    }

    /// The cluster warns of a pod that is not started.
    pub(super) fn warn(&mut self, uid: &str, warning: Option<Reason>) {
        let pod = self.here.iter_mut().find(|pod| &*pod.uid == uid && pod.attempts == 0 && !pod.is_over);
        if let Some(pod) = pod
            && pod.waits_for.as_deref().is_none_or(waiting::is_warning)
        {
            pod.waits_for = warning.map(Box::new).or_else(|| pod.waits_for.take());
        }
    }

    fn attempts(&self) -> u32 {
        self.here.iter().fold(self.past, |sum, pod| sum.saturating_add(pod.attempts))
    }

    /// How the last start ended.
    fn last_end(&self) -> Option<&End> {
        let newest = self.here.iter().filter(|pod| pod.end.is_some()).max_by_key(|pod| pod.created);
        newest.and_then(|pod| pod.end.as_deref()).or(self.past_end.as_deref())
    }

    /// Those that are not over.
    pub(super) fn live(&self) -> impl Iterator<Item = &PodFacts> {
        self.here.iter().filter(|pod| !pod.is_over)
    }
}

/// How a Job stands, and how many attempts of it there were.
pub(super) fn of(job: &Job, pods: &Pods, warning: Option<&Reason>) -> (JobState, u32) {
    let attempts = pods.attempts().max(job.status.ended());
    (state(job, pods, warning, attempts), attempts)
}

fn state(job: &Job, pods: &Pods, warning: Option<&Reason>, attempts: u32) -> JobState {
    if job.condition("Complete").is_some() {
        return JobState::Succeeded;
    }
    if let Some(condition) = job.condition("Failed") {
        // Its pods failed because they were told to end with it.
        let deleted = job.metadata.deletion_timestamp;
        if deleted.is_some_and(|at| condition.last_transition_time >= Some(at)) {
            return ended::deleted();
        }
        return failed(job, condition, pods.last_end(), attempts);
    }
    if pods.live().any(|pod| pod.attempts > 0 && pod.waits_for.is_none()) {
        return JobState::Running;
    }
    let newest = pods.live().max_by_key(|pod| pod.created);
    let reason = match newest {
        Some(pod) => pod.waits_for.as_deref().cloned(),
        None => waiting::suspended(job).or_else(|| warning.cloned()),
    };
    match reason {
        // Between two attempts.
        None if attempts > 0 => JobState::Running,
        reason => JobState::Pending { reason },
    }
}

/// How a Job stood that is gone, and whose end had not been told: its last word, or nobody let it have one.
pub(super) fn gone(job: &Job, pods: &Pods) -> (JobState, u32) {
    let (state, attempts) = of(job, pods, None);
    if state.is_final() { (state, attempts) } else { (ended::deleted(), attempts) }
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
