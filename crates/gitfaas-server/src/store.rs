//! The durable ledger of requests, runs, responses and logs: the trait, and what it speaks of.
//!
//! Every method that writes returns only when what it wrote survives a power loss. A store never decides anything:
//! what may follow what is the core's to say.

mod accept;
#[cfg(test)]
mod contract;
pub mod embedded;
pub mod redis;
mod replicas;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use gitfaas_core::gate::Gate;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::key::LedgerKey;
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::message::Message;
use gitfaas_core::request::Request;
use gitfaas_core::response::Response;
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::{FunctionName, TopicName};
use jiff::Timestamp;

pub use self::accept::{Accept, Acceptance, Bound, Room};
pub use self::replicas::{Change, Lease};
use crate::cluster::LogPart;

/// The durable ledger.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The secret of this ledger, made once and kept in it.
    fn ledger_key(&self) -> &LedgerKey;

    /// Which life of a server this is: one more than that of the one that opened the ledger before. A store that has lost
    /// its last moments may give a life another number when that [renews](Self::renew) its lease.
    fn epoch(&self) -> u64;

    /// The window of loss: how much of what it acknowledged last it may have lost when it is back after its machine, or
    /// its primary, failed. Nothing where each write is on the disk before it is answered.
    fn window_of_loss(&self) -> Duration;

    /// Renews the lease of this life of the server, and that of leading, which is taken when nobody has it: one of
    /// those that share the ledger leads. A life whose lease ran out has it again with the next call, and what it led is
    /// another's by then, perhaps. One that may not lead gives leading up, where somebody else could have it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: what is held is held no longer than was said before.
    async fn renew(&self, may_lead: bool) -> Result<Lease, StoreError>;

    /// What other servers that share the ledger change from now on. It goes on through failures, of which it tells.
    fn changes(&self) -> BoxStream<'static, Change>;

    /// Whether it can write now.
    ///
    /// # Errors
    /// Why not.
    async fn ready(&self) -> Result<(), StoreError>;

    /// What was acknowledged and has been lost, in words, as long as nobody has said that it is known.
    async fn loss(&self) -> Option<String> {
        None
    }

    /// Writes a request, its payload, its runs and their manifests in one durable step: all or nothing. Nothing is
    /// written of what repeats or contradicts a request that was accepted under the same key, nor of what there is no
    /// room for; both are looked up in that step.
    ///
    /// Runs that come marked are to be applied at once. When a queued run of the topic is due by the time the request
    /// was received, they go [behind it](Acceptance::Behind): they are written [unmarked](Run::unmarked), due at that
    /// time. What need not wait needs no room.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing may be acknowledged.
    async fn accept(&self, accepted: Accept) -> Result<Acceptance, StoreError>;

    /// What an accept under this key would answer now; [`Acceptance::New`] when nothing was accepted under it (any more).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn accepted_under(&self, idempotency: Idempotency) -> Result<Acceptance, StoreError>;

    /// Replaces `before` by `after`, if the ledger still holds exactly `before`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]. That somebody else was quicker is not an error but `Ok(false)`: read and step again.
    async fn settle(&self, before: &Run, after: &Run) -> Result<bool, StoreError>;

    /// Replaces `before` by `after` like [`settle`](Self::settle), and in the same step what was recorded for the run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn replace(&self, before: &Run, after: &Run, manifests: Vec<RecordedManifest>) -> Result<bool, StoreError>;

    /// Dead letters, the newest request's first. A run [is one](Run::is_dead_letter) by its state alone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<Run>, StoreError>;

    /// Replaces `before` by `after` like [`settle`](Self::settle), if fewer than `most_live` runs of its topic [are
    /// live](Run::is_live) at that moment: counting and replacing are one step. A run that is live already has its slot.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn mark(&self, before: &Run, after: &Run, most_live: Option<NonZeroU32>) -> Result<Marking, StoreError>;

    /// The topics that have queued runs, by name. What it costs grows with the topics, not with the runs.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn queues(&self) -> Result<Vec<Queue>, StoreError>;

    /// Runs of a topic to be applied: queued ones that are due at `now`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn due(&self, topic: &TopicName, order: Order, now: Timestamp, limit: usize) -> Result<Vec<Run>, StoreError>;

    /// How many runs of a topic [are live](Run::is_live).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn live(&self, topic: &TopicName) -> Result<u64, StoreError>;

    /// Where a queued run stands in its topic's line at `now`, counting no further than `most` runs before it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn place(&self, run: &Run, now: Timestamp, most: u32) -> Result<Place, StoreError>;

    /// How many runs are queued and live, of each topic that has such, by name; or of one topic alone. What it costs
    /// grows with the topics and the live runs, not with the queued ones.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn loads(&self, topic: Option<&TopicName>) -> Result<Vec<Load>, StoreError>;

    /// The gates that hold anything, by topic.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn gates(&self) -> Result<BTreeMap<TopicName, Gate>, StoreError>;

    /// Keeps what the config says about these topics; the operator's part of a gate is not touched.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn configure(&self, gates: Vec<(TopicName, Gate)>) -> Result<(), StoreError>;

    /// Keeps since when an operator pauses a topic, or that none does; the config's part of the gate is not touched. A
    /// pause that is there already keeps its time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn pause(&self, topic: &TopicName, since: Option<Timestamp>) -> Result<(), StoreError>;

    /// Runs in these phases in the order of their ids, after `after`, at most `limit`. For recovery and
    /// reconciliation.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn runs_in(&self, phases: &[Phase], after: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError>;

    /// What was recorded for a run at its accept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    async fn manifests(&self, run: RunId) -> Result<Vec<RecordedManifest>, StoreError>;

    /// A request.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    async fn request(&self, id: RequestId) -> Result<Option<Request>, StoreError>;

    /// A request's message with its payload.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    async fn message(&self, id: RequestId) -> Result<Option<Message>, StoreError>;

    /// A request's runs, in the config's order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    async fn runs(&self, request: RequestId) -> Result<Vec<Run>, StoreError>;

    /// One run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError>;

    /// Requests that a run of `parent` published, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn children(&self, parent: RequestId, limit: usize) -> Result<Vec<Request>, StoreError>;

    /// Requests, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn requests(&self, query: &RequestQuery) -> Result<Vec<Request>, StoreError>;

    /// Keeps an answer.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when its run is not in the ledger (any more), [`StoreError::Unavailable`].
    async fn put_response(&self, response: Response) -> Result<(), StoreError>;

    /// The newest answer of each run of a request that has one, in the config's order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn responses(&self, request: RequestId) -> Result<Vec<Response>, StoreError>;

    /// Keeps the logs of one Job of a try, in place of what was kept for it before; nothing is kept any more of the
    /// present try once the run says that its logs are captured: the cluster may have let go of its Jobs since.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the run is not in the ledger (any more), [`StoreError::Damaged`],
    /// [`StoreError::Unavailable`].
    async fn put_logs(&self, run: RunId, try_no: Try, job: &str, parts: Vec<LogPart>) -> Result<(), StoreError>;

    /// The logs kept for a try, by Job, attempt and container.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn logs(&self, run: RunId, try_no: Try) -> Result<Vec<LogPart>, StoreError>;

    /// Keeps what is served now, with the sources it was compiled from by SHA-256 in hex, in one durable step; sources
    /// that nothing refers to any more are dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn save_catalog(&self, live: String, sources: Vec<(String, Bytes)>) -> Result<(), StoreError>;

    /// What was served last, with its sources.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn load_catalog(&self) -> Result<Option<(String, Vec<(String, Bytes)>)>, StoreError>;

    /// Forgets requests whose runs all finished before a moment, with everything of theirs; at most `limit` requests in
    /// one short step. Returns how many. For a request with a dead letter the moment is `dead_before`, for any other
    /// `ended_before`.
    ///
    /// A request with a run that has not finished stays, and so does one with a dead letter that is `unknown`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn expire(&self, ended_before: Timestamp, dead_before: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// How many runs are in each phase, for metrics; every phase is there, in the order of [`Phase::ALL`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn count(&self) -> Result<Vec<(Phase, u64)>, StoreError>;

    /// Waits for what is being written, gives the leases back and closes the ledger; later calls answer
    /// [`StoreError::Unavailable`].
    async fn close(&self);
}

