//! A run: one function executed for one request, and where it stands.
//!
//! [`machine::step`] is the only thing that moves a run from phase to phase. The record here is what the store keeps.

pub mod explain;
pub mod machine;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{RequestId, RunId, Try};
use crate::topic::{FunctionName, TopicName};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Accepted; nothing has been sent to the cluster for this try, or it is to be sent again.
    Queued,
    /// Durably marked; the cluster may or may not have its objects.
    Applying,
    /// The cluster has its objects; no process runs yet.
    Pending,
    /// An attempt runs.
    Running,
    /// Each of its Jobs succeeded, or it has none and everything was applied.
    Succeeded,
    /// It gave up: a dead letter.
    Failed,
    /// A person cancelled it.
    Cancelled,
    /// Its process was ended from outside: the machine or the developer's server stopped.
    Interrupted,
    /// Its Job is gone and nobody can tell how it ended.
    Unknown,
    /// It was tried again for as long as may be, and could not be applied: a dead letter.
    Expired,
}

impl Phase {
    /// Every phase, in the order a run can take them.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Applying,
        Self::Pending,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
        Self::Unknown,
        Self::Expired,
    ];

    /// Whether the try is over: nothing that the cluster says can change it any more.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Applying | Self::Pending | Self::Running)
    }

    /// Whether the cluster has something of the try, or may have it.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Applying | Self::Pending | Self::Running)
    }

    /// The word, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Applying => "applying",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Phase {
    type Err = crate::id::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| crate::id::InvalidId::new(text, "a phase (queued, applying, pending, running, succeeded, failed, cancelled, interrupted, unknown, expired)"))
    }
}

/// Why a run is in its phase: a word for machines and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// One word in Kubernetes' style: `BackoffLimitExceeded`, `DeadlineExceeded`, `NotFound`, …
    pub code: String,
    /// A sentence a person can act on: lower case, no full stop.
    pub message: String,
}

impl Reason {
    /// A reason of these two.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// What names an object in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectKey {
    /// `batch/v1`, `v1`, …
    pub api_version: String,
    /// `Job`, …
    pub kind: String,
    /// `None` for what lives in no namespace, or where the cluster's default is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// Whether it is a Job, whose end is the end of the run; any other object is done when applied.
    pub fn is_job(&self) -> bool {
        self.kind == "Job" && self.api_version.split_once('/').is_some_and(|(group, _)| group == "batch")
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// What the cluster last said about a Job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum JobState {
    /// No process yet; why, where the cluster knows (`Unschedulable`, `ImagePullBackOff`, waiting for a slot).
    Pending {
        /// Why it waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    /// An attempt runs.
    Running,
    /// It completed.
    Succeeded,
    /// It failed for good, with why.
    Failed {
        /// Why.
        reason: Reason,
        /// Exit code of the last attempt, where there was one.
        #[serde(default, rename = "exitCode", skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
    },
    /// Its processes were ended from outside.
    Interrupted {
        /// By what.
        reason: Reason,
    },
    /// It does not exist (any more), and how it ended was never seen.
    Gone,
}

impl JobState {
    /// Whether the Job is over.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Pending { .. } | Self::Running)
    }
}

/// An object that a run created or applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunObject {
    /// What names it.
    #[serde(flatten)]
    pub key: ObjectKey,
    /// For a Job: what the cluster last said about it. `None` for every other object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobState>,
}

