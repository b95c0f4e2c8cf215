//! Requests, alone and with what followed from them.

use std::collections::BTreeMap;

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::message::Params;
use gitfaas_core::run::Phase;
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ResponseView, RunView, schema};

/// A request with its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestView {
    /// Its id.
    #[schema(value_type = schema::RequestId)]
    pub id: RequestId,
    /// The topic published to.
    #[schema(value_type = schema::TopicName)]
    pub topic: TopicName,
    /// The revision it was planned with.
    pub revision: String,
    /// The phase of all its runs together: the first of failed, unknown, interrupted, expired, cancelled that one of
    /// them is in once all have finished; before that the least advanced one.
    #[schema(value_type = schema::Phase)]
    pub phase: Phase,
    /// When it was accepted.
    #[schema(value_type = schema::Time)]
    pub received_at: Timestamp,
    /// The content type of the message, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The attributes of the CloudEvent that the message came as, in their canonical text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = HashMap<String, String>)]
    pub event: BTreeMap<String, String>,
    /// Bytes of the message.
    pub size: u64,
    /// The query parameters.
    #[schema(value_type = HashMap<String, String>)]
    pub params: Params,
    /// The run that published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RunId>)]
    pub parent: Option<RunId>,
    /// The request whose message it publishes once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RequestId>)]
    pub replay_of: Option<RequestId>,
    /// How many publishes led here.
    pub hops: u32,
    /// Its runs, in the config's order.
    pub runs: Vec<RunView>,
}

/// A request whose runs were cancelled: `POST /api/v1/requests/{id}:cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelledView {
    /// The request as it stands.
    pub request: RequestView,
    /// How many of the requests that followed from it were cancelled too, where that was asked.
    pub descendants: usize,
    /// Whether more requests followed from it than one answer gets to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// A request, its answers, and the requests that its runs published: `GET /api/v1/requests/{id}/tree`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TreeView {
    /// The request.
    pub request: RequestView,
    /// The newest answer of each run that has one.
    pub responses: Vec<ResponseView>,
    /// What its runs published, the oldest first; each names its run in `request.parent`.
    #[schema(no_recursion, value_type = Vec<TreeView>)]
    pub children: Vec<Self>,
    /// Whether children or answers were left out here, because the tree is larger than one answer may be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}
