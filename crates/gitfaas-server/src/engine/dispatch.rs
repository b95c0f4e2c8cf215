//! Dispatch: bring a marked run to the cluster and settle the verdict.
//!
//! Only marked runs come here. Applying is safe to repeat for one try, so whatever a crash, or a store that wrote a mark
//! and answered with an error, left marked is applied again by [`Engine::recover`].

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitfaas_core::admission::admit_all;
use gitfaas_core::manifest::{Fillings, RecordedManifest};
use gitfaas_core::run::machine::{ApplyFailure, Event, Step, step};
use gitfaas_core::run::{ObjectKey, Phase, Reason, Run};
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;

use super::{Engine, EngineError, jitter};
use crate::cluster::{ApplyError, ClusterError, Owner};
use crate::store::{Marking, Order, StoreError};

/// The part of the time that a cluster keeps Jobs after which one is not counted on any more: clocks differ.
const SPARE: u32 = 24;
/// The reason of a run that was sent to the cluster and of which nobody knows whether it arrived.
const NO_ANSWER: &str = ApplyError::NO_ANSWER;
/// How many runs one look at the ledger takes.
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
            for run in runs.into_iter().filter(|run| self.is_left(run)) {
                // It has its slot of the topic already.
                found += usize::from(self.take(run, None).await? == Taken::Ours);
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

    /// Looks once at every queue, and takes from each a share of what may go.
    async fn look(self: &Arc<Self>) -> Result<Look, EngineError> {
        // Who sees that the cluster is back wakes the dispatcher.
        if self.cut_off().is_some() {
            return Ok(Look::default());
        }
        self.read_gates().await?;
        let (queues, now) = (self.parts.store.queues().await?, self.now());
        let share = (BATCH / queues.len().max(1)).max(1);
        let mut look = Look::default();
        for queue in queues {
            let gate = self.gate(&queue.topic);
            // Who resumes it wakes the dispatcher.
            if gate.paused().is_some() {
                continue;
            }
            if queue.due_at > now {
                look.again_at(queue.due_at);
            } else {
                self.take_from(&queue.topic, gate.concurrency, share, &mut look).await?;
            }
        }
        Ok(look)
    }

    /// Takes at most `share` of a topic's due runs; of one with a limit in the order of acceptance, while it has slots.
    async fn take_from(
        self: &Arc<Self>,
        topic: &TopicName,
        most_live: Option<NonZeroU32>,
        share: usize,
        look: &mut Look,
    ) -> Result<(), EngineError> {
        let (store, now) = (&self.parts.store, self.now());
        let (order, mut free) = match most_live {
            None => (Order::Due, u64::MAX),
            Some(most) => (Order::Accepted, u64::from(most.get()).saturating_sub(store.live(topic).await?)),
        };
        for run in store.due(topic, order, now, share).await? {
            // What failed while a Job of it lives has its slot already.
            if !run.is_live() {
                let Some(left) = free.checked_sub(1) else { continue };
                free = left;
            }
            match self.take(run, most_live).await? {
                Taken::Ours => look.taken += 1,
                // A run of the topic that ends wakes the dispatcher.
                Taken::NoSlot => break,
                // Somebody has it in hand who could not yet settle that it is queued again.
                Taken::NotOurs => look.again_at(now.checked_add(self.settings.backoff.first).unwrap_or(now)),
            }
        }
        Ok(())
    }

    /// Returns when a run was queued that the dispatcher may not know of.
    pub async fn queued(&self) {
        self.queued.notified().await;
    }

    /// Marks a run as ours and applies it in a task of its own, as soon as it may be one of those that are applied at
    /// once.
    async fn take(self: &Arc<Self>, run: Run, most_live: Option<NonZeroU32>) -> Result<Taken, EngineError> {
        // What an accept has just written as marked is going to be applied there.
        if run.phase == Phase::Applying && self.accepting.has(run.id) {
            return Ok(Taken::NotOurs);
        }
        let Some(hold) = self.applying.hold(run.id) else { return Ok(Taken::NotOurs) };
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return Ok(Taken::NotOurs) };
        // What has waited for its slot until the server stops waits for the next start.
        if self.draining.is_cancelled() {
            return Ok(Taken::NotOurs);
        }
        let forgotten = may_be_forgotten(&run, self.now(), self.parts.cluster.keeps());
        let gate = self.gate(&run.topic);
        // It may have been paused while this waited.
        if run.phase == Phase::Queued && gate.paused().is_some() {
            return Ok(Taken::NoSlot);
        }
        let Step { next, effects } = step(&run, Event::Marked(self.mark()), self.now());
        let Some(marked) = next else { return Ok(Taken::NotOurs) };
        match self.parts.store.mark(&run, &marked, most_live.and(gate.concurrency)).await? {
            Marking::Marked => {}
            Marking::Full => return Ok(Taken::NoSlot),
            Marking::Changed => return Ok(Taken::NotOurs),
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
            engine.apply_stored(marked, forgotten).await;
            drop((slot, hold));
        });
        Ok(Taken::Ours)
    }

    async fn apply_stored(self: &Arc<Self>, run: Run, forgotten: bool) {
        let recorded = async {
            let manifests = self.parts.store.manifests(run.id).await?;
            let message = self.parts.store.message(run.request()).await?.ok_or(StoreError::NotFound)?;
            Ok::<_, StoreError>((manifests, STANDARD.encode(&message.payload)))
        };
        match recorded.await {
            Ok((manifests, payload)) if forgotten => match self.are_there(&run, &manifests, &payload).await {
                Ok(true) => drop(self.apply(run, &manifests, &payload).await),
                Ok(false) => {
                    let failure = ApplyFailure::Unknown { reason: forgotten_reason() };
                    self.settle_verdict(run, Event::ApplyFailed(Vec::new(), failure)).await;
                }
                Err(error) => {
                    let failure = self.passing(&run, Reason::new(NO_ANSWER, error.message), None);
                    self.settle_verdict(run, Event::ApplyFailed(Vec::new(), failure)).await;
                }
            },
            Ok((manifests, payload)) => drop(self.apply(run, &manifests, &payload).await),
            Err(StoreError::Unavailable(message)) => {
                let failure = self.passing(&run, Reason::new("StoreUnavailable", message), None);
                self.settle_verdict(run, Event::ApplyFailed(Vec::new(), failure)).await;
            }
            Err(error) => {
                let reason = Reason::new("RecordDamaged", error.to_string());
                let failure = ApplyFailure::Final { reason };
                self.settle_verdict(run, Event::ApplyFailed(Vec::new(), failure)).await;
            }
        }
    }

    /// Whether each Job exists that this try makes.
    async fn are_there(&self, run: &Run, manifests: &[RecordedManifest], payload: &str) -> Result<bool, ClusterError> {
        let fillings = self.fillings(run, payload);
        for manifest in manifests {
            let key = manifest.fill(&fillings).key;
            if key.is_job() && !self.parts.cluster.exists(&key).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fillings<'a>(&self, run: &Run, payload: &'a str) -> Fillings<'a> {
        let (key, url) = (self.parts.store.ledger_key(), &self.settings.base_url);
        Fillings::new(key, run.id, run.try_no, url, Cow::Borrowed(payload))
    }

    /// Applies a marked run and settles what came of it; returns the run as it then stands.
    pub(super) async fn apply(self: &Arc<Self>, run: Run, manifests: &[RecordedManifest], payload: &str) -> Run {
        let fillings = self.fillings(&run, payload);
        // Admitted again: the policy may have become stricter since the run was accepted.
        let event = match admit_all(manifests, &fillings, &self.settings.policy) {
            Ok(admitted) => {
                let owner = Owner { run: run.id, try_no: run.try_no };
                let mut applied: Vec<ObjectKey> = Vec::with_capacity(admitted.len());
                let mut failure = None;
                for manifest in &admitted {
                    // Made before, and perhaps gone since: made again it would run twice.
                    if let Some(made) = made_before(&run, &manifest.key) {
                        applied.push(made.clone());
                        continue;
                    }
                    if !self.is_still_ours(&run).await {
                        return self.parts.store.run(run.id).await.ok().flatten().unwrap_or(run);
                    }
                    match self.parts.cluster.apply(owner, manifest).await {
                        Ok(key) => applied.push(key),
                        Err(error) => {
                            failure = Some(self.failure(&run, error, &fillings));
                            break;
                        }
                    }
                }
                match failure {
                    None => Event::Applied(applied),
                    Some(failure) => Event::ApplyFailed(applied, failure),
                }
            }
            Err(refusal) => {
                let reason = Reason::new("NotAdmitted", refusal.to_string());
                Event::ApplyFailed(Vec::new(), ApplyFailure::Final { reason })
            }
        };
        self.settle_verdict(run, event).await
    }

    /// A cluster repeats what it refuses: the rights of the run are not to be read in its words.
    fn failure(&self, run: &Run, error: ApplyError, fillings: &Fillings<'_>) -> ApplyFailure {
        let redacted = |reason: Reason| Reason { message: fillings.redact(&reason.message), ..reason };
        match error {
            ApplyError::Final { reason } => ApplyFailure::Final { reason: redacted(reason) },
            ApplyError::Passing { reason, retry_after } => self.passing(run, redacted(reason), retry_after),
        }
    }

    fn passing(&self, run: &Run, reason: Reason, retry_after: Option<Duration>) -> ApplyFailure {
        let failures = run.apply_failures.saturating_add(1);
        let wait = self.settings.backoff.wait(failures, jitter()).max(retry_after.unwrap_or_default());
        let retry_at = self.now().checked_add(wait).unwrap_or(Timestamp::MAX);
        ApplyFailure::Passing { retry_at, reason }
    }

    /// Settles the verdict on a run, however long the store needs to take it: the run is in our hands, so nobody else
    /// will before the next start.
    pub(super) async fn settle_verdict(self: &Arc<Self>, run: Run, event: Event) -> Run {
        let mut failures = 0;
        loop {
            match self.tell(run.id, event.clone()).await {
                Ok(settled) => {
                    self.queued.notify_one();
                    return settled.unwrap_or(run);
                }
                Err(error) if !error.may_pass() => {
                    tracing::error!(run.id = %run.id, %error, "cannot settle the run");
                    return run;
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(run.id = %run.id, %error, "cannot settle the run yet");
                    let wait = self.settings.backoff.wait(failures, jitter());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        // The next start finds the mark and applies again, which starts nothing twice.
                        () = self.stopping.cancelled() => return run,
                    }
                }
            }
        }
    }
}

