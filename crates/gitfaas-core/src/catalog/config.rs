//! The config file: which templates listen to which topic.
//!
//! [`Config::parse`] takes the bytes of one revision's `config.json` and either understands all of it or says all
//! that is wrong with it. It reads no template and knows no other file: [`super::Catalog`] brings them together.

mod json;

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;

use jsonc_parser::ast::{Array, Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;

use self::json::{Places, harmless, name_of_type, quoted};
use crate::id::{RequestId, RunId};
use crate::nearest::{did_you_mean, nearest};
use crate::problem::{Position, Problem};
use crate::topic::{FunctionName, InvalidName, TopicName};

/// A config file that is right in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its topics, in the order of the file; no name twice.
    pub topics: Vec<TopicConfig>,
}

/// One topic of a config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// Its name.
    pub name: TopicName,
    /// Where the name is written.
    pub position: Position,
    /// Its templates in the order of the file and where each is written: at least one, none twice.
    pub functions: Vec<(FunctionName, Position)>,
}

/// The most problems that are told of one file; what follows is only counted.
const MOST_PROBLEMS: usize = 100;

/// The keys that one kind of object may have.
struct Keys {
    /// What the object is called in a message.
    of: &'static str,
    known: &'static [&'static str],
    /// Keys that mean something to a newer version.
    later: &'static [&'static str],
}

const FILE: Keys = Keys { of: "the config file", known: &["topics"], later: &["runtimes"] };
const TOPIC: Keys = Keys {
    of: "a topic",
    known: &["name", "configs"],
    later: &["functions", "params", "message", "concurrency", "publishes", "paused"],
};

impl Config {
    /// Reads the `bytes` of `file` (its path in the repository, for the problems).
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the file. After a mistake of JSON itself the rest is still looked at
    /// where its structure can be guessed (a comment, a comma too many).
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let text = json::text(file, bytes).map_err(|problem| vec![problem])?;
        let places = Places::of(text);
        let read = json::read(file, &places);
        let mut reader = Reader { file, places: &places, problems: Vec::from_iter(read.problem) };
        let topics = read.value.map(|value| reader.file(&value)).unwrap_or_default();
        let mut problems = reader.problems;
        if problems.is_empty() {
            return Ok(Self { topics });
        }
        problems.sort_by_key(|problem| problem.position);
        let untold = problems.len().saturating_sub(MOST_PROBLEMS);
        problems.truncate(MOST_PROBLEMS);
        if untold > 0 {
            problems.push(Problem::of_file(file, format!("{untold} more problems are not shown")));
        }
        Err(problems)
    }

    /// The paths of all templates that the file names.
    pub fn paths(&self) -> BTreeSet<&FunctionName> {
        self.topics.iter().flat_map(|topic| &topic.functions).map(|(path, _)| path).collect()
    }
}

