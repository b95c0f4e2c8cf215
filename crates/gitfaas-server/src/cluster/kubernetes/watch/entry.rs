//! What is remembered of one Job.

use gitfaas_core::run::machine::Observation;
use gitfaas_core::run::{JobState, Reason};

use super::super::facts::{self, PodFacts, Pods};
use super::super::objects::{Job, Pod, Warning};
use crate::cluster::{ClusterEvent, Owner};

/// What is remembered of a Job.
pub(super) struct Entry {
    pub(super) job: Job,
    /// Whether it belongs to one run alone.
    pub(super) is_unique: bool,
    /// For whom it was applied, as far as that was seen: one, unless its name is fixed.
    pub(super) owners: Vec<Owner>,
    pub(super) pods: Pods,
    pub(super) warning: Option<Box<Reason>>,
    pub(super) place: usize,
    /// The list or the watch that named it last.
    pub(super) list: u64,
    pub(super) told: Option<(JobState, u32)>,
    /// Whether its pods were read after its end.
    pub(super) looked: bool,
    /// How often that was tried in vain.
    pub(super) failed_looks: u8,
    /// Whether the watch still tells of it.
    pub(super) watched: bool,
}

impl Entry {
    pub(super) fn new(place: usize) -> Self {
        Self {
            job: Job::default(),
            is_unique: false,
            owners: Vec::new(),
            pods: Pods::default(),
            warning: None,
            place,
            list: 0,
            told: None,
            looked: false,
            failed_looks: 0,
            watched: true,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.told.as_ref().is_some_and(|(state, _)| state.is_final())
    }

    /// True when the pod was not known.
    pub(super) fn put_pod(&mut self, pod: &Pod) -> bool {
        if self.is_settled() {
            return false;
        }
        let is_new = !self.pods.here.iter().any(|known| known.uid == pod.metadata.uid);
        self.pods.put(PodFacts::of(pod));
        is_new
    }

    pub(super) fn take_warning(&mut self, warning: &Warning) {
        let about = &warning.involved_object;
        match &*about.kind {
            "Job" => self.warning = facts::job_warning(warning).map(Box::new).or_else(|| self.warning.take()),
            _ => self.pods.warn(&about.uid, facts::pod_warning(warning)),
        }
    }

    /// Whether its pods must be read before its end is told: they tell why it failed, and came another way.
    pub(super) fn wants_a_look(&self) -> bool {
        let is_told_by_pods = self.job.condition("Failed").is_some() || !self.is_unique;
        !self.looked && !self.is_settled() && self.job.is_over() && is_told_by_pods
    }

    /// Whether it has to be asked after, as the watch does not tell of it any more.
    pub(super) fn is_left(&self) -> bool {
        !self.watched && !self.is_settled()
    }

    pub(super) fn is_overlooked(&self) -> bool {
        let active = usize::try_from(self.job.status.active).unwrap_or(0);
        let is_missed = active > self.pods.live().count();
        let is_unwatched = active > 0 && !self.is_unique && self.pods.live().all(|pod| pod.attempts == 0);
        !self.job.is_over() && (is_missed || is_unwatched)
    }
}

/// Tells every owner of a Job how it stands, if that is news.
pub(super) fn tell(entry: &mut Entry, stands: (JobState, u32), events: &mut Vec<ClusterEvent>) {
    if entry.is_settled() || entry.told.as_ref() == Some(&stands) {
        return;
    }
    let (state, attempts) = &stands;
    for owner in &entry.owners {
        let (try_no, job) = (owner.try_no, entry.job.key());
        let observation = Observation { try_no, job, state: state.clone(), attempts: *attempts };
        events.push(ClusterEvent::Job { run: owner.run, observation });
    }
    entry.told = Some(stands);
    if entry.is_settled() {
        // Nothing more will be told of it.
        (entry.pods, entry.warning) = (Pods::default(), None);
    }
}
