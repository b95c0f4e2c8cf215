//! A config file and its templates become a catalog; what is wrong becomes stale topics.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::config::{Config, TopicConfig};
use super::schema::MessageSchema;
use super::{Catalog, Files, Function, Stale, Topic, TopicVersion, warnings};
use crate::problem::{Position, Problem};
use crate::topic::FunctionName;

/// The most problems that a topic keeps; what follows is only counted. Many topics may share many mistakes.
const MOST_PROBLEMS: usize = 50;

/// What came of a file.
enum Outcome<T> {
    Compiled(Arc<T>),
    /// There is no file: a mistake of the line that names it.
    Unreadable(String),
    /// The file is wrong: mistakes of its own lines.
    Wrong(Vec<Problem>),
}

impl<T> Outcome<T> {
    fn of(compiled: Result<T, Vec<Problem>>) -> Self {
        compiled.map_or_else(Self::Wrong, |compiled| Self::Compiled(Arc::new(compiled)))
    }

    /// What the line at `position` of the config file gets that names the file at `path`.
    fn told(&self, config_file: &str, path: &FunctionName, position: Position) -> Result<Arc<T>, Vec<Problem>> {
        match self {
            Self::Compiled(compiled) => Ok(Arc::clone(compiled)),
            Self::Unreadable(why) => Err(vec![Problem::at(config_file, position, format!("`{path}` {why}"))]),
            Self::Wrong(problems) => Err(problems.clone()),
        }
    }
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
        let mut compiler = Compiler::new(config_file, files, previous);
        let topics = config.topics.iter().map(|topic| {
            let mut warnings = Vec::new();
            let (version, stale) = match compiler.topic(topic) {
                Ok((functions, schema)) => {
                    warnings = warnings::of(config_file, config, topic, &functions);
                    let (revision, rules) = (revision.clone(), topic.rules.clone());
                    (Some(TopicVersion { revision, functions, rules, schema }), None)
                }
                Err(problems) => {
                    let kept = previous.and_then(|catalog| catalog.topic(&topic.name)?.version.clone());
                    (kept, Some(Stale { revision: revision.clone(), problems }))
                }
            };
            (topic.name.clone(), Topic { name: topic.name.clone(), version, stale, warnings })
        });
        let topics = topics.collect();
        Self { revision, commit: None, topics }
    }
}

/// What listens to a topic, and what its messages have to fit.
type Parts = (Vec<Arc<Function>>, Option<Arc<MessageSchema>>);

struct Compiler<'a> {
    config_file: &'a str,
    files: &'a Files,
    /// What the previous catalog serves; stale topics may serve an older state of a file than others.
    known_functions: HashMap<&'a FunctionName, Vec<&'a Arc<Function>>>,
    known_schemas: HashMap<&'a FunctionName, Vec<&'a Arc<MessageSchema>>>,
    functions: HashMap<&'a FunctionName, Outcome<Function>>,
    schemas: HashMap<&'a FunctionName, Outcome<MessageSchema>>,
}

impl<'a> Compiler<'a> {
    fn new(config_file: &'a str, files: &'a Files, previous: Option<&'a Catalog>) -> Self {
        let mut known_functions: HashMap<_, Vec<_>> = HashMap::new();
        for function in previous.into_iter().flat_map(Catalog::functions) {
            known_functions.entry(function.name()).or_default().push(function);
        }
        let mut known_schemas: HashMap<_, Vec<_>> = HashMap::new();
        for schema in previous.into_iter().flat_map(Catalog::schemas) {
            known_schemas.entry(schema.path()).or_default().push(schema);
        }
        Self { config_file, files, known_functions, known_schemas, functions: HashMap::new(), schemas: HashMap::new() }
    }

    fn topic(&mut self, topic: &'a TopicConfig) -> Result<Parts, Vec<Problem>> {
        let mut functions = Vec::with_capacity(topic.functions.len());
        let mut problems = Vec::new();
        for (path, position) in &topic.functions {
            match self.function(path, *position) {
                Ok(function) => functions.push(function),
                Err(wrong) => problems.extend(wrong),
            }
        }
        let schema = topic.schema.as_ref().map(|(path, position)| self.schema(path, *position)).transpose();
        let schema = schema.unwrap_or_else(|wrong| {
            problems.extend(wrong);
            None
        });
        if problems.is_empty() {
            return Ok((functions, schema));
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
        if !self.functions.contains_key(path) {
            let known = self.known_functions.get(path).into_iter().flatten();
            let outcome = match self.read(path) {
                Err(why) => Outcome::Unreadable(why),
                Ok(source) => match known.copied().find(|function| function.template().source() == source) {
                    Some(same) => Outcome::Compiled(Arc::clone(same)),
                    None => Outcome::of(Function::compile(path, source)),
                },
            };
            self.functions.insert(path, outcome);
        }
        self.functions[path].told(self.config_file, path, position)
    }

    fn schema(&mut self, path: &'a FunctionName, position: Position) -> Result<Arc<MessageSchema>, Vec<Problem>> {
        if !self.schemas.contains_key(path) {
            let known = self.known_schemas.get(path).into_iter().flatten();
            let outcome = match self.read(path) {
                Err(why) => Outcome::Unreadable(why),
                Ok(source) => match known.copied().find(|schema| schema.source() == source) {
                    Some(same) => Outcome::Compiled(Arc::clone(same)),
                    None => Outcome::of(MessageSchema::compile(path, source)),
                },
            };
            self.schemas.insert(path, outcome);
        }
        self.schemas[path].told(self.config_file, path, position)
    }

    fn read(&self, path: &FunctionName) -> Result<&'a Bytes, String> {
        match self.files.get(path) {
            Some(read) => read.as_ref().map_err(Clone::clone),
            None => Err("was not read".to_owned()),
        }
    }
}
