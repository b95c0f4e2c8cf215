//! YAML as `kubectl` reads it, with the position of every node.
//!
//! The syntax is read by `granit-parser`; what its scalars mean follows go-yaml v2, which is what `kubectl` uses:
//! YAML 1.1 words and numbers, merge keys, keys that become strings. Two differences are on purpose: a key given twice
//! is an error (`kubectl` takes the last), and what would be read in two ways by two readers is refused.
//! Nothing here knows Kubernetes or placeholders: templates and configuration files are both read with it.

mod advice;
mod build;
mod mapping;
mod number;
mod scalar;

use crate::problem::{Position, Problem};

/// Deepest nesting that is read, aliases expanded. It is less than what readers of the JSON we write can take.
pub const MAX_DEPTH: usize = 100;
/// Largest source that is read, in bytes.
pub const MAX_SOURCE: usize = 4 << 20;

/// A value and where it begins in the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins; what an alias brought in stands where it was written.
    pub position: Position,
    /// Whether it is a scalar written without quotes, block indicator and tag.
    pub plain: bool,
    /// What it is.
    pub value: Value,
}

/// What a node is: what JSON knows, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `~`, `null`, or nothing at all.
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other number; always finite.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values, in the order written.
    Mapping(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text, as `kubectl` makes it: `1` is "1", `yes` is "true".
    pub key: String,
    /// Where the key begins.
    pub position: Position,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }
}

/// Why a source cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct YamlError {
    /// The place.
    pub position: Position,
    /// What is wrong.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
}

impl YamlError {
    pub(crate) fn new(position: Position, message: impl Into<String>) -> Self {
        Self { position, message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same as a problem of `file`.
    pub fn into_problem(self, file: &str) -> Problem {
        Problem { file: file.to_owned(), position: Some(self.position), message: self.message, help: self.help }
    }
}

/// The documents of `source`, without those that are empty.
///
/// # Errors
///
/// Everything that is wrong: the first mistake in syntax ends the reading, all others are collected.
pub fn read(source: &str) -> Result<Vec<Node>, Vec<YamlError>> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if source.len() > MAX_SOURCE {
        let message = format!("the file has {} bytes; at most {MAX_SOURCE} are read", source.len());
        return Err(vec![YamlError::new(Position { line: 1, column: 1 }, message)]);
    }
    if let Some(error) = foreign_break(source) {
        return Err(vec![error]);
    }
    build::documents(source)
}

/// The text of `bytes`.
///
/// # Errors
///
/// Where the first byte stands that is no UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, YamlError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        YamlError::new(position_after(&before), "the file is not UTF-8 from here on").help("save it as UTF-8")
    })
}

/// The place that follows `text`, itself at the beginning of a file.
pub(crate) fn position_after(text: &str) -> Position {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text_of_line = text.rsplit(['\n', '\r']).next().unwrap_or_default();
    let breaks = text.replace("\r\n", "\n").matches(['\n', '\r']).count();
    Position { line: number(breaks + 1), column: number(text_of_line.chars().count() + 1) }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// YAML 1.1, which `kubectl` reads, breaks lines at three characters that YAML 1.2 takes as text: the same file would
/// be two different things, so they have to be written as escapes.
fn foreign_break(source: &str) -> Option<YamlError> {
    let (at, character) =
        source.char_indices().find(|(_, character)| matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}'))?;
    let escape = match character {
        '\u{85}' => "\\x85",
        '\u{2028}' => "\\u2028",
        _ => "\\u2029",
    };
    let message = format!("U+{:04X} is invisible, and a line break to some readers of YAML", u32::from(character));
    let help = format!("remove it, or write `{escape}` in double quotes");
    Some(YamlError::new(position_after(&source[..at]), message).help(help))
}

#[cfg(test)]
mod tests;
