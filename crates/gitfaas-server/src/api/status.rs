//! Probes, metrics and the source.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use super::wire::SourceView;

/// The process answers. Nothing else: a store that is down is no reason to kill the process.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    app.engine.ready().await?;
    Ok(Json(json!({ "ready": true })))
}

pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let ready = app.engine.ready().await.is_ok();
    // Without the store its counts are missing, and everything else is worth all the more.
    let runs = app.engine.count().await.unwrap_or_default();
    let text = app.engine.metrics().render(ready, &runs);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

pub(super) async fn source(State(app): State<App>) -> Json<SourceView> {
    let (location, config_path) = app.engine.source();
    let status = app.engine.source_status();
    let catalog = app.engine.catalog();
    let catalog = catalog.as_ref().as_ref();
    let mut problems = status.config_problems;
    problems.extend(catalog.into_iter().flat_map(|catalog| catalog.problems()).cloned());
    Json(SourceView {
        location,
        config_path,
        revision: catalog.map(|catalog| catalog.revision().to_owned()),
        last_success: status.last_success,
        last_error: status.last_error,
        problems,
    })
}
