//! How types of the core look on the wire. Only descriptions: no value of these types is ever made.

use utoipa::ToSchema;

/// An id of a request: a UUID of version 7, so that ids sort by the time of acceptance. Where an id is read, the `r-`
/// before those of the Python gitfaas is accepted too.
#[derive(ToSchema)]
#[schema(value_type = String, format = "uuid", examples("0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e"))]
pub struct RequestId(pub String);

/// An id of a run: it derives from the request and the function.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[0-7][0-9a-v]{31}$", examples("01j79r9gc1fah4rjqhv5p3a7b0q6v3kd"))]
pub struct RunId(pub String);

/// A topic's name.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 200, examples("collect"))]
pub struct TopicName(pub String);

/// The path of a function's template in the functions repository.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 1024, examples("collect.yaml"))]
pub struct FunctionName(pub String);

/// Which making of a run: 1 at first, one more for each redrive.
#[derive(ToSchema)]
#[schema(value_type = u32, minimum = 1, examples(1))]
pub struct Try(pub u32);

/// A moment: RFC 3339 in UTC.
#[derive(ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-11-24T22:15:31.25Z"))]
pub struct Time(pub String);

/// A CloudEvent as one JSON object. Its data are in `data`, or as base64 in `data_base64`.
#[derive(ToSchema)]
pub struct CloudEvent {
    /// The version of the specification.
    #[schema(pattern = "^1\\.0$")]
    pub specversion: String,
    /// Unique among the events of its source.
    #[schema(min_length = 1)]
    pub id: String,
    /// Where it comes from: a URI reference.
    #[schema(min_length = 1, pattern = "^\\S+$")]
    pub source: String,
    /// What happened.
    #[schema(min_length = 1)]
    pub r#type: String,
}

/// Bytes of any kind.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Bytes(pub String);

/// One server-sent event, its lines read.
#[derive(ToSchema)]
pub struct SentEvent {
    /// What it is about.
    pub event: SentEventName,
    /// JSON: a `RequestView` for `request` and `end`, a `RunView` for `run`, a `ResponseView` for `response`, a
    /// `ProblemView` for `problem`.
    #[schema(content_media_type = "application/json")]
    pub data: String,
    /// What to say by `Last-Event-ID` when connecting again; only with the last event of those that tell of one state.
    pub id: Option<String>,
    /// Milliseconds to wait before connecting again.
    pub retry: Option<u64>,
}

/// What a server-sent event is about.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum SentEventName {
    /// The request as it is, for who just connected.
    Request,
    /// A run changed.
    Run,
    /// A run was answered for.
    Response,
    /// All runs are over.
    End,
    /// The stream ends before that.
    Problem,
}

/// Where a run stands. The last six are final: nothing that the cluster says changes them.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Phase {
    /// Accepted; nothing has been sent to the cluster for this try, or it is to be sent again.
    Queued,
    /// The cluster may or may not have its objects yet.
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
    /// Its process was ended from outside.
    Interrupted,
    /// Its Job is gone and nobody can tell how it ended.
    Unknown,
    /// Its time was over before it could be applied.
    Expired,
}

/// Why a run is in its phase.
#[derive(ToSchema)]
pub struct Reason {
    /// One word in Kubernetes' style.
    #[schema(examples("BackoffLimitExceeded"))]
    pub code: String,
    /// A sentence a person can act on.
    #[schema(examples("the process ended with exit code 1"))]
    pub message: String,
}

/// What names an object in a cluster.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ObjectKey {
    /// Its group and version.
    #[schema(examples("batch/v1"))]
    pub api_version: String,
    /// Its kind.
    #[schema(examples("Job"))]
    pub kind: String,
    /// Absent for what lives in no namespace, or where the cluster's default is meant.
    pub namespace: Option<String>,
    /// Its name.
    #[schema(examples("collect-x7k2m9q4w1zt"))]
    pub name: String,
}

/// An object that a run created or applied.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RunObject {
    /// Its group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Absent for what lives in no namespace, or where the cluster's default is meant.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// For a Job: what the cluster last said about it.
    pub job: Option<JobState>,
}

/// What the cluster last said about a Job.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct JobState {
    /// Where it stands.
    pub state: JobPhase,
    /// Why, for one that waits, failed or was interrupted.
    pub reason: Option<Reason>,
    /// Exit code of the last attempt of one that failed, where there was one.
    pub exit_code: Option<i32>,
}

/// Where a Job stands.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub enum JobPhase {
    /// No process yet.
    Pending,
    /// An attempt runs.
    Running,
    /// It completed.
    Succeeded,
    /// It failed for good.
    Failed,
    /// Its processes were ended from outside.
    Interrupted,
    /// It is gone, and nobody can tell how it ended.
    Gone,
}

/// A place in a file; both numbers begin at 1, and columns count characters.
#[derive(ToSchema)]
pub struct Position {
    /// Line.
    #[schema(minimum = 1)]
    pub line: u32,
    /// Character within the line.
    #[schema(minimum = 1)]
    pub column: u32,
}

/// One mistake in one file of the functions repository.
#[derive(ToSchema)]
pub struct Problem {
    /// Path from the repository's root.
    pub file: String,
    /// Where in the file; absent when it is about the file as a whole.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

/// Which functions make a run or a request once more.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum At {
    /// Those that it was accepted with, as they were recorded.
    Recorded,
    /// Those that are served now.
    Head,
}
