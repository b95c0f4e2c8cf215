//! What came of doing something to many dead letters.

use gitfaas_core::id::RunId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// What came of it: `POST /api/v1/dead-letters:redrive` and `:purge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkView {
    /// How many it was done to.
    pub done: usize,
    /// Those to which it could not be done; they are dead letters still, unless the code says otherwise.
    pub failed: Vec<NotDoneView>,
    /// Pass it as `?before=` for the dead letters that follow; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A dead letter to which something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotDoneView {
    /// The run.
    #[schema(value_type = schema::RunId)]
    pub run: RunId,
    /// Why, as the `code` of a problem.
    pub code: String,
    /// Why, for people.
    pub detail: String,
}
