//! `POST /publish/{topic}` and `POST /response/{id}`.

use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use gitfaas_core::message::{Message, MessageMeta};
use gitfaas_core::run::{Phase, Run};
use serde_json::json;

use super::error::ApiError;
use super::params::Segment;
use super::wire::{ApplyReport, Receipt};
use super::{App, body, params};
use crate::engine::{Answer, EngineError, Published};

pub(super) async fn publish(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let began = Instant::now();
    let published = read_and_publish(&app, &uri, &headers, body).await.map_err(ApiError::from);
    let outcome = published.as_ref().map_or_else(|error| error.engine_code().as_str(), |_| "accepted");
    app.engine.metrics().published(outcome, began.elapsed());
    Ok(accepted(published?))
}

async fn read_and_publish(app: &App, uri: &Uri, headers: &HeaderMap, body: Body) -> Result<Published, EngineError> {
    let (topic, params) = params::topic_and_params(uri.path(), uri.query())?;
    let payload = body::read(headers, body, &app.limits).await?;
    let meta =
        MessageMeta { content_type: params::content_type(headers), params, traceparent: params::traceparent(headers) };
    let caller = params::caller(app, headers).await?;
    app.engine.publish(&topic, Message { payload, meta }, caller).await
}

fn accepted(published: Published) -> Response {
    let location = format!("/api/v1/requests/{}", published.request);
    let applies: Vec<ApplyReport> = published.runs.into_iter().map(report).collect();
    let error = applies.iter().any(|apply| apply.error);
    let receipt = Receipt { request_uid: published.request, applies, error };
    let mut response = (StatusCode::ACCEPTED, Json(receipt)).into_response();
    // A path of a UUID is always a valid header.
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn report(run: Run) -> ApplyReport {
    let message = match (run.phase, &run.reason) {
        (Phase::Queued | Phase::Applying, None) => "accepted, not applied yet".to_owned(),
        (Phase::Queued, Some(reason)) => format!("accepted, not applied yet: {}; it is tried again", reason.message),
        (Phase::Failed, Some(reason)) => reason.message.clone(),
        _ => format!("applied {}", run.objects.iter().map(|o| o.key.to_string()).collect::<Vec<_>>().join(", ")),
    };
    ApplyReport {
        error: run.phase == Phase::Failed,
        path: run.function,
        message,
        run_id: run.id,
        objects: run.objects.into_iter().map(|object| object.key).collect(),
    }
}

pub(super) async fn respond(
    State(app): State<App>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = params::caller(&app, &headers).await?;
    let content_type = params::content_type(&headers);
    let body = body::read(&headers, body, &app.limits).await?;
    let run = app.engine.respond(&id, Answer { content_type, body }, caller).await?;
    Ok(Json(json!({ "error": false, "runId": run })).into_response())
}
