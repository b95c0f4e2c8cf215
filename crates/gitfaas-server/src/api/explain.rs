//! `GET /api/v1/runs/{id}/explain`: where a run stands and why, in sentences.

use axum::Json;
use axum::extract::State;

use super::App;
use super::error::ApiError;
use super::params::Segment;
use super::wire::{ExplanationView, schema};

/// Read why a run stands where it stands
///
/// In sentences for people, which may change; programs read the run itself.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/explain", operation_id = "explainRun", tag = "runs",
    params(("id" = schema::RunId, Path, description = "The run's id.")),
    responses((status = 200, description = "The account.", body = ExplanationView)),
)]
pub(super) async fn explanation(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Json<ExplanationView>, ApiError> {
    let (run, told) = app.engine.explain(super::read::run_id(&id)?).await?;
    Ok(Json(ExplanationView {
        run: run.id,
        phase: run.phase,
        stands: told.stands,
        because: told.because,
        next: told.next,
        facts: told.facts,
    }))
}
