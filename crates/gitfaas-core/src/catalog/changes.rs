//! What a new catalog changes, topic by topic, for people who watch.

use super::rules::TopicRules;
use super::{Catalog, Topic};
use crate::topic::TopicName;

/// How one topic differs from the catalog before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The topic.
    pub topic: TopicName,
    /// How it differs.
    pub difference: Difference,
}

/// How a topic differs. Where several would be true, the first one here is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The config file does not name it any more.
    Removed,
    /// Something is wrong with it that was not wrong before: [`Topic::stale`] says what.
    Broken,
    /// What was wrong is right again.
    Mended,
    /// It is new.
    Added,
    /// Its functions, their order, their templates or its rules are not what they were.
    Changed,
}

impl Catalog {
    /// What is different from `previous`: topics in the order of the config file, then those that are gone.
    pub fn changes(&self, previous: &Self) -> Vec<Change> {
        let present = self.topics().filter_map(|topic| {
            let difference = difference(topic, previous.topic(&topic.name))?;
            Some(Change { topic: topic.name.clone(), difference })
        });
        let gone = previous.topics().filter(|topic| self.topic(&topic.name).is_none());
        let removed = gone.map(|topic| Change { topic: topic.name.clone(), difference: Difference::Removed });
        present.chain(removed).collect()
    }
}

fn difference(topic: &Topic, previous: Option<&Topic>) -> Option<Difference> {
    let before = previous.and_then(|topic| topic.stale.as_ref());
    match (&topic.stale, before) {
        // The same mistakes in another revision are nothing new.
        (Some(now), Some(before)) if now.problems == before.problems => None,
        (Some(_), _) => Some(Difference::Broken),
        (None, Some(_)) => Some(Difference::Mended),
        (None, None) => match previous {
            None => Some(Difference::Added),
            Some(previous) => {
                let same = rules(topic) == rules(previous) && contents(topic).eq(contents(previous));
                (!same).then_some(Difference::Changed)
            }
        },
    }
}

fn rules(topic: &Topic) -> Option<&TopicRules> {
    topic.version.as_ref().map(|version| &version.rules)
}

/// What a topic runs and what its messages have to fit: paths and hashes, in order.
fn contents(topic: &Topic) -> impl Iterator<Item = (&str, &str)> {
    let functions = topic.version.iter().flat_map(|version| &version.functions);
    let schema = topic.version.iter().flat_map(|version| &version.schema);
    let functions = functions.map(|function| (function.name().as_str(), function.sha256()));
    functions.chain(schema.map(|schema| (schema.path().as_str(), schema.sha256())))
}
