//! Topics and the functions that listen on them.

use std::num::NonZeroU32;

use gitfaas_core::problem::Problem;
use gitfaas_core::topic::{FunctionName, TopicName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MessageRulesView, ParamView, schema};

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicView {
    /// Its name.
    #[schema(value_type = schema::TopicName)]
    pub name: TopicName,
    /// The revision whose functions are served; absent when none ever compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its functions.
    pub functions: Vec<FunctionView>,
    /// Whether a newer revision failed, so that an older one is served.
    pub stale: bool,
    /// Whether the config no longer has it: what it had accepted still goes.
    #[serde(default)]
    pub left: bool,
    /// How many of its runs may be live at once; absent for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub concurrency: Option<NonZeroU32>,
    /// Set while it is paused: what is published to it is accepted and held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<PauseView>,
    /// How many of its runs are queued; absent while the store does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<u64>,
    /// How many of its runs are live: applying, pending or running; absent while the store does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<u64>,
    /// The parameters that it declares, by name; its functions may need others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<ParamView>,
    /// What a message has to be; absent where any is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageRulesView>,
    /// What its functions may publish to with their own tokens, with `*` for anything and `?` for one character; absent
    /// for the topics of the same config file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishes: Option<Vec<String>>,
    /// A SHA-256 of all that the config file says of it beside its functions, the schema of its messages included, in
    /// lower-case hex; absent when no version of it ever compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 64, max_length = 64, pattern = "^[0-9a-f]+$")]
    pub rules_sha256: Option<String>,
    /// What is wrong with the newer revision, or what this server's policy would refuse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Problem>)]
    pub problems: Vec<Problem>,
    /// What the cluster would refuse as it is, as far as it was asked after the last refresh: a publish is taken all the
    /// same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<ForbiddenView>,
}

/// Something that a function does and the cluster would refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForbiddenView {
    /// The path of the function's template.
    #[schema(value_type = schema::FunctionName)]
    pub function: FunctionName,
    /// What would be refused and what to do.
    pub message: String,
}

/// A pause of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseView {
    /// Who pauses it.
    pub by: PausedBy,
    /// Since when.
    #[schema(value_type = schema::Time)]
    pub since: Timestamp,
}

/// Who pauses a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PausedBy {
    /// The config file has `"paused": true`.
    Config,
    /// Somebody asked for it; `:resume` ends it.
    Operator,
}

/// A function that listens on a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionView {
    /// The path of its template.
    #[schema(value_type = schema::FunctionName)]
    pub path: FunctionName,
    /// The SHA-256 of the template that is served, in lower-case hex.
    #[serde(default)]
    #[schema(min_length = 64, max_length = 64, pattern = "^[0-9a-f]+$")]
    pub sha256: String,
    /// The query parameters it needs.
    pub parameters: Vec<String>,
}

/// What a message would create: `POST /api/v1/topics/{topic}:render`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenderedView {
    /// The topic.
    #[schema(value_type = schema::TopicName)]
    pub topic: TopicName,
    /// The revision whose functions were rendered.
    pub revision: String,
    /// Each function, in the config's order.
    pub functions: Vec<RenderedFunction>,
}

/// What one function would create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenderedFunction {
    /// The path of its template.
    #[schema(value_type = schema::FunctionName)]
    pub path: FunctionName,
    /// Its objects as they would be applied, but for secrets, which are named and not shown.
    #[schema(value_type = Vec<Object>)]
    pub objects: Vec<serde_json::Value>,
}
