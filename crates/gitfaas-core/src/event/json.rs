//! An event as one JSON object, as the JSON format of CloudEvents has it.
//!
//! The object is walked member by member, so that a name that is given twice is seen, and that data which are JSON stay
//! as they were written: numbers keep their digits and objects their order.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::{Attributes, Event, EventError, NAME};

/// The content type of data for which none is given.
const USUAL: &str = "application/json";
/// How many members an event may have: each costs more memory than it has bytes.
const MEMBERS: usize = 256;

pub(super) fn read(text: &Bytes) -> Result<Event, EventError> {
    let written = str::from_utf8(text)
        .map_err(|error| wrong(format!("the event is not UTF-8 from byte {} on", error.valid_up_to())))?;
    let (mut attributes, mut data, mut base64) = (BTreeMap::new(), None, None);
    for (name, value) in members(written)? {
        match name.as_str() {
            "data" => data = Some(value),
            "data_base64" => base64 = Some(value).filter(|value| *value != "null"),
            _ => {
                if let Some(value) = attribute(&name, value)? {
                    attributes.insert(name, value);
                }
            }
        }
    }
    let content_type = attributes.remove("datacontenttype").filter(|said| !said.trim().is_empty());
    let attributes = Attributes::new(attributes)?;
    let (content_type, data) = match (data, base64) {
        (Some(_), Some(_)) => return Err(wrong("the event has both `data` and `data_base64`")),
        (None, Some(base64)) => (content_type, decoded(base64)?),
        (Some(data), None) => (Some(content_type.unwrap_or_else(|| USUAL.to_owned())), text.slice_ref(data.as_bytes())),
        // There is nothing that a content type could be of.
        (None, None) => (None, Bytes::new()),
    };
    let is_text = data_is_text(content_type.as_deref(), base64.is_some());
    let data = if is_text && !data.is_empty() { plain(&data)? } else { data };
    Ok(Event { attributes, content_type, data })
}

fn wrong(problem: impl Into<String>) -> EventError {
    EventError::Whole(problem.into())
}

/// Whether the member `data` is a text that stands for the data, and not the data themselves.
fn data_is_text(content_type: Option<&str>, is_base64: bool) -> bool {
    !is_base64 && !content_type.is_some_and(is_json)
}

/// Whether a content type promises JSON: `…/json`, or `…/…+json`.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

/// Data that are no JSON, out of the JSON text that they are written as.
fn plain(data: &[u8]) -> Result<Bytes, EventError> {
    let text: Option<String> = serde_json::from_slice(data).ok();
    text.map(Bytes::from)
        .ok_or_else(|| wrong("`data` of the event has to be a text, as its `datacontenttype` is no JSON"))
}

fn decoded(base64: &str) -> Result<Bytes, EventError> {
    let text: Option<String> = serde_json::from_str(base64).ok();
    let bytes = text.and_then(|text| STANDARD.decode(text).ok());
    bytes.map(Bytes::from).ok_or_else(|| wrong("`data_base64` of the event has to be a text of base64"))
}

/// An attribute in its canonical text; `None` for one that is said to be unset.
fn attribute(name: &str, value: &str) -> Result<Option<String>, EventError> {
    let unfit = || EventError::attribute(name, "has to be a text, a whole number of 32 bits, or true or false");
    // Looked at before it is read: an attribute has no depth.
    if value.starts_with(['{', '[']) {
        return Err(unfit());
    }
    match serde_json::from_str(value) {
        Ok(Value::Null) => Ok(None),
        Ok(Value::String(text)) => Ok(Some(text)),
        Ok(Value::Bool(said)) => Ok(Some(said.to_string())),
        Ok(Value::Number(number)) => {
            let number = number.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(unfit)?;
            Ok(Some(number.to_string()))
        }
        _ => Err(unfit()),
    }
}

/// The members of the object that `text` is, each with its value as it is written.
fn members(text: &str) -> Result<Vec<(String, &str)>, EventError> {
    let mut walk = Walk { text, at: 0 };
    walk.expect('{')?;
    let (mut members, mut names) = (Vec::new(), BTreeSet::new());
    if !walk.takes('}') {
        loop {
            let (name, _) = walk.value::<String>()?;
            if !names.insert(name.clone()) {
                let shown: String = name.chars().take(NAME).flat_map(char::escape_debug).collect();
                return Err(wrong(format!("the event has `{shown}` twice")));
            }
            if names.len() > MEMBERS {
                return Err(wrong(format!("the event has more than {MEMBERS} attributes")));
            }
            walk.expect(':')?;
            let (_, written) = walk.value::<IgnoredAny>()?;
            members.push((name, written));
            if !walk.takes(',') {
                break;
            }
        }
        walk.expect('}')?;
    }
    match walk.rest() {
        "" => Ok(members),
        _ => Err(walk.lost("nothing after the event")),
    }
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// What is left, from its first character that is no blank.
    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn takes(&mut self, wanted: char) -> bool {
        let there = self.rest().starts_with(wanted);
        self.at += if there { wanted.len_utf8() } else { 0 };
        there
    }

    fn expect(&mut self, wanted: char) -> Result<(), EventError> {
        if self.takes(wanted) { Ok(()) } else { Err(self.lost(&format!("`{wanted}`"))) }
    }

    /// The next value, and how it is written.
    fn value<T: DeserializeOwned>(&mut self) -> Result<(T, &'a str), EventError> {
        let rest = self.rest();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<T>();
        let value = values.next().and_then(Result::ok);
        let length = values.byte_offset();
        match (value, rest.get(..length)) {
            (Some(value), Some(written)) => {
                self.at += length;
                Ok((value, written))
            }
            _ => Err(self.lost("a name and a value of JSON")),
        }
    }

    fn lost(&self, wanted: &str) -> EventError {
        wrong(format!("the event has to be a JSON object: at byte {} there should be {wanted}", self.at))
    }
}
