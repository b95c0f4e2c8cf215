//! Observe: what the cluster says about a Job becomes what the ledger says about its run.

use std::sync::Arc;

use gitfaas_core::id::RunId;
use gitfaas_core::run::machine::{Event, Observation, step};
use gitfaas_core::run::{ObjectKey, Phase, Run};

use super::{Engine, EngineError, ErrorCode};

/// The phases of runs whose Jobs may be alive.
pub(super) const MAY_LIVE: [Phase; 7] = [
    Phase::Pending,
    Phase::Running,
    Phase::Failed,
    Phase::Interrupted,
    Phase::Cancelled,
    Phase::Unknown,
    Phase::Expired,
];
/// How often a lost race for one run is run again; each loss means that somebody else made progress.
const RACES: usize = 1000;

impl Engine {
    /// Takes what the cluster said about a Job of a run.
    ///
    /// # Errors
    /// When the store does not answer; tell it again.
    pub async fn observe(self: &Arc<Self>, run: RunId, observation: Observation) -> Result<(), EngineError> {
        self.tell(run, Event::Observed(observation)).await.map(drop)
    }

    /// Takes that the cluster no longer has a Job of a run.
    ///
    /// # Errors
    /// When the store does not answer; tell it again.
    pub async fn miss(self: &Arc<Self>, run: RunId, job: ObjectKey) -> Result<(), EngineError> {
        self.tell(run, Event::Missing(job)).await.map(drop)
    }

    /// The Jobs that the ledger believes to be alive, with their runs; with `all` also of runs that are over while a Job
    /// is not.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn live_jobs(&self, all: bool) -> Result<Vec<(RunId, ObjectKey)>, EngineError> {
        let phases = if all { &MAY_LIVE[..] } else { &[Phase::Pending, Phase::Running] };
        let mut after = None;
        let mut live = Vec::new();
        loop {
            let runs = self.parts.store.runs_in(phases, after, 500).await?;
            let Some(last) = runs.last() else { return Ok(live) };
            after = Some(last.id);
            for run in runs {
                live.extend(run.live_jobs().map(|job| (run.id, job.clone())));
            }
        }
    }

    /// Steps a run by an event, settles it, and carries out what follows. The run as it then stands; `None` when the
    /// ledger does not have it (any more).
    pub(super) async fn tell(self: &Arc<Self>, id: RunId, event: Event) -> Result<Option<Run>, EngineError> {
        self.tell_if(id, event, |_| true).await
    }

    /// The same, if the run is such; otherwise nothing changes.
    pub(super) async fn tell_if(
        self: &Arc<Self>,
        id: RunId,
        event: Event,
        is_such: impl Fn(&Run) -> bool + Send,
    ) -> Result<Option<Run>, EngineError> {
        let told = self.tell_of(id, event, is_such).await?;
        if let Some(run) = told.as_ref().filter(|run| self.wants_rerun(run)) {
            let (engine, id) = (self.clone(), run.id);
            self.tasks.spawn(async move { engine.rerun_unknown(id).await });
        }
        Ok(told)
    }

    /// The same, without what a run that is `unknown` by then may want.
    pub(super) async fn tell_of(
        self: &Arc<Self>,
        id: RunId,
        event: Event,
        is_such: impl Fn(&Run) -> bool + Send,
    ) -> Result<Option<Run>, EngineError> {
        for _ in 0..RACES {
            let Some(before) = self.parts.store.run(id).await? else { return Ok(None) };
            if !is_such(&before) {
                return Ok(Some(before));
            }
            let step = step(&before, event.clone(), self.now());
            let after = match step.next {
                None => {
                    // It may be news to who waits: a store can settle and answer with an error all the same.
                    self.hub.wake(id.request());
                    self.slot_may_be_free(&before);
                    before
                }
                Some(after) if self.parts.store.settle(&before, &after).await? => {
                    self.settled(&before, &after);
                    after
                }
                Some(_) => continue,
            };
            for effect in step.effects {
                self.carry_out(&after, effect);
            }
            return Ok(Some(after));
        }
        Err(EngineError::new(ErrorCode::Internal, format!("the run {id} changes faster than it can be settled")))
    }

    pub(super) fn settled(&self, before: &Run, after: &Run) {
        if before.phase != after.phase {
            let reason = after.reason.as_ref().map(|reason| reason.code.as_str());
            tracing::info!(run.id = %after.id, run.phase = %after.phase, run.reason = reason, topic.name = %after.topic, "run moved on");
            if after.phase.is_final() {
                self.metrics.run_finished(after.phase);
            }
        }
        self.hub.wake(after.request());
        self.slot_may_be_free(after);
    }

    /// Wakes the dispatcher when a run that is live no more leaves a slot of its topic to the next.
    fn slot_may_be_free(&self, run: &Run) {
        if !run.is_live() && self.gate(&run.topic).concurrency.is_some() {
            self.queued.notify_one();
        }
    }
}
