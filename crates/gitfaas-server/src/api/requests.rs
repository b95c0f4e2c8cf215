//! What can be done to a request by `POST /api/v1/requests/{id}:{verb}`.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use utoipa::OpenApi;

use super::error::ApiError;
use super::params::Segment;
use super::prefer::Prefer;
use super::wire::{CancelledView, Receipt, schema};
use super::{App, dead_letters, params, publish, read, verb, view};

/// What can be done to a request.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Cancel,
    Replay,
}

const VERBS: &[(&str, Verb)] = &[("cancel", Verb::Cancel), ("replay", Verb::Replay)];

/// What the contract says about the verbs, which are one route to the router.
#[derive(OpenApi)]
#[openapi(paths(cancel, replay))]
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
        Verb::Replay => replay(&app, id, query.as_deref(), &headers).await,
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

/// Publish the message of a request once more
///
/// As a request of its own, which names the one it replays. It is answered as a publish is. With the manifests that were
/// recorded it runs what ran before, whatever the functions are by now; the policy is asked again in any case.
#[utoipa::path(
    post, path = "/api/v1/requests/{id}:replay", operation_id = "replayRequest", tag = "requests",
    params(
        ("id" = schema::RequestId, Path, description = "The request's id."),
        ("at" = Option<schema::At>, Query, description = "With the manifests that were recorded, or planned anew with the functions that are served now."),
        ("X-Gitfaas-Parent" = Option<schema::RunId>, Header, description = "The run that asks for it, where it has no token to say so."),
        ("Prefer" = Option<String>, Header, description = "As for a publish."),
    ),
    responses((
        status = 200,
        description = "The message is kept, and each function has answered or is over. Only with `Prefer: wait`.",
        body = Receipt,
        headers(("Location" = String, description = "Where to read the new request: `/api/v1/requests/{id}`.")),
    ), (
        status = 202,
        description = "The message is kept and will not be lost.",
        body = Receipt,
        headers(("Location" = String, description = "Where to read the new request: `/api/v1/requests/{id}`.")),
    )),
)]
async fn replay(app: &App, id: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Response, ApiError> {
    let id = read::request_id(id)?;
    let at = dead_letters::at(&params::known_query(query, &["at"])?)?;
    let caller = params::caller(app, headers).await?;
    let prefer = Prefer::of(headers, app.limits.wait);
    let apply_wait = prefer.apply_wait(app.engine.settings().apply_wait);
    let published = app.engine.replay(id, at, caller, apply_wait).await?;
    publish::answer(app, published, prefer).await
}
