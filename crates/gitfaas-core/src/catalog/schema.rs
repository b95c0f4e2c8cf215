//! The JSON Schema that messages of a topic have to fit.
//!
//! It is compiled at refresh, and nothing but its own file is ever read for it. Whoever may push can write one and
//! whoever may publish can send anything, so both are bounded before a message is looked at: `shape` limits how much
//! a schema can ask of one value, patterns are matched in linear time, and what is told of a message that does not fit
//! comes from a part of the schema for which telling cannot grow.

mod shape;
mod told;

use bytes::Bytes;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use self::told::{Teller, brief};
use super::config::json;
use super::sha256;
use crate::nearest::did_you_mean;
use crate::problem::{Position, Problem};
use crate::topic::FunctionName;
use crate::yaml::{self, Node};

/// The largest schema, in bytes.
const MAX_BYTES: usize = 256 << 10;
/// Bytes that one compiled pattern may take.
const PATTERN_SIZE: usize = 256 << 10;
/// The types that JSON Schema knows.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
/// The stack for a schema that leads to itself: as deep as a message may be nested, times what [`shape`] allows for
/// each level of it.
const DEEP_STACK: usize = 64 << 20;

/// A compiled schema, shared by the topics that name it and kept from revision to revision while it is the same.
pub struct MessageSchema {
    path: FunctionName,
    source: Bytes,
    sha256: String,
    validator: Validator,
    teller: Option<Teller>,
    is_recursive: bool,
}

impl MessageSchema {
    /// Compiles the `source` of the schema at `path`.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn compile(path: &FunctionName, source: &Bytes) -> Result<Self, Vec<Problem>> {
        let file = path.as_str();
        if source.len() > MAX_BYTES {
            let message = format!("the schema has {} bytes; at most {MAX_BYTES} are read", source.len());
            return Err(vec![Problem::of_file(file, message)]);
        }
        let (tree, problems) = json::read(file, source);
        let Some(tree) = tree.filter(|_| problems.is_empty()) else { return Err(problems) };
        let shape = shape::of(&tree).map_err(|(at, message, help)| vec![Problem::at(file, at, message).help(help)])?;
        let broken = |error: &dyn std::fmt::Display| vec![Problem::of_file(file, format!("this is not JSON: {error}"))];
        let schema: Value = serde_json::from_slice(source).map_err(|error| broken(&error))?;
        let validator = build(&schema).map_err(|error| vec![wrong(file, &tree, &error)])?;
        Ok(Self {
            path: path.clone(),
            source: source.clone(),
            sha256: sha256(source),
            validator,
            teller: Teller::of(schema, shape.is_recursive),
            is_recursive: shape.is_recursive,
        })
    }

    /// Its path in the repository.
    pub const fn path(&self) -> &FunctionName {
        &self.path
    }

    /// What it was compiled from.
    pub const fn source(&self) -> &Bytes {
        &self.source
    }

    /// SHA-256 of the source, in lower-case hex: the name under which the store keeps it.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Why `message` does not fit, in words that follow it (`is not JSON: …`); `None` when it does. Quotes no value of
    /// it, and of its keys no more than a few.
    pub fn refuses(&self, message: &[u8]) -> Option<String> {
        // Nesting is bounded by the parser.
        let message: Value = match serde_json::from_slice(message) {
            Ok(message) => message,
            Err(error) => return Some(format!("is not JSON: {error}")),
        };
        if !self.is_recursive {
            return self.unfit(&message);
        }
        let judged = std::thread::scope(|scope| {
            let judge = std::thread::Builder::new().stack_size(DEEP_STACK);
            let judge = judge.spawn_scoped(scope, || self.unfit(&message));
            judge.ok().and_then(|judge| judge.join().ok())
        });
        // A message of which nothing is known is not let through.
        judged.unwrap_or_else(|| Some(format!("cannot be compared with `{}` on this machine now", self.path)))
    }

    fn unfit(&self, message: &Value) -> Option<String> {
        if self.validator.is_valid(message) {
            return None;
        }
        let path = &self.path;
        let Some(teller) = &self.teller else { return Some(format!("does not fit `{path}`")) };
        let told = teller.tell(message);
        let told = told.as_deref().unwrap_or("no choice of it (`anyOf`, `oneOf`, `not` and the like) is met");
        Some(format!("does not fit `{path}`: {told}"))
    }
}

impl std::fmt::Debug for MessageSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageSchema").field("path", &self.path).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

fn build(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    let patterns = PatternOptions::regex().size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE);
    jsonschema::options().offline().with_pattern_options(patterns).build(schema)
}

/// What is wrong with a schema as such.
fn wrong(file: &str, tree: &Node, error: &ValidationError<'_>) -> Problem {
    let pointer = error.instance_path().as_str();
    let at = place(tree, pointer);
    match (error.instance().as_ref(), error.kind()) {
        (Value::String(word), ValidationErrorKind::AnyOf { .. }) if pointer.ends_with("/type") => {
            let hint = did_you_mean(word, TYPES).unwrap_or_else(|| format!("write one of {}", TYPES.join(", ")));
            Problem::at(file, at, format!("there is no type `{}`", brief(word))).help(hint)
        }
        _ => Problem::at(file, at, format!("this is not a JSON Schema: {}", brief(&error.to_string()))),
    }
}

/// Where a JSON pointer leads in the tree; as far as it does.
fn place(tree: &Node, pointer: &str) -> Position {
    let mut node = tree;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match &node.value {
            yaml::Value::Sequence(items) => step.parse().ok().and_then(|place: usize| items.get(place)),
            _ => node.get(&step),
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node.position
}

#[cfg(test)]
mod tests;
