//! Finds runs that would wait for ever for the end of a Job that nobody tells of: it was deleted while nobody watched, or
//! what the watch told is not all.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use gitfaas_core::id::RunId;
use gitfaas_core::run::ObjectKey;
use gitfaas_core::run::machine::Observation;

use crate::cluster::{Cluster, ClusterError};
use crate::engine::{Engine, EngineError, ErrorCode};

/// The live Jobs that the cluster told of. Hashes: there may be many, and a mistake costs a question.
#[derive(Clone, Default)]
pub(super) struct Told {
    hasher: RandomState,
    of_runs: HashSet<u64>,
    jobs: HashSet<u64>,
}

impl Told {
    /// Notes what is told of a Job; of one that is over nobody waits for more.
    pub(super) fn note(&mut self, run: RunId, observation: &Observation) {
        let (of_run, job) = (self.hasher.hash_one((run, &observation.job)), self.hasher.hash_one(&observation.job));
        if observation.state.is_final() {
            self.of_runs.remove(&of_run);
            self.jobs.remove(&job);
        } else {
            self.of_runs.insert(of_run);
            self.jobs.insert(job);
        }
    }

    fn has(&self, run: RunId, job: &ObjectKey) -> bool {
        self.of_runs.contains(&self.hasher.hash_one((run, job)))
    }

    /// Two runs may have applied a Job of the same fixed name: it is told of the later one.
    fn is_anothers(&self, job: &ObjectKey) -> bool {
        self.jobs.contains(&self.hasher.hash_one(job))
    }
}

/// Reports the live Jobs that were not told of and are gone; with `all` also of runs that are over, and carries out what
/// those still ask for. What fails is left to the next time.
pub(super) async fn report(engine: Arc<Engine>, cluster: Arc<dyn Cluster>, told: Told, all: bool) {
    if all && let Err(error) = engine.catch_up().await {
        tracing::warn!(%error, "what runs that are over still ask for is looked for at the next start");
    }
    let live = match engine.live_jobs(all).await {
        Ok(live) => live,
        Err(error) => return tracing::warn!(%error, "the ledger cannot be compared with the cluster now"),
    };
    let mut failed = None;
    for (run, job) in live.into_iter().filter(|(run, job)| !told.has(*run, job)) {
        if let Err(error) = report_if_missing(&engine, &*cluster, run, &job, told.is_anothers(&job)).await {
            failed = Some(error);
        }
    }
    if let Some(error) = failed {
        tracing::warn!(%error, "not every Job that is not told of could be looked for; they are looked for again");
    }
}

/// A Job also leaves the list when somebody takes its labels away, when its namespace is not watched any more, and when it
/// was released.
async fn report_if_missing(
    engine: &Arc<Engine>,
    cluster: &dyn Cluster,
    run: RunId,
    job: &ObjectKey,
    is_anothers: bool,
) -> Result<(), EngineError> {
    let unavailable = |error: ClusterError| EngineError::new(ErrorCode::ClusterUnavailable, error.message);
    if !is_anothers && cluster.exists(job).await.map_err(unavailable)? {
        tracing::debug!(run.id = %run, job = %job, "the Job exists and is not told of");
        if let Some((of, end)) = cluster.end_of(job).await.map_err(unavailable)? {
            engine.observe(of, end).await?;
        }
        return Ok(());
    }
    engine.miss(run, job.clone()).await
}

#[cfg(test)]
mod tests {
    use gitfaas_core::id::Try;
    use gitfaas_core::run::{JobState, Phase};

    use super::*;
    use crate::engine::tests::{Bench, Scripted};

    #[tokio::test]
    async fn a_run_whose_job_is_gone_is_settled_and_one_whose_job_is_only_not_told_of_is_not() {
        let bench = Bench::start().await;
        let (there, gone) = (bench.applied().await, bench.applied().await);
        let mut job = gone.objects[0].key.clone();
        job.name.push_str("-gone");
        let seen = Observation { try_no: Try::FIRST, job, state: JobState::Running, attempts: 1 };
        bench.engine.observe(gone.id, seen).await.expect("observed");
        report(bench.engine.clone(), bench.cluster(), Told::default(), false).await;
        assert_eq!(bench.until(gone.id, |run| run.phase.is_final()).await.phase, Phase::Unknown);
        assert!(!bench.engine.run(there.id).await.expect("a run").phase.is_final());
    }

    #[tokio::test]
    async fn what_is_told_of_is_not_asked_about_until_it_is_over() {
        let bench = Bench::start().await;
        let run = bench.applied().await;
        let job = run.objects[0].key.clone();
        let mut told = Told::default();
        let mut seen = Observation { try_no: Try::FIRST, job: job.clone(), state: JobState::Running, attempts: 1 };
        told.note(run.id, &seen);
        assert!(told.has(run.id, &job) && told.is_anothers(&job));
        seen.state = JobState::Succeeded;
        told.note(run.id, &seen);
        assert!(!told.has(run.id, &job) && !told.is_anothers(&job));
    }

    #[tokio::test]
    async fn the_end_of_a_job_that_is_told_of_no_more_is_asked_for() {
        let cluster = Arc::new(Scripted::willing());
        let bench = Bench::led(&cluster, |_| {}).await;
        let run = bench.applied().await;
        let job = run.objects[0].key.clone();
        report(bench.engine.clone(), cluster.clone(), Told::default(), false).await;
        assert_eq!(bench.engine.run(run.id).await.expect("a run").phase, Phase::Pending, "it is there, and not over");
        // A ledger that lost its last moments after the Job had been let go: no watch tells of it.
        cluster.ended(run.id, Observation { try_no: run.try_no, job, state: JobState::Succeeded, attempts: 1 });
        report(bench.engine.clone(), cluster.clone(), Told::default(), false).await;
        bench.until(run.id, |run| run.phase == Phase::Succeeded && run.logs_captured).await;
    }
}
