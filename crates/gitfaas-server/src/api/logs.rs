//! `GET /api/v1/runs/{id}/logs`: as text, as JSON, or followed.

mod lines;

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{BoxStream, iter};
use futures_util::{Stream, StreamExt as _};
use gitfaas_core::id::Try;

use super::error::ApiError;
use super::params::Segment;
use super::wire::{List, LogLine, LogView, schema};
use super::{App, params};
use crate::cluster::{LogChunk, LogPart};
use crate::engine::after_cut;

/// Read the logs of a run
///
/// As text, with a line before each part when there are several; as JSON when `Accept` asks for it. With `follow` it goes
/// on until the run is over, as text or, when `Accept` asks for `application/x-ndjson`, as one object for each line.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/logs", operation_id = "getLogs", tag = "runs",
    params(
        ("id" = schema::RunId, Path, description = "The run's id."),
        ("follow" = Option<bool>, Query, description = "Whether to go on as the run writes."),
        ("try" = Option<u32>, Query, description = "Which try of the run, from 1; the present one when nothing is said. Only the present one can be followed."),
    ),
    responses((status = 200, description = "The logs of the try.", content(
        (String = "text/plain"),
        (List<LogView> = "application/json"),
        (LogLine = "application/x-ndjson"),
    ))),
)]
pub(super) async fn logs(
    State(app): State<App>,
    Segment(id): Segment,
    RawQuery(plain): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = super::read::run_id(&id)?;
    let asked = params::known_query(plain.as_deref(), &["follow", "try"])?;
    let follow: bool = params::parsed(&asked, "follow", "true or false")?.unwrap_or(false);
    let accept = params::text(&headers, header::ACCEPT.as_str())?.unwrap_or_default();
    let lines = accept.contains(LINES);
    let try_no = params::parsed(&asked, "try", "a number from 1")?.map(Try);
    if follow && try_no.is_some() {
        return Err(params::invalid("only the present try can be followed: leave `try` or `follow` out").into());
    }
    if follow {
        let place = app.place_to_wait()?;
        let chunks = app.engine.follow_logs(id).await?;
        let held = move |chunk| {
            // Given back with the stream.
            let _place = &place;
            chunk
        };
        let chunks = chunks.map(held).boxed();
        return Ok(if lines { objects(chunks) } else { text(Body::from_stream(titled(chunks))) });
    }
    let parts = app.engine.logs(id, try_no).await?;
    if lines {
        return Ok(objects(iter(parts.into_iter().map(chunk)).boxed()));
    }
    if accept.contains("application/json") {
        let items = parts.into_iter().map(view).collect();
        return Ok(Json(List { items, next: None }).into_response());
    }
    let chunks = iter(parts.into_iter().map(chunk)).boxed();
    Ok(text(Body::from_stream(titled(chunks))))
}

/// One object a line.
const LINES: &str = "application/x-ndjson";

fn objects(chunks: BoxStream<'static, LogChunk>) -> Response {
    ([(header::CONTENT_TYPE, LINES)], Body::from_stream(lines::objects(chunks))).into_response()
}

fn text(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

/// Puts a line before each part but the first attempt's only container, as `tail` does with several files.
fn titled(chunks: BoxStream<'static, LogChunk>) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    let mut last: Option<(u32, String)> = None;
    chunks.map(move |chunk| {
        let part = (chunk.attempt, chunk.container);
        let first = last.is_none() && part.0 == 1;
        let same = last.as_ref() == Some(&part);
        let title = (!first && !same).then(|| format!("==> attempt {}, container {} <==\n", part.0, part.1));
        last = Some(part);
        Ok(match title {
            None => chunk.text,
            Some(title) => [title.as_bytes(), &chunk.text].concat().into(),
        })
    })
}

fn chunk(part: LogPart) -> LogChunk {
    LogChunk { attempt: part.attempt, container: part.container, text: after_cut(part.cut, part.text) }
}

fn view(part: LogPart) -> LogView {
    LogView {
        attempt: part.attempt,
        container: part.container,
        cut: part.cut,
        text: String::from_utf8_lossy(&part.text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(chunks: &[(u32, &str, &'static str)]) -> String {
        let chunks: Vec<LogChunk> = chunks
            .iter()
            .map(|(attempt, container, text)| LogChunk {
                attempt: *attempt,
                container: (*container).to_owned(),
                text: Bytes::from_static(text.as_bytes()),
            })
            .collect();
        let pieces: Vec<_> = titled(iter(chunks).boxed()).map(Result::unwrap_or_default).collect().await;
        String::from_utf8(pieces.concat()).expect("text")
    }

    #[tokio::test]
    async fn one_attempt_has_no_title_and_further_ones_have() {
        assert_eq!(written(&[(1, "main", "a\n"), (1, "main", "b\n")]).await, "a\nb\n");
        let two = written(&[(1, "main", "a\n"), (2, "main", "b\n"), (2, "main", "c\n")]).await;
        assert_eq!(two, "a\n==> attempt 2, container main <==\nb\nc\n");
    }
}
