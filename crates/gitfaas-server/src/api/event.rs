//! CloudEvents over HTTP: attributes in headers with the data as the body, or all of it as one JSON object.
//!
//! Tells which of them a request is, if any, and reads what is in its headers; what an event has to be is the core's.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use gitfaas_core::event::{Attributes, Event, EventError};
use percent_encoding::percent_decode;

use super::params;
use crate::engine::{EngineError, ErrorCode};

const PREFIX: &str = "ce-";
/// Headers of which each makes a request an event: the attributes that every event has.
const MARKS: [&str; 4] = ["ce-specversion", "ce-id", "ce-source", "ce-type"];
const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch";

/// The event that a request carries; `None` for one that is no event, which is taken as it is.
///
/// # Errors
/// [`ErrorCode::InvalidEvent`], naming the attribute that is missing or wrong.
pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Option<Event>, EngineError> {
    let essence = essence(headers);
    if essence.get(..BATCHED.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(BATCHED)) {
        return Err(invalid("several events in one request are not taken: publish each by itself"));
    }
    if essence.eq_ignore_ascii_case(STRUCTURED) {
        return Event::from_json(body).map(Some).map_err(|error| refused(&error));
    }
    if !MARKS.iter().any(|name| headers.contains_key(*name)) {
        return Ok(None);
    }
    let attributes = attributes(headers)?;
    // An event may have no data; then there is nothing that a content type could be of.
    let content_type = params::content_type(headers).filter(|_| !body.is_empty());
    Ok(Some(Event { attributes, content_type, data: body.clone() }))
}

/// The content type without its parameters; empty when there is none.
fn essence(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

fn attributes(headers: &HeaderMap) -> Result<Attributes, EngineError> {
    let mut attributes = BTreeMap::new();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix(PREFIX) else { continue };
        if name == "datacontenttype" {
            return Err(invalid("the header ce-datacontenttype is none: Content-Type says of what type the data are"));
        }
        let value = decoded(value.as_bytes()).ok_or_else(|| {
            invalid(format!("the header {header} is not percent-encoded UTF-8, in full quotes or none"))
        })?;
        if attributes.insert(name.to_owned(), value).is_some() {
            return Err(invalid(format!("the header {header} is given twice")));
        }
    }
    Attributes::new(attributes).map_err(|error| refused(&error))
}

/// A header's value: quoted strings are opened first, then percent-encoding is.
fn decoded(value: &[u8]) -> Option<String> {
    let (mut plain, mut quoted) = (Vec::with_capacity(value.len()), false);
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => plain.push(bytes.next()?),
            _ => plain.push(byte),
        }
    }
    if quoted {
        return None;
    }
    let text = percent_decode(&plain).decode_utf8().ok()?;
    Some(text.into_owned())
}

fn refused(error: &EventError) -> EngineError {
    invalid(error.to_string())
}

fn invalid(detail: impl Into<String>) -> EngineError {
    EngineError::new(ErrorCode::InvalidEvent, detail)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a header"));
        }
        headers
    }

    fn with(more: &[(&'static str, &[u8])]) -> HeaderMap {
        let required: [(_, &[u8]); 4] =
            [("ce-specversion", b"1.0"), ("ce-id", b"F-17"), ("ce-source", b"/garden"), ("ce-type", b"org.birds.seen")];
        headers(&[required.as_slice(), more].concat())
    }

    fn read_headers(headers: &HeaderMap) -> Result<Option<Event>, EngineError> {
        read(headers, &Bytes::from_static(b"<a/>"))
    }

    fn refusal(headers: &HeaderMap) -> String {
        let error = read_headers(headers).expect_err("refused");
        assert_eq!(error.code, ErrorCode::InvalidEvent);
        error.detail
    }

    #[test]
    fn headers_of_an_event_describe_the_body() {
        let more: [(_, &[u8]); 3] =
            [("content-type", b"application/xml"), ("ce-count", b"5"), ("accept", b"application/json")];
        let event = read_headers(&with(&more)).expect("valid").expect("an event");
        assert_eq!((event.content_type.as_deref(), &event.data[..]), (Some("application/xml"), b"<a/>".as_slice()));
        assert_eq!(event.attributes.get("count"), Some("5"));
        assert_eq!(event.attributes.into_map().len(), 5);
    }

    #[test]
    fn an_event_without_data_has_no_content_type() {
        let typed = with(&[("content-type", b"application/json")]);
        let event = read(&typed, &Bytes::new()).expect("valid").expect("an event");
        assert_eq!((event.content_type, event.data.len()), (None, 0));
    }

    #[test]
    fn header_values_are_opened_as_the_binding_says() {
        let plain = |value: &[u8]| decoded(value);
        assert_eq!(plain(b"Euro%20%E2%82%AC%20%f0%9f%98%80").as_deref(), Some("Euro € 😀"));
        assert_eq!(plain(br#""say \"hi\" \\ %22""#).as_deref(), Some(r#"say "hi" \ ""#));
        assert_eq!(plain(b"%25%41").as_deref(), Some("%A"), "one round of it");
        assert_eq!(plain(b"100%").as_deref(), Some("100%"));
        assert_eq!(plain("Grün".as_bytes()).as_deref(), Some("Grün"));
        assert_eq!(plain(b"").as_deref(), Some(""));
        for hostile in [b"%C0%A0".as_slice(), b"\"open", b"\"open\\", b"%ff", b"\xff"] {
            assert_eq!(plain(hostile), None, "{}", hostile.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_event_is_left_as_it_is() {
        let none: [&[(&'static str, &[u8])]; 4] = [
            &[],
            &[("content-type", b"application/json")],
            &[("ce-anything", b"1")],
            &[("content-type", b"application/cloudevents+avro")],
        ];
        for pairs in none {
            assert_eq!(read_headers(&headers(pairs)).expect("not refused"), None, "{pairs:?}");
        }
    }

    #[test]
    fn what_is_half_an_event_is_refused_by_name() {
        assert!(refusal(&headers(&[("ce-id", b"1")])).contains("`specversion`"));
        assert!(refusal(&with(&[("ce-id", b"again")])).contains("ce-id is given twice"));
        assert!(refusal(&with(&[("ce-datacontenttype", b"text/plain")])).contains("ce-datacontenttype"));
        assert!(refusal(&with(&[("ce-subject", b"%ff")])).contains("ce-subject"));
        assert!(refusal(&with(&[("ce-subject", b"%00")])).contains("`subject`"));
        assert!(refusal(&with(&[("ce-a-b", b"1")])).contains("`a-b`"));
        let batch = headers(&[("content-type", b"Application/CloudEvents-Batch+JSON; charset=utf-8")]);
        assert!(refusal(&batch).contains("several events"));
        let structured = headers(&[("content-type", b"Application/CloudEvents+JSON; charset=utf-8")]);
        assert!(refusal(&structured).contains("JSON object"));
    }
}
