//! What a Job's task has in hand: the supervisors that live, and the slots that their pods run in.

use std::collections::{BTreeSet, HashMap};
use std::io;

use futures_util::future::select_all;
use tokio::net::unix::pipe::Receiver;

use super::jobs::Slot;
use super::launch::Live;
use super::start::Start;

/// What a Job's task has in hand.
pub(super) struct Hand {
    pub(super) lives: HashMap<Start, Live>,
    /// By the numbers of the pods.
    slots: HashMap<u32, Slot>,
    /// One that no pod has yet.
    spare: Option<Slot>,
}

impl Hand {
    /// With the slot that the Job had to wait for.
    pub(super) fn new(slot: Slot) -> Self {
        Self { lives: HashMap::new(), slots: HashMap::new(), spare: Some(slot) }
    }

    /// Gives back the slots of all other pods.
    pub(super) fn keep(&mut self, pods: &BTreeSet<u32>) {
        self.slots.retain(|pod, _| pods.contains(pod));
    }

    /// Whether the pod has a slot now: its own, the one that was waited for, or another free one.
    pub(super) fn has_slot(&mut self, pod: u32, free: impl FnOnce() -> Option<Slot>) -> bool {
        if !self.slots.contains_key(&pod) {
            let Some(slot) = self.spare.take().or_else(free) else { return false };
            self.slots.insert(pod, slot);
        }
        true
    }

    /// Keeps the slot of a pod of which nothing lives for whichever needs one next.
    pub(super) fn spare_slot(&mut self, pod: u32) {
        if self.lives.keys().all(|start| start.pod != pod) {
            self.spare = self.slots.remove(&pod).or_else(|| self.spare.take());
        }
    }

    /// Gives each pod that lives a slot, whether or not one is free.
    pub(super) fn take_slots(&mut self, take: impl Fn() -> Slot) {
        let pods: BTreeSet<u32> = self.lives.keys().map(|start| start.pod).collect();
        for pod in pods {
            let spare = &mut self.spare;
            self.slots.entry(pod).or_insert_with(|| spare.take().unwrap_or_else(&take));
        }
    }

    /// Gives back what was waited for and not needed.
    pub(super) fn drop_spare(&mut self) {
        self.spare = None;
    }

    /// Collects one that has ended.
    pub(super) fn collect(&mut self, start: &Start) -> io::Result<()> {
        self.lives.remove(start).map_or(Ok(()), Live::collect)
    }

    /// Waits until one of them has ended; for ever, when there is none.
    pub(super) async fn one_ended(&mut self) -> io::Result<()> {
        if self.lives.is_empty() {
            std::future::pending::<()>().await;
        }
        let mut ends = Vec::with_capacity(self.lives.len());
        for live in self.lives.values_mut() {
            let ended: &Receiver = live.ended()?;
            ends.push(Box::pin(ended.readable()));
        }
        select_all(ends).await.0
    }
}
