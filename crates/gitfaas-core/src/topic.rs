//! The names that people give: topics and functions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::serde_as_text;

/// What was given cannot be a topic's or a function's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// No character at all.
    #[error("a {0} needs a name")]
    Empty(&'static str),
    /// More than the bytes allowed.
    #[error("the {what} is {length} bytes long; at most {max} are allowed")]
    TooLong {
        /// `topic` or `path`.
        what: &'static str,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character that would be ambiguous in a URL path or invisible in a log.
    #[error("`{name}` is not a topic name: {character:?} is not allowed (letters, digits, and -_.:~ are)")]
    Character {
        /// The name given.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A path that is absolute, climbs, or is not in its plain form.
    #[error("`{path}` is not a path inside the repository: {why}")]
    Path {
        /// The path given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The name of a topic: 1 to 200 letters, digits and `-_.:~` (of any script; the Python version had no rule, and
/// these are what survives a URL path without quoting surprises).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The longest name, in bytes.
    pub const MAX: usize = 200;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopicName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            return Err(InvalidName::Empty("topic"));
        }
        if name.len() > Self::MAX {
            return Err(InvalidName::TooLong { what: "topic", length: name.len(), max: Self::MAX });
        }
        match name.chars().find(|c| !(c.is_alphanumeric() || "-_.:~".contains(*c))) {
            Some(character) => Err(InvalidName::Character { name: name.to_owned(), character }),
            None => Ok(Self(name.into())),
        }
    }
}

/// The name of a function: the path of its template in the repository, as the config file writes it.
///
/// Relative, with `/`, without `.`, `..` or empty parts, at most 1,024 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName(Arc<str>);

impl FunctionName {
    /// The longest path, in bytes.
    pub const MAX: usize = 1024;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FunctionName {
    type Err = InvalidName;

    fn from_str(path: &str) -> Result<Self, InvalidName> {
        let refuse = |why| Err(InvalidName::Path { path: path.chars().take(200).collect(), why });
        if path.is_empty() {
            return Err(InvalidName::Empty("function"));
        }
        if path.len() > Self::MAX {
            return Err(InvalidName::TooLong { what: "path", length: path.len(), max: Self::MAX });
        }
        if path.starts_with('/') {
            return refuse("it is absolute; write it from the repository's root, without the first `/`");
        }
        if path.contains('\\') {
            return refuse("it has a backslash; folders are separated by `/`");
        }
        if path.chars().any(char::is_control) {
            return refuse("it has a control character");
        }
        match path.split('/').find(|part| matches!(*part, "" | "." | "..")) {
            Some("..") => refuse("`..` would leave it"),
            Some(_) => refuse("it has an empty or `.` part"),
            None => Ok(Self(path.into())),
        }
    }
}

macro_rules! display_as_str {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}
display_as_str!(TopicName, FunctionName);
serde_as_text!(TopicName, FunctionName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_words_that_survive_a_url() {
        for name in ["timeToCollect", "a", "orders.created", "météo", "v1:in~x_y-z"] {
            assert_eq!(name.parse::<TopicName>().map(|t| t.to_string()).as_deref(), Ok(name));
        }
        for name in ["", "a b", "a/b", "a&b", "a?b", "a%20", "a\nb", "a\u{0}", "<script>"] {
            assert!(name.parse::<TopicName>().is_err(), "{name:?}");
        }
        assert!("x".repeat(201).parse::<TopicName>().is_err());
    }

    #[test]
    fn functions_stay_inside_the_repository() {
        for path in ["collect.yaml", "audit/log.yaml", "a..b/c", "with space.yaml"] {
            assert!(path.parse::<FunctionName>().is_ok(), "{path}");
        }
        for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\\b", "a\nb"] {
            assert!(path.parse::<FunctionName>().is_err(), "{path:?}");
        }
    }
}
