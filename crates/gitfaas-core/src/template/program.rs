//! A template's object as JSON with gaps, and the filling of the gaps.
//!
//! All that never changes is JSON already; a message costs one pass over the steps.

use super::filled::{Filled, Filling, Given};
use super::text::{Piece, Symbol, Text};
use super::tree::{Tree, Value};
use crate::manifest::{Hole, Holed};

/// What to write next.
#[derive(Debug)]
enum Step {
    /// JSON as it is.
    Json(String),
    /// A value inside the quotes of a string.
    Inside(Symbol),
    /// The beginning of a text inside the quotes of a string.
    Prefix(Text, usize),
    /// A parameter as a value of its own.
    Bare(usize),
}

/// The steps that write one object.
#[derive(Debug, Default)]
pub(super) struct Program(Vec<Step>);

impl Program {
    /// The program that writes `object`.
    pub(super) fn of(object: &Tree) -> Self {
        let mut program = Self::default();
        program.value(object);
        program
    }

    fn json(&mut self, json: &str) {
        match self.0.last_mut() {
            Some(Step::Json(before)) => before.push_str(json),
            _ => self.0.push(Step::Json(json.to_owned())),
        }
    }

    fn value(&mut self, tree: &Tree) {
        match &tree.value {
            Value::Json(json) => self.json(json),
            Value::Text(text) => self.text(text),
            Value::Bare(index, _) => self.0.push(Step::Bare(*index)),
            Value::Sequence(items) => {
                self.json("[");
                for (place, item) in items.iter().enumerate() {
                    self.json(if place == 0 { "" } else { "," });
                    self.value(item);
                }
                self.json("]");
            }
            Value::Mapping(entries) => {
                self.json("{");
                for (place, entry) in entries.iter().enumerate() {
                    self.json(if place == 0 { "" } else { "," });
                    self.text(&entry.key);
                    self.json(":");
                    self.value(&entry.value);
                }
                self.json("}");
            }
        }
    }

    fn text(&mut self, text: &Text) {
        self.json("\"");
        for piece in &text.0 {
            match piece {
                Piece::Text(text) => {
                    let mut json = String::new();
                    escape(text, |part| json.push_str(part));
                    self.json(&json);
                }
                Piece::Symbol(symbol) => self.0.push(Step::Inside(symbol.clone())),
                Piece::Prefix(text, max) => self.0.push(Step::Prefix(text.clone(), *max)),
            }
        }
        self.json("\"");
    }

    /// The object as JSON with its holes open, and how many bytes it has once they are filled.
    pub(super) fn run(&self, filled: &Filled<'_>) -> (Holed, usize) {
        let mut page = Page { json: Holed::default(), length: 0 };
        for step in &self.0 {
            match step {
                Step::Json(json) => page.push(json),
                Step::Inside(symbol) => match filled.of(symbol) {
                    Filling::Text(text) => escape(text, |part| page.push(part)),
                    Filling::Hole(hole) => page.hole(hole, filled),
                },
                Step::Prefix(text, max) => filled.prefix(text, *max, |part| match part {
                    Filling::Text(text) => escape(text, |part| page.push(part)),
                    Filling::Hole(hole) => page.hole(hole, filled),
                }),
                Step::Bare(index) => page.bare(filled.parameter(*index)),
            }
        }
        (page.json, page.length)
    }
}

struct Page {
    json: Holed,
    length: usize,
}

impl Page {
    fn push(&mut self, json: &str) {
        self.length += json.len();
        self.json.push_text(json);
    }

    fn hole(&mut self, hole: Hole, filled: &Filled<'_>) {
        self.length += filled.hole_length(hole);
        self.json.push_hole(hole);
    }

    /// A value on its own.
    fn bare(&mut self, value: Given<'_>) {
        if value.is_bare() {
            self.push(value.text);
        } else {
            self.push("\"");
            escape(value.text, |part| self.push(part));
            self.push("\"");
        }
    }
}

/// Hands on `text` as the inside of a JSON string, in parts.
fn escape(text: &str, mut push: impl FnMut(&str)) {
    let mut begin = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        push(&text[begin..at]);
        begin = at + 1;
        match byte {
            b'"' => push("\\\""),
            b'\\' => push("\\\\"),
            b'\n' => push("\\n"),
            b'\r' => push("\\r"),
            b'\t' => push("\\t"),
            _ => push(&format!("\\u{byte:04x}")),
        }
    }
    push(&text[begin..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undeclared_only_canonical_integers_and_booleans_are_typed() {
        let is_bare = |text| Given { text, kind: None }.is_bare();
        for value in ["0", "-1", "9223372036854775807", "-9223372036854775808", "true", "false"] {
            assert!(is_bare(value), "{value}");
        }
        for value in
            ["", "-0", "+1", "007", "1.10", "1e3", "yes", "True", "null", "~", " 1", "1_0", "9223372036854775808"]
        {
            assert!(!is_bare(value), "{value}");
        }
    }

    #[test]
    fn escaped_text_is_read_back_as_it_was() {
        let all: String = (0..=0x2100).filter_map(char::from_u32).chain("\u{e000}\u{fffd}\u{10ffff}".chars()).collect();
        let mut json = "\"".to_owned();
        escape(&all, |part| json.push_str(part));
        json.push('"');
        assert_eq!(serde_json::from_str::<String>(&json).expect("a JSON string"), all);
    }
}
