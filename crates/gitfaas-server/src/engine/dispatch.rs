//! Dispatch: take queued runs in their turn, and again those that were left half done, mark them, and have them applied.
//!
//! Whatever a crash, or a store that wrote a mark and answered with an error, left marked is applied again by
//! [`Engine::recover`].

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, stream};
use gitfaas_core::run::machine::{Event, Step, step};
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;

use super::apply::sent_before;
use super::{Engine, EngineError};
use crate::store::{Marking, Order, StoreError};

/// How many runs one look at the ledger takes, of all queues together.
const BATCH: usize = 64;

/// What [`Engine::recover`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Runs that were marked and that nobody applied; they are applied again.
    pub runs: usize,
}

/// What one look at the queues did.
#[derive(Debug, Default)]
struct Look {
    taken: usize,
    next: Option<Timestamp>,
}

impl Look {
    fn again_at(&mut self, time: Timestamp) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
    }
}

/// What came of taking a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It is being applied here.
    Ours,
    /// Its topic has no slot free.
    NoSlot,
    /// Somebody else has it, or it is not to be applied (any more).
    NotOurs,
}

impl Engine {
    /// Applies again what is marked and in nobody's hands: an error of the store left it, or, where this server leads, a
    /// life that is over.
    ///
    /// # Errors
    /// When the store does not answer; nothing is lost, call again.
    pub async fn recover(self: &Arc<Self>) -> Result<Recovered, EngineError> {
        self.claim_slots.store(true, Ordering::Relaxed);
        let mut after = None;
        let mut found = 0;
        loop {
            // What would be tried in vain is found again.
            if self.cut_off().is_some() {
                return Ok(Recovered { runs: found });
            }
            let runs = self.parts.store.runs_in(&[Phase::Applying], after, BATCH).await?;
            let Some(last) = runs.last() else { return Ok(Recovered { runs: found }) };
            after = Some(last.id);
            // One that began since the lease was renewed is not known to live.
            if runs.iter().any(|run| self.is_strange(run)) {
                self.renew_lease().await?;
            }
            for run in runs.into_iter().filter(|run| self.is_left(run)) {
                found += usize::from(self.take_left(run).await?);
            }
        }
    }

    /// Takes a run that was left, if it still is. What the cluster tells of it in between changes it, and is no reason to
    /// leave it again.
    pub(super) async fn take_left(self: &Arc<Self>, mut run: Run) -> Result<bool, EngineError> {
        loop {
            // It has its slot of the topic already.
            if self.take(run.clone(), None).await? == Taken::Ours {
                return Ok(true);
            }
            let now = self.parts.store.run(run.id).await?;
            match now.filter(|now| *now != run && now.phase == Phase::Applying && self.is_left(now)) {
                Some(now) => run = now,
                None => return Ok(false),
            }
        }
    }

    /// Dispatches queued runs that are due and that nothing holds back, while this server leads: a topic's line is one
    /// line. Returns when to look again, `None` for not before something is queued, or ends.
    ///
    /// # Errors
    /// When the store does not answer; nothing is lost, call again.
    pub async fn dispatch_due(self: &Arc<Self>) -> Result<Option<Timestamp>, EngineError> {
        while self.leads() && !self.draining.is_cancelled() {
            let look = self.look().await?;
            if look.taken == 0 {
                return Ok(look.next);
            }
        }
        Ok(None)
    }

    /// Looks once at every queue, and takes from each a share of what may go: one of each in turn, so that none is behind
    /// all of a long one.
    async fn look(self: &Arc<Self>) -> Result<Look, EngineError> {
        // Who sees that the cluster is back wakes the dispatcher.
        if self.cut_off().is_some() {
            return Ok(Look::default());
        }
        self.read_gates().await?;
        let (queues, now) = (self.parts.store.queues().await?, self.now());
        let share = (BATCH / queues.len().max(1)).max(1);
        let claim = self.claim_slots.swap(false, Ordering::Relaxed);
        let mut look = Look::default();
        let mut lines = Vec::new();
        for queue in queues {
            let gate = self.gate(&queue.topic);
            // Who resumes it wakes the dispatcher.
            if gate.paused().is_some() {
                continue;
            }
            if queue.due_at > now {
                look.again_at(queue.due_at);
            } else {
                lines.push((gate.concurrency, self.next_of(&queue.topic, gate.concurrency, share, claim).await?));
            }
        }
        // Side by side, so that many marks are one fsync; in order all the same, because each takes its place, first for
        // a slot and then with the store, when it is begun.
        let taking = stream::iter(in_turn(lines)).map(|(most_live, run)| self.take(run, most_live)).buffered(BATCH);
        for taken in taking.collect::<Vec<_>>().await {
            match taken? {
                Taken::Ours => look.taken += 1,
                // A run of the topic that ends wakes the dispatcher.
                Taken::NoSlot => {}
                // Somebody has it in hand who could not yet settle that it is queued again.
                Taken::NotOurs => look.again_at(now.checked_add(self.settings.backoff.first).unwrap_or(now)),
            }
        }
        Ok(look)
    }

