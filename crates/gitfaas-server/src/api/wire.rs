//! What goes over the wire as JSON, for the server that writes it and the command line that reads it.
//!
//! Keys are camel case, times RFC 3339 in UTC. Fields may be added; none is renamed or removed within `/api/v1`, and
//! a reader ignores what it does not know.

use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::message::Params;
use gitfaas_core::problem::Problem;
use gitfaas_core::run::{ObjectKey, Phase, Reason, RunObject};
use gitfaas_core::topic::{FunctionName, TopicName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Answer of `POST /publish/{topic}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The request that was accepted.
    pub request_uid: RequestId,
    /// One entry for each function of the topic, in the config's order.
    pub applies: Vec<ApplyReport>,
    /// Whether the cluster refused any of them.
    pub error: bool,
}

/// What became of one function by the time the publish was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyReport {
    /// The function's path, as the config file writes it.
    pub path: FunctionName,
    /// Whether it was refused for good.
    pub error: bool,
    /// What happened, in words.
    pub message: String,
    /// Its run.
    pub run_id: RunId,
    /// What was created or applied.
    pub objects: Vec<ObjectKey>,
}

/// Answer of `GET /response/{request}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldResponses {
    /// Always false: a failure is a problem document.
    pub error: bool,
    /// The newest answer of each run in base64, in the config's order; `null` where there is none yet.
    pub responses: Vec<Option<String>>,
}

/// Answer of `/refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refreshed {
    /// Whether something is wrong with the source or with a topic.
    pub error: bool,
    /// The revision that is served now.
    pub revision: Option<String>,
    /// Whether this refresh changed what is served.
    pub changed: bool,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// A list: `GET /api/v1/topics`, `GET /api/v1/requests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Pass it as `?before=` for the entries that follow; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicView {
    /// Its name.
    pub name: TopicName,
    /// The revision whose functions are served; absent when none ever compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its functions.
    pub functions: Vec<FunctionView>,
    /// Whether a newer revision failed, so that an older one is served.
    pub stale: bool,
    /// What is wrong with the newer revision, or what this server's policy would refuse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// A function that listens on a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionView {
    /// The path of its template.
    pub path: FunctionName,
    /// The query parameters it needs.
    pub parameters: Vec<String>,
}

/// A request with its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestView {
    /// Its id.
    pub id: RequestId,
    /// The topic published to.
    pub topic: TopicName,
    /// The revision it was planned with.
    pub revision: String,
    /// The phase of all its runs together: the first of failed, unknown, interrupted, expired, cancelled that one of
    /// them is in once all have finished; before that the least advanced one.
    pub phase: Phase,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The content type of the message, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes of the message.
    pub size: u64,
    /// The query parameters.
    pub params: Params,
    /// The run that published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// How many publishes led here.
    pub hops: u32,
    /// Its runs, in the config's order.
    pub runs: Vec<RunView>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// Its request.
    pub request: RequestId,
    /// The topic of its request.
    pub topic: TopicName,
    /// The function it executes.
    pub function: FunctionName,
    /// Which making of the run.
    #[serde(rename = "try")]
    pub try_no: Try,
    /// Where it stands.
    pub phase: Phase,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Attempts made so far.
    pub attempts: u32,
    /// Exit code of the last attempt, where there was one and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What it created or applied.
    pub objects: Vec<RunObject>,
    /// When its request was accepted.
    pub created_at: Timestamp,
    /// When its first process was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When it is tried again, for a run that waits after a passing failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

/// A request, its answers, and the requests that its runs published: `GET /api/v1/requests/{id}/tree`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeView {
    /// The request.
    pub request: RequestView,
    /// The newest answer of each run that has one.
    pub responses: Vec<ResponseView>,
    /// What its runs published, the oldest first; each names its run in `request.parent`.
    pub children: Vec<Self>,
    /// Whether children or answers were left out here, because the tree is larger than one answer may be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// An answer: `GET /api/v1/requests/{id}/responses`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseView {
    /// The run that answered.
    pub run: RunId,
    /// Its function.
    pub function: FunctionName,
    /// When.
    pub received_at: Timestamp,
    /// The content type as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes of the answer.
    pub size: u64,
    /// The answer itself.
    pub body: Body,
}

/// An answer's body in the plainest form. JSON is as a reader of JSON has it (of a key given twice one is left); the
/// bytes as they came are at `GET /response/{request}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// It is JSON and was said to be.
    Json(serde_json::Value),
    /// It is text.
    Text(String),
    /// It is neither: base64.
    Base64(String),
}

/// The logs of one container of one attempt: `GET /api/v1/runs/{id}/logs` with `Accept: application/json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogView {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The container.
    pub container: String,
    /// Bytes that were left out before the text.
    pub cut: u64,
    /// What was written; bytes that are no UTF-8 are replaced (the plain-text form has them as they are).
    pub text: String,
}

/// Where functions come from: `GET /api/v1/source`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceView {
    /// Where it is.
    pub location: String,
    /// The config file's path in it.
    pub config_path: String,
    /// The revision that is served; absent before the first success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When it was last read successfully.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// Why the last refresh failed; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What is wrong with files in it.
    pub problems: Vec<Problem>,
}

/// A failure: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemView {
    /// `urn:gitfaas:error:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: String,
    /// A sentence that says what happened and what to do.
    pub detail: String,
    /// For clients of the Python version: always true.
    pub error: bool,
    /// Each thing that is wrong, when the message does not fit the topic's functions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureView>,
}

/// One thing that is wrong with a publish that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureView {
    /// The function it is about; absent when it is about the request as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionName>,
    /// A stable word for programs.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Where in the functions repository, when it is about a place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
