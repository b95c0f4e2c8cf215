//! What is remembered of our Jobs, and what of it is news. Values only: what is told comes in, what is to be told goes
//! out.

use std::collections::{HashMap, HashSet, VecDeque};

use gitfaas_core::run::{JobState, ObjectKey};

use super::super::facts;
use super::super::feed::Told;
use super::super::objects::{Job, Pod, Warning};
use super::entry::{Entry, tell};
use crate::cluster::ClusterEvent;

/// How often the pods of a Job that failed are asked for in vain before it is told without them.
const MOST_LOOKS: u8 = 5;
/// Warnings that are kept of what is not known yet: one can come before what it is about.
const EARLY_WARNINGS: usize = 256;
/// Jobs that are looked after at once.
const LOOKS: usize = 64;

/// What comes in. A place is a namespace that is watched, or all of them.
#[derive(Debug)]
pub(super) enum Input {
    Jobs(usize, Told<Job>),
    Pods(usize, Told<Pod>),
    Warnings(Told<Warning>),
    /// What was asked for by [`Output::look`]; `None` when the server did not tell.
    Looked(Box<str>, Option<Vec<Pod>>),
    /// What was asked for by [`Output::check`]; `None` when the Job does not exist.
    Checked(Box<str>, Option<Job>),
}

/// What goes out.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) events: Vec<ClusterEvent>,
    /// The uids of Jobs whose pods are to be read.
    pub(super) look: Vec<Look>,
    /// Jobs that may exist though they are watched no more.
    pub(super) check: Vec<Look>,
    /// Pods that are told to end, and whose logs go with them.
    pub(super) ending: Vec<Pod>,
    /// Jobs that are gone before they were over: their pods are about to go.
    pub(super) orphaned: Vec<ObjectKey>,
}

/// A Job whose pods are to be read, or itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) uid: Box<str>,
    pub(super) job: ObjectKey,
}

#[derive(Default)]
struct Place {
    /// How often its Jobs were listed.
    list: u64,
    jobs_are_listed: bool,
    pods_are_listed: bool,
    /// Whether pods may not be read: then they are not asked for either.
    pods_are_forbidden: bool,
    /// The Jobs of the pods that the list at hand named, with them.
    pods: Option<HashSet<(Box<str>, Box<str>)>>,
}

/// What is remembered.
pub(super) struct Cache {
    /// By uid. Boxed, so that the room for those to come is small.
    jobs: HashMap<Box<str>, Box<Entry>>,
    places: Vec<Place>,
    checking: HashSet<Box<str>>,
    /// Where looking at the overlooked goes on.
    turn: usize,
    looking: HashSet<Box<str>>,
    early: VecDeque<Warning>,
    synced: bool,
}

impl Cache {
    pub(super) fn new(places: usize) -> Self {
        Self {
            jobs: HashMap::new(),
            places: (0..places).map(|_| Place::default()).collect(),
            checking: HashSet::new(),
            turn: 0,
            looking: HashSet::new(),
            early: VecDeque::new(),
            synced: false,
        }
    }

    /// Whether everything has been told once.
    pub(super) fn is_synced(&self) -> bool {
        self.synced
    }

    /// Takes in what was told.
    pub(super) fn take(&mut self, input: Input) -> Output {
        let mut output = Output::default();
        match input {
            Input::Jobs(place, told) => self.take_job(place, told, &mut output),
            Input::Pods(place, told) => self.take_pod(place, told, &mut output),
            Input::Warnings(told) => self.take_warning(told, &mut output),
            Input::Looked(uid, pods) => self.take_look(&uid, pods.as_deref(), &mut output),
            Input::Checked(uid, job) => self.take_check(&uid, job, &mut output),
        }
        output
    }

    /// The Jobs of which the watch does not tell all: pods without our labels, and those that came before their Job; and
    /// Jobs that somebody took our labels from.
    pub(super) fn overlooked(&mut self) -> Output {
        let mut output = Output::default();
        if !self.synced {
            return output;
        }
        let overlooked = self.jobs.iter().filter(|(_, entry)| entry.is_overlooked() || entry.is_left());
        let mut uids: Vec<Box<str>> = overlooked.map(|(uid, _)| uid.clone()).collect();
        // Others each time, where there are many.
        let first = self.turn % uids.len().max(1);
        self.turn = first + LOOKS;
        uids.rotate_left(first);
        for uid in uids.iter().take(LOOKS) {
            if self.jobs.get(uid).is_some_and(|entry| entry.is_left()) {
                self.check(uid, &mut output);
            } else {
                self.look(uid, &mut output);
            }
        }
        output
    }

    fn check(&mut self, uid: &str, output: &mut Output) {
        let Some(entry) = self.jobs.get(uid) else { return };
        if self.checking.insert(uid.into()) {
            output.check.push(Look { uid: uid.into(), job: entry.job.key() });
        }
    }

