//! Failures.

use gitfaas_core::problem::Problem;
use gitfaas_core::topic::FunctionName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// A failure: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailureView {
    /// The function it is about; absent when it is about the request as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::FunctionName>)]
    pub function: Option<FunctionName>,
    /// A stable word for programs.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Where in the functions repository, when it is about a place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Problem>)]
    pub problem: Option<Problem>,
}
