//! One accepted publish, as the ledger keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{RequestId, RunId};
use crate::message::MessageMeta;
use crate::topic::TopicName;

/// A request without its payload, which is kept apart because it may be large.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its id; the order of ids is the order of acceptance.
    pub id: RequestId,
    /// The topic published to.
    pub topic: TopicName,
    /// The revision of the topic's functions that it was planned with, as printed (`main@sha1:…`, `dir@sha256:…`).
    pub revision: String,
    /// When it was accepted, to the millisecond.
    pub received_at: Timestamp,
    /// What describes the payload.
    pub meta: MessageMeta,
    /// Bytes of the payload.
    pub size: u64,
    /// Where it comes from when a function published it.
    pub lineage: Lineage,
    /// The request whose message it publishes once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<RequestId>,
}

/// The place of a request in a pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The run that published it; `None` for what came from outside.
    pub parent: Option<RunId>,
    /// How many publishes led here: 0 from outside, one more than the parent's request otherwise.
    pub hops: u32,
}

/// How many publishes may follow one another before it is taken for a loop.
pub const MAX_HOPS: u32 = 32;
