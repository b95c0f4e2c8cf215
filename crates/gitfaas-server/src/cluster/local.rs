//! The local cluster: Jobs as processes of this machine, as durable as a real cluster's.
//!
//! A Job is a record in the data folder, made exclusively and durably before anything starts (`folder`). Each start of
//! a container runs under a small process of its own, the [`supervisor`], which outlives the server and writes down how
//! it ended. What is to be done next follows from those files alone (`step`, `progress`), so that a server that was
//! killed at any instant goes on as if it had not been: nothing is started twice, and nothing is lost.
//!
//! Other kinds are recorded, not run. `ConfigMap`s and Secrets come from a folder that
//! the developer names, or from what was applied (`objects`). An image is only a name here: processes see this machine,
//! in their own folders and environment. They are not confined: a function has the rights of who started the server.
//!
//! Where a cluster leaves it open, or cannot be copied:
//!
//! * A Job's `activeDeadlineSeconds` begins with its first attempt: waiting for a slot of this machine does not count.
//! * Volumes, claims by name too, are folders of the pod and go with it. What comes from objects is written when the pod
//!   is made, for its user alone, and does not follow later changes (`contents`).
//! * A Job whose `ConfigMap` or Secret is missing waits for it, as in a cluster, and says where it was looked for.
//! * SIGTERM reaches every process of a function, not the first one alone; what is left when the first one has ended is
//!   told to end, and killed a second later.
//! * Of each attempt the last 8 to 16 MiB of the log are kept (`log`).
//! * A container whose supervisor was killed, or whose machine stopped, is lost. It counts as failed, and when it was the
//!   last attempt the Job is interrupted: nobody knows that the function failed.
//! * What a pod wrote before the machine stopped is not built upon: it is replaced by a new pod.
//! * `backoffLimit` counts pods that failed, and where containers are started again in their pods (`OnFailure`) each of
//!   those starts. An attempt is a new pod or such a start.
//! * Limits of memory and cpu are enforced where this process may divide its control group, see `limits`; requests and
//!   other limits mean nothing here.
//! * A Job that has been released is a small note: its name stays taken for `ttlSecondsAfterFinished` (a day where that
//!   is not given), and for a day at least the same try is known and not started again.

mod attempt;
mod contents;
mod disk;
mod drive;
mod env;
mod expand;
mod facts;
mod feed;
mod folder;
mod hand;
mod jobs;
mod keep;
mod launch;
mod limits;
mod log;
mod logs;
mod manifest;
mod names;
mod objects;
mod open;
mod processes;
mod progress;
mod references;
mod sandbox;
mod settings;
mod spec;
mod start;
mod step;
pub mod supervisor;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use gitfaas_core::admission::Admitted;
use gitfaas_core::id::RunId;
use gitfaas_core::manifest::Manifest;
use gitfaas_core::run::machine::Observation;
use gitfaas_core::run::{ObjectKey, Reason};
use tokio::sync::watch;

use self::drive::blocking;
use self::jobs::{Shared, Stop};
use self::names::FileName;
pub use self::settings::{Settings, SupervisorCommand};
use super::{ApplyError, Cluster, ClusterError, ClusterEvent, Denied, LogChunk, LogPart, Need, Owner, Reach};

/// This machine as a cluster.
///
/// When it is dropped without [`stop`](Cluster::stop), what runs goes on, and the next one adopts it.
pub struct LocalCluster {
    shared: Arc<Shared>,
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.shared.stop.send_if_modified(|stop| {
            let running = *stop == Stop::No;
            if running {
                *stop = Stop::Leave;
            }
            running
        });
    }
}

#[async_trait]
impl Cluster for LocalCluster {
    fn describe(&self) -> String {
        "this machine".to_owned()
    }

    fn reach(&self) -> watch::Receiver<Reach> {
        // It is always here.
        watch::Sender::new(Reach::Up).subscribe()
    }

    async fn apply(&self, owner: Owner, manifest: &Admitted<Manifest>) -> Result<ObjectKey, ApplyError> {
        if self.shared.stopping() {
            let reason = Reason::new("Stopping", "the server is stopping");
            return Err(ApplyError::Passing { reason, retry_after: None });
        }
        let (shared, manifest) = (Arc::clone(&self.shared), Manifest::clone(manifest));
        let key = manifest.key.clone();
        let done = tokio::task::spawn_blocking(move || {
            if manifest.key.is_job() {
                shared.create_job(owner, &manifest)
            } else {
                shared.record_object(owner, &manifest).map(|()| None)
            }
        });
        let created = done.await.map_err(|error| ApplyError::Passing {
            reason: Reason::new("Storage", format!("the object cannot be recorded: {error}")),
            retry_after: None,
        })??;
        if let Some(job) = created {
            self.shared.enqueue(job);
        }
        Ok(key)
    }

    /// Released Jobs are not told: their runs are settled.
    fn watch(&self) -> BoxStream<'static, ClusterEvent> {
        self.shared.feeds.watch(|| self.shared.standing())
    }

    fn keeps(&self) -> Duration {
        // A Job that was not released is never removed.
        Duration::MAX
    }

    async fn exists(&self, job: &ObjectKey) -> Result<bool, ClusterError> {
        Ok(self.shared.job(&FileName::of(job)).is_some())
    }

    async fn end_of(&self, job: &ObjectKey) -> Result<Option<(RunId, Observation)>, ClusterError> {
        Ok(self.shared.job(&FileName::of(job)).and_then(|job| job.end()))
    }

    async fn logs(&self, job: &ObjectKey, tail: u64) -> Result<Vec<LogPart>, ClusterError> {
        let (shared, job) = (Arc::clone(&self.shared), FileName::of(job));
        blocking(move || shared.log_parts(&job, tail)).await.map_err(|error| failed("read its logs", &error))
    }

    async fn follow_logs(&self, job: &ObjectKey) -> Result<BoxStream<'static, LogChunk>, ClusterError> {
        Ok(Arc::clone(&self.shared).follow(FileName::of(job)))
    }

    async fn end(&self, job: &ObjectKey) -> Result<(), ClusterError> {
        let (shared, job) = (Arc::clone(&self.shared), job.clone());
        blocking(move || shared.end(&job)).await.map_err(|error| failed("end it", &error))
    }

    /// The Job's logs and folders go at once, as the ledger has what is to be kept; its name stays taken for its time
    /// to live, and for a day at least the same try is not started again.
    async fn release(&self, job: &ObjectKey) -> Result<(), ClusterError> {
        let (shared, job) = (Arc::clone(&self.shared), job.clone());
        blocking(move || shared.release(&job)).await.map_err(|error| failed("release it", &error))
    }

    /// It is the user's own, and takes everything.
    async fn access(&self, _needs: &[Need]) -> Result<Vec<Denied>, ClusterError> {
        Ok(Vec::new())
    }

    async fn stop(&self, end_runs: bool, grace: Duration) {
        self.shared.stop.send_replace(if end_runs { Stop::End(grace) } else { Stop::Leave });
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.feeds.close();
        self.shared.limits.close();
        self.shared.unlock();
    }
}

fn failed(what: &str, error: &std::io::Error) -> ClusterError {
    ClusterError { message: format!("the local cluster cannot {what}: {error}") }
}