    fn take_check(&mut self, uid: &str, job: Option<Job>, output: &mut Output) {
        self.checking.remove(uid);
        match job {
            Some(mut job) => {
                let Some(entry) = self.jobs.get_mut(uid) else { return };
                job.metadata.forget_marks();
                entry.job = job;
                self.news(uid, output);
            }
            None => {
                if let Some(entry) = self.jobs.remove(uid) {
                    gone(*entry, output);
                }
            }
        }
    }

    fn take_job(&mut self, place: usize, told: Told<Job>, output: &mut Output) {
        match told {
            Told::Begin => {
                self.places[place].list += 1;
                self.places[place].jobs_are_listed = false;
            }
            Told::Here(job) | Told::Changed(job) => self.put(place, job, output),
            Told::Complete => {
                self.places[place].jobs_are_listed = true;
                self.forget_unlisted(place, output);
                self.conclude_list(output);
            }
            Told::Gone(job) => {
                let uid = job.metadata.uid.clone();
                let Some(mut entry) = self.jobs.remove(&uid) else { return };
                entry.job = job;
                if entry.is_settled() || entry.job.is_over() || entry.job.metadata.deletion_timestamp.is_some() {
                    return gone(*entry, output);
                }
                // It may have lost our labels only.
                entry.watched = false;
                self.jobs.insert(uid.clone(), entry);
                self.check(&uid, output);
            }
            // Nobody knows how those of this place stand; the others must not wait for them.
            Told::Forbidden => {
                self.places[place].jobs_are_listed = true;
                self.conclude_list(output);
            }
        }
    }

    fn put(&mut self, place: usize, mut job: Job, output: &mut Output) {
        let Some(owner) = job.metadata.owner() else { return };
        let (uid, list, is_unique) = (job.metadata.uid.clone(), self.places[place].list, job.metadata.is_unique());
        job.metadata.forget_marks();
        let is_new = !self.jobs.contains_key(&uid);
        let entry = self.jobs.entry(uid.clone()).or_insert_with(|| Box::new(Entry::new(place)));
        (entry.job, entry.list, entry.is_unique, entry.watched) = (job, list, is_unique, true);
        if !entry.owners.contains(&owner) {
            entry.owners.reserve_exact(1);
            entry.owners.push(owner);
            entry.told = None;
        }
        if is_new {
            self.take_early_warnings(&uid, &uid);
        }
        self.news(&uid, output);
    }

    /// What a list does not name is gone, and how it ended was not seen.
    fn forget_unlisted(&mut self, place: usize, output: &mut Output) {
        let list = self.places[place].list;
        for (_, mut entry) in self.jobs.extract_if(|_, entry| entry.place == place && entry.list < list) {
            let (state, attempts) = facts::of(&entry.job, &entry.pods, None);
            let state = if state.is_final() { state } else { JobState::Gone };
            tell(&mut entry, (state, attempts), &mut output.events);
        }
    }

    fn take_pod(&mut self, place: usize, told: Told<Pod>, output: &mut Output) {
        match told {
            Told::Begin => self.places[place].pods = Some(HashSet::new()),
            Told::Here(pod) => {
                if let (Some(listed), Some((_, job))) = (&mut self.places[place].pods, pod.metadata.job()) {
                    listed.insert((job.into(), pod.metadata.uid.clone()));
                }
                self.put_pod(&pod, output);
            }
            Told::Changed(pod) => self.put_pod(&pod, output),
            Told::Complete => {
                let listed = self.places[place].pods.take().unwrap_or_default();
                self.forget_unlisted_pods(place, &listed);
                self.places[place].pods_are_listed = true;
                self.places[place].pods_are_forbidden = false;
                self.conclude_list(output);
            }
            Told::Gone(pod) => {
                let Some((_, job)) = pod.metadata.job() else { return };
                let job: Box<str> = job.into();
                if let Some(entry) = self.jobs.get_mut(&job) {
                    entry.put_pod(&pod);
                    entry.pods.remove(&pod.metadata.uid);
                    self.news(&job, output);
                }
            }
            // Jobs are told of without them.
            Told::Forbidden => {
                self.places[place].pods_are_forbidden = true;
                self.places[place].pods_are_listed = true;
                self.conclude_list(output);
            }
        }
    }

    fn put_pod(&mut self, pod: &Pod, output: &mut Output) {
        let Some((_, job)) = pod.metadata.job() else { return };
        let job: Box<str> = job.into();
        // Of Jobs that are released nobody asks for the logs.
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        if pod.metadata.deletion_timestamp.is_some() {
            output.ending.push(pod.clone());
        }
        if entry.put_pod(pod) {
            // Whatever hindered it before, a pod was made.
            entry.warning = None;
            self.take_early_warnings(&pod.metadata.uid, &job);
        }
        self.news(&job, output);
    }

