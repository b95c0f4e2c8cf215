//! A config file and its templates become a catalog; what is wrong becomes stale topics.

use std::collections::HashMap;
use std::sync::Arc;

use super::config::{Config, TopicConfig};
use super::{Catalog, Files, Function, Stale, Topic, TopicVersion};
use crate::problem::{Position, Problem};
use crate::topic::{FunctionName, TopicGlob};

/// The most problems that a topic keeps; what follows is only counted. Many topics may share many mistakes.
const MOST_PROBLEMS: usize = 50;

/// What came of a file.
enum Outcome {
    Compiled(Arc<Function>),
    /// There is no file: a mistake of the line that names it.
    Unreadable(String),
    /// The file is wrong: mistakes of its own lines.
    Wrong(Vec<Problem>),
}

impl Catalog {
    /// Compiles the topics of `config`, read from `config_file` at `revision`.
    ///
    /// A topic with any problem keeps the version that it has in `previous`; a topic that `config` does not name is
    /// gone. A template is compiled once, and not at all where `previous` has it with the same bytes.
    pub fn compile(
        revision: String,
        config_file: &str,
        config: &Config,
        files: &Files,
        previous: Option<&Self>,
    ) -> Self {
        let mut compiler = Compiler { config_file, files, known: HashMap::new(), outcomes: HashMap::new() };
        for function in previous.into_iter().flat_map(Self::functions) {
            compiler.known.entry(function.name()).or_default().push(function);
        }
        let topics = config.topics.iter().map(|topic| {
            let mut warnings = Vec::new();
            let (version, stale) = match compiler.topic(topic) {
                Ok(functions) => {
                    warnings = unused(config_file, topic, &functions);
                    warnings.extend(unmatched(config_file, topic, config));
                    (Some(TopicVersion { revision: revision.clone(), functions, rules: topic.rules.clone() }), None)
                }
                Err(problems) => {
                    let kept = previous.and_then(|catalog| catalog.topic(&topic.name)?.version.clone());
                    (kept, Some(Stale { revision: revision.clone(), problems }))
                }
            };
            (topic.name.clone(), Topic { name: topic.name.clone(), version, stale, warnings })
        });
        let topics = topics.collect();
        Self { revision, topics }
    }
}

/// Warns of parameters that are declared and that no template uses.
fn unused(config_file: &str, topic: &TopicConfig, functions: &[Arc<Function>]) -> Vec<Problem> {
    let uses = |name: &str| {
        functions.iter().any(|function| function.template().parameters().iter().any(|used| used.name == name))
    };
    let unused = topic.params.iter().filter(|(name, _)| !uses(name));
    let warning = |(name, position): &(String, Position)| {
        Problem::at(config_file, *position, format!("no template of `{}` uses the parameter `{name}`", topic.name))
            .help(format!("write `{{{{{name}}}}}` where it is wanted, or take it out"))
    };
    unused.map(warning).collect()
}

/// Warns of what a topic may publish to and nobody listens to.
fn unmatched(config_file: &str, topic: &TopicConfig, config: &Config) -> Vec<Problem> {
    let nobody =
        topic.publishes.iter().filter(|(glob, _)| !config.topics.iter().any(|topic| glob.matches(&topic.name)));
    let warning = |(glob, position): &(TopicGlob, Position)| {
        Problem::at(config_file, *position, format!("`{glob}` matches no topic of this file"))
            .help("see how the topic is spelt, or take it out")
    };
    nobody.map(warning).collect()
}

struct Compiler<'a> {
    config_file: &'a str,
    files: &'a Files,
    /// What the previous catalog serves; stale topics may serve an older state of a file than others.
    known: HashMap<&'a FunctionName, Vec<&'a Arc<Function>>>,
    outcomes: HashMap<&'a FunctionName, Outcome>,
}

impl<'a> Compiler<'a> {
    fn topic(&mut self, topic: &'a TopicConfig) -> Result<Vec<Arc<Function>>, Vec<Problem>> {
        let mut functions = Vec::with_capacity(topic.functions.len());
        let mut problems = Vec::new();
        for (path, position) in &topic.functions {
            match self.function(path, *position) {
                Ok(function) => functions.push(function),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() {
            return Ok(functions);
        }
        let untold = problems.len().saturating_sub(MOST_PROBLEMS);
        problems.truncate(MOST_PROBLEMS);
        if untold > 0 {
            let message = format!("{untold} more problems of the topic `{}` are not shown", topic.name);
            problems.push(Problem::at(self.config_file, topic.position, message));
        }
        Err(problems)
    }

    fn function(&mut self, path: &'a FunctionName, position: Position) -> Result<Arc<Function>, Vec<Problem>> {
        if !self.outcomes.contains_key(path) {
            let outcome = self.compile(path);
            self.outcomes.insert(path, outcome);
        }
        match &self.outcomes[path] {
            Outcome::Compiled(function) => Ok(Arc::clone(function)),
            Outcome::Unreadable(why) => Err(vec![Problem::at(self.config_file, position, format!("`{path}` {why}"))]),
            Outcome::Wrong(problems) => Err(problems.clone()),
        }
    }

    fn compile(&self, path: &FunctionName) -> Outcome {
        let source = match self.files.get(path) {
            Some(Ok(source)) => source,
            Some(Err(why)) => return Outcome::Unreadable(why.clone()),
            None => return Outcome::Unreadable("was not read".to_owned()),
        };
        let known = self.known.get(path).into_iter().flatten();
        if let Some(same) = known.copied().find(|function| function.template().source() == source) {
            return Outcome::Compiled(Arc::clone(same));
        }
        match Function::compile(path, source) {
            Ok(function) => Outcome::Compiled(Arc::new(function)),
            Err(problems) => Outcome::Wrong(problems),
        }
    }
}