/// Who is applying a try, since when. Written before the first call to the cluster, so that after a crash only
/// marked tries are in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The server's name, as it logs it.
    pub holder: String,
    /// Which life of that server: a number that each start raises.
    pub epoch: u64,
    /// Since when.
    pub at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A run as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The topic of its request.
    pub topic: TopicName,
    /// The function it executes.
    pub function: FunctionName,
    /// Place of the function in the topic's list, from 0: answers are listed in this order.
    pub ordinal: u32,
    /// Which making of the run.
    #[serde(rename = "try")]
    pub try_no: Try,
    /// Where it stands.
    pub phase: Phase,
    /// Why it stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What it created or applied in this try.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<RunObject>,
    /// Attempts (pods, processes) seen in this try.
    #[serde(default)]
    pub attempts: u32,
    /// Exit code of the last attempt: 0 for a run whose Jobs succeeded, and where known for one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Who applies it; set exactly while `applying`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Since when the cluster may have something of this try of which nobody knows: it was left marked, or there was no
    /// answer. Set only while `queued` or `applying`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt_since: Option<Timestamp>,
    /// Who cancelled it while it was being applied: it is cancelled with this reason once that has a verdict. Set only
    /// while `applying`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling: Option<Reason>,
    /// How often applying this try failed for a passing reason.
    #[serde(default)]
    pub apply_failures: u32,
    /// For how long applying this try has been tried again, in milliseconds: the sum of the times from each try that failed
    /// for a passing reason to the next one. While its topic is held, or the cluster cannot be reached, it does not grow.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retried_millis: u64,
    /// How often it was tried once more by itself, because what became of the try before is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reruns: u64,
    /// When a queued run is due; set exactly while `queued`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Whether the logs of the ended try are in the store, so that the cluster may collect the Jobs.
    #[serde(default)]
    pub logs_captured: bool,
    /// Whether a person gave it up for good, so that it is no dead letter any more. Set only while `failed`,
    /// `interrupted`, `unknown` or `expired`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub purged: bool,
    /// The revision that its manifests were made from, where that is another than its request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When the request was accepted.
    pub created_at: Timestamp,
    /// When the first process of this try was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the try was settled; set exactly while the phase is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl Run {
    /// A run that has just been planned: queued and due.
    pub fn planned(id: RunId, topic: TopicName, function: FunctionName, ordinal: u32, now: Timestamp) -> Self {
        Self {
            id,
            topic,
            function,
            ordinal,
            try_no: Try::FIRST,
            phase: Phase::Queued,
            reason: None,
            objects: Vec::new(),
            attempts: 0,
            exit_code: None,
            mark: None,
            in_doubt_since: None,
            cancelling: None,
            apply_failures: 0,
            retried_millis: 0,
            reruns: 0,
            due_at: Some(now),
            logs_captured: false,
            purged: false,
            revision: None,
            created_at: now,
            started_at: None,
            finished_at: None,
        }
    }

    /// The request it belongs to.
    pub fn request(&self) -> RequestId {
        self.id.request()
    }

    /// Whether it gave up and waits for somebody to decide: to be redriven, or purged.
    pub const fn is_dead_letter(&self) -> bool {
        matches!(self.phase, Phase::Failed | Phase::Interrupted | Phase::Unknown | Phase::Expired) && !self.purged
    }

    /// Whether it takes one of the slots of a topic with a `concurrency`: the cluster may have something of it that is
    /// not over. A cancelled run keeps its slot until its processes have ended, and so does one that failed, or is to be
    /// applied again, while a Job of it runs.
    pub fn is_live(&self) -> bool {
        self.phase.is_live() || self.live_jobs().next().is_some()
    }

    /// The run as it was planned, due at that moment: it was to be applied at its accept, and goes into its topic's line
    /// after all.
    #[must_use]
    pub fn unmarked(self, due_at: Timestamp) -> Self {
        Self { phase: Phase::Queued, mark: None, due_at: Some(due_at), ..self }
    }

    /// The Jobs of its present try that are not over.
    pub fn live_jobs(&self) -> impl Iterator<Item = &ObjectKey> {
        let is_live = |object: &&RunObject| object.job.as_ref().is_some_and(|job| !job.is_final());
        self.objects.iter().filter(is_live).map(|object| &object.key)
    }

    /// Whether nothing is left to be done about its present try: it is over, so are its Jobs, and their logs are kept.
    pub fn is_done(&self) -> bool {
        let has_jobs = self.objects.iter().any(|object| object.job.is_some());
        self.phase.is_final() && self.live_jobs().next().is_none() && (self.logs_captured || !has_jobs)
    }
}
