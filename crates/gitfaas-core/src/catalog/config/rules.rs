//! The rules of a topic: `concurrency`, `paused`, `publishes`, and `params` in a module of their own.

use std::num::NonZeroU32;

use super::reader::{Members, Reader};
use crate::catalog::rules::TopicRules;
use crate::problem::Position;
use crate::topic::TopicGlob;
use crate::yaml::Node;

/// More live runs than this are no limit that anybody means.
const MOST_LIVE: u32 = 1_000_000;
/// Entries of one `publishes` list.
const MOST_GLOBS: usize = 1000;

/// Names with the place where each is written.
pub(super) type Placed<T> = Vec<(T, Position)>;

impl Reader<'_> {
    /// The rules of a topic, and where its parameters and the entries of its `publishes` are written.
    pub(super) fn rules(&mut self, members: &Members<'_>) -> (TopicRules, Placed<String>, Placed<TopicGlob>) {
        let mut rules = TopicRules::default();
        let (mut params, mut publishes) = (Vec::new(), Vec::new());
        if let Some(entry) = members.get("concurrency") {
            let limit = self.number(&entry.value, "`concurrency`", 1, MOST_LIVE);
            rules.concurrency = limit.and_then(NonZeroU32::new);
        }
        if let Some(entry) = members.get("paused") {
            rules.paused = self.truth(&entry.value, "`paused`").unwrap_or_default();
        }
        if let Some(entry) = members.get("publishes") {
            publishes = self.globs(&entry.value);
            rules.publishes = Some(publishes.iter().map(|(glob, _)| glob.clone()).collect());
        }
        if let Some(entry) = members.get("params") {
            (rules.params, params) = self.params(&entry.value);
        }
        (rules, params, publishes)
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
