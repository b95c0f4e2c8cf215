//! Several servers that share one ledger: what each holds, and what they tell each other.
//!
//! A lease is not a lock: who was stopped for longer than it lasts goes on without it, and finds out by its own clock. So
//! whatever is done under a lease is also safe to do twice.

use std::collections::BTreeSet;
use std::time::Duration;

use gitfaas_core::id::RequestId;

/// What a life of a server holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Whether it leads: one at a time watches the cluster, dispatches what is queued and forgets what has expired.
    pub leads: bool,
    /// The epochs of all lives that hold a lease now, its own among them. What another one marked is left.
    pub lives: BTreeSet<u64>,
    /// How long it holds, counted from before it was asked for.
    pub lasts: Duration,
}

/// What another server changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Something of a request: one of its runs, an answer, logs.
    Request(RequestId),
    /// Something was queued, or a slot of a topic became free.
    Queue,
    /// A topic was paused, resumed or configured.
    Gates,
    /// Another catalog is served: the source has something new.
    Catalog,
    /// Anything may have changed: for a while nothing could be told.
    Missed,
}
