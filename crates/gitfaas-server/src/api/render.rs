//! `POST /api/v1/topics/{topic}:render`: what a message would create.

use axum::Json;
use axum::body::Body;
use axum::http::HeaderMap;

use super::error::ApiError;
use super::wire::{RenderedFunction, RenderedView, schema};
use super::{App, params, publish};

/// See what a message would create
///
/// Takes what publishing to the topic takes, stores nothing and applies nothing, and is refused for the same reasons.
/// Function uids and run tokens are named in what is answered, not shown; ids and names are those of a request that
/// there never is, the same each time.
#[utoipa::path(
    post, path = "/api/v1/topics/{topic}:render", operation_id = "renderTopic", tag = "topics",
    params(
        ("topic" = schema::TopicName, Path, description = "The topic's name."),
        ("params" = Option<HashMap<String, String>>, Query, style = Form, explode, description = "Values for the placeholders of the templates, by name."),
    ),
    request_body(description = "The message, of any content type.", content(
        (serde_json::Value = "application/json"),
        (schema::CloudEvent = "application/cloudevents+json"),
        (String = "text/plain"),
        (schema::Bytes = "application/octet-stream"),
    )),
    responses((status = 200, description = "What would be created.", body = RenderedView)),
)]
pub(super) async fn render(
    app: &App,
    topic: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<RenderedView>, ApiError> {
    let params = params::query(query.unwrap_or_default())?;
    let message = publish::message(app, params, headers, body).await?;
    let caller = params::caller(app, headers).await?;
    let rendered = app.engine.render(topic, message, caller).await?;
    Ok(Json(RenderedView {
        topic: rendered.topic,
        revision: rendered.revision,
        functions: rendered.functions.into_iter().map(|(path, objects)| RenderedFunction { path, objects }).collect(),
    }))
}
