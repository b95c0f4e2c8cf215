//! Reading a body within its limits.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

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
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(0));
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

fn too_large(limit: usize) -> EngineError {
    EngineError::new(
        ErrorCode::TooLarge,
        format!(
            "the body is larger than {limit} bytes; send a reference to the data, or raise --max-body on the server"
        ),
    )
}
