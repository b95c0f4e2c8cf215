//! Routes that clients of the Python version know, beside publish and respond.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitfaas_core::id::RequestId;

use super::error::ApiError;
use super::params::Segment;
use super::wire::{Alive, OldResponses, Refreshed, schema};
use super::{App, params};

/// Read what the functions of a request answered, in base64
///
/// As clients of the Python gitfaas know it; others read `/api/v1/requests/{id}/responses`.
#[utoipa::path(
    get, path = "/response/{id}", operation_id = "getOldResponses", tag = "requests",
    params(("id" = schema::RequestId, Path, description = "The request's id.")),
    responses((status = 200, description = "The newest answer of each run.", body = OldResponses)),
)]
pub(super) async fn responses(State(app): State<App>, Segment(id): Segment) -> Result<Json<OldResponses>, ApiError> {
    let id: RequestId = id.parse().map_err(|error| params::invalid(format!("{error}")))?;
    let (runs, responses) = app.engine.responses(id).await?;
    let newest = runs.iter().map(|run| {
        responses.iter().find(|response| response.run == run.id).map(|response| STANDARD.encode(&response.body))
    });
    Ok(Json(OldResponses { error: false, responses: newest.collect() }))
}

/// Read the source now
///
/// The answer comes when that is done. Those who ask while it is being read share the next reading, so that many of them
/// cost two at most; none is answered by one that began before they asked.
#[utoipa::path(
    post, path = "/refresh", operation_id = "refresh",
    tag = "source",
    responses((status = 200, description = "What is served now, and what is wrong with it.", body = Refreshed)),
)]
pub(super) async fn refresh(State(app): State<App>) -> Result<Json<Refreshed>, ApiError> {
    let refresh = app.engine.refresh().await?;
    Ok(Json(Refreshed {
        error: !refresh.problems.is_empty(),
        revision: refresh.revision.clone(),
        changed: !refresh.changes.is_empty(),
        problems: refresh.problems.clone(),
    }))
}

/// Read the source now, by GET
///
/// As clients of the Python gitfaas know it. A page of another origin is refused here too.
#[utoipa::path(
    get, path = "/refresh", operation_id = "refreshByGet",
    tag = "source",
    responses((status = 200, description = "What is served now, and what is wrong with it.", body = Refreshed)),
)]
pub(super) async fn refresh_by_get(app: State<App>) -> Result<Json<Refreshed>, ApiError> {
    refresh(app).await
}

/// Whether the process answers
///
/// As clients of the Python gitfaas know it.
#[utoipa::path(
    get, path = "/alive", operation_id = "alive", tag = "server",
    responses((status = 200, description = "It does.", body = Alive)),
)]
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { error: false, message: "alive".to_owned() })
}
