//! A pod: how its containers stand together, and what it comes to.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::attempt::Asked;
use super::super::spec::{Container, Spec};
use super::super::start::Start;
use super::super::verdict::Outcome;
use super::{Seen, State};

/// A pod that something was started in, or was to be.
pub(super) struct Pod<'a> {
    pub(super) number: u32,
    pub(super) index: u32,
    /// Its newest attempt.
    pub(super) attempt: u32,
    /// What decides.
    own: Vec<&'a Seen>,
    /// Its sidecars.
    beside: Vec<&'a Seen>,
}

/// What a pod comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate<'a> {
    /// It is not over.
    Active,
    /// All of its containers succeeded, the last one then.
    Succeeded(Timestamp),
    /// It failed for good: by this start.
    Failed(&'a Start, &'a Outcome),
    /// It is over and counts for nothing: it was told to end, or its files may be torn.
    Gone,
}

impl<'a> Fate<'a> {
    pub(super) fn success(&self) -> Option<Timestamp> {
        match self {
            Self::Succeeded(at) => Some(*at),
            _ => None,
        }
    }

    pub(super) fn failure(&self) -> Option<(&'a Start, &'a Outcome)> {
        match self {
            Self::Failed(start, outcome) => Some((start, outcome)),
            _ => None,
        }
    }
}

impl<'a> Pod<'a> {
    /// All pods of these, in the order they were made.
    pub(super) fn all(spec: &Spec, seen: &'a [Seen]) -> Vec<Self> {
        let mut pods: BTreeMap<u32, Self> = BTreeMap::new();
        for seen in seen {
            let Start { attempt, pod: number, index, .. } = seen.start;
            let new = || Self { number, index, attempt, own: Vec::new(), beside: Vec::new() };
            let pod = pods.entry(number).or_insert_with(new);
            pod.attempt = pod.attempt.max(attempt);
            if spec.is_sidecar(&seen.start.container) { pod.beside.push(seen) } else { pod.own.push(seen) }
        }
        pods.into_values().collect()
    }

    fn seen(&self) -> impl Iterator<Item = &'a Seen> {
        self.own.iter().chain(&self.beside).copied()
    }

    /// The newest start of a container.
    pub(super) fn newest(&self, container: &str) -> Option<&'a Seen> {
        self.seen().filter(|seen| seen.start.container == container).max_by_key(|seen| seen.start.attempt)
    }

    /// How often a container that is started again has ended.
    pub(super) fn ends_of(&self, container: &str) -> u32 {
        let own = self.seen().filter(|seen| seen.start.container == container && seen.outcome().is_some());
        u32::try_from(own.count()).unwrap_or(u32::MAX)
    }

    /// The containers whose turn it is, and that have not succeeded: the next one of those that go first, or all others;
    /// and each sidecar from its turn on.
    pub(super) fn wanted<'s>(&self, spec: &'s Spec) -> Vec<&'s str> {
        let mut wanted = Vec::new();
        if self.told_to_end().is_some() || self.decided(spec).is_some() {
            return wanted;
        }
        for init in spec.init.iter().filter(|init| init.sidecar || !self.has_succeeded(init)) {
            wanted.push(init.name.as_str());
            if !(init.sidecar && self.has_begun(init)) {
                return wanted;
            }
        }
        let open = spec.containers.iter().filter(|container| !self.has_succeeded(container));
        wanted.extend(open.map(|container| container.name.as_str()));
        wanted
    }

    /// What it comes to; what is decided is over when its sidecars have ended, too.
    pub(super) fn fate(&self, spec: &Spec) -> Fate<'a> {
        let alive = self.beside.iter().any(|seen| seen.is_alive());
        self.decided(spec).filter(|_| !alive).unwrap_or(Fate::Active)
    }

    /// The sidecars that still live although the pod is decided.
    pub(super) fn leftovers(&self, spec: &Spec) -> impl Iterator<Item = &'a Start> {
        let decided = self.decided(spec).is_some();
        self.beside.iter().filter(move |seen| decided && seen.is_alive()).map(|seen| &seen.start)
    }

    /// What its own containers have made of it.
    fn decided(&self, spec: &Spec) -> Option<Fate<'a>> {
        if self.own.iter().any(|seen| seen.is_alive()) {
            return None;
        }
        match self.told_to_end() {
            Some((start, outcome)) if outcome.asked() == Some(Asked::PodDeadline) => {
                return Some(Fate::Failed(start, outcome));
            }
            Some(_) => return Some(Fate::Gone),
            None => {}
        }
        if let Some(at) = self.success(spec) {
            return Some(Fate::Succeeded(at));
        }
        let torn = self.seen().any(|seen| matches!(seen.state, State::Over { earlier_boot: true, .. }));
        let failure = self.own.iter().filter_map(|seen| seen.failure()).min_by_key(|(_, outcome)| outcome.at());
        match failure {
            // The others of a pod run to their ends, whatever happened to one.
            Some((start, outcome)) if !spec.restarts && (torn || self.leaves_nothing_to_start(spec, start)) => {
                Some(Fate::Failed(start, outcome))
            }
            _ => torn.then_some(Fate::Gone),
        }
    }

    /// Whether something of it was started.
    fn has_begun(&self, container: &Container) -> bool {
        self.newest(&container.name).is_some_and(|seen| !matches!(seen.state, State::Fresh))
    }

    fn leaves_nothing_to_start(&self, spec: &Spec, failed: &Start) -> bool {
        let first = spec.init.iter().any(|init| init.name == failed.container);
        first || spec.containers.iter().all(|container| self.is_over(container))
    }

    fn is_over(&self, container: &Container) -> bool {
        self.newest(&container.name).is_some_and(|seen| seen.outcome().is_some())
    }

    fn has_succeeded(&self, container: &Container) -> bool {
        self.newest(&container.name).and_then(Seen::outcome).is_some_and(Outcome::succeeded)
    }

    /// When the last of all containers succeeded, if they all have.
    fn success(&self, spec: &Spec) -> Option<Timestamp> {
        let all = spec.init.iter().filter(|init| !init.sidecar).chain(&spec.containers);
        let ends = all.map(|container| {
            self.newest(&container.name).and_then(Seen::outcome).filter(|outcome| outcome.succeeded()).map(Outcome::at)
        });
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// One that was told to end. A sidecar may be told when all is decided: only that the pod's time is over counts.
    fn told_to_end(&self) -> Option<(&'a Start, &'a Outcome)> {
        let asked = |seen: &Seen| seen.outcome().and_then(Outcome::asked);
        let mut own = self.own.iter().filter(|seen| asked(seen).is_some());
        let mut beside = self.beside.iter().filter(|seen| asked(seen) == Some(Asked::PodDeadline));
        let told = own.next().or_else(|| beside.next())?;
        Some((&told.start, told.outcome()?))
    }
}
