//! Routes that clients of the Python version know, beside publish and respond.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitfaas_core::id::RequestId;
use serde_json::{Value, json};

use super::error::ApiError;
use super::params::Segment;
use super::wire::{OldResponses, Refreshed};
use super::{App, params};

pub(super) async fn responses(State(app): State<App>, Segment(id): Segment) -> Result<Json<OldResponses>, ApiError> {
    let id: RequestId = id.parse().map_err(|error| params::invalid(format!("{error}")))?;
    let (runs, responses) = app.engine.responses(id).await?;
    let newest = runs.iter().map(|run| {
        responses.iter().find(|response| response.run == run.id).map(|response| STANDARD.encode(&response.body))
    });
    Ok(Json(OldResponses { error: false, responses: newest.collect() }))
}

pub(super) async fn refresh(State(app): State<App>) -> Result<Json<Refreshed>, ApiError> {
    let refresh = app.engine.refresh().await?;
    Ok(Json(Refreshed {
        error: !refresh.problems.is_empty(),
        revision: refresh.revision,
        changed: !refresh.changes.is_empty(),
        problems: refresh.problems,
    }))
}

pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "error": false, "message": "alive" }))
}
