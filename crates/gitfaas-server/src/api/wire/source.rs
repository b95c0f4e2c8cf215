//! Where functions come from, and whether the server can serve.

use gitfaas_core::problem::Problem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// Where functions come from: `GET /api/v1/source`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    #[schema(value_type = Option<schema::Time>)]
    pub last_success: Option<Timestamp>,
    /// Why the last refresh failed; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What is wrong with files in it.
    #[schema(value_type = Vec<schema::Problem>)]
    pub problems: Vec<Problem>,
}

/// Answer of `GET /readyz`; a server that is not ready answers with a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
}
