//! Reading under `/api/v1`: topics, requests, messages, responses, runs.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::run::Run;

use super::error::ApiError;
use super::wire::{List, RequestView, ResponseView, RunView, TopicView, TreeView};
use super::{App, params, view};
use crate::engine::{EngineError, ErrorCode};
use crate::store::RequestQuery;

/// Entries of a page when nothing is asked, and at most.
const PAGE: (usize, usize) = (50, 500);

pub(super) async fn topics(State(app): State<App>) -> Json<List<TopicView>> {
    let catalog = app.engine.catalog();
    let topics = catalog.iter().flat_map(|catalog| catalog.topics());
    let items = topics.map(|topic| view::topic(topic, &app.engine.settings().policy)).collect();
    Json(List { items, next: None })
}

pub(super) async fn topic(State(app): State<App>, Path(name): Path<String>) -> Result<Json<TopicView>, ApiError> {
    app.engine.with_topic(&name, |topic| Json(view::topic(topic, &app.engine.settings().policy))).map_err(Into::into)
}

pub(super) async fn requests(
    State(app): State<App>,
    RawQuery(plain): RawQuery,
) -> Result<Json<List<RequestView>>, ApiError> {
    let asked = params::known_query(plain.as_deref(), &["topic", "phase", "before", "limit"])?;
    let limit = params::parsed(&asked, "limit", "a number")?.unwrap_or(PAGE.0).clamp(1, PAGE.1);
    let query = RequestQuery {
        topic: params::parsed(&asked, "topic", "a topic's name")?,
        phase: params::parsed(&asked, "phase", "a phase (queued, running, succeeded, failed, …)")?,
        before: params::parsed(&asked, "before", "the `next` of the page before")?,
        // One more than asked tells whether there is a next page.
        limit: limit + 1,
    };
    let mut listed = app.engine.requests(&query).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| more).map(|(request, _)| request.id.to_string());
    let items = listed.into_iter().map(|(request, runs)| view::request(request, runs)).collect();
    Ok(Json(List { items, next }))
}

pub(super) async fn request(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(plain): RawQuery,
) -> Result<Json<RequestView>, ApiError> {
    let id = request_id(&id)?;
    let asked = params::known_query(plain.as_deref(), &["wait"])?;
    let wait = params::wait(&asked, app.limits.wait)?;
    let finished = async || {
        let (request, runs) = app.engine.request(id).await?;
        let over = runs.iter().all(|run| run.phase.is_final());
        Ok((over, Json(view::request(request, runs))))
    };
    Ok(until(&app, id, wait, finished).await?)
}

pub(super) async fn responses(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(plain): RawQuery,
) -> Result<Json<List<ResponseView>>, ApiError> {
    let id = request_id(&id)?;
    let asked = params::known_query(plain.as_deref(), &["wait"])?;
    let wait = params::wait(&asked, app.limits.wait)?;
    let answered = async || {
        let (runs, responses) = app.engine.responses(id).await?;
        let has_answered = |run: &Run| responses.iter().any(|response| response.run == run.id);
        let over = runs.iter().all(|run| run.phase.is_final() || has_answered(run));
        let items = responses.into_iter().filter_map(|response| view::response(response, &runs)).collect();
        Ok((over, Json(List { items, next: None })))
    };
    Ok(until(&app, id, wait, answered).await?)
}

/// Reads again at each change of the request until `read` says that it is over, the wait is over, or the server stops.
async fn until<T>(
    app: &App,
    id: RequestId,
    wait: Duration,
    read: impl AsyncFn() -> Result<(bool, T), EngineError>,
) -> Result<T, EngineError> {
    let deadline = tokio::time::Instant::now() + wait;
    let mut changes = app.engine.subscribe(id);
    loop {
        let (over, value) = read().await?;
        if over || wait.is_zero() {
            return Ok(value);
        }
        tokio::select! {
            () = changes.changed() => {}
            () = tokio::time::sleep_until(deadline) => return Ok(read().await?.1),
            () = app.engine.stopping().cancelled() => return Ok(value),
        }
    }
}

pub(super) async fn message(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let message = app.engine.message(request_id(&id)?).await?;
    let mut response = Response::new(Body::from(message.payload));
    let content_type = message.meta.content_type.as_deref().unwrap_or("application/octet-stream");
    let content_type = HeaderValue::from_str(content_type);
    let fallback = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type.unwrap_or(fallback));
    Ok(response)
}

pub(super) async fn tree(State(app): State<App>, Path(id): Path<String>) -> Result<Json<TreeView>, ApiError> {
    Ok(Json(view::tree(app.engine.tree(request_id(&id)?).await?)))
}

pub(super) async fn run(State(app): State<App>, Path(id): Path<String>) -> Result<Json<RunView>, ApiError> {
    Ok(Json(view::run(app.engine.run(run_id(&id)?).await?)))
}

fn request_id(id: &str) -> Result<RequestId, EngineError> {
    id.parse().map_err(|error| EngineError::new(ErrorCode::InvalidRequest, format!("{error}")))
}

pub(super) fn run_id(id: &str) -> Result<RunId, EngineError> {
    id.parse().map_err(|error| EngineError::new(ErrorCode::InvalidRequest, format!("{error}")))
}
