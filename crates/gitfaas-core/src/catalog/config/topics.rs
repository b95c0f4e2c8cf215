//! The topics of a config file and their functions.

use std::collections::HashMap;

use super::TopicConfig;
use super::reader::{Keys, Reader};
use super::rules::Rules;
use super::words::quoted;
use crate::id::{RequestId, RunId};
use crate::problem::Position;
use crate::topic::{FunctionName, TopicName};
use crate::yaml::Node;

pub(super) const FILE: Keys =
    Keys { of: "the config file", needed: &["topics"], optional: &["$schema"], later: &["runtimes"] };
pub(super) const TOPIC: Keys = Keys {
    of: "a topic",
    needed: &["name", "configs"],
    optional: &["params", "message", "concurrency", "paused", "publishes"],
    later: &["functions"],
};

impl Reader<'_> {
    /// The topics of the whole file.
    pub(super) fn topics_of(&mut self, root: &Node) -> Vec<TopicConfig> {
        let Some(members) = self.object(root, &FILE, "an object such as {\"topics\": []}") else { return Vec::new() };
        if let Some(schema) = members.get("$schema") {
            self.text(&schema.value, "`$schema`", "the address of a JSON Schema");
        }
        let Some(topics) = members.get("topics") else { return Vec::new() };
        let Some(list) = self.list(&topics.value, "`topics`", "a list") else { return Vec::new() };
        self.topics(list)
    }

    fn topics(&mut self, list: &[Node]) -> Vec<TopicConfig> {
        let mut topics: Vec<TopicConfig> = Vec::new();
        let mut lines: HashMap<TopicName, u32> = HashMap::new();
        for node in list {
            let Some(topic) = self.topic(node) else { continue };
            if let Some(line) = lines.get(&topic.name) {
                let message = format!("the topic `{}` is given twice (first in line {line})", topic.name);
                self.report(topic.position, message).help =
                    Some("put all its templates into one `configs` list".to_owned());
            } else {
                lines.insert(topic.name.clone(), topic.position.line);
                topics.push(topic);
            }
        }
        topics
    }

    fn topic(&mut self, node: &Node) -> Option<TopicConfig> {
        let members = self.object(node, &TOPIC, "an object such as {\"name\": …, \"configs\": […]}")?;
        let name = members.get("name");
        let name = name.and_then(|entry| self.name(&entry.value, "the `name` of a topic", "a string"));
        let configs = members.get("configs").map(|entry| &entry.value);
        let functions = configs.map(|configs| self.functions(configs)).unwrap_or_default();
        let Rules { topic: rules, params, publishes, schema } = self.rules(&members);
        let (name, position) = name?;
        Some(TopicConfig { name, position, functions, rules, params, publishes, schema })
    }

    fn functions(&mut self, configs: &Node) -> Vec<(FunctionName, Position)> {
        let wanted = "a list of paths such as [\"collect.yaml\"]";
        let Some(list) = self.list(configs, "`configs`", wanted) else { return Vec::new() };
        if list.is_empty() {
            self.report(configs.position, "`configs` is empty, so nothing listens to this topic").help =
                Some("list a template, or take the topic out".to_owned());
        }
        let mut functions: Vec<(FunctionName, Position)> = Vec::new();
        // Two runs of one request are told apart by what derives from their functions' names.
        let mut taken: HashMap<RunId, usize> = HashMap::new();
        for node in list {
            let name = self.name::<FunctionName>(node, "an entry of `configs`", "the path of a template");
            let Some((name, position)) = name else { continue };
            let run = RunId::derive(RequestId::from_bytes([0; 16]), &name);
            match taken.get(&run).map(|place| &functions[*place]) {
                None => {
                    taken.insert(run, functions.len());
                    functions.push((name, position));
                }
                Some((other, first)) if *other == name => {
                    let line = first.line;
                    let message =
                        format!("{} is listed twice in this topic (first in line {line})", quoted(name.as_str()));
                    self.report(position, message);
                }
                Some((other, _)) => {
                    let other = quoted(other.as_str());
                    let message = format!("{} and {other} would get the same run id", quoted(name.as_str()));
                    self.report(position, message).help = Some("rename one of them".to_owned());
                }
            }
        }
        functions
    }
}
