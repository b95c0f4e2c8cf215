//! The keys of one mapping: duplicates and merges.

use std::collections::{HashMap, HashSet};

use super::{Entry, Node, Value, YamlError};
use crate::problem::Position;

/// A key as it was read.
pub(super) enum Key {
    /// An ordinary key.
    Named(Position, String),
    /// `<<`.
    Merge(Position),
    /// A key that was complained about.
    Wrong,
}

/// Collects entries in go-yaml v2's order of precedence: what comes later wins, also over a merge and by a merge.
#[derive(Default)]
pub(super) struct MappingBuilder {
    entries: Vec<Entry>,
    /// Where each key is in `entries`.
    places: HashMap<String, usize>,
    /// The keys that were written in this mapping itself.
    written: HashSet<String>,
}

impl MappingBuilder {
    pub(super) fn add(&mut self, key: Key, value: Node) -> Result<(), YamlError> {
        match key {
            Key::Named(position, key) if self.written.insert(key.clone()) => {
                self.set(Entry { key, position, value });
                Ok(())
            }
            Key::Named(position, key) => {
                let first = self.entries[self.places[&key]].position;
                let shown: String = key.chars().take(60).collect();
                let message = format!("the key `{shown}` is given twice; the first is in line {}", first.line);
                Err(YamlError::new(position, message).help("remove one of them"))
            }
            Key::Merge(position) => self.merge(position, value),
            Key::Wrong => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Value {
        Value::Mapping(self.entries)
    }

    fn set(&mut self, entry: Entry) {
        if let Some(place) = self.places.get(&entry.key) {
            self.entries[*place] = entry;
        } else {
            self.places.insert(entry.key.clone(), self.entries.len());
            self.entries.push(entry);
        }
    }

    fn set_all(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.set(entry);
        }
    }

    fn merge(&mut self, position: Position, value: Node) -> Result<(), YamlError> {
        let wrong = || YamlError::new(position, "`<<` takes a mapping, or a list of mappings");
        match value.value {
            Value::Mapping(entries) => self.set_all(entries),
            Value::Sequence(items) => {
                // The first mapping of the list that has a key wins.
                for item in items.into_iter().rev() {
                    let Value::Mapping(entries) = item.value else { return Err(wrong()) };
                    self.set_all(entries);
                }
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }
}
