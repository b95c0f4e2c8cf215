//! Reading under `/api/v1`: requests, messages, responses, runs.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::message::Params;
use gitfaas_core::response::Response as Answer;
use gitfaas_core::run::Run;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use super::params::Segment;
use super::wire::{List, RequestView, ResponseView, RunView, TreeView, schema};
use super::{App, params, view};
use crate::engine::{EngineError, ErrorCode, Subscription};
use crate::store::RequestQuery;

/// Entries of a page when nothing is asked, and at most.
const PAGE: (usize, usize) = (50, 500);

/// List requests
///
/// The newest first, a page at a time.
#[utoipa::path(
    get, path = "/api/v1/requests", operation_id = "listRequests", tag = "requests",
    params(
        ("topic" = Option<schema::TopicName>, Query, description = "Only those of this topic."),
        ("phase" = Option<schema::Phase>, Query, description = "Only those with a run in this phase."),
        ("since" = Option<schema::Time>, Query, description = "Only those accepted at that moment or later."),
        ("until" = Option<schema::Time>, Query, description = "Only those accepted before that moment."),
        ("before" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u32>, Query, description = "Entries of a page: 1 to 500, and 50 when nothing is said."),
    ),
    responses((status = 200, description = "One page.", body = List<RequestView>)),
)]
pub(super) async fn requests(
    State(app): State<App>,
    RawQuery(plain): RawQuery,
) -> Result<Json<List<RequestView>>, ApiError> {
    let asked = params::known_query(plain.as_deref(), &["topic", "phase", "since", "until", "before", "limit"])?;
    let limit = params::limit(&asked, PAGE)?;
    let cursor: Option<RequestId> = params::parsed(&asked, "before", "the `next` of the page before")?;
    let query = RequestQuery {
        topic: params::parsed(&asked, "topic", "a topic's name")?,
        phase: params::parsed(&asked, "phase", "a phase (queued, running, succeeded, failed, …)")?,
        from: moment(&asked, "since")?,
        before: cursor.into_iter().chain(moment(&asked, "until")?).min(),
        // One more than asked tells whether there is a next page.
        limit: limit + 1,
    };
    let mut listed = app.engine.requests(&query).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| more).map(|(request, _)| request.id.to_string());
    let waits = app.engine.waits(listed.iter().flat_map(|(_, runs)| runs)).await?;
    let items = listed.into_iter().map(|(request, runs)| view::request(request, runs, &waits)).collect();
    Ok(Json(List { items, next }))
}

/// Read one request
///
/// With its runs; with `wait`, once each of them is over or the time is.
#[utoipa::path(
    get, path = "/api/v1/requests/{id}", operation_id = "getRequest", tag = "requests",
    params(
        ("id" = schema::RequestId, Path, description = "The request's id."),
        ("wait" = Option<u32>, Query, description = "Seconds to wait for that at most; the server has a limit of its own."),
    ),
    responses((status = 200, description = "The request.", body = RequestView)),
)]
pub(super) async fn request(
    State(app): State<App>,
    Segment(id): Segment,
    RawQuery(plain): RawQuery,
) -> Result<Json<RequestView>, ApiError> {
    let id = request_id(&id)?;
    let asked = params::known_query(plain.as_deref(), &["wait"])?;
    let wait = params::wait(&asked, app.limits.wait)?;
    let mut wait = Wait::begin(&app, id, wait)?;
    loop {
        let (request, runs) = app.engine.request(id).await?;
        let over = runs.iter().all(|run| run.phase.is_final());
        if over || !wait.for_change().await {
            let waits = app.engine.waits(&runs).await?;
            return Ok(Json(view::request(request, runs, &waits)));
        }
    }
}

/// Read what the functions of a request answered
///
/// The newest answer of each run that has one; with `wait`, once each run has answered or is over, or the time is.
#[utoipa::path(
    get, path = "/api/v1/requests/{id}/responses", operation_id = "listResponses", tag = "requests",
    params(
        ("id" = schema::RequestId, Path, description = "The request's id."),
        ("wait" = Option<u32>, Query, description = "Seconds to wait for that at most; the server has a limit of its own."),
    ),
    responses((status = 200, description = "The answers.", body = List<ResponseView>)),
)]
pub(super) async fn responses(
    State(app): State<App>,
    Segment(id): Segment,
    RawQuery(plain): RawQuery,
) -> Result<Json<List<ResponseView>>, ApiError> {
    let id = request_id(&id)?;
    let asked = params::known_query(plain.as_deref(), &["wait"])?;
    let answers = answers(&app, id, params::wait(&asked, app.limits.wait)?).await?;
    Ok(Json(List { items: answers.views(), next: None }))
}