/// Whether an earlier life may have made the Jobs of a run so long ago that they may have been collected since; a cluster
/// `keeps` them for so long.
fn may_be_forgotten(run: &Run, now: Timestamp, keeps: Duration) -> bool {
    let unanswered = run.reason.as_ref().is_some_and(|reason| reason.code == NO_ANSWER);
    let tried_at = run.mark.as_ref().map(|mark| mark.at).or(run.due_at.filter(|_| unanswered));
    let age = tried_at.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
    age.is_some_and(|age| age >= keeps.saturating_sub(keeps / SPARE))
}

/// The Job of this try that an earlier round of applying it made.
fn made_before<'a>(run: &'a Run, wanted: &ObjectKey) -> Option<&'a ObjectKey> {
    let is_it = |made: &ObjectKey| {
        (&made.api_version, &made.kind, &made.name) == (&wanted.api_version, &wanted.kind, &wanted.name)
            && (wanted.namespace.is_none() || wanted.namespace == made.namespace)
    };
    super::observe::jobs(run).find(|made| is_it(made))
}

fn forgotten_reason() -> Reason {
    let message = "the server was away while it was being applied, for longer than a finished Job stays in the cluster, and \
                   there is no Job of it: whether it ran is not known";
    Reason::new("Forgotten", message)
}

