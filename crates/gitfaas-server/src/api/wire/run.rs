//! Runs and their logs.

use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::run::{Phase, Reason, RunObject};
use gitfaas_core::topic::{FunctionName, TopicName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// Its id.
    #[schema(value_type = schema::RunId)]
    pub id: RunId,
    /// Its request.
    #[schema(value_type = schema::RequestId)]
    pub request: RequestId,
    /// The topic of its request.
    #[schema(value_type = schema::TopicName)]
    pub topic: TopicName,
    /// The function it executes.
    #[schema(value_type = schema::FunctionName)]
    pub function: FunctionName,
    /// Which making of the run.
    #[serde(rename = "try")]
    #[schema(value_type = schema::Try)]
    pub try_no: Try,
    /// Where it stands.
    #[schema(value_type = schema::Phase)]
    pub phase: Phase,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<Reason>,
    /// Its place in the line of its topic, 1 for the next: for a queued run of a topic that has a `concurrency` or is
    /// paused. Absent beyond the thousandth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub position: Option<u32>,
    /// Attempts made so far.
    pub attempts: u32,
    /// Exit code of the last attempt, where there was one and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What it created or applied.
    #[schema(value_type = Vec<schema::RunObject>)]
    pub objects: Vec<RunObject>,
    /// When its request was accepted.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
    /// When its first process was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub started_at: Option<Timestamp>,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub finished_at: Option<Timestamp>,
    /// Whether it is to be cancelled, as soon as the cluster has answered for each of its objects.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// Whether it gave up and waits to be redriven or purged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead_letter: bool,
    /// The revision that its present try is made from, where that is another than its request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When it is tried again, for a run that waits after a passing failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub due_at: Option<Timestamp>,
}

/// The logs of one container of one attempt: `GET /api/v1/runs/{id}/logs` with `Accept: application/json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// One line of a log: `GET /api/v1/runs/{id}/logs` with `Accept: application/x-ndjson` has one object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The container.
    pub container: String,
    /// What was written, without the line break; bytes that are no UTF-8 are replaced.
    pub line: String,
    /// Whether the line goes on in the next object of this container: it is longer than 8 KiB.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// Where a run stands and why, for people: `GET /api/v1/runs/{id}/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplanationView {
    /// The run.
    #[schema(value_type = schema::RunId)]
    pub run: RunId,
    /// Where it stands, for programs.
    #[schema(value_type = schema::Phase)]
    pub phase: Phase,
    /// Where it stands.
    pub stands: String,
    /// Why, where more is known than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What happens next, and what makes it happen.
    pub next: String,
    /// What else is known, a fact each.
    pub facts: Vec<String>,
}
