//! What runs manifests: Kubernetes, or this machine. The trait, and what it speaks of.

pub mod kubernetes;
pub mod local;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use gitfaas_core::admission::Admitted;
use gitfaas_core::id::{RunId, Try};
use gitfaas_core::manifest::Manifest;
use gitfaas_core::run::machine::Observation;
use gitfaas_core::run::{ObjectKey, Reason};
use jiff::Timestamp;
use tokio::sync::watch;

/// Whose object it is: written onto it, and compared when its name is already taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The run.
    pub run: RunId,
    /// The try of the run.
    pub try_no: Try,
}

/// What runs manifests.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// What it is, for people: `this machine`, a server's URL.
    fn describe(&self) -> String;

    /// Whether it can be reached, as it is now and whenever that changes. While it cannot, nothing is to be applied:
    /// what is tried all the same fails at once.
    fn reach(&self) -> watch::Receiver<Reach>;

    /// Makes the object exist: creates it when its name is unique to the run, applies it otherwise.
    ///
    /// When it returns, the cluster has the object durably. Applying the same object for the same owner again is a
    /// success and starts nothing twice, for as long as the object has not been [released](Self::release).
    ///
    /// # Errors
    /// [`ApplyError`], which says whether trying again can help.
    async fn apply(&self, owner: Owner, manifest: &Admitted<Manifest>) -> Result<ObjectKey, ApplyError>;

    /// Everything about our Jobs: first how each one stands now, then [`ClusterEvent::Synced`], then every change. It
    /// ends when the cluster is stopped, and when something may have happened that it does not know of: then it is
    /// called again.
    fn watch(&self) -> BoxStream<'static, ClusterEvent>;

    /// How long a Job stays at least, whatever becomes of it, unless somebody deletes or releases it: for so long applying
    /// a try again makes nothing twice.
    fn keeps(&self) -> Duration;

    /// A Job's key as [`apply`](Self::apply) gives it back, and [`watch`](Self::watch) tells of it.
    fn in_full(&self, job: &ObjectKey) -> ObjectKey {
        job.clone()
    }

    /// Whether a Job exists, whether or not it is watched.
    ///
    /// # Errors
    /// When the cluster does not answer: it is asked again.
    async fn exists(&self, job: &ObjectKey) -> Result<bool, ClusterError>;

    /// How a Job of ours ended that exists, whether or not it is told of any more: it may have been released for a ledger
    /// that has forgotten its end since. `None` while it is not over, and where nothing is known of it.
    ///
    /// # Errors
    /// When the cluster does not answer: it is asked again.
    async fn end_of(&self, job: &ObjectKey) -> Result<Option<(RunId, Observation)>, ClusterError>;

    /// The logs of a Job: the last `tail` bytes of each container of each attempt that still exists.
    ///
    /// # Errors
    /// When the cluster does not answer; a Job that does not exist has no logs, which is no error.
    async fn logs(&self, job: &ObjectKey, tail: u64) -> Result<Vec<LogPart>, ClusterError>;

    /// The logs of a Job from its first byte, as they are written, until the Job has ended.
    ///
    /// # Errors
    /// When the cluster does not answer.
    async fn follow_logs(&self, job: &ObjectKey) -> Result<BoxStream<'static, LogChunk>, ClusterError>;

    /// Ends a Job for good: what runs of it is told to end, killed when its grace is over, and nothing of it is started
    /// any more.
    ///
    /// When it returns, that is durable; the end itself follows, is told by [`watch`](Self::watch), and leaves the logs
    /// until the Job is released. Safe to repeat; a Job that is over or does not exist is no error.
    ///
    /// # Errors
    /// When the cluster does not answer: it is asked again.
    async fn end(&self, job: &ObjectKey) -> Result<(), ClusterError>;

    /// The Job's end is settled and its logs are kept: its own time to live may begin. Safe to repeat; a Job that does
    /// not exist is no error.
    ///
    /// # Errors
    /// When the cluster does not answer: it is asked again.
    async fn release(&self, job: &ObjectKey) -> Result<(), ClusterError>;

    /// Which of `needs` the cluster would refuse as it is now, as far as that is certain.
    ///
    /// # Errors
    /// When the cluster does not say.
    async fn access(&self, needs: &[Need]) -> Result<Vec<Denied>, ClusterError>;

    /// The server stops. `end_runs` ends what runs within `grace` and reports it as interrupted (a developer's own
    /// machine); otherwise everything goes on without us and is found again at the next start.
    async fn stop(&self, end_runs: bool, grace: Duration);
}

/// Whether a cluster can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// As far as is known.
    Up,
    /// It cannot, and is asked again and again.
    Down {
        /// Since when.
        since: Timestamp,
        /// What was seen: lower case, no full stop.
        why: String,
    },
}

/// What functions need of a cluster: to make objects of a kind in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `batch/v1`.
    pub api_version: String,
    /// `Job`.
    pub kind: String,
    /// `None` for the cluster's own.
    pub namespace: Option<String>,
    /// The only object of the kind that is made; `None` for those that are other ones with each run or message.
    pub name: Option<String>,
    /// Whether each run makes objects of its own.
    pub unique: bool,
}

/// A need that the cluster would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The need.
    pub need: Need,
    /// What it lacks.
    pub lack: Lack,
    /// What would be refused and what to do: lower case, no full stop.
    pub message: String,
}

/// What a need lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The cluster does not have the kind.
    Kind,
    /// We have no right to it.
    Right,
}

/// What the cluster tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterEvent {
    /// A Job of ours stands like this.
    Job {
        /// The run it belongs to.
        run: RunId,
        /// How it stands.
        observation: Observation,
    },
    /// Every Job that existed has been told: what has not been is gone.
    Synced,
}

/// Why an object could not be made to exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// It may pass.
    #[error("{}", reason.message)]
    Passing {
        /// What was said.
        reason: Reason,
        /// How long to wait at least, where the cluster said so.
        retry_after: Option<Duration>,
    },
    /// It will not pass.
    #[error("{}", reason.message)]
    Final {
        /// What was said.
        reason: Reason,
    },
}

impl ApplyError {
    /// The code of a reason that says that nobody knows whether the cluster was reached.
    pub const NO_ANSWER: &str = "NoAnswer";
}

/// The cluster did not answer, or not as it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    /// What happened.
    pub message: String,
}

/// What one container of one attempt wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The container's name.
    pub container: String,
    /// Standard output and error, as they came.
    pub text: Bytes,
    /// Bytes before `text` that were left out.
    pub cut: u64,
}

/// A piece of a log that is being followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The container's name.
    pub container: String,
    /// What it wrote.
    pub text: Bytes,
}
