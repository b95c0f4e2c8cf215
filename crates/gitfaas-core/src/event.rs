//! CloudEvents 1.0: the attributes of an event, checked, and an event written as one JSON object.
//!
//! Knows nothing of HTTP: how attributes are written in headers is read in the server's `api/event.rs`. An event is a
//! message whose payload is the event's data; its attributes describe it and decide nothing.

mod json;

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What every event says of itself.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// Bytes that all names and values together may have.
const MOST: usize = 64 * 1024;
/// Bytes of an attribute's name.
const NAME: usize = 64;

/// The attributes of an event by name, each in its canonical text. Its data and their content type are those of the
/// message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, String>);

/// Why something is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// One attribute is missing or wrong.
    #[error("the attribute `{name}` of the event {problem}")]
    Attribute {
        /// Its name, safe to show.
        name: String,
        /// What is wrong, after the name.
        problem: String,
    },
    /// It is wrong as a whole.
    #[error("{0}")]
    Whole(String),
}

impl EventError {
    fn attribute(name: &str, problem: impl Into<String>) -> Self {
        let name = name.chars().take(NAME).flat_map(char::escape_debug).collect();
        Self::Attribute { name, problem: problem.into() }
    }
}

/// An event: attributes, and data with their content type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What describes it.
    pub attributes: Attributes,
    /// The content type of the data; `None` when there are none, or nothing is known of them.
    pub content_type: Option<String>,
    /// The data; empty when there are none.
    pub data: Bytes,
}

impl Event {
    /// Reads an event that is written as one JSON object. JSON data are taken as they are written, digit for digit.
    ///
    /// # Errors
    /// [`EventError`], naming the attribute that is wrong.
    pub fn from_json(text: &Bytes) -> Result<Self, EventError> {
        json::read(text)
    }
}

impl Attributes {
    /// Checks attributes of which none is named twice.
    ///
    /// # Errors
    /// [`EventError`]: one is missing, or its name or value is not what the specification asks for.
    pub fn new(given: BTreeMap<String, String>) -> Result<Self, EventError> {
        if given.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MOST {
            return Err(EventError::Whole(format!("the attributes of the event have more than {MOST} bytes")));
        }
        for (name, value) in &given {
            check(name, value).map_err(|problem| EventError::attribute(name, problem))?;
        }
        match REQUIRED.into_iter().find(|name| !given.contains_key(*name)) {
            Some(missing) => Err(EventError::attribute(missing, "is missing")),
            None => Ok(Self(given)),
        }
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What tells one event from every other: its source, and the id that is unique in it.
    pub fn identity(&self) -> (&str, &str) {
        (self.get("source").unwrap_or_default(), self.get("id").unwrap_or_default())
    }

    /// All of them, by name.
    pub fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }
}

fn check(name: &str, value: &str) -> Result<(), String> {
    check_name(name)?;
    if value.chars().any(is_forbidden) {
        return Err("has a control character or another that no text may have".to_owned());
    }
    let known = REQUIRED.contains(&name) || matches!(name, "subject" | "time" | "dataschema");
    if known && value.is_empty() {
        return Err("is empty".to_owned());
    }
    match name {
        "specversion" if value != "1.0" => Err("has to be `1.0`, the only version that is read".to_owned()),
        "source" | "dataschema" if value.contains(char::is_whitespace) => {
            Err("has to be a URI: without blanks".to_owned())
        }
        "dataschema" if !has_scheme(value) => Err("has to be an absolute URI: with its scheme".to_owned()),
        "time" if value.parse::<Timestamp>().is_err() => {
            Err("has to be a time of RFC 3339, as `2026-11-24T22:15:31Z`".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    match name {
        "" => Err("has no name".to_owned()),
        "data" => Err("is none: that is the name of what the event carries".to_owned()),
        _ if !plain => Err("has a name that is not only of `a` to `z` and `0` to `9`".to_owned()),
        _ if name.len() > NAME => Err(format!("has a name of more than {NAME} characters")),
        _ => Ok(()),
    }
}

/// Control characters, and code points that are no characters.
fn is_forbidden(character: char) -> bool {
    character.is_control() || matches!(character, '\u{fdd0}'..='\u{fdef}') || character as u32 & 0xfffe == 0xfffe
}

fn has_scheme(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(plain) && !rest.is_empty()
}

#[cfg(test)]
mod tests;
