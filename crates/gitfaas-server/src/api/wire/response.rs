//! What functions answered.

use gitfaas_core::id::RunId;
use gitfaas_core::topic::FunctionName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// An answer: `GET /api/v1/requests/{id}/responses`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseView {
    /// The run that answered.
    #[schema(value_type = schema::RunId)]
    pub run: RunId,
    /// Its function.
    #[schema(value_type = schema::FunctionName)]
    pub function: FunctionName,
    /// When.
    #[schema(value_type = schema::Time)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// It is JSON and was said to be.
    Json(serde_json::Value),
    /// It is text.
    Text(String),
    /// It is neither: base64.
    Base64(String),
}

/// Answer of `POST /response/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// Always false: a failure is a problem document.
    pub error: bool,
    /// The run whose answer it is now.
    #[schema(value_type = schema::RunId)]
    pub run_id: RunId,
}
