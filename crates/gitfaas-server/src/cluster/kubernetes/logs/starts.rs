//! The starts of a Job's containers that have a log, and the attempts they belong to.

use std::collections::HashMap;

use super::super::objects::{Container, Pod};

/// A container that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Start {
    pub(in super::super) id: StartId,
    /// From 1.
    pub(in super::super) attempt: u32,
    /// The pod's name.
    pub(in super::super) pod: Box<str>,
    /// The container's name.
    pub(in super::super) container: Box<str>,
    /// Whether its log is that of the one before.
    pub(in super::super) previous: bool,
    /// Whether more may come.
    pub(in super::super) runs: bool,
}

/// Tells starts apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in super::super) struct StartId {
    /// The pod's uid.
    pod: Box<str>,
    container: Box<str>,
    /// How often the container had been started before in its pod.
    before: u32,
}

impl Start {
    /// Whether it is one of this pod's.
    pub(in super::super) fn is_of(&self, pod: &Pod) -> bool {
        self.id.pod == pod.metadata.uid
    }
}

/// The starts whose logs may exist: by attempt, and within one in the order in which they begin.
///
/// Pods are counted in the order in which they were made, and where containers are started again in their pods each of
/// these starts is an attempt too. Of each container two exist at most: the last, and the one before.
pub(in super::super) fn starts(pods: &[Pod]) -> Vec<Start> {
    let mut in_order: Vec<&Pod> = pods.iter().collect();
    in_order.sort_by_key(|pod| (pod.metadata.creation_timestamp, pod.metadata.name.clone()));
    let mut starts = Vec::new();
    let mut first = 1_u32;
    for pod in in_order {
        let begins = starts.len();
        for container in &pod.status.init_container_statuses {
            let restarts = if pod.is_sidecar(&container.name) { pod.restarts() } else { container.restarts() };
            of_container(pod, container, first.saturating_add(restarts), &mut starts);
        }
        for container in &pod.status.container_statuses {
            let attempt = first.saturating_add(pod.init_restarts()).saturating_add(container.restarts());
            of_container(pod, container, attempt, &mut starts);
        }
        starts[begins..].sort_by_key(|start| start.attempt);
        first = first.saturating_add(pod.attempts());
    }
    starts
}

/// By what tells them apart.
pub(in super::super) fn by_id(pods: &[Pod]) -> HashMap<StartId, Start> {
    starts(pods).into_iter().map(|start| (start.id.clone(), start)).collect()
}

/// The last start of a container, which belongs to this attempt, and the one before.
fn of_container(pod: &Pod, container: &Container, attempt: u32, starts: &mut Vec<Start>) {
    let start = |before: u32, attempt: u32, previous: bool, runs: bool| Start {
        id: StartId { pod: pod.metadata.uid.clone(), container: container.name.clone(), before },
        attempt,
        pod: pod.metadata.name.clone(),
        container: container.name.clone(),
        previous,
        runs,
    };
    let is_here = container.state.running.is_some() || container.state.terminated.is_some();
    let before = container.restarts();
    if is_here && before > 0 && container.last_state.terminated.is_some() && !pod.is_sidecar(&container.name) {
        starts.push(start(before - 1, attempt.saturating_sub(1), true, false));
    }
    // One that waits to be started again is still the one that ended.
    if container.was_started() {
        starts.push(start(before, attempt, false, container.state.running.is_some()));
    }
}

#[cfg(test)]
#[path = "starts_tests.rs"]
mod tests;
