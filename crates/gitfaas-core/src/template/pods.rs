//! What the pods of a template are certain to break of the pod policy, before any message.
//!
//! The same reader looks at the tree as looks at the JSON of a rendered object; what a placeholder is part of is unknown
//! to it.

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::tree::{Tree, Value};
use crate::admission::pod::{self, Step, Violation};
use crate::problem::Position;

/// The violations of an object with the place of each, in the order of the file.
pub(super) fn violations(tree: &Tree, api_version: &str, kind: &str) -> Vec<(Position, Violation)> {
    let found = pod::violations(api_version, kind, tree);
    let mut placed: Vec<_> = found.into_iter().map(|violation| (place(tree, &violation.path), violation)).collect();
    placed.sort_by_key(|(position, _)| *position);
    placed
}

/// Where `path` leads; where it leads to nothing, the last place that is there.
fn place(tree: &Tree, path: &[Step]) -> Position {
    let (mut position, mut tree) = (tree.position, tree);
    for step in path {
        let next = match (step, &tree.value) {
            (Step::Key(key), Value::Mapping(entries)) => {
                entries.iter().find(|entry| is_key(entry.key.fixed(), key)).map(|entry| (entry.position, &entry.value))
            }
            (Step::Item(index), Value::Sequence(items)) => items.get(*index).map(|item| (item.position, item)),
            _ => None,
        };
        let Some((next_position, next_tree)) = next else { break };
        (position, tree) = (next_position, next_tree);
    }
    position
}

/// Whether a key is the one of a step, which may end in a star.
fn is_key(key: Option<&str>, step: &str) -> bool {
    let Some(key) = key else { return false };
    match step.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => key == step,
    }
}

impl<'de> Deserializer<'de> for &'de Tree {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Json(json) => match (json.as_str(), json.parse::<i64>()) {
                ("null", _) => visitor.visit_unit(),
                ("true" | "false", _) => visitor.visit_bool(json == "true"),
                (_, Ok(whole)) => visitor.visit_i64(whole),
                _ => visitor.visit_f64(json.parse().unwrap_or(f64::NAN)),
            },
            Value::Text(text) => match text.fixed() {
                Some(text) => visitor.visit_str(text),
                None => visitor.visit_none(),
            },
            Value::Bare(..) => visitor.visit_none(),
            Value::Sequence(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Value::Mapping(entries) => {
                let fixed: Option<Vec<_>> =
                    entries.iter().map(|entry| Some((entry.key.fixed()?, &entry.value))).collect();
                match fixed {
                    Some(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
                    None => visitor.visit_none(),
                }
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for &'de Tree {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
