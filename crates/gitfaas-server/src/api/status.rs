//! Probes, metrics, the workers, the contract, and the schema of the config file.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::error::ApiError;
use super::wire::{List, Ready, WorkerView};
use super::{App, source};

/// Whether the process answers
///
/// It tells nothing else: a store that is down is no reason to kill the process.
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "server",
    responses((status = 200, description = "It does.", content_type = "text/plain", body = String)),
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server can serve
///
/// It has functions, and its store answers. When the source cannot be read, what was read before goes on being served:
/// the server is ready, and `source` says so.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "server",
    responses((status = 200, description = "It can.", body = Ready)),
)]
pub(super) async fn readyz(State(app): State<App>) -> Result<Json<Ready>, ApiError> {
    app.engine.ready().await?;
    let source = source::in_short(app.engine.source_status());
    Ok(Json(Ready { ready: true, source, loss: app.engine.loss().await }))
}

/// Read the metrics
///
/// In the text format of `OpenMetrics`, which Prometheus reads.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "The metrics.", content_type = "application/openmetrics-text", body = String)),
)]
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let ready = app.engine.ready().await.is_ok();
    // Without the store its counts are missing, and everything else is worth all the more.
    let runs = app.engine.count().await.unwrap_or_default();
    let loads = app.engine.topic_loads().await.unwrap_or_default();
    app.engine.metrics().lost(app.engine.loss().await.is_some());
    let text = app.engine.metrics().render(ready, app.engine.waiting(), &runs, &loads);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

/// List the background workers
///
/// What goes on without being asked, and how it stands: those that have done anything yet, by name.
#[utoipa::path(
    get, path = "/api/v1/workers", operation_id = "listWorkers", tag = "server",
    responses((status = 200, description = "The workers.", body = List<WorkerView>)),
)]
pub(super) async fn workers(State(app): State<App>) -> Json<List<WorkerView>> {
    let workers = app.engine.workers().into_iter().map(|(name, status)| {
        let (last_failure, last_error) = status.last_failure.unzip();
        WorkerView {
            name: name.to_owned(),
            last_success: status.last_success,
            last_failure,
            last_error,
            failures: status.failures,
            next_look: status.next_look,
        }
    });
    Json(List { items: workers.collect(), next: None })
}

/// Read this document
///
/// The contract of this server, as an `OpenAPI` 3.1 document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "contract", tag = "server",
    responses((status = 200, description = "The document.", body = serde_json::Value)),
)]
pub(super) async fn contract(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], app.contract)
}

/// The JSON Schema of the config file; a test of the core compares it with the reader.
const CONFIG_SCHEMA: &str = include_str!("../../../../docs/config.schema.json");

/// Read the schema of the config file
///
/// A JSON Schema of the `config.json` of a functions repository, for editors: name its address under `$schema`.
#[utoipa::path(
    get, path = "/config.schema.json", operation_id = "getConfigSchema", tag = "source",
    responses((status = 200, description = "The schema.", content_type = "application/schema+json", body = serde_json::Value)),
)]
pub(super) async fn config_schema() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/schema+json")], CONFIG_SCHEMA)
}
