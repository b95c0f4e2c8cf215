//! What callers say beside the body: the query, the path, the headers.

use std::num::NonZeroUsize;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use gitfaas_core::idempotency::{IdempotencyKey, KeyKind};
use gitfaas_core::message::Params;
use percent_encoding::percent_decode_str;

use super::App;
use super::error::ApiError;
use crate::engine::{Caller, EngineError, ErrorCode};

/// The name of the header by which a publisher names the run that it descends from.
const PARENT: &str = "x-gitfaas-parent";

pub(super) fn invalid(detail: impl Into<String>) -> EngineError {
    EngineError::new(ErrorCode::InvalidRequest, detail)
}

/// The only variable part of a route's path, decoded; one that is no text is told as every other error is.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let segment = Path::from_request_parts(parts, state).await;
        segment.map(|Path(segment)| Self(segment)).map_err(|_| not_text().into())
    }
}

fn not_text() -> EngineError {
    invalid("the URL is not valid UTF-8 once percent-decoded")
}

/// Parses a query: pairs by `&`, percent-encoded UTF-8, `+` for a blank, no name twice.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`].
pub(super) fn query(query: &str) -> Result<Params, EngineError> {
    let mut params = Params::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name, true)?;
        if name.is_empty() {
            return Err(invalid("a query parameter has no name"));
        }
        let value = decode(value, true)?;
        if params.insert(name.clone(), value).is_some() {
            return Err(invalid(format!("the query parameter `{name}` is given twice")));
        }
    }
    Ok(params)
}

/// Decodes one percent-encoded word.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`] when it is not UTF-8.
pub(super) fn decode(text: &str, plus_is_blank: bool) -> Result<String, EngineError> {
    let text = if plus_is_blank { text.replace('+', " ") } else { text.to_owned() };
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| not_text())?;
    Ok(decoded.into_owned())
}

/// The topic and the params of `/publish/{topic}?k=v`, and of the older spelling `/publish/{topic}&k=v`.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`].
pub(super) fn topic_and_params(path: &str, plain_query: Option<&str>) -> Result<(String, Params), EngineError> {
    let rest = path.strip_prefix("/publish/").unwrap_or(path);
    let (topic, in_path) = rest.split_once('&').unwrap_or((rest, ""));
    let both = format!("{in_path}&{}", plain_query.unwrap_or_default());
    Ok((decode(topic, false)?, query(&both)?))
}

/// One query parameter of a read, parsed.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`], naming the parameter and what it should be.
pub(super) fn parsed<T: std::str::FromStr>(
    params: &Params,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, EngineError> {
    let Some(value) = params.get(name) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| {
        let shown: String = value.chars().take(60).collect();
        invalid(format!("`{name}={shown}` in the query should be {wanted}"))
    })
}

/// How many entries a page has: what is asked for, and no more than there may be; or what is usual.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`] where none are asked for, or it is no number.
pub(super) fn limit(params: &Params, (usual, most): (usize, usize)) -> Result<usize, EngineError> {
    let asked: Option<NonZeroUsize> = parsed(params, "limit", &format!("a number from 1 to {most}"))?;
    Ok(asked.map_or(usual, NonZeroUsize::get).min(most))
}

/// The query of a read, whose names are known.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`] for an unknown name.
pub(super) fn known_query(plain: Option<&str>, known: &[&str]) -> Result<Params, EngineError> {
    let params = query(plain.unwrap_or_default())?;
    match params.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(params),
        Some(name) => {
            let meant = gitfaas_core::nearest::did_you_mean(name, known.iter().copied()).unwrap_or_default();
            Err(invalid(format!("`{name}` is not a query parameter of this route; {meant}")))
        }
    }
}

/// `?wait=SECONDS` of a long poll, at most the limit.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`].
pub(super) fn wait(params: &Params, most: Duration) -> Result<Duration, EngineError> {
    let seconds: Option<u32> = parsed(params, "wait", "a number of seconds")?;
    Ok(Duration::from_secs(seconds.unwrap_or(0).into()).min(most))
}

/// The key by which a publisher says that the message is the same one as before. Where several say so,
/// `Idempotency-Key` counts, then `webhook-id`, then `X-GitHub-Delivery`.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`], naming the header.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, EngineError> {
    let known = [
        ("idempotency-key", KeyKind::Header),
        ("webhook-id", KeyKind::Webhook),
        ("x-github-delivery", KeyKind::GitHub),
    ];
    let Some((name, kind)) = known.into_iter().find(|(name, _)| headers.contains_key(*name)) else { return Ok(None) };
    if headers.get_all(name).iter().count() > 1 {
        return Err(invalid(format!("the header {name} is given twice")));
    }
    let value = text(headers, name)?.unwrap_or_default();
    let key = IdempotencyKey::from_header(kind, &value);
    key.map(Some).map_err(|error| invalid(format!("the header {name} is no key: {error}")))
}

/// A header as text.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`] when it is not ASCII.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, EngineError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| invalid(format!("the header {name} is not plain ASCII text")))?;
    Ok(Some(text.to_owned()))
}

