//! Reading a body within its limits, and what becomes of one that nobody reads.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

use super::Limits;
use crate::engine::{EngineError, ErrorCode};

/// Reads a whole body of at most `limits.body` bytes that never pauses for longer than `limits.body_idle`.
///
/// # Errors
/// [`ErrorCode::TooLarge`] (before the first byte, where the length is announced), [`ErrorCode::SlowBody`],
/// [`ErrorCode::InvalidRequest`] when the connection breaks.
pub(super) async fn read(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, EngineError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limits.body) {
        return Err(too_large(limits.body));
    }
    let mut body = body;
    // Grown with what arrives: an announcement alone must not cost memory.
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(0).min(FIRST));
    while let Some(frame) = next_frame(&mut body, limits.body_idle).await? {
        if whole.len() + frame.len() > limits.body {
            return Err(too_large(limits.body));
        }
        whole.extend_from_slice(&frame);
    }
    Ok(whole.freeze())
}

async fn next_frame(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, EngineError> {
    let frame = tokio::time::timeout(idle, body.frame()).await.map_err(|_| {
        EngineError::new(ErrorCode::SlowBody, format!("nothing of the body arrived for {} s", idle.as_secs()))
    })?;
    match frame {
        None => Ok(None),
        // Trailers are no part of a message.
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(_)) => {
            Err(EngineError::new(ErrorCode::InvalidRequest, "the connection broke in the middle of the body"))
        }
    }
}

/// Bytes that room is made for before any has arrived; most messages are smaller.
const FIRST: usize = 16 * 1024;
/// Bytes of an unread body that are taken and thrown away.
const DISCARDED: usize = 64 * 1024 * 1024;
/// How long that may take, and how long it may pause.
const DISCARDING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(2));

/// Makes sure that an answer given before the body was read reaches its caller.
///
/// Many clients send all of a body before they read anything. Were the connection closed on them in the middle, they
/// would see a broken pipe instead of the answer that says why; so what is left unread is taken, within limits.
pub(super) fn lingering(request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    // Who waits for `100 Continue` sends nothing before the answer, and reading would ask them to.
    let invited = !request.headers().contains_key(header::EXPECT);
    request.map(|body| Body::new(Lingering { body, invited, ended: false }))
}

struct Lingering {
    body: Body,
    /// Whether the caller sends the body, or waits to be asked.
    invited: bool,
    ended: bool,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.invited = true;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.ended = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if self.ended || !self.invited || self.body.is_end_stream() {
            return;
        }
        // In a task of its own: the answer does not wait for it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(DISCARDING.0, discard(std::mem::take(&mut self.body))));
        }
    }
}

async fn discard(mut body: Body) {
    let mut discarded = 0;
    while discarded < DISCARDED
        && let Ok(Some(frame)) = next_frame(&mut body, DISCARDING.1).await
    {
        discarded += frame.len();
    }
}

fn too_large(limit: usize) -> EngineError {
    EngineError::new(
        ErrorCode::TooLarge,
        format!(
            "the body is larger than {limit} bytes; send a reference to the data, or raise --max-body on the server"
        ),
    )
}
