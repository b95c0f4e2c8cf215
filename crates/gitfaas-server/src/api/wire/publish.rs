//! The answer of a publish.

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::run::ObjectKey;
use gitfaas_core::topic::FunctionName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::response::ResponseView;
use super::schema;

/// Answer of `POST /publish/{topic}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The request that was accepted.
    #[schema(value_type = schema::RequestId)]
    pub request_uid: RequestId,
    /// One entry for each function of the topic, in the config's order.
    pub applies: Vec<ApplyReport>,
    /// Whether the cluster refused any of them, or any has failed by now.
    pub error: bool,
    /// The newest answer of each run that has one, where they were waited for and every run has answered or is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responses: Option<Vec<ResponseView>>,
}

/// What became of one function by the time the publish was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyReport {
    /// The function's path, as the config file writes it.
    #[schema(value_type = schema::FunctionName)]
    pub path: FunctionName,
    /// Whether it was refused for good.
    pub error: bool,
    /// What happened, in words.
    pub message: String,
    /// Its run.
    #[schema(value_type = schema::RunId)]
    pub run_id: RunId,
    /// What was created or applied.
    #[schema(value_type = Vec<schema::ObjectKey>)]
    pub objects: Vec<ObjectKey>,
}
