//! What can be done to a topic by `POST /api/v1/topics/{topic}:{verb}`.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use utoipa::OpenApi;

use super::error::ApiError;
use super::params::Segment;
use super::{App, render, verb};

/// What can be done to a topic.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Render,
}

const VERBS: &[(&str, Verb)] = &[("render", Verb::Render)];

/// What the contract says about the verbs, which are one route to the router.
#[derive(OpenApi)]
#[openapi(paths(render::render))]
pub(super) struct Verbs;

/// `POST /api/v1/topics/{topic}:{verb}`.
pub(super) async fn act(
    State(app): State<App>,
    Segment(segment): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (topic, verb) = verb::parse(&segment, VERBS)?;
    match verb {
        Verb::Render => Ok(render::render(&app, topic, query.as_deref(), &headers, body).await?.into_response()),
    }
}
