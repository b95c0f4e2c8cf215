//! `POST /publish/{topic}` and `POST /response/{id}`.

use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use gitfaas_core::event::{Attributes, Event};
use gitfaas_core::idempotency::IdempotencyKey;
use gitfaas_core::message::{Message, MessageMeta, Params};
use gitfaas_core::run::{Phase, Run};

use super::error::ApiError;
use super::params::Segment;
use super::prefer::Prefer;
use super::view::Waits;
use super::wire::{Answered, ApplyReport, Receipt, schema};
use super::{App, body, event, params, read};
use crate::engine::{Answer, EngineError, PublishOptions, Published};

/// Publish a message to a topic
///
/// Each function that listens on the topic runs once for it. The answer comes when the message and its runs are on disk
/// and each function was applied, or was not within a few seconds. A body that says it is JSON must be JSON; any other
/// content is taken as it is. A CloudEvent, with its attributes in `ce-` headers or as one JSON object, is published by
/// its data. The query parameters are the params of the message. The older spelling
/// `/publish/{topic}&k=v` is understood too.
#[utoipa::path(
    post, path = "/publish/{topic}", operation_id = "publish", tag = "publish",
    params(
        ("topic" = schema::TopicName, Path, description = "The topic's name."),
        ("params" = Option<HashMap<String, String>>, Query, style = Form, explode, description = "Values for the placeholders of the templates, by name."),
        ("X-Gitfaas-Parent" = Option<schema::RunId>, Header, description = "The run that publishes, where it has no token to say so."),
        ("traceparent" = Option<String>, Header, description = "W3C trace context, for the functions to continue."),
        ("Prefer" = Option<String>, Header, description = "`respond-async` answers without waiting for the cluster; `wait=30` waits for the functions' answers for so many seconds at most (RFC 7240)."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same message under the same key, of the same sender for the same topic, is accepted once: 1 to 255 visible characters, in double quotes or not. `webhook-id`, `X-GitHub-Delivery` and the source and id of a CloudEvent are taken as such keys too."),
    ),
    request_body(description = "The message, of any content type.", content(
        (serde_json::Value = "application/json"),
        (schema::CloudEvent = "application/cloudevents+json"),
        (String = "text/plain"),
        (schema::Bytes = "application/octet-stream"),
    )),
    responses((
        status = 200,
        description = "The message is kept, and each function has answered or is over: `responses` has the answers. Only with `Prefer: wait`.",
        body = Receipt,
        headers(
            ("Location" = String, description = "Where to read the request: `/api/v1/requests/{id}`."),
            ("Preference-Applied" = Option<String>, description = "What of `Prefer` was heeded."),
            ("Idempotency-Replayed" = Option<bool>, description = "`true` when it was accepted before under the same key."),
        ),
    ), (
        status = 202,
        description = "The message is kept and will not be lost.",
        body = Receipt,
        headers(
            ("Location" = String, description = "Where to read the request: `/api/v1/requests/{id}`."),
            ("Preference-Applied" = Option<String>, description = "What of `Prefer` was heeded."),
            ("Idempotency-Replayed" = Option<bool>, description = "`true` when it was accepted before under the same key."),
        ),
        links(
            ("request" = (operation_id = "getRequest", parameters(("id" = "$response.body#/requestUid")))),
            ("message" = (operation_id = "getMessage", parameters(("id" = "$response.body#/requestUid")))),
            ("responses" = (operation_id = "listResponses", parameters(("id" = "$response.body#/requestUid")))),
            ("oldResponses" = (operation_id = "getOldResponses", parameters(("id" = "$response.body#/requestUid")))),
            ("tree" = (operation_id = "getTree", parameters(("id" = "$response.body#/requestUid")))),
            ("run" = (operation_id = "getRun", parameters(("id" = "$response.body#/applies/0/runId")))),
            ("logs" = (operation_id = "getLogs", parameters(("id" = "$response.body#/applies/0/runId")))),
            ("respond" = (operation_id = "respond", parameters(("id" = "$response.body#/applies/0/runId")))),
        ),
    )),
)]
pub(super) async fn publish(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let began = Instant::now();
    let prefer = Prefer::of(&headers, app.limits.wait);
    let published = read_and_publish(&app, &uri, &headers, body, prefer).await.map_err(ApiError::from);
    let outcome = match &published {
        Err(error) => error.engine_code().as_str(),
        Ok(published) if published.repeated => "repeated",
        Ok(_) => "accepted",
    };
    app.engine.metrics().published(outcome, began.elapsed());
    answer(&app, published?, prefer).await
}

