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

/// Topics by a pattern: a topic's name in which `*` stands for any characters, none included, and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicGlob(Arc<str>);

impl TopicGlob {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for this topic. Takes no longer than the product of both lengths.
    pub fn matches(&self, topic: &TopicName) -> bool {
        let (glob, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), topic.as_str().chars().collect());
        let (mut at, mut place) = (0, 0);
        // Where the last `*` stands and how much of the name it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        while place < name.len() {
            if glob.get(at) == Some(&'*') {
                star = Some((at, place));
                at += 1;
            } else if glob.get(at).is_some_and(|wanted| *wanted == '?' || *wanted == name[place]) {
                at += 1;
                place += 1;
            } else if let Some((starred, taken)) = &mut star {
                *taken += 1;
                (at, place) = (*starred + 1, *taken);
            } else {
                return false;
            }
        }
        glob[at..].iter().all(|wanted| *wanted == '*')
    }
}

impl FromStr for TopicGlob {
    type Err = InvalidName;

    fn from_str(glob: &str) -> Result<Self, InvalidName> {
        // What remains of a pattern has to be what a name may be made of.
        let plain: String = glob.chars().map(|c| if matches!(c, '*' | '?') { '-' } else { c }).collect();
        plain.parse::<TopicName>().map_err(|error| match error {
            InvalidName::Character { character, .. } => InvalidName::Character { name: glob.to_owned(), character },
            other => other,
        })?;
        Ok(Self(glob.into()))
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
display_as_str!(TopicName, TopicGlob, FunctionName);
serde_as_text!(TopicName, TopicGlob, FunctionName);

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
    fn a_glob_stands_for_the_topics_that_fit_it() {
        let cases = [
            ("audit-*", vec!["audit-", "audit-log"], vec!["audit", "xaudit-log"]),
            ("*", vec!["a", "météo"], vec![]),
            ("a?c", vec!["abc", "aéc"], vec!["ac", "abbc"]),
            ("*a*b", vec!["ab", "xaxb", "aabab"], vec!["ba", "abc"]),
            ("collect", vec!["collect"], vec!["collects", "Collect"]),
        ];
        for (glob, fits, others) in cases {
            let glob: TopicGlob = glob.parse().expect("a glob");
            let matches = |name: &&str| glob.matches(&name.parse().expect("a topic"));
            assert!(fits.iter().all(matches), "{glob}");
            assert!(!others.iter().any(matches), "{glob}");
        }
        for glob in ["", "a b", "a/*", "[ab]"] {
            assert!(glob.parse::<TopicGlob>().is_err(), "{glob:?}");
        }
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
