//! What the config file says of a topic beside its functions.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::params::ParamRules;
use crate::topic::{FunctionName, TopicGlob, TopicName};

/// The rules of a topic. The default is a topic of which nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicRules {
    /// How many of its runs may be live at once; `None` for as many as come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<NonZeroU32>,
    /// Whether messages are accepted and their runs held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// What its functions may publish to with their own tokens; `None` for the topics of the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishes: Option<Vec<TopicGlob>>,
    /// What a message has to be.
    #[serde(default, skip_serializing_if = "MessageRules::is_default")]
    pub message: MessageRules,
    /// The parameters that it knows.
    #[serde(default, skip_serializing_if = "ParamRules::is_empty")]
    pub params: ParamRules,
}

/// What the messages of a topic have to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageRules {
    /// The path of the JSON Schema that they have to fit; `None` for anything, JSON or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<FunctionName>,
    /// The most bytes they may have; `None` for what the server takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<NonZeroU32>,
}

impl MessageRules {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl TopicRules {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a function of this topic may publish to `topic`, which is one of the same file.
    pub fn may_publish(&self, topic: &TopicName) -> bool {
        self.publishes.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(topic)))
    }
}