async fn read_and_publish(
    app: &App,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
    prefer: Prefer,
) -> Result<Published, EngineError> {
    let (topic, params) = params::topic_and_params(uri.path(), uri.query())?;
    let key = params::idempotency_key(headers)?;
    let message = message(app, params, headers, body).await?;
    // What the sender says about keys comes before what its events are called.
    let key = key.or_else(|| Some(event_key(message.meta.event.as_ref()?)));
    let caller = params::caller(app, headers).await?;
    let options = PublishOptions { caller, key, apply_wait: prefer.apply_wait(app.engine.settings().apply_wait) };
    app.engine.publish(&topic, message, options).await
}

/// Two events of one source and id are the same event.
fn event_key(event: &Attributes) -> IdempotencyKey {
    let (source, id) = event.identity();
    IdempotencyKey::of_event(source, id)
}

/// The message that is sent: to be published, or to see what would come of that.
pub(super) async fn message(
    app: &App,
    params: Params,
    headers: &HeaderMap,
    body: Body,
) -> Result<Message, EngineError> {
    let payload = body::read(headers, body, &app.limits).await?;
    let traceparent = params::traceparent(headers);
    let Some(Event { attributes, content_type, data }) = event::read(headers, &payload)? else {
        let content_type = params::content_type(headers);
        return Ok(Message { payload, meta: MessageMeta { content_type, params, traceparent, event: None } });
    };
    let traceparent = traceparent.or_else(|| params::trace_context(attributes.get("traceparent")?));
    Ok(Message { payload: data, meta: MessageMeta { content_type, params, traceparent, event: Some(attributes) } })
}

/// Answers an accepted publish; with the answers of the functions, if these are wanted and come in time.
pub(super) async fn answer(app: &App, published: Published, prefer: Prefer) -> Result<Response, ApiError> {
    let Published { request, runs, repeated } = published;
    let (runs, responses) = match prefer.wait {
        None => (runs, None),
        // It is accepted, whatever can be read of it: an error would have it published again.
        Some(wait) => read::answers(app, request, wait).await.map_or((runs, None), |answers| {
            let views = answers.complete.then(|| answers.views());
            (answers.runs, views)
        }),
    };
    // It is accepted, whatever can be said about its place.
    let waits = app.engine.waits(&runs).await.unwrap_or_default();
    let status = if responses.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let applies: Vec<ApplyReport> = runs.into_iter().map(|run| report(run, &waits)).collect();
    let error = applies.iter().any(|apply| apply.error);
    let mut response = (status, Json(Receipt { request_uid: request, applies, error, responses })).into_response();
    let headers = response.headers_mut();
    // A UUID, a number and the names of preferences are valid in a header.
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/requests/{request}")) {
        headers.insert(header::LOCATION, location);
    }
    if let Some(applied) = prefer.applied().and_then(|applied| HeaderValue::try_from(applied).ok()) {
        headers.insert("preference-applied", applied);
    }
    if repeated {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn report(run: Run, waits: &Waits) -> ApplyReport {
    let held = waits.get(&run.id).and_then(|waiting| waiting.reason.as_ref());
    let message = match (run.phase, &run.reason) {
        (Phase::Queued, _) if let Some(held) = held => format!("accepted, not applied yet: {}", held.message),
        (Phase::Queued | Phase::Applying, None) => "accepted, not applied yet".to_owned(),
        (Phase::Queued, Some(reason)) => format!("accepted, not applied yet: {}; it is tried again", reason.message),
        (Phase::Failed | Phase::Cancelled | Phase::Expired, Some(reason)) => reason.message.clone(),
        _ => format!("applied {}", run.objects.iter().map(|o| o.key.to_string()).collect::<Vec<_>>().join(", ")),
    };
    ApplyReport {
        error: matches!(run.phase, Phase::Failed | Phase::Expired),
        path: run.function,
        message,
        run_id: run.id,
        objects: run.objects.into_iter().map(|object| object.key).collect(),
    }
}

/// Answer for a run
///
/// A later answer replaces the one before. The id is a function uid, which is a right in itself, or a run id, or the id
/// of a request with one function.
#[utoipa::path(
    post, path = "/response/{id}", operation_id = "respond", tag = "publish",
    params(("id" = String, Path, description = "A function uid, a run id, or a request id.", example = "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e")),
    request_body(description = "The answer, of any content type.", content(
        (serde_json::Value = "application/json"),
        (String = "text/plain"),
        (schema::Bytes = "application/octet-stream"),
    )),
    responses((status = 200, description = "The answer is kept.", body = Answered)),
)]
pub(super) async fn respond(
    State(app): State<App>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Answered>, ApiError> {
    let caller = params::caller(&app, &headers).await?;
    let content_type = params::content_type(&headers);
    let body = body::read(&headers, body, &app.limits).await?;
    let run = app.engine.respond(&id, Answer { content_type, body }, caller).await?;
    Ok(Json(Answered { error: false, run_id: run }))
}
