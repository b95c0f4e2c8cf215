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
    /// Where it is, without credentials.
    pub location: String,
    /// The config file's path in it.
    pub config_path: String,
    /// What is followed there, as the full name of a reference (`refs/heads/main`); absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The revision that is served; absent before the first success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The commit of that revision; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitView>,
    /// The newest commit that was read, where it is not served because its config file is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<CommitView>,
    /// When it was last read successfully, since the start of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub last_success: Option<Timestamp>,
    /// Why the last look failed; absent when it went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<SourceErrorView>,
    /// Failures in a row; 0 when all is well.
    pub failures: u32,
    /// When it is looked at next, unless somebody asks before; absent while it is looked at, and where only a change, a
    /// webhook or `/refresh` leads to a look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub next_try: Option<Timestamp>,
    /// How often it is looked at unasked, in seconds; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_every: Option<u64>,
    /// What is wrong with files in it.
    #[schema(value_type = Vec<schema::Problem>)]
    pub problems: Vec<Problem>,
}

/// A commit, as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitView {
    /// Its id in hex.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// When, as the author's clock had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub time: Option<Timestamp>,
    /// The first line of its message.
    pub subject: String,
    /// The fingerprint of the key that signed it, where signatures are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// Why a look at the source failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceErrorView {
    /// What happened and what to do.
    pub message: String,
    /// The word of the kind of fault (`unauthorized`, `host-key-changed`, …); more of them may come.
    pub fault: String,
    /// When.
    #[schema(value_type = schema::Time)]
    pub at: Timestamp,
}

/// Answer of `GET /readyz`; a server that is not ready answers with a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// How the source stands: what was read goes on being served when it cannot be read.
    pub source: SourceReady,
    /// What was acknowledged and has been lost, as long as nobody has said that it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
}

/// How the source stands, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceReady {
    /// `ok`, `failing`, or `unread` when it was not read yet since the start of the server.
    #[schema(pattern = "^(ok|failing|unread)$")]
    pub state: String,
    /// The word of the kind of fault by which the last look failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// When it was last read successfully, since the start of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub last_success: Option<Timestamp>,
    /// When it is looked at next, unless somebody asks before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub next_try: Option<Timestamp>,
}
