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
use tokio::time::Instant;

use super::Limits;
use crate::engine::{EngineError, ErrorCode};

/// Reads a whole body of at most `limits.body` bytes that never pauses for longer than `limits.body_idle`, and that after
/// so long brings `limits.body_rate` bytes a second.
///
/// # Errors
/// [`ErrorCode::TooLarge`] (before the first byte, where the length is announced), [`ErrorCode::SlowBody`],
/// [`ErrorCode::InvalidRequest`] when the connection breaks.
pub(super) async fn read(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, EngineError> {
    let announced = announced(headers, limits, REFERENCE)?;
    // Grown with what arrives: an announcement alone must not cost memory.
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(0).min(FIRST));
    each(headers, body, limits, REFERENCE, |piece| whole.extend_from_slice(piece)).await?;
    Ok(whole.freeze())
}

/// What who sends too large a message or an answer can do.
const REFERENCE: &str = "send a reference to the data, or raise --max-body on the server";

/// The length that the headers announce, if they do.
///
/// # Errors
/// [`ErrorCode::TooLarge`], with `advice`.
pub(super) fn announced(headers: &HeaderMap, limits: &Limits, advice: &str) -> Result<Option<usize>, EngineError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match announced {
        Some(length) if length > limits.body => Err(too_large(limits.body, advice)),
        announced => Ok(announced),
    }
}

/// The same as [`read`], for who takes the body piece by piece and keeps none of it.
///
/// # Errors
/// As there; what was taken until then is not all of the body.
pub(super) async fn each(
    headers: &HeaderMap,
    mut body: Body,
    limits: &Limits,
    advice: &str,
    mut take: impl FnMut(&[u8]),
) -> Result<(), EngineError> {
    announced(headers, limits, advice)?;
    let began = Instant::now();
    let mut taken = 0;
    loop {
        let patience = patience(limits, began.elapsed(), taken);
        let frame = next_frame(&mut body, patience).await;
        let Some(frame) = frame.ok_or_else(|| too_slow(limits, patience))?? else { return Ok(()) };
        taken += frame.len();
        if taken > limits.body {
            return Err(too_large(limits.body, advice));
        }
        take(&frame);
    }
}

/// How long the next piece of a body may take, of which so much came in so long.
fn patience(limits: &Limits, elapsed: Duration, received: usize) -> Duration {
    let received = u64::try_from(received).unwrap_or(u64::MAX);
    let Some(earned) = received.checked_div(limits.body_rate).map(Duration::from_secs) else { return limits.body_idle };
    limits.body_idle.saturating_add(earned).saturating_sub(elapsed).min(limits.body_idle)
}

/// The next piece of a body, nothing in it at the end; `None` when it does not come in time.
async fn next_frame(body: &mut Body, patience: Duration) -> Option<Result<Option<Bytes>, EngineError>> {
    let frame = tokio::time::timeout(patience, body.frame()).await.ok()?;
    Some(match frame {
        None => Ok(None),
        // Trailers are no part of a message.
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(_)) => {
            Err(EngineError::new(ErrorCode::InvalidRequest, "the connection broke in the middle of the body"))
        }
    })
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
        && let Some(Ok(Some(frame))) = next_frame(&mut body, DISCARDING.1).await
    {
        discarded += frame.len();
    }
}

fn too_slow(limits: &Limits, patience: Duration) -> EngineError {
    let detail = if patience < limits.body_idle {
        format!("the body comes at less than {} bytes a second", limits.body_rate)
    } else {
        format!("nothing of the body arrived for {} s", patience.as_secs())
    };
    EngineError::new(ErrorCode::SlowBody, detail)
}

fn too_large(limit: usize, advice: &str) -> EngineError {
    EngineError::new(ErrorCode::TooLarge, format!("the body is larger than {limit} bytes; {advice}"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    /// Reads `pieces` pieces of `size` bytes, each of which comes `pause` after the one before.
    async fn arriving(limits: &Limits, pieces: usize, size: usize, pause: Duration) -> Result<usize, EngineError> {
        let pieces = stream::unfold(0, move |number| async move {
            tokio::time::sleep(pause).await;
            (number < pieces).then(|| (Ok::<_, Infallible>(Bytes::from(vec![b'x'; size])), number + 1))
        });
        read(&HeaderMap::new(), Body::from_stream(pieces), limits).await.map(|body| body.len())
    }

    fn told(read: Result<usize, EngineError>) -> (ErrorCode, String) {
        let error = read.expect_err("too slow");
        (error.code, error.detail)
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_that_never_pauses_for_long_is_cut() {
        let began = Instant::now();
        let trickle = arriving(&Limits::default(), 1000, 1, Duration::from_secs(9)).await;
        let slow = "the body comes at less than 1024 bytes a second".to_owned();
        assert_eq!(told(trickle), (ErrorCode::SlowBody, slow));
        assert_eq!(began.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_keeps_the_rate_may_take_long_and_pause() {
        let limits = Limits { body: 1 << 20, body_idle: Duration::from_secs(7), body_rate: 100, ..Limits::default() };
        assert_eq!(arriving(&limits, 200, 600, Duration::from_secs(6)).await.ok(), Some(120_000));
        let (code, detail) = told(arriving(&limits, 2, 5000, Duration::from_secs(8)).await);
        assert_eq!((code, detail.as_str()), (ErrorCode::SlowBody, "nothing of the body arrived for 7 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_need_be_asked_for() {
        let limits = Limits { body_rate: 0, ..Limits::default() };
        assert_eq!(arriving(&limits, 50, 1, Duration::from_secs(9)).await.ok(), Some(50));
    }
}
