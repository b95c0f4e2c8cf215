//! What can be done to a request by `POST /api/v1/requests/{id}:{verb}`.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use utoipa::OpenApi;

use super::error::ApiError;
use super::params::Segment;
use super::wire::{CancelledView, schema};
use super::{App, params, read, verb, view};

/// What can be done to a request.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Cancel,
}

const VERBS: &[(&str, Verb)] = &[("cancel", Verb::Cancel)];

/// What the contract says about the verbs, which are one route to the router.
#[derive(OpenApi)]
#[openapi(paths(cancel))]
pub(super) struct Verbs;

/// `POST /api/v1/requests/{id}:{verb}`.
pub(super) async fn act(
    State(app): State<App>,
    Segment(segment): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (id, verb) = verb::parse(&segment, VERBS)?;
    match verb {
        Verb::Cancel => Ok(cancel(&app, id, query.as_deref(), &headers).await?.into_response()),
    }
}

/// Cancel the runs of a request
///
/// What waits is over at once, what runs is told to end and killed when its grace is over, and what is being applied is
/// over as soon as the cluster has answered for it. What is over stays as it is, so asking again changes nothing. An
/// answer that a function posts while it ends is kept, and so is what it publishes.
#[utoipa::path(
    post, path = "/api/v1/requests/{id}:cancel", operation_id = "cancelRequest", tag = "requests",
    params(
        ("id" = schema::RequestId, Path, description = "The request's id."),
        ("descendants" = Option<bool>, Query, description = "Whether to cancel also what its runs published, and so on."),
    ),
    responses((status = 200, description = "The request as it stands.", body = CancelledView)),
)]
async fn cancel(
    app: &App,
    id: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Json<CancelledView>, ApiError> {
    let id = read::request_id(id)?;
    let asked = params::known_query(query, &["descendants"])?;
    let descendants = params::parsed(&asked, "descendants", "true or false")?.unwrap_or(false);
    let caller = params::caller(app, headers).await?;
    let cancelled = app.engine.cancel(id, descendants, caller).await?;
    let waits = app.engine.waits(&cancelled.runs).await?;
    Ok(Json(CancelledView {
        request: view::request(cancelled.request, cancelled.runs, &waits),
        descendants: cancelled.descendants,
        cut: cancelled.cut,
    }))
}
