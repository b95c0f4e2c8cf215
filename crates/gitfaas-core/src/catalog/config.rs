//! The config file: which templates listen to which topic, and the rules of each topic.
//!
//! [`Config::parse`] takes the bytes of one revision's `config.json` (or `config.yaml`) and either understands all of it
//! or says all that is wrong with it. It reads no template and knows no other file: [`super::Catalog`] brings them
//! together.

pub(super) mod json;
mod params;
mod reader;
mod rules;
#[cfg(test)]
mod schema_tests;
mod topics;
pub(super) mod words;

use std::collections::BTreeSet;

use self::reader::Reader;
use super::rules::TopicRules;
use crate::problem::{Position, Problem};
use crate::topic::{FunctionName, TopicGlob, TopicName};
use crate::yaml;

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
    /// What it asks of messages and of gitfaas.
    pub rules: TopicRules,
    /// Where each of its parameters is declared.
    pub params: Vec<(String, Position)>,
    /// What its functions may publish to, and where each is written.
    pub publishes: Vec<(TopicGlob, Position)>,
    /// The schema of its messages, and where it is written.
    pub schema: Option<(FunctionName, Position)>,
}

/// The most problems that are told of one file; what follows is only counted.
const MOST_PROBLEMS: usize = 100;

impl Config {
    /// Reads the `bytes` of `file` (its path in the repository, for the problems): as YAML when it ends in `.yaml` or
    /// `.yml`, as JSON otherwise.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the file. After a mistake of JSON itself the rest is still looked at
    /// where its structure can be guessed (a comment, a comma too many).
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let (config, problems) = Self::understand(file, bytes);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// What can be understood of the `bytes` of `file`, and everything that is wrong with them: for who wants to see
    /// all mistakes of a repository at once. What is wrong is left out, so nothing must be served of it.
    pub fn understand(file: &str, bytes: &[u8]) -> (Self, Vec<Problem>) {
        let (root, problems) = if is_yaml(file) { from_yaml(file, bytes) } else { json::read(file, bytes) };
        let mut reader = Reader { file, patterns: 0, problems };
        let topics = root.map(|root| reader.topics_of(&root)).unwrap_or_default();
        let mut problems = reader.problems;
        problems.sort_by_key(|problem| problem.position);
        let untold = problems.len().saturating_sub(MOST_PROBLEMS);
        problems.truncate(MOST_PROBLEMS);
        if untold > 0 {
            problems.push(Problem::of_file(file, format!("{untold} more problems are not shown")));
        }
        (Self { topics }, problems)
    }

    /// The paths of all templates and schemas that the file names.
    pub fn paths(&self) -> BTreeSet<&FunctionName> {
        let named = self.topics.iter().flat_map(|topic| topic.functions.iter().chain(&topic.schema));
        named.map(|(path, _)| path).collect()
    }
}

fn is_yaml(file: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| file.ends_with(ending))
}

/// The one document of a YAML file, and what is wrong with it as YAML.
fn from_yaml(file: &str, bytes: &[u8]) -> (Option<yaml::Node>, Vec<Problem>) {
    let documents = yaml::text(bytes).map_err(|error| vec![error]).and_then(yaml::read);
    let mut documents = match documents {
        Ok(documents) => documents.into_iter(),
        Err(errors) => return (None, errors.into_iter().map(|error| error.into_problem(file)).collect()),
    };
    let (first, second) = (documents.next(), documents.next());
    let problem = match (&first, second) {
        (None, _) => Problem::of_file(file, "the file is empty").help("the least it can say is `topics: []`"),
        (Some(_), Some(second)) => {
            let message = "a second document begins here; the config file is one";
            Problem::at(file, second.position, message).help("put all topics into one `topics` list")
        }
        (Some(_), None) => return (first, Vec::new()),
    };
    (first, vec![problem])
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
