//! What a function posted back.

use bytes::Bytes;
use jiff::Timestamp;

use crate::id::{RunId, Try};

/// One answer of one run. A run may answer more than once; each answer is kept, the newest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The run it answers for.
    pub run: RunId,
    /// The try that the poster's token named; `None` when the poster held none (a function uid names no try).
    pub try_no: Option<Try>,
    /// When it was stored.
    pub received_at: Timestamp,
    /// The content type as given.
    pub content_type: Option<String>,
    /// The answer as it came.
    pub body: Bytes,
}
