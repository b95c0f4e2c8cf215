//! Observe: what the cluster says about a Job becomes what the ledger says about its run.

use std::sync::Arc;

use gitfaas_core::id::RunId;
use gitfaas_core::run::machine::{Effect, Event, Observation, effects, may_rerun, step};
use gitfaas_core::run::{ObjectKey, Phase, Run};

use super::{Engine, EngineError, ErrorCode, OnUnknown};

/// The phases of runs whose Jobs may be alive.
const MAY_LIVE: [Phase; 7] = [
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
        for _ in 0..RACES {
            let Some(before) = self.parts.store.run(id).await? else { return Ok(None) };
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
            self.rerun_unknown(&after);
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

    pub(super) fn carry_out(self: &Arc<Self>, run: &Run, effect: Effect) {
        let (engine, run) = (self.clone(), run.clone());
        self.tasks.spawn(async move {
            match effect {
                Effect::CaptureLogs => engine.capture_logs(run).await,
                Effect::Release(jobs) => engine.release(run.id, &jobs).await,
                Effect::End(jobs) => engine.end(run.id, &jobs).await,
            }
        });
    }

    /// What is asked of the cluster for runs that are over, a few at once: thousands may end in a moment.
    async fn in_turn<T>(&self, asked: impl Future<Output = T>) -> T {
        let _turn = self.turns.acquire().await;
        asked.await
    }

    /// Carries out what runs that are over still ask for, and nobody may be telling of any more: their Jobs may be gone.
    ///
    /// # Errors
    /// When the store does not answer; call again.
    pub async fn catch_up(self: &Arc<Self>) -> Result<(), EngineError> {
        let mut after = None;
        loop {
            let runs = self.parts.store.runs_in(&MAY_LIVE, after, 500).await?;
            let Some(last) = runs.last() else { return Ok(()) };
            after = Some(last.id);
            for run in runs {
                // Those that are released are not listed any more.
                for effect in effects(&run).into_iter().filter(|effect| !matches!(effect, Effect::Release(_))) {
                    self.carry_out(&run, effect);
                }
                self.rerun_unknown(&run);
            }
        }
    }

    /// Tries a run once more of which nobody can tell how it ended, if that is wanted, and when nothing of its try is
    /// left to be done.
    fn rerun_unknown(self: &Arc<Self>, run: &Run) {
        if self.settings.on_unknown == OnUnknown::Hold || !may_rerun(run) || !run.is_done() {
            return;
        }
        let (engine, id) = (self.clone(), run.id);
        self.tasks.spawn(async move {
            match engine.tell(id, Event::Rerun).await {
                Ok(_) => engine.queued.notify_one(),
                Err(error) => tracing::warn!(run.id = %id, %error, "it is tried again when the cluster is next compared with the ledger"),
            }
        });
    }

    /// Ends Jobs. What fails is tried again until the server stops; then the next one does it, when the cluster tells
    /// of the Job.
    async fn end(&self, run: RunId, jobs: &[ObjectKey]) {
        for job in jobs {
            let mut failures = 0;
            while let Err(error) = self.in_turn(self.parts.cluster.end(job)).await {
                failures += 1;
                tracing::warn!(run.id = %run, %error, "cannot end the Job yet");
                if !self.wait_to_ask_again(failures).await {
                    return;
                }
            }
        }
    }

    /// Keeps the logs of an ended try, then lets go of its Jobs. What fails is tried again until the server stops; then
    /// the next one does it, when the cluster tells of the Job.
    pub(super) async fn capture_logs(self: &Arc<Self>, run: Run) {
        // One at a time: another one could keep, in place of the logs, that a Job which was let go has none.
        let Some(_hold) = self.capturing.hold(run.id) else { return };
        let mut failures = 0;
        while let Err(error) = self.in_turn(self.keep_logs(&run)).await {
            if !error.may_pass() {
                tracing::error!(run.id = %run.id, %error, "cannot keep the logs");
                return;
            }
            failures += 1;
            tracing::warn!(run.id = %run.id, %error, "cannot keep the logs yet");
            if !self.wait_to_ask_again(failures).await {
                return;
            }
        }
    }

    async fn keep_logs(self: &Arc<Self>, ended: &Run) -> Result<(), EngineError> {
        let Some(run) = self.parts.store.run(ended.id).await? else {
            // Forgotten meanwhile: nobody will ask for its logs.
            let jobs: Vec<ObjectKey> = jobs(ended).cloned().collect();
            self.release(ended.id, &jobs).await;
            return Ok(());
        };
        if run.logs_captured || run.try_no != ended.try_no {
            return Ok(());
        }
        for job in jobs(&run) {
            let parts = self.parts.cluster.logs(job, self.settings.log_tail).await;
            let parts = parts.map_err(|error| EngineError::new(ErrorCode::ClusterUnavailable, error.message))?;
            self.parts.store.put_logs(run.id, run.try_no, &job.name, parts).await?;
        }
        // Boxed: the step after this one carries out an effect too.
        Box::pin(self.tell(run.id, Event::LogsCaptured)).await.map(drop)
    }

    /// Lets go of Jobs. What fails is tried again until the server stops; then the next one does it, when the cluster
    /// tells of the Job.
    async fn release(&self, run: RunId, jobs: &[ObjectKey]) {
        // A ledger that loses its last moments says that the try is not over yet, and it is applied again: as long as that
        // may be, the Job has to be there, or it would be made twice.
        let settling = tokio::time::sleep(self.parts.store.window_of_loss());
        if self.stopping.run_until_cancelled(settling).await.is_none() {
            return;
        }
        for job in jobs {
            let mut failures = 0;
            while let Err(error) = self.in_turn(self.parts.cluster.release(job)).await {
                failures += 1;
                tracing::warn!(run.id = %run, %error, "cannot release the Job yet");
                if !self.wait_to_ask_again(failures).await {
                    return;
                }
            }
        }
    }
}

/// The Jobs of a run's present try.
pub(super) fn jobs(run: &Run) -> impl Iterator<Item = &ObjectKey> {
    run.objects.iter().filter(|object| object.job.is_some()).map(|object| &object.key)
}
