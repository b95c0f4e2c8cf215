//! The rules of a topic: `concurrency`, `paused`, `publishes`, `message`, and `params` in a module of their own.

use std::num::NonZeroU32;

use super::reader::{Keys, Members, Reader};
use crate::catalog::rules::{MessageRules, TopicRules};
use crate::problem::Position;
use crate::topic::{FunctionName, TopicGlob};
use crate::yaml::Node;

/// More live runs than this are no limit that anybody means.
const MOST_LIVE: u32 = 1_000_000;
/// Entries of one `publishes` list.
const MOST_GLOBS: usize = 100;

/// More bytes than any server takes as one message.
const LARGEST: u32 = 1 << 30;

pub(super) const MESSAGE: Keys = Keys { of: "`message`", needed: &[], optional: &["schema", "maxBytes"], later: &[] };

/// Names with the place where each is written.
pub(super) type Placed<T> = Vec<(T, Position)>;

/// What is said of a topic beside its functions.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) topic: TopicRules,
    pub(super) params: Placed<String>,
    pub(super) publishes: Placed<TopicGlob>,
    pub(super) schema: Option<(FunctionName, Position)>,
}

impl Reader<'_> {
    /// The rules of a topic, and where what they name is written.
    pub(super) fn rules(&mut self, members: &Members<'_>) -> Rules {
        let mut read = Rules::default();
        let rules = &mut read.topic;
        if let Some(entry) = members.get("concurrency") {
            let limit = self.number(&entry.value, "`concurrency`", 1, MOST_LIVE);
            rules.concurrency = limit.and_then(NonZeroU32::new);
        }
        if let Some(entry) = members.get("paused") {
            rules.paused = self.truth(&entry.value, "`paused`").unwrap_or_default();
        }
        if let Some(entry) = members.get("publishes") {
            read.publishes = self.globs(&entry.value);
            rules.publishes = Some(read.publishes.iter().map(|(glob, _)| glob.clone()).collect());
        }
        if let Some(entry) = members.get("params") {
            (rules.params, read.params) = self.params(&entry.value);
        }
        if let Some(entry) = members.get("message") {
            (rules.message, read.schema) = self.message(&entry.value);
        }
        read
    }

    fn message(&mut self, node: &Node) -> (MessageRules, Option<(FunctionName, Position)>) {
        let wanted = "an object such as {\"schema\": \"collect.schema.json\", \"maxBytes\": 65536}";
        let Some(members) = self.object(node, &MESSAGE, wanted) else { return Default::default() };
        let schema = members.get("schema");
        let schema = schema.and_then(|entry| self.name(&entry.value, "`schema`", "the path of a JSON Schema"));
        let most = members.get("maxBytes");
        let most = most.and_then(|entry| self.number(&entry.value, "`maxBytes`", 1, LARGEST));
        let rules = MessageRules {
            schema: schema.as_ref().map(|(path, _): &(FunctionName, Position)| path.clone()),
            max_bytes: most.and_then(NonZeroU32::new),
        };
        (rules, schema)
    }

    fn globs(&mut self, node: &Node) -> Placed<TopicGlob> {
        let wanted = "a list of topics such as [\"uncompress\", \"audit-*\"]";
        let Some(list) = self.list(node, "`publishes`", wanted) else { return Vec::new() };
        if list.len() > MOST_GLOBS {
            self.report(
                node.position,
                format!("`publishes` has {} entries; at most {MOST_GLOBS} are read", list.len()),
            );
            return Vec::new();
        }
        let named = list.iter().filter_map(|node| {
            self.name::<TopicGlob>(
                node,
                "an entry of `publishes`",
                "the name of a topic, in which `*` stands for anything",
            )
        });
        named.collect()
    }
}
