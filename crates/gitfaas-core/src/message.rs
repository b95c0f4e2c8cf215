//! What was published.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event::Attributes;

/// Query parameters by name. A name given twice is refused where the query is read.
pub type Params = BTreeMap<String, String>;

/// A message: its payload and what describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The bytes as they came; of any content, valid text or not.
    pub payload: Bytes,
    /// What describes them.
    pub meta: MessageMeta,
}

/// What is known about a message beside its payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageMeta {
    /// The content type as given; `None` when there was none, which makes the payload plain bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Query parameters, for templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: Params,
    /// W3C trace context of the publisher, for `{{TRACEPARENT}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The attributes of the CloudEvent that it came as, whose data are the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Attributes>,
}

impl MessageMeta {
    /// Whether the payload promises to be JSON: `application/json` or any `…+json`, with or without a charset.
    pub fn is_json(&self) -> bool {
        let essence = self.content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
            || essence.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_in_its_spellings() {
        let json = |content_type: &str| {
            MessageMeta { content_type: Some(content_type.to_owned()), ..MessageMeta::default() }.is_json()
        };
        assert!(json("application/json"));
        assert!(json("Application/JSON; charset=utf-8"));
        assert!(json("application/cloudevents+json"));
        assert!(!json("plain/text"));
        assert!(!json("application/jsonlines"));
        assert!(!MessageMeta::default().is_json());
    }
}
