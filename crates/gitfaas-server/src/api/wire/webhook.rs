//! What becomes of a delivery of a webhook.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `POST /webhooks/{provider}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    /// Whether it leads to a look at the source.
    pub refresh: bool,
    /// What will happen, or why nothing will.
    pub message: String,
}
