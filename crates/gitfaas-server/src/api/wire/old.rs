//! Answers of routes that clients of the Python gitfaas know.

use gitfaas_core::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// Answer of `GET /response/{request}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OldResponses {
    /// Always false: a failure is a problem document.
    pub error: bool,
    /// The newest answer of each run in base64, in the config's order; `null` where there is none yet.
    pub responses: Vec<Option<String>>,
}

/// Answer of `/refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refreshed {
    /// Whether something is wrong with the source or with a topic.
    pub error: bool,
    /// The revision that is served now.
    pub revision: Option<String>,
    /// Whether this refresh changed what is served.
    pub changed: bool,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Problem>)]
    pub problems: Vec<Problem>,
}

/// Answer of `GET /alive`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alive {
    /// Always false.
    pub error: bool,
    /// Always `alive`.
    pub message: String,
}