/// The content type as text. It is the caller's business what it holds; bytes that are no UTF-8 are replaced.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The W3C trace context of the caller; one that is malformed is passed over, as that specification says.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<String> {
    trace_context(headers.get("traceparent")?.to_str().ok()?)
}

/// A W3C trace context, if this text is one.
pub(super) fn trace_context(text: &str) -> Option<String> {
    let (known, later) = text.split_at_checked(55)?;
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_nothing = |part: &str| part.bytes().all(|byte| byte == b'0');
    let parts: Vec<&str> = known.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else { return None };
    let shaped =
        [version, trace, parent, flags].map(str::len) == [2, 32, 16, 2] && parts.iter().all(|part| is_hex(part));
    let extended = later.is_empty() || (version != "00" && later.starts_with('-'));
    let means = version != "ff" && !is_nothing(trace) && !is_nothing(parent);
    (shaped && extended && means).then(|| known.to_owned())
}

/// Who asks, by `Authorization: Bearer` and `X-Gitfaas-Parent`.
///
/// # Errors
/// See [`Engine::caller`](crate::engine::Engine::caller).
pub(super) async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, EngineError> {
    let authorization = text(headers, header::AUTHORIZATION.as_str())?;
    let bearer = authorization.as_deref().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    app.engine.caller(bearer, text(headers, PARENT)?.as_deref()).await
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn pairs(params: &Params) -> Vec<(&str, &str)> {
        params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn both_spellings_of_a_publish_are_read() {
        let (topic, params) = topic_and_params("/publish/mytopic", Some("replicas=2&x=a+b%26c")).expect("parsed");
        assert_eq!((topic.as_str(), pairs(&params)), ("mytopic", vec![("replicas", "2"), ("x", "a b&c")]));
        let (topic, params) = topic_and_params("/publish/mytopic&replicas=2", Some("x=1")).expect("parsed");
        assert_eq!((topic.as_str(), pairs(&params)), ("mytopic", vec![("replicas", "2"), ("x", "1")]));
        let (topic, params) = topic_and_params("/publish/m%C3%A9t%C3%A9o+1", None).expect("parsed");
        assert_eq!((topic.as_str(), params.len()), ("météo+1", 0));
    }

    #[test]
    fn what_would_be_guessed_at_is_refused() {
        for (path, plain) in [
            ("/publish/t", Some("a=1&a=2")),
            ("/publish/t&a=1", Some("a=1")),
            ("/publish/t", Some("=1")),
            ("/publish/t", Some("a=%ff")),
            ("/publish/%ff", None),
        ] {
            assert!(topic_and_params(path, plain).is_err(), "{path} {plain:?}");
        }
    }

    #[test]
    fn a_read_names_the_parameter_it_does_not_know() {
        let error = known_query(Some("topc=a"), &["topic", "limit"]).expect_err("refused");
        assert!(error.detail.contains("`topc`") && error.detail.contains("`topic`"), "{error}");
        let params = known_query(Some("limit=many"), &["limit"]).expect("known");
        assert!(parsed::<usize>(&params, "limit", "a number").is_err());
        let limit = |asked: &str| limit(&known_query(Some(asked), &["limit"]).expect("known"), (50, 500)).ok();
        assert_eq!(["", "limit=1", "limit=9999"].map(limit), [Some(50), Some(1), Some(500)]);
        assert_eq!(["limit=0", "limit=-1", "limit=many", "limit="].map(limit), [None; 4]);
    }

    #[test]
    fn a_wait_is_bounded() {
        let params = query("wait=4000000000").expect("parsed");
        assert_eq!(wait(&params, Duration::from_mins(1)).ok(), Some(Duration::from_mins(1)));
        assert!(wait(&query("wait=-1").expect("parsed"), Duration::from_mins(1)).is_err());
    }

    fn headers(pairs: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let value = |bytes| HeaderValue::from_bytes(bytes).expect("a header");
        pairs.iter().map(|(name, bytes)| (HeaderName::from_static(name), value(bytes))).collect()
    }

    #[test]
    fn a_trace_context_that_is_none_is_passed_over() {
        let good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&headers(&[("traceparent", good)])).as_deref(), str::from_utf8(good).ok());
        let later = b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-a-later-version-adds";
        let known = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&headers(&[("traceparent", later)])).as_deref(), Some(known));
        let none: [&[u8]; 9] = [
            b"",
            b"junk\"}",
            b"a\xe9",
            b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        ];
        for value in none {
            assert_eq!(traceparent(&headers(&[("traceparent", value)])), None, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn a_content_type_is_taken_whatever_it_holds() {
        assert_eq!(content_type(&headers(&[])), None);
        assert_eq!(content_type(&headers(&[("content-type", b"plain/text")])).as_deref(), Some("plain/text"));
        let utf8 = "text/plain; name=\u{e9}";
        assert_eq!(content_type(&headers(&[("content-type", b"text/plain; name=\xc3\xa9")])).as_deref(), Some(utf8));
        let other = "text/plain; name=\u{fffd}";
        assert_eq!(content_type(&headers(&[("content-type", b"text/plain; name=\xe9")])).as_deref(), Some(other));
    }
}