#[cfg(test)]
mod tests {
    use gitfaas_core::id::{RequestId, RunId};
    use gitfaas_core::run::Mark;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).expect("a time")
    }

    fn queued() -> Run {
        let function = "a.yaml".parse().expect("a function");
        let id = RunId::derive(RequestId::from_bytes([1; 16]), &function);
        Run::planned(id, "t".parse().expect("a topic"), function, 0, at(0))
    }

    #[test]
    fn only_what_may_have_been_made_is_in_doubt_and_only_when_a_job_may_be_gone() {
        let mark = Mark { holder: "here".to_owned(), epoch: 1, at: at(0) };
        let marked = Run { mark: Some(mark), due_at: None, ..queued() };
        let unanswered = Run { reason: Some(Reason::new(NO_ANSWER, "late")), ..queued() };
        for run in [&marked, &unanswered] {
            assert!(!may_be_forgotten(run, at(22), DAY));
            assert!(may_be_forgotten(run, at(23), DAY), "a little earlier than the cluster says");
            assert!(!may_be_forgotten(run, at(99_999), Duration::MAX), "one that forgets nothing");
        }
        let unsent = Run { reason: Some(Reason::new("ClusterUnreachable", "down")), ..queued() };
        for run in [&queued(), &unsent] {
            assert!(!may_be_forgotten(run, at(99), DAY), "it was never sent");
        }
    }
}
