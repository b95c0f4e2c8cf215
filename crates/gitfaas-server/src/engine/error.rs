//! What the engine says when it cannot do what was asked.
//!
//! A code for programs, a sentence for the caller, and nothing of HTTP: only `api/error.rs` knows status numbers.

use gitfaas_core::plan::Failure;

use crate::store::StoreError;

/// A stable word for what went wrong. Each has its status in `api/error.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// An id, a query or a header is not what it should be.
    InvalidRequest,
    /// The message says that it is JSON and is not.
    InvalidJson,
    /// The message says that it is a CloudEvent and is none.
    InvalidEvent,
    /// The topic's name is no topic name, or the topic does not exist.
    UnknownTopic,
    /// The topic exists, but no version of it ever worked.
    TopicBroken,
    /// The message does not fit the topic's functions: a parameter, the rendered object, or the policy.
    Unplannable,
    /// More publishes followed one another than are allowed.
    HopLimit,
    /// Another message was accepted under the same idempotency key.
    IdempotencyConflict,
    /// The body is larger than allowed.
    TooLarge,
    /// The body did not arrive in time.
    SlowBody,
    /// The token presented is not (or no longer) valid.
    InvalidToken,
    /// What was sent is not signed with a secret that is known.
    InvalidSignature,
    /// The token presented speaks for another run.
    Forbidden,
    /// A browser asks in the name of a page that is not ours.
    ForeignOrigin,
    /// No webhooks are taken.
    WebhooksOff,
    /// There is no such request, run or answer (any more).
    NotFound,
    /// The request has several functions; the answer must say whose it is.
    AmbiguousAnswer,
    /// The config pauses the topic, so that resuming it here would not help.
    PausedByConfig,
    /// The run is not (or no longer) a dead letter.
    NotDeadLetter,
    /// Something is still left to be done of the try that gave up.
    NotSettled,
    /// No functions have been loaded yet.
    NoCatalog,
    /// The store cannot read or write.
    StoreUnavailable,
    /// One record of the store is damaged.
    RecordDamaged,
    /// The source cannot be read.
    SourceUnavailable,
    /// The cluster does not answer.
    ClusterUnavailable,
    /// As many wait for changes as may.
    TooManyWaiting,
    /// As many runs are queued as may be.
    QueueFull,
    /// The server is about to stop.
    Stopping,
    /// A fault of this program.
    Internal,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 29] = [
        Self::InvalidRequest,
        Self::InvalidJson,
        Self::InvalidEvent,
        Self::UnknownTopic,
        Self::TopicBroken,
        Self::Unplannable,
        Self::HopLimit,
        Self::IdempotencyConflict,
        Self::TooLarge,
        Self::SlowBody,
        Self::InvalidToken,
        Self::InvalidSignature,
        Self::Forbidden,
        Self::ForeignOrigin,
        Self::WebhooksOff,
        Self::NotFound,
        Self::AmbiguousAnswer,
        Self::PausedByConfig,
        Self::NotDeadLetter,
        Self::NotSettled,
        Self::NoCatalog,
        Self::StoreUnavailable,
        Self::RecordDamaged,
        Self::SourceUnavailable,
        Self::ClusterUnavailable,
        Self::TooManyWaiting,
        Self::QueueFull,
        Self::Stopping,
        Self::Internal,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::InvalidJson => "invalid-json",
            Self::InvalidEvent => "invalid-event",
            Self::UnknownTopic => "unknown-topic",
            Self::TopicBroken => "topic-broken",
            Self::Unplannable => "unplannable",
            Self::HopLimit => "hop-limit",
            Self::IdempotencyConflict => "idempotency-conflict",
            Self::TooLarge => "too-large",
            Self::SlowBody => "slow-body",
            Self::InvalidToken => "invalid-token",
            Self::InvalidSignature => "invalid-signature",
            Self::Forbidden => "forbidden",
            Self::ForeignOrigin => "foreign-origin",
            Self::WebhooksOff => "webhooks-off",
            Self::NotFound => "not-found",
            Self::AmbiguousAnswer => "ambiguous-answer",
            Self::PausedByConfig => "paused-by-config",
            Self::NotDeadLetter => "not-dead-letter",
            Self::NotSettled => "not-settled",
            Self::NoCatalog => "no-catalog",
            Self::StoreUnavailable => "store-unavailable",
            Self::RecordDamaged => "record-damaged",
            Self::SourceUnavailable => "source-unavailable",
            Self::ClusterUnavailable => "cluster-unavailable",
            Self::TooManyWaiting => "too-many-waiting",
            Self::QueueFull => "queue-full",
            Self::Stopping => "stopping",
            Self::Internal => "internal",
        }
    }
}

/// Why the engine did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct EngineError {
    /// For programs.
    pub code: ErrorCode,
    /// For the caller: what happened and what to do. Holds no token and no payload.
    pub detail: String,
    /// Each thing that is wrong with a message that cannot be planned.
    pub failures: Vec<Failure>,
}

impl EngineError {
    /// An error of this code and sentence.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), failures: Vec::new() }
    }

    /// Whether asking for the same again, later, can be answered otherwise.
    pub const fn may_pass(&self) -> bool {
        matches!(self.code, ErrorCode::StoreUnavailable | ErrorCode::ClusterUnavailable | ErrorCode::Internal)
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) | StoreError::Refused(_) => ErrorCode::StoreUnavailable,
            StoreError::Damaged(_) => ErrorCode::RecordDamaged,
            StoreError::NotFound => ErrorCode::NotFound,
        };
        Self::new(code, error.to_string())
    }
}
