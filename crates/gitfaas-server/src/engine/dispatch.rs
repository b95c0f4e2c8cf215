//! Dispatch: bring a marked run to the cluster and settle the verdict.
//!
//! Only marked runs come here. Applying is safe to repeat for one try, so whatever a crash, or a store that wrote a mark
//! and answered with an error, left marked is applied again by [`Engine::recover`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitfaas_core::admission::admit_all;
use gitfaas_core::manifest::{Fillings, RecordedManifest};
use gitfaas_core::run::machine::{ApplyFailure, Event, step};
use gitfaas_core::run::{ObjectKey, Phase, Reason, Run};
use jiff::Timestamp;

use super::{Engine, EngineError};
use crate::cluster::{ApplyError, Owner};
use crate::store::StoreError;

/// How many runs one look at the ledger takes.
const BATCH: usize = 64;

/// What [`Engine::recover`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Runs that were marked and that nobody applied; they are applied again.
    pub runs: usize,
}

impl Engine {
    /// Applies again what is marked and in nobody's hands: an earlier life of this server left it, or an error of the
    /// store in this one.
    ///
    /// # Errors
    /// When the store does not answer; nothing is lost, call again.
    pub async fn recover(self: &Arc<Self>) -> Result<Recovered, EngineError> {
        let mut after = None;
        let mut found = 0;
        loop {
            let runs = self.parts.store.runs_in(&[Phase::Applying], after, BATCH).await?;
            let Some(last) = runs.last() else { return Ok(Recovered { runs: found }) };
            after = Some(last.id);
            for run in runs {
                found += usize::from(self.take(run).await?);
            }
        }
    }

    /// Dispatches queued runs that are due; returns when to look again, `None` for not before something is queued.
    ///
    /// # Errors
    /// When the store does not answer; nothing is lost, call again.
    pub async fn dispatch_due(self: &Arc<Self>) -> Result<Option<Timestamp>, EngineError> {
        while !self.draining.is_cancelled() {
            let due = self.parts.store.due(self.now(), BATCH).await?;
            if due.is_empty() {
                return Ok(self.parts.store.next_due().await?);
            }
            let mut taken = 0;
            for run in due {
                taken += usize::from(self.take(run).await?);
            }
            if taken == 0 {
                // Somebody has them in hand who could not yet settle that they are queued again.
                return Ok(self.now().checked_add(self.settings.backoff.first).ok());
            }
        }
        Ok(None)
    }

    /// Returns when a run was queued that the dispatcher may not know of.
    pub async fn queued(&self) {
        self.queued.notified().await;
    }

    /// Marks a run as ours and applies it in a task of its own, as soon as a slot is free. Whether it was ours to take.
    async fn take(self: &Arc<Self>, run: Run) -> Result<bool, EngineError> {
        let Some(hold) = self.applying.hold(run.id) else { return Ok(false) };
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return Ok(false) };
        // What has waited for its slot until the server stops waits for the next start.
        if self.draining.is_cancelled() {
            return Ok(false);
        }
        let Some(marked) = step(&run, Event::Marked(self.mark()), self.now()).next else { return Ok(false) };
        if !self.parts.store.settle(&run, &marked).await? {
            return Ok(false);
        }
        let engine = self.clone();
        self.tasks.spawn(async move {
            engine.apply_stored(marked).await;
            drop((slot, hold));
        });
        Ok(true)
    }

    async fn apply_stored(self: &Arc<Self>, run: Run) {
        let recorded = async {
            let manifests = self.parts.store.manifests(run.id).await?;
            let message = self.parts.store.message(run.request()).await?.ok_or(StoreError::NotFound)?;
            Ok::<_, StoreError>((manifests, STANDARD.encode(&message.payload)))
        };
        match recorded.await {
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

    /// Applies a marked run and settles what came of it; returns the run as it then stands.
    pub(super) async fn apply(self: &Arc<Self>, run: Run, manifests: &[RecordedManifest], payload: &str) -> Run {
        let fillings = Fillings::new(
            self.parts.store.ledger_key(),
            run.id,
            run.try_no,
            &self.settings.base_url,
            Cow::Borrowed(payload),
        );
        // Admitted again: the policy may have become stricter since the run was accepted.
        let event = match admit_all(manifests, &fillings, &self.settings.policy) {
            Ok(admitted) => {
                let owner = Owner { run: run.id, try_no: run.try_no };
                let mut applied: Vec<ObjectKey> = Vec::with_capacity(admitted.len());
                let mut failure = None;
                for manifest in &admitted {
                    match self.parts.cluster.apply(owner, manifest).await {
                        Ok(key) => applied.push(key),
                        Err(error) => {
                            failure = Some(self.failure(&run, error));
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

    fn failure(&self, run: &Run, error: ApplyError) -> ApplyFailure {
        match error {
            ApplyError::Final { reason } => ApplyFailure::Final { reason },
            ApplyError::Passing { reason, retry_after } => self.passing(run, reason, retry_after),
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

/// A number from 0 to 1 from the machine's randomness.
fn jitter() -> f64 {
    let drawn = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(drawn) / f64::from(u32::MAX)
}