/// Walks through the parsed file and notes what is wrong.
struct Reader<'t> {
    file: &'t str,
    places: &'t Places<'t>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn at(&self, value: &impl Ranged) -> Position {
        self.places.position(value.start())
    }

    fn report(&mut self, position: Position, message: impl Into<String>) -> &mut Problem {
        self.problems.push(Problem::at(self.file, position, message));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    fn wrong_type(&mut self, what: &str, wanted: &str, value: &Value<'_>) {
        let position = self.at(value);
        self.report(position, format!("{what} must be {wanted}, not {}", name_of_type(value)));
    }

    fn file(&mut self, value: &Value<'_>) -> Vec<TopicConfig> {
        let Value::Object(object) = value else {
            self.wrong_type("the config file", "an object such as {\"topics\": []}", value);
            return Vec::new();
        };
        let members = self.members(object, &FILE);
        match members.get("topics").map(|property| &property.value) {
            Some(Value::Array(list)) => self.topics(list),
            Some(other) => {
                self.wrong_type("`topics`", "a list", other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The members of `object` by name, with every problem of the names themselves told.
    fn members<'v, 't>(&mut self, object: &'v Object<'t>, keys: &Keys) -> HashMap<&'v str, &'v ObjectProp<'t>> {
        let here = self.at(object);
        let mut members: HashMap<&str, &ObjectProp<'_>> = HashMap::new();
        let mut meant = Vec::new();
        for property in &object.properties {
            let name = property.name.as_str();
            let position = self.at(&property.name);
            if let Some(first) = members.get(name) {
                let line = self.at(&first.name).line;
                self.report(position, format!("the key {} is given twice (first in line {line})", quoted(name)));
                continue;
            }
            members.insert(name, property);
            if !keys.known.contains(&name) {
                meant.extend(nearest(name, keys.known.iter().copied()));
                self.unknown(position, name, keys);
            }
        }
        for key in keys.known {
            // A key that is only misspelt has been told already.
            if !members.contains_key(key) && !meant.contains(key) {
                self.report(here, format!("{} needs the key `{key}`", keys.of));
            }
        }
        members
    }

    fn unknown(&mut self, position: Position, name: &str, keys: &Keys) {
        if keys.later.contains(&name) {
            self.report(position, format!("the key `{name}` of {} is not supported by this version", keys.of));
            return;
        }
        let hint = did_you_mean(name, keys.known.iter().chain(keys.later).copied()).unwrap_or_else(|| {
            let known: Vec<String> = keys.known.iter().map(|key| format!("`{key}`")).collect();
            format!("{} has {}", keys.of, known.join(" and "))
        });
        self.report(position, format!("{} has no key {}", keys.of, quoted(name))).help = Some(hint);
    }

    fn topics(&mut self, list: &Array<'_>) -> Vec<TopicConfig> {
        let mut topics: Vec<TopicConfig> = Vec::new();
        let mut lines: HashMap<TopicName, u32> = HashMap::new();
        for value in &list.elements {
            let Value::Object(object) = value else {
                self.wrong_type("a topic", "an object such as {\"name\": …, \"configs\": […]}", value);
                continue;
            };
            let Some(topic) = self.topic(object) else { continue };
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

    fn topic(&mut self, object: &Object<'_>) -> Option<TopicConfig> {
        let members = self.members(object, &TOPIC);
        let name = members.get("name");
        let name = name.and_then(|property| self.name(&property.value, "the `name` of a topic", "a string"));
        let functions = match members.get("configs").map(|property| &property.value) {
            Some(Value::Array(list)) => self.functions(list),
            Some(other) => {
                self.wrong_type("`configs`", "a list of paths such as [\"collect.yaml\"]", other);
                Vec::new()
            }
            None => Vec::new(),
        };
        let (name, position) = name?;
        Some(TopicConfig { name, position, functions })
    }

    /// A string that is a name of some kind; `what` and `wanted` say which.
    fn name<N>(&mut self, value: &Value<'_>, what: &str, wanted: &str) -> Option<(N, Position)>
    where
        N: FromStr<Err = InvalidName>,
    {
        let position = self.at(value);
        let Value::StringLit(text) = value else {
            self.wrong_type(what, wanted, value);
            return None;
        };
        match text.value.parse() {
            Ok(name) => Some((name, position)),
            Err(invalid) => {
                self.report(position, harmless(&invalid.to_string()));
                None
            }
        }
    }

    fn functions(&mut self, list: &Array<'_>) -> Vec<(FunctionName, Position)> {
        if list.elements.is_empty() {
            let position = self.at(list);
            self.report(position, "`configs` is empty, so nothing listens to this topic").help =
                Some("list a template, or take the topic out".to_owned());
        }
        let mut functions: Vec<(FunctionName, Position)> = Vec::new();
        // Two runs of one request are told apart by what derives from their functions' names.
        let mut taken: HashMap<RunId, usize> = HashMap::new();
        for value in &list.elements {
            let name = self.name::<FunctionName>(value, "an entry of `configs`", "the path of a template");
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

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