    /// At most `share` of a topic's due runs; of one with a limit in the order of acceptance, and no more than it has
    /// slots for, but one with `claim`.
    async fn next_of(
        &self,
        topic: &TopicName,
        most_live: Option<NonZeroU32>,
        share: usize,
        claim: bool,
    ) -> Result<Vec<Run>, EngineError> {
        let (store, now) = (&self.parts.store, self.now());
        let Some(most) = most_live else { return Ok(store.due(topic, Order::Due, now, share).await?) };
        let mut free = u64::from(most.get()).saturating_sub(store.live(topic).await?);
        // A slot may be a damaged run's: the store finds that out when somebody wants it.
        if claim {
            free = free.max(1);
        }
        let mut next = store.due(topic, Order::Accepted, now, share).await?;
        next.retain(|run| {
            // What failed while a Job of it lives has its slot already.
            let goes = run.is_live() || free > 0;
            free -= u64::from(goes && !run.is_live());
            goes
        });
        Ok(next)
    }

    /// Returns when a run was queued that the dispatcher may not know of.
    pub async fn queued(&self) {
        self.queued.notified().await;
    }

    /// Marks a run as ours and applies it in a task of its own, as soon as it may be one of those that are applied at
    /// once.
    async fn take(self: &Arc<Self>, run: Run, most_live: Option<NonZeroU32>) -> Result<Taken, EngineError> {
        // What an accept has just written as marked is going to be applied there.
        if run.phase == Phase::Applying && self.accepting.has(&run.id) {
            return Ok(Taken::NotOurs);
        }
        let Some(hold) = self.applying.hold(run.id) else { return Ok(Taken::NotOurs) };
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return Ok(Taken::NotOurs) };
        // What has waited for its slot until the server stops waits for the next start.
        if self.draining.is_cancelled() {
            return Ok(Taken::NotOurs);
        }
        let sent = sent_before(&run, self.now(), self.parts.cluster.keeps());
        let gate = self.gate(&run.topic);
        // It may have been paused while this waited.
        if run.phase == Phase::Queued && gate.paused().is_some() {
            return Ok(Taken::NoSlot);
        }
        let Step { next, effects } = step(&run, Event::Marked(self.mark()), self.now());
        let Some(marked) = next else { return Ok(Taken::NotOurs) };
        match self.parts.store.mark(&run, &marked, most_live.and(gate.concurrency)).await {
            Ok(Marking::Marked) => {}
            Ok(Marking::Full) => return Ok(Taken::NoSlot),
            Ok(Marking::Changed) => return Ok(Taken::NotOurs),
            // Just now: it is no reason to leave others.
            Err(error @ StoreError::Damaged(_)) => {
                tracing::error!(run.id = %run.id, %error, "a run cannot be dispatched");
                return Ok(Taken::NotOurs);
            }
            Err(error) => return Err(error.into()),
        }
        if marked.phase != Phase::Applying {
            // It was to be cancelled when its server ended, and its Jobs may live.
            self.settled(&run, &marked);
            for effect in effects {
                self.carry_out(&marked, effect);
            }
            return Ok(Taken::Ours);
        }
        let engine = self.clone();
        self.tasks.spawn(async move {
            engine.apply_stored(marked, sent).await;
            drop((slot, hold));
        });
        Ok(Taken::Ours)
    }
}

/// The first of each line, then the second of each, and so on.
fn in_turn<L: Copy, R>(lines: Vec<(L, Vec<R>)>) -> Vec<(L, R)> {
    let placed = lines
        .into_iter()
        .flat_map(|(line, runs)| runs.into_iter().enumerate().map(move |(place, run)| (place, (line, run))));
    let mut placed: Vec<_> = placed.collect();
    // Stable: the lines keep their order.
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, run)| run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_one_of_each_in_turn() {
        let lines = vec![("a", vec![1, 2, 3]), ("b", vec![]), ("c", vec![7])];
        assert_eq!(in_turn(lines), [("a", 1), ("c", 7), ("a", 2), ("a", 3)]);
    }
}