    fn forget_unlisted_pods(&mut self, place: usize, listed: &HashSet<(Box<str>, Box<str>)>) {
        // Pods without our labels are in no list.
        let entries = self.jobs.iter_mut().filter(|(_, entry)| entry.place == place && entry.is_unique);
        for (job, entry) in entries {
            let uids: Vec<Box<str>> = entry.pods.here.iter().map(|pod| pod.uid.clone()).collect();
            for uid in uids {
                let pod = (job.clone(), uid);
                if !listed.contains(&pod) {
                    entry.pods.remove(&pod.1);
                }
            }
        }
    }

    fn take_warning(&mut self, told: Told<Warning>, output: &mut Output) {
        let (Told::Here(warning) | Told::Changed(warning)) = told else { return };
        let about = &warning.involved_object;
        let job = match &*about.kind {
            "Job" if facts::job_warning(&warning).is_some() => Some(about.uid.clone()),
            "Pod" if facts::pod_warning(&warning).is_some() => self.job_of_pod(&about.uid),
            _ => return,
        };
        if let Some(job) = job
            && let Some(entry) = self.jobs.get_mut(&job)
        {
            entry.take_warning(&warning);
            self.news(&job, output);
        } else {
            self.early.truncate(EARLY_WARNINGS - 1);
            self.early.push_front(warning);
        }
    }

    fn job_of_pod(&self, uid: &str) -> Option<Box<str>> {
        let has = |entry: &Entry| entry.pods.here.iter().any(|pod| &*pod.uid == uid);
        self.jobs.iter().find(|(_, entry)| has(entry)).map(|(job, _)| job.clone())
    }

    fn take_early_warnings(&mut self, about: &str, job: &str) {
        let Some(entry) = self.jobs.get_mut(job) else { return };
        // The newest is in front.
        for warning in self.early.iter().rev().filter(|warning| &*warning.involved_object.uid == about) {
            entry.take_warning(warning);
        }
    }

    fn take_look(&mut self, uid: &str, pods: Option<&[Pod]>, output: &mut Output) {
        self.looking.remove(uid);
        if let Some(entry) = self.jobs.get_mut(uid) {
            entry.failed_looks = if pods.is_none() { entry.failed_looks.saturating_add(1) } else { 0 };
            entry.looked |= entry.job.is_over() && (pods.is_some() || entry.failed_looks >= MOST_LOOKS);
            for pod in
                pods.unwrap_or_default().iter().filter(|pod| pod.metadata.job().is_some_and(|(_, job)| job == uid))
            {
                entry.put_pod(pod);
            }
            self.news(uid, output);
        }
        self.conclude_list(output);
    }

    /// Tells how a Job stands when that is news; asks first for what only its pods can tell.
    fn news(&mut self, uid: &str, output: &mut Output) {
        // How everything stands is told when everything is known.
        if !self.synced && !self.is_listed() {
            return;
        }
        let Some(entry) = self.jobs.get_mut(uid) else { return };
        if entry.wants_a_look() && !self.places[entry.place].pods_are_forbidden {
            self.look(uid, output);
            return;
        }
        let stands = facts::of(&entry.job, &entry.pods, entry.warning.as_deref());
        tell(entry, stands, &mut output.events);
    }

    fn look(&mut self, uid: &str, output: &mut Output) {
        let Some(entry) = self.jobs.get(uid).filter(|entry| !self.places[entry.place].pods_are_forbidden) else {
            return;
        };
        if self.looking.insert(uid.into()) {
            output.look.push(Look { uid: uid.into(), job: entry.job.key() });
        }
    }

    fn is_listed(&self) -> bool {
        self.places.iter().all(|place| place.jobs_are_listed && place.pods_are_listed)
    }

    /// After everything has been listed once: tells how every Job stands, and when that is told, that it is.
    fn conclude_list(&mut self, output: &mut Output) {
        if self.synced || !self.is_listed() {
            return;
        }
        let untold: Vec<Box<str>> =
            self.jobs.iter().filter(|(_, entry)| entry.told.is_none()).map(|(uid, _)| uid.clone()).collect();
        for uid in untold {
            self.news(&uid, output);
        }
        if self.looking.is_empty() {
            self.synced = true;
            output.events.push(ClusterEvent::Synced);
        }
    }
}

/// Tells that a Job is gone, and how it stood last.
fn gone(mut entry: Entry, output: &mut Output) {
    if !entry.is_settled() {
        output.orphaned.push(entry.job.key());
    }
    let gone = facts::gone(&entry.job, &entry.pods);
    tell(&mut entry, gone, &mut output.events);
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