/// What came of [`Store::mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marking {
    /// It is done.
    Marked,
    /// As many runs of the topic are live as may be.
    Full,
    /// The run has changed meanwhile.
    Changed,
}

/// A topic's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The topic.
    pub topic: TopicName,
    /// When the first of its queued runs is due.
    pub due_at: Timestamp,
}

/// Which of a topic's runs go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Those that are due the longest; of those due at the same time, the ones accepted first. Costs no more than what
    /// is given.
    Due,
    /// Those accepted first: by request, and in the config's order within one. Walks past what waits for its next time.
    Accepted,
}

/// Where a queued run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Due runs of the topic that were accepted before it.
    pub ahead: u32,
    /// Live runs of the topic.
    pub live: u64,
}

/// What a topic has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The topic.
    pub topic: TopicName,
    /// Its queued runs.
    pub queued: u64,
    /// Its live runs.
    pub live: u64,
}

/// Which requests to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Of this topic only.
    pub topic: Option<TopicName>,
    /// With a run in this phase only.
    pub phase: Option<Phase>,
    /// This one or later ones only.
    pub from: Option<RequestId>,
    /// Accepted before this one only: the cursor of a page.
    pub before: Option<RequestId>,
    /// At most so many.
    pub limit: usize,
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterQuery {
    /// Of this topic only.
    pub topic: Option<TopicName>,
    /// Of this function only.
    pub function: Option<FunctionName>,
    /// With this code of the reason only.
    pub reason: Option<String>,
    /// Before this one in the list's order only: the cursor of a page.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot read or write now: nothing that was asked has been acknowledged.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It holds something that it cannot have written: that record, and only that one, is not served.
    #[error("a record of the store is damaged: {0}")]
    Damaged(String),
    /// What is to be added to does not exist.
    #[error("not in the ledger (any more)")]
    NotFound,
    /// The store cannot be opened: it is in use, newer than this program, or no store at all.
    #[error("{0}")]
    Refused(String),
}
