//! A template's YAML with its placeholders found: what the rules of templates work on.

use std::collections::BTreeMap;

use super::Parameter;
use super::placeholder::{Meaning, Part, Placeholders, reserved_character};
use super::text::{Piece, Reserved, Symbol, Text};
use crate::problem::Position;
use crate::yaml::{self, YamlError};

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) position: Position,
    pub(super) value: Value,
}

/// What a template has where YAML has a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A null, boolean or number, as JSON writes it.
    Json(String),
    /// A string.
    Text(Text),
    /// A plain scalar that is exactly one parameter: its value decides the type.
    Bare(usize, String),
    Sequence(Vec<Tree>),
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: Text,
    pub(super) position: Position,
    pub(super) value: Tree,
}

impl Tree {
    /// The value under a fixed key.
    pub(super) fn get(&self, key: &str) -> Option<&Tree> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key.is(key)).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        match &mut self.value {
            Value::Mapping(entries) => entries.iter_mut().find(|entry| entry.key.is(key)).map(|entry| &mut entry.value),
            _ => None,
        }
    }

    /// Whether nothing is given.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Json(json) if json == "null")
    }

    /// The string, if it is one.
    pub(super) fn text(&self) -> Option<&Text> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in words.
    pub(super) fn what(&self) -> &'static str {
        match &self.value {
            Value::Json(json) if json == "null" => "nothing",
            Value::Json(json) if json == "true" || json == "false" => "a boolean",
            Value::Json(_) => "a number",
            Value::Text(_) | Value::Bare(..) => "a string",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Turns YAML documents into trees.
pub(super) struct Reader<'p> {
    placeholders: &'p Placeholders,
    parameters: Vec<Parameter>,
    errors: Vec<YamlError>,
}

impl<'p> Reader<'p> {
    /// The trees of `documents` and the parameters they use, sorted by name.
    pub(super) fn read(
        documents: &[yaml::Node],
        placeholders: &'p Placeholders,
    ) -> Result<(Vec<Tree>, Vec<Parameter>), Vec<YamlError>> {
        let mut names = BTreeMap::new();
        for document in documents {
            collect(document, placeholders, &mut names);
        }
        let parameters = names.into_iter().map(|(name, position)| Parameter { name, position }).collect();
        let mut reader = Reader { placeholders, parameters, errors: Vec::new() };
        let trees = documents.iter().map(|document| reader.tree(document)).collect();
        if reader.errors.is_empty() { Ok((trees, reader.parameters)) } else { Err(reader.errors) }
    }

    fn tree(&mut self, node: &yaml::Node) -> Tree {
        let value = match &node.value {
            yaml::Value::Null => Value::Json("null".to_owned()),
            yaml::Value::Bool(value) => Value::Json(value.to_string()),
            yaml::Value::Int(value) => Value::Json(value.to_string()),
            yaml::Value::Float(value) => Value::Json(float(*value)),
            yaml::Value::String(text) => self.scalar(text, node),
            yaml::Value::Sequence(items) => Value::Sequence(items.iter().map(|item| self.tree(item)).collect()),
            yaml::Value::Mapping(entries) => {
                let entry = |entry: &yaml::Entry| Entry {
                    key: self.text(&entry.key, entry.position),
                    position: entry.position,
                    value: self.tree(&entry.value),
                };
                Value::Mapping(entries.iter().map(entry).collect())
            }
        };
        Tree { position: node.position, value }
    }

    fn scalar(&mut self, text: &str, node: &yaml::Node) -> Value {
        let text = self.text(text, node.position);
        match text.0.as_slice() {
            [Piece::Symbol(Symbol::Parameter(index, name))] if node.plain => Value::Bare(*index, name.clone()),
            _ => Value::Text(text),
        }
    }

    fn text(&mut self, text: &str, position: Position) -> Text {
        let Some(parts) = self.placeholders.parts(text) else {
            self.errors.push(reserved_character(position));
            return Text::default();
        };
        let mut pieces: Vec<Piece> = Vec::new();
        for part in parts {
            let text = match part {
                Part::Text(text) => text,
                Part::Placeholder(placeholder) => match &placeholder.meaning {
                    Meaning::Literal(text) => text,
                    Meaning::Name(name) => {
                        pieces.push(Piece::Symbol(self.symbol(name)));
                        continue;
                    }
                },
            };
            match pieces.last_mut() {
                Some(Piece::Text(before)) => before.push_str(text),
                _ => pieces.push(Piece::Text(text.to_owned())),
            }
        }
        Text(pieces)
    }

    fn symbol(&self, name: &str) -> Symbol {
        Reserved::named(name).map_or_else(
            || {
                let index = self.parameters.partition_point(|parameter| parameter.name.as_str() < name);
                Symbol::Parameter(index, name.to_owned())
            },
            Symbol::Reserved,
        )
    }
}

/// Notes where each parameter is used first.
fn collect(node: &yaml::Node, placeholders: &Placeholders, names: &mut BTreeMap<String, Position>) {
    let mut register = |text: &str| {
        for part in placeholders.parts(text).unwrap_or_default() {
            if let Part::Placeholder(placeholder) = part
                && let Meaning::Name(name) = &placeholder.meaning
                && Reserved::named(name).is_none()
            {
                let first = names.entry(name.clone()).or_insert(placeholder.position);
                *first = placeholder.position.min(*first);
            }
        }
    };
    match &node.value {
        yaml::Value::String(text) => register(text),
        yaml::Value::Sequence(items) => items.iter().for_each(|item| collect(item, placeholders, names)),
        yaml::Value::Mapping(entries) => {
            for entry in entries {
                register(&entry.key);
            }
            for entry in entries {
                collect(&entry.value, placeholders, names);
            }
        }
        _ => {}
    }
}

/// A float as Go writes it in JSON: whole numbers without a fraction, so that Kubernetes takes them as integers.
fn float(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        1e-6..1e21 => value.to_string(),
        _ => format!("{value:e}"),
    }
}
