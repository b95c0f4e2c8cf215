//! Why the server could not be asked, or what it said no to.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use gitfaas_server::api::wire::{FailureView, ProblemView};
use gitfaas_server::engine::ErrorCode;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};

/// What is refused for want of room is not sent again sooner, whatever the server says.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// An answer above this size is likely to be refused by a server's limit, which defaults to 1 MiB.
const LARGE: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Error {
    /// Nothing answers there.
    Unreachable(String),
    /// The connection broke, or the answer took too long.
    Lost(String),
    /// Something answers that does not speak as gitfaas does.
    Strange(String),
    /// The server said no, and why.
    Refused(Box<Refusal>),
}

/// What the server said no to.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// What it said.
    pub(crate) problem: Option<ProblemView>,
    /// After how long it says that asking again may help.
    pub(crate) retry_after: Option<Duration>,
}

impl Error {
    /// Nothing answers at `server`.
    pub(crate) fn unreachable(server: &str, why: &str) -> Self {
        Self::Unreachable(format!("no gitfaas answers at {server} ({why}); is it running? `gitfaas dev` starts one"))
    }

    /// Something else answers at `server`.
    pub(super) fn strange(server: &str, why: impl fmt::Display) -> Self {
        Self::Strange(format!("what answers at {server} does not speak as this gitfaas does: {why}"))
    }

    /// Whether asking again in a moment may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Strange(_) => false,
            Self::Refused(refusal) => {
                refusal.status.is_server_error() || refusal.status == StatusCode::TOO_MANY_REQUESTS
            }
        }
    }

    /// After how long a publish can be sent once more that was refused because a queue is full: nothing of it was stored.
    pub(crate) fn wait_for_room(&self) -> Option<Duration> {
        let Self::Refused(refusal) = self else { return None };
        let full = refusal.problem.as_ref().is_some_and(|problem| problem.code == ErrorCode::QueueFull.as_str());
        let said = refusal.retry_after.unwrap_or(SHORTEST_WAIT);
        full.then(|| said.max(SHORTEST_WAIT))
    }

    pub(super) fn of_transport(server: &str, error: &reqwest::Error) -> Self {
        let why = innermost(error);
        if error.is_connect() {
            Self::unreachable(server, &why)
        } else if error.is_timeout() {
            Self::Lost(format!("{server} took too long to answer"))
        } else {
            Self::Lost(format!("the connection to {server} broke: {why}"))
        }
    }

    /// A server that refuses a large message by its length answers and closes while we are still writing, and the
    /// answer may be lost in that.
    pub(super) fn of_upload(server: &str, size: usize, error: &reqwest::Error) -> Self {
        if size > LARGE && !error.is_connect() && !error.is_timeout() {
            return Self::Lost(format!(
                "{server} closed the connection while {size} bytes were being sent: the message is probably larger \
                 than it takes"
            ));
        }
        Self::of_transport(server, error)
    }

    pub(crate) fn of_refusal(server: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let said = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if status.is_redirection() {
            let to = said(LOCATION).unwrap_or("nowhere");
            return Self::strange(server, format!("it points to {to}; give that as --server if you trust it"));
        }
        let seconds = said(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        match serde_json::from_slice::<ProblemView>(body) {
            Ok(problem) => Self::Refused(Box::new(Refusal { status, problem: Some(problem), retry_after })),
            // Proxies in front of a server answer these in their own words.
            Err(_) if matches!(status.as_u16(), 401 | 403 | 413 | 429 | 502..=504) => {
                Self::Refused(Box::new(Refusal { status, problem: None, retry_after }))
            }
            Err(_) => Self::strange(server, format!("it said {status} without a problem document")),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Lost(text) | Self::Strange(text) => f.write_str(text),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            // The detail of several failures is all of them on one line.
            Some(problem) if problem.failures.is_empty() => write!(f, "the server said no: {}", problem.detail)?,
            Some(problem) => {
                f.write_str("the server said no:")?;
                for failure in &problem.failures {
                    write!(f, "\n  {}", sentence(failure))?;
                }
            }
            None => write!(f, "the server, or a proxy before it, said {}", self.status)?,
        }
        // What is too large is explained by gitfaas itself, not by a proxy.
        match advice(self.status).filter(|_| self.problem.is_none() || self.status != StatusCode::PAYLOAD_TOO_LARGE) {
            Some(advice) => write!(f, "\n{advice}"),
            None => Ok(()),
        }
    }
}

fn sentence(failure: &FailureView) -> String {
    match (&failure.problem, &failure.function) {
        (Some(problem), _) => problem.to_string(),
        (None, Some(function)) => format!("{function}: {}", failure.message),
        (None, None) => failure.message.clone(),
    }
}

/// What to do about it, where the status alone says so.
fn advice(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        401 | 403 => Some("a token is taken from the variable GITFAAS_TOKEN"),
        413 => Some("put large data where the function can fetch it, and publish its address"),
        _ => None,
    }
}

/// The last cause says what happened; those before it say only that something did.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        _ if error.is_timeout() => "it took too long".to_owned(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_again_at_once_whatever_the_server_says() {
        let problem =
            r#"{"type":"urn:x","title":"x","status":429,"code":"queue-full","detail":"it is full","error":true}"#;
        for (said, waits) in [(None, 1), (Some("0"), 1), (Some("soon"), 1), (Some("7"), 7)] {
            let said = said.map(|said| (RETRY_AFTER, HeaderValue::from_static(said)));
            let headers = said.into_iter().collect();
            let error = Error::of_refusal("http://here", StatusCode::TOO_MANY_REQUESTS, &headers, problem.as_bytes());
            assert_eq!(error.wait_for_room(), Some(Duration::from_secs(waits)), "{headers:?}");
        }
    }
}