/// What the functions of a request have answered.
pub(super) struct Answers {
    /// Its runs.
    pub(super) runs: Vec<Run>,
    responses: Vec<Answer>,
    /// Whether each run has answered or is over.
    pub(super) complete: bool,
}

impl Answers {
    /// The answers as they are told, in the config's order.
    pub(super) fn views(&self) -> Vec<ResponseView> {
        self.responses.iter().filter_map(|response| view::response(response.clone(), &self.runs)).collect()
    }
}

/// The answers of a request, once they are complete or the wait is over.
pub(super) async fn answers(app: &App, id: RequestId, wait: Duration) -> Result<Answers, EngineError> {
    let mut wait = Wait::begin(app, id, wait)?;
    loop {
        let (runs, responses) = app.engine.responses(id).await?;
        let has_answered = |run: &Run| responses.iter().any(|response| response.run == run.id);
        let complete = runs.iter().all(|run| run.phase.is_final() || has_answered(run));
        if complete || !wait.for_change().await {
            return Ok(Answers { runs, responses, complete });
        }
    }
}

/// A long poll: it subscribes before the first read, so that no change falls between a read and the wait for the next.
struct Wait {
    /// Who does not wait needs none.
    _place: Option<OwnedSemaphorePermit>,
    changes: Subscription,
    deadline: Instant,
    stopping: CancellationToken,
}

impl Wait {
    fn begin(app: &App, id: RequestId, wait: Duration) -> Result<Self, EngineError> {
        Ok(Self {
            _place: (!wait.is_zero()).then(|| app.place_to_wait()).transpose()?,
            changes: app.engine.subscribe(id),
            deadline: Instant::now() + wait,
            stopping: app.engine.stopping().clone(),
        })
    }

    /// Whether something changed; false when the wait is over or the server stops.
    async fn for_change(&mut self) -> bool {
        tokio::select! {
            () = self.changes.changed() => true,
            () = tokio::time::sleep_until(self.deadline) => false,
            () = self.stopping.cancelled() => false,
        }
    }
}

/// Read the message of a request
///
/// The bytes as they were published, under the content type that they were published with.
#[utoipa::path(
    get, path = "/api/v1/requests/{id}/message", operation_id = "getMessage", tag = "requests",
    params(("id" = schema::RequestId, Path, description = "The request's id.")),
    responses((status = 200, description = "The message.", content_type = "*/*", body = serde_json::Value)),
)]
pub(super) async fn message(State(app): State<App>, Segment(id): Segment) -> Result<Response, ApiError> {
    let message = app.engine.message(request_id(&id)?).await?;
    let mut response = Response::new(Body::from(message.payload));
    let content_type = message.meta.content_type.as_deref().unwrap_or("application/octet-stream");
    let content_type = HeaderValue::from_bytes(content_type.as_bytes());
    let fallback = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type.unwrap_or(fallback));
    Ok(response)
}

/// Read a request with all that followed from it
///
/// The request, its runs and answers, and the requests that its runs published, and so on.
#[utoipa::path(
    get, path = "/api/v1/requests/{id}/tree", operation_id = "getTree", tag = "requests",
    params(("id" = schema::RequestId, Path, description = "The request's id.")),
    responses((status = 200, description = "The tree.", body = TreeView)),
)]
pub(super) async fn tree(State(app): State<App>, Segment(id): Segment) -> Result<Json<TreeView>, ApiError> {
    let tree = app.engine.tree(request_id(&id)?).await?;
    let waits = app.engine.waits(tree.all_runs()).await?;
    Ok(Json(view::tree(tree, &waits)))
}

/// Read one run
///
/// Where it stands and why.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", operation_id = "getRun", tag = "runs",
    params(("id" = schema::RunId, Path, description = "The run's id.")),
    responses((status = 200, description = "The run.", body = RunView)),
)]
pub(super) async fn run(State(app): State<App>, Segment(id): Segment) -> Result<Json<RunView>, ApiError> {
    let run = app.engine.run(run_id(&id)?).await?;
    let waits = app.engine.waits([&run]).await?;
    Ok(Json(view::run(run, &waits)))
}

/// The first id that can have been given at a moment in the query.
fn moment(asked: &Params, name: &str) -> Result<Option<RequestId>, EngineError> {
    let time: Option<Timestamp> = params::parsed(asked, name, "a time such as 2026-11-24T22:15:31Z")?;
    Ok(time.map(RequestId::first_at))
}

pub(super) fn request_id(id: &str) -> Result<RequestId, EngineError> {
    id.parse().map_err(|error| EngineError::new(ErrorCode::InvalidRequest, format!("{error}")))
}

pub(super) fn run_id(id: &str) -> Result<RunId, EngineError> {
    id.parse().map_err(|error| EngineError::new(ErrorCode::InvalidRequest, format!("{error}")))
}
