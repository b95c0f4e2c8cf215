//! What an accept writes, how much room there is for it, and what comes of it.

use bytes::Bytes;
use gitfaas_core::id::RequestId;
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::request::Request;
use gitfaas_core::run::Run;

/// What one accept writes.
#[derive(Debug, Clone)]
pub struct Accept {
    /// The request.
    pub request: Request,
    /// Its payload.
    pub payload: Bytes,
    /// Its runs, in the config's order, with what was rendered for each.
    pub runs: Vec<(Run, Vec<RecordedManifest>)>,
    /// The key under which its sender publishes it; kept for as long as the request.
    pub idempotency: Option<Idempotency>,
    /// How much may be queued.
    pub room: Room,
}

/// How many runs may be queued, those of an accept among them. What is tried again is not bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Of one topic.
    pub per_topic: u64,
    /// Of all topics together.
    pub in_all: u64,
}

impl Room {
    /// As much as anybody wants.
    pub const ENDLESS: Self = Self { per_topic: u64::MAX, in_all: u64::MAX };
}

/// What came of an accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is a request of its own.
    New,
    /// It is this request, which was accepted before.
    Repeats(RequestId),
    /// This request was accepted under the same key, and for another message.
    Contradicts(RequestId),
    /// It is a request of its own, and its runs, which came marked, are queued: others of the topic are due before them.
    Behind,
    /// Nothing was written: its runs would have to wait, and no more of them may.
    Full(Bound),
}

/// Which bound of a [`Room`] was reached; the topic's, where both were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// That of the topic.
    Topic,
    /// That of all topics together.
    All,
}
