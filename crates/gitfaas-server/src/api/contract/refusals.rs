//! What each operation can be refused with.

use crate::engine::ErrorCode::{
    self, AmbiguousAnswer, ClusterUnavailable, Forbidden, ForeignOrigin, HopLimit, IdempotencyConflict, Internal,
    InvalidEvent, InvalidJson, InvalidRequest, InvalidToken, NoCatalog, NotDeadLetter, NotFound, NotSettled,
    PausedByConfig, RecordDamaged, SlowBody, SourceUnavailable, Stopping, StoreUnavailable, TooLarge, TooManyWaiting,
    TopicBroken, UnknownTopic, Unplannable,
};

/// What every operation can be refused with.
pub(super) const EVERYWHERE: &[ErrorCode] = &[ForeignOrigin, Internal];

/// What the operation of this name can be refused with beside that; `None` when no such operation is known.
pub(super) fn refusals(operation: &str) -> Option<&'static [ErrorCode]> {
    BY_OPERATION.iter().find(|(name, _)| *name == operation).map(|(_, codes)| *codes)
}

/// One line for each operation.
pub(super) const BY_OPERATION: &[(&str, &[ErrorCode])] = &[
    (
        "publish",
        &[
            InvalidRequest,
            InvalidJson,
            InvalidEvent,
            InvalidToken,
            Forbidden,
            UnknownTopic,
            SlowBody,
            TooLarge,
            Unplannable,
            HopLimit,
            IdempotencyConflict,
            NoCatalog,
            TopicBroken,
            RecordDamaged,
            StoreUnavailable,
            Stopping,
        ],
    ),
    (
        "respond",
        &[
            InvalidRequest,
            InvalidToken,
            Forbidden,
            NotFound,
            SlowBody,
            AmbiguousAnswer,
            TooLarge,
            RecordDamaged,
            StoreUnavailable,
        ],
    ),
    ("getOldResponses", &[InvalidRequest, NotFound, RecordDamaged, StoreUnavailable]),
    ("refresh", &[SourceUnavailable, StoreUnavailable, Stopping]),
    ("refreshByGet", &[SourceUnavailable, StoreUnavailable, Stopping]),
    ("alive", &[]),
    ("healthz", &[]),
    ("readyz", &[NoCatalog, StoreUnavailable, Stopping]),
    ("metrics", &[]),
    ("contract", &[]),
    ("getConfigSchema", &[]),
    ("listTopics", &[]),
    ("getTopic", &[InvalidRequest, UnknownTopic, NoCatalog, StoreUnavailable]),
    ("pauseTopic", &[InvalidRequest, UnknownTopic, NotFound, NoCatalog, StoreUnavailable]),
    ("resumeTopic", &[InvalidRequest, UnknownTopic, NotFound, PausedByConfig, NoCatalog, StoreUnavailable]),
    (
        "renderTopic",
        &[
            InvalidRequest,
            InvalidJson,
            InvalidEvent,
            InvalidToken,
            Forbidden,
            NotFound,
            UnknownTopic,
            SlowBody,
            TooLarge,
            Unplannable,
            HopLimit,
            NoCatalog,
            TopicBroken,
            StoreUnavailable,
        ],
    ),
    ("listRequests", &[InvalidRequest, RecordDamaged, StoreUnavailable]),
    ("getRequest", &[InvalidRequest, NotFound, RecordDamaged, TooManyWaiting, StoreUnavailable]),
    ("cancelRequest", &[InvalidRequest, InvalidToken, NotFound, RecordDamaged, StoreUnavailable]),
    ("getMessage", &[InvalidRequest, NotFound, RecordDamaged, StoreUnavailable]),
    ("listResponses", &[InvalidRequest, NotFound, RecordDamaged, TooManyWaiting, StoreUnavailable]),
    ("followRequest", &[InvalidRequest, NotFound, RecordDamaged, TooManyWaiting, StoreUnavailable]),
    ("getTree", &[InvalidRequest, NotFound, RecordDamaged, StoreUnavailable]),
    ("getRun", &[InvalidRequest, NotFound, RecordDamaged, StoreUnavailable]),
    ("explainRun", &[InvalidRequest, NotFound, RecordDamaged, StoreUnavailable]),
    ("getLogs", &[InvalidRequest, NotFound, RecordDamaged, ClusterUnavailable, TooManyWaiting, StoreUnavailable]),
    ("listDeadLetters", &[InvalidRequest, StoreUnavailable]),
    (
        "redriveDeadLetter",
        &[
            InvalidRequest,
            NotFound,
            UnknownTopic,
            NotDeadLetter,
            NotSettled,
            Unplannable,
            RecordDamaged,
            ClusterUnavailable,
            NoCatalog,
            TopicBroken,
            StoreUnavailable,
        ],
    ),
    ("purgeDeadLetter", &[InvalidRequest, NotFound, NotDeadLetter, RecordDamaged, StoreUnavailable]),
    ("redriveDeadLetters", &[InvalidRequest, StoreUnavailable]),
    ("purgeDeadLetters", &[InvalidRequest, StoreUnavailable]),
    ("getSource", &[]),
    ("listWorkers", &[]),
];
