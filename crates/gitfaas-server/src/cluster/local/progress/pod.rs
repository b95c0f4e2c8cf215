//! A pod: how its containers stand together, and what it comes to.

use jiff::Timestamp;

use super::super::attempt::Asked;
use super::super::spec::{Container, Spec};
use super::super::start::Start;
use super::super::verdict::Outcome;
use super::{Seen, State, by_pod};

/// A pod that something was started in, or was to be.
pub(super) struct Pod<'a> {
    pub(super) number: u32,
    pub(super) index: u32,
    /// Its newest attempt.
    pub(super) attempt: u32,
    seen: Vec<&'a Seen>,
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
    pub(super) fn all(seen: &'a [Seen]) -> Vec<Self> {
        let pods = by_pod(seen).into_iter();
        let pod = |(number, seen): (u32, Vec<&'a Seen>)| Self {
            number,
            index: seen.first().map_or(0, |seen| seen.start.index),
            attempt: seen.iter().map(|seen| seen.start.attempt).max().unwrap_or(number),
            seen,
        };
        pods.map(pod).collect()
    }

    /// The newest start of a container.
    pub(super) fn newest(&self, container: &str) -> Option<&'a Seen> {
        let own = self.seen.iter().filter(|seen| seen.start.container == container);
        own.max_by_key(|seen| seen.start.attempt).copied()
    }

    /// How often a container failed.
    pub(super) fn failures_of(&self, container: &str) -> u32 {
        let own = self.seen.iter().filter(|seen| seen.start.container == container && seen.failure().is_some());
        u32::try_from(own.count()).unwrap_or(u32::MAX)
    }

    /// The containers whose turn it is, and that have not succeeded: the next one of those that go first, or all others.
    pub(super) fn wanted<'s>(&self, spec: &'s Spec) -> Vec<&'s str> {
        if self.told_to_end().is_some() {
            return Vec::new();
        }
        if let Some(init) = spec.init.iter().find(|init| !self.has_succeeded(init)) {
            return vec![init.name.as_str()];
        }
        let open = spec.containers.iter().filter(|container| !self.has_succeeded(container));
        open.map(|container| container.name.as_str()).collect()
    }

    pub(super) fn fate(&self, spec: &Spec) -> Fate<'a> {
        if self.seen.iter().any(|seen| matches!(seen.state, State::Alive)) {
            return Fate::Active;
        }
        match self.told_to_end() {
            Some((start, outcome)) if outcome.asked() == Some(Asked::PodDeadline) => {
                return Fate::Failed(start, outcome);
            }
            Some(_) => return Fate::Gone,
            None => {}
        }
        if let Some(at) = self.success(spec) {
            return Fate::Succeeded(at);
        }
        let torn = self.seen.iter().any(|seen| matches!(seen.state, State::Over { earlier_boot: true, .. }));
        let failure = self.seen.iter().filter_map(|seen| seen.failure()).min_by_key(|(_, outcome)| outcome.at());
        match failure {
            // The others of a pod run to their ends, whatever happened to one.
            Some((start, outcome)) if !spec.restarts && (torn || self.leaves_nothing_to_start(spec, start)) => {
                Fate::Failed(start, outcome)
            }
            _ if torn => Fate::Gone,
            _ => Fate::Active,
        }
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
        let all = spec.init.iter().chain(&spec.containers);
        let ends = all.map(|container| {
            self.newest(&container.name).and_then(Seen::outcome).filter(|outcome| outcome.succeeded()).map(Outcome::at)
        });
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn told_to_end(&self) -> Option<(&'a Start, &'a Outcome)> {
        let told = |seen: &&'a Seen| seen.outcome().is_some_and(|outcome| outcome.asked().is_some());
        self.seen.iter().copied().find(told).and_then(|seen| Some((&seen.start, seen.outcome()?)))
    }
}
