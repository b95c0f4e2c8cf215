//! Walking through a parsed config file and noting what is wrong with it.

use std::collections::HashMap;
use std::str::FromStr;

use super::words::{harmless, name_of_type, quoted};
use crate::nearest::{did_you_mean, nearest};
use crate::problem::{Position, Problem};
use crate::topic::InvalidName;
use crate::yaml::{Entry, Node, Value};

/// The keys that one kind of object may have.
pub(super) struct Keys {
    /// What the object is called in a message.
    pub(super) of: &'static str,
    /// Keys that it has to have.
    pub(super) needed: &'static [&'static str],
    /// Keys that it may have.
    pub(super) optional: &'static [&'static str],
    /// Keys that mean something to a newer version.
    pub(super) later: &'static [&'static str],
}

impl Keys {
    pub(super) fn known(&self) -> impl Iterator<Item = &'static str> {
        self.needed.iter().chain(self.optional).copied()
    }
}

/// The members of an object by name.
pub(super) type Members<'n> = HashMap<&'n str, &'n Entry>;

/// Notes what is wrong with a file.
pub(super) struct Reader<'f> {
    pub(super) file: &'f str,
    pub(super) problems: Vec<Problem>,
    /// How many patterns there have been so far: each takes memory for as long as it is served.
    pub(super) patterns: usize,
}

impl Reader<'_> {
    pub(super) fn report(&mut self, position: Position, message: impl Into<String>) -> &mut Problem {
        self.problems.push(Problem::at(self.file, position, message));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    pub(super) fn wrong_type(&mut self, what: &str, wanted: &str, node: &Node) {
        self.report(node.position, format!("{what} must be {wanted}, not {}", name_of_type(&node.value)));
    }

    /// The members of an object, with every problem of the names themselves told; `None`, and a problem, when it is none.
    pub(super) fn object<'n>(&mut self, node: &'n Node, keys: &Keys, wanted: &str) -> Option<Members<'n>> {
        let Value::Mapping(entries) = &node.value else {
            self.wrong_type(keys.of, wanted, node);
            return None;
        };
        let mut members = Members::new();
        let mut meant = Vec::new();
        for entry in entries {
            let name = entry.key.as_str();
            if let Some(first) = members.get(name) {
                let line = first.position.line;
                self.report(entry.position, format!("the key {} is given twice (first in line {line})", quoted(name)));
                continue;
            }
            members.insert(name, entry);
            if !keys.known().any(|known| known == name) {
                meant.extend(nearest(name, keys.known()));
                self.unknown(entry.position, name, keys);
            }
        }
        for key in keys.needed {
            // A key that is only misspelt has been told already.
            if !members.contains_key(key) && !meant.contains(key) {
                self.report(node.position, format!("{} needs the key `{key}`", keys.of));
            }
        }
        Some(members)
    }

    fn unknown(&mut self, position: Position, name: &str, keys: &Keys) {
        if keys.later.contains(&name) {
            self.report(position, format!("the key `{name}` of {} is not supported by this version", keys.of));
            return;
        }
        let hint = did_you_mean(name, keys.known().chain(keys.later.iter().copied())).unwrap_or_else(|| {
            let known: Vec<String> = keys.known().map(|key| format!("`{key}`")).collect();
            let (last, others) = known.split_last().map_or(("nothing", &[][..]), |(last, others)| (last, others));
            match others {
                [] => format!("{} has {last}", keys.of),
                _ => format!("{} has {} and {last}", keys.of, others.join(", ")),
            }
        });
        self.report(position, format!("{} has no key {}", keys.of, quoted(name))).help = Some(hint);
    }

    /// A list; `None`, and a problem, when it is none.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str, wanted: &str) -> Option<&'n [Node]> {
        let Value::Sequence(items) = &node.value else {
            self.wrong_type(what, wanted, node);
            return None;
        };
        Some(items)
    }

    /// Text; `None`, and a problem, when it is none.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str, wanted: &str) -> Option<&'n str> {
        let Value::String(text) = &node.value else {
            self.wrong_type(what, wanted, node);
            return None;
        };
        Some(text)
    }

    /// A string that is a name of some kind; `what` and `wanted` say which.
    pub(super) fn name<N>(&mut self, node: &Node, what: &str, wanted: &str) -> Option<(N, Position)>
    where
        N: FromStr<Err = InvalidName>,
    {
        match self.text(node, what, wanted)?.parse() {
            Ok(name) => Some((name, node.position)),
            Err(invalid) => {
                self.report(node.position, harmless(&invalid.to_string()));
                None
            }
        }
    }

    /// A whole number within bounds, which are inclusive.
    pub(super) fn number(&mut self, node: &Node, what: &str, least: u32, most: u32) -> Option<u32> {
        let number = match node.value {
            Value::Int(number) => u32::try_from(number).ok().filter(|number| (least..=most).contains(number)),
            Value::Float(_) => None,
            _ => {
                self.wrong_type(what, "a number", node);
                return None;
            }
        };
        if number.is_none() {
            self.report(node.position, format!("{what} must be a whole number from {least} to {most}"));
        }
        number
    }

    /// `true` or `false`; `None`, and a problem, when it is neither.
    pub(super) fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        let Value::Bool(truth) = node.value else {
            self.wrong_type(what, "true or false", node);
            return None;
        };
        Some(truth)
    }
}
