//! What is done about runs that are over: their logs are kept, their Jobs let go or ended, and those of which nobody knows
//! what became of them are tried once more, where that is wanted.
//!
//! Each of it is safe to repeat, and asked for again by the state of the run.

use std::sync::Arc;
use std::time::Duration;

use gitfaas_core::id::{RunId, Try};
use gitfaas_core::run::machine::{Effect, Event, effects, may_rerun};
use gitfaas_core::run::{ObjectKey, Run};

use super::observe::MAY_LIVE;
use super::{Engine, EngineError, ErrorCode, OnUnknown};
use crate::cluster::ClusterError;
use crate::store::StoreError;

impl Engine {
    pub(super) fn carry_out(self: &Arc<Self>, run: &Run, effect: Effect) {
        let (engine, run) = (self.clone(), run.clone());
        self.tasks.spawn(async move {
            match effect {
                Effect::CaptureLogs => engine.capture_logs(run).await,
                Effect::Release(try_no, jobs) => engine.release(run.id, try_no, jobs).await,
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
                for effect in effects(&run).into_iter().filter(|effect| !matches!(effect, Effect::Release(..))) {
                    self.carry_out(&run, effect);
                }
                if self.wants_rerun(&run) {
                    self.rerun_unknown(run.id).await;
                }
            }
        }
    }

    /// Whether a run is to be tried once more of which nobody can tell how it ended: if that is wanted, and when nothing
    /// of its try is left to be done.
    pub(super) fn wants_rerun(&self, run: &Run) -> bool {
        self.settings.on_unknown == OnUnknown::Rerun && may_rerun(run) && run.is_done()
    }

    pub(super) async fn rerun_unknown(self: &Arc<Self>, id: RunId) {
        match self.tell_of(id, Event::Rerun, |_| true).await {
            Ok(_) => self.queued.notify_one(),
            Err(error) => {
                tracing::warn!(run.id = %id, %error, "it is tried again when this server starts, or another one leads");
            }
        }
    }

    /// Ends Jobs. What fails is tried again until the server stops; then the next one does it, when the cluster tells
    /// of the Job.
    async fn end(&self, run: RunId, jobs: &[ObjectKey]) {
        for job in jobs {
            if !self.until_done(run, "end", || self.parts.cluster.end(job)).await {
                return;
            }
        }
    }

    /// Asks the cluster for something until it is done; false when the server stops before.
    async fn until_done<A>(&self, run: RunId, what: &str, ask: impl Fn() -> A) -> bool
    where
        A: Future<Output = Result<(), ClusterError>>,
    {
        let mut failures = 0;
        while let Err(error) = self.in_turn(ask()).await {
            failures += 1;
            tracing::warn!(run.id = %run, %error, "cannot {what} the Job yet");
            if !self.wait_to_ask_again(failures).await {
                return false;
            }
        }
        true
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
            self.carry_out(ended, Effect::Release(ended.try_no, jobs(ended).cloned().collect()));
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

    /// Lets go of the Jobs of a try. What fails is tried again until the server stops; then the next one does it, when the
    /// cluster tells of the Job.
    pub(super) async fn release(self: &Arc<Self>, run: RunId, try_no: Try, jobs: Vec<ObjectKey>) {
        let held = jobs.into_iter().filter_map(|job| Some((self.releasing.hold((run, job.clone()))?, job)));
        let held: Vec<_> = held.collect();
        if held.is_empty() {
            return;
        }
        let window = self.parts.store.window_of_loss();
        if !window.is_zero() && !self.is_over_after(window, run, try_no).await {
            return;
        }
        for (_hold, job) in &held {
            if !self.until_done(run, "release", || self.parts.cluster.release(job)).await {
                return;
            }
        }
    }

    /// Whether the ledger still says after its window of loss that nothing is left to be done of a try, and so will not
    /// forget it any more. One that loses its last moments says that the try is not over, and it is applied again: as long
    /// as that may be, its Job has to be there, or it would be made twice. False also when the server stops.
    async fn is_over_after(self: &Arc<Self>, window: Duration, run: RunId, try_no: Try) -> bool {
        if self.stopping.run_until_cancelled(tokio::time::sleep(window)).await.is_none() {
            return false;
        }
        let mut failures = 0;
        loop {
            match self.parts.store.run(run).await {
                Ok(None) => return true,
                Ok(Some(run)) if run.try_no > try_no || (run.try_no == try_no && run.is_done()) => return true,
                Ok(Some(run)) => {
                    // What it has forgotten is done once more.
                    for effect in effects(&run) {
                        self.carry_out(&run, effect);
                    }
                    return false;
                }
                Err(StoreError::Unavailable(_)) => failures += 1,
                // It stays as long as it would without us.
                Err(_) => return false,
            }
            let wait = tokio::time::sleep(self.settings.backoff.ceiling(failures));
            if self.stopping.run_until_cancelled(wait).await.is_none() {
                return false;
            }
        }
    }
}

/// The Jobs of a run's present try.
pub(super) fn jobs(run: &Run) -> impl Iterator<Item = &ObjectKey> {
    run.objects.iter().filter(|object| object.job.is_some()).map(|object| &object.key)
}
