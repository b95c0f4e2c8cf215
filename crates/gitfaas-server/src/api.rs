//! HTTP: routes, limits and what errors look like on the wire. Decides nothing; every verb is the engine's.

mod body;
mod error;
mod logs;
mod middleware;
mod old;
mod origin;
mod params;
mod publish;
mod read;
mod status;
mod view;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};

use self::error::ApiError;
use crate::engine::{Engine, EngineError, ErrorCode};

/// What a caller may send, and how slowly.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a message or an answer.
    pub body: usize,
    /// How long a body may send nothing.
    pub body_idle: Duration,
    /// How long the head of a request may take, also on a connection that is kept open between requests.
    pub head: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// The longest long poll.
    pub wait: Duration,
    /// Whether only loopback's names, and the one in the base URL, are answered to: for a server on loopback.
    pub loopback_only: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            body_idle: Duration::from_secs(10),
            head: Duration::from_secs(10),
            head_bytes: 64 * 1024,
            wait: Duration::from_mins(1),
            loopback_only: false,
        }
    }
}

/// What every handler has.
#[derive(Clone)]
pub(crate) struct App {
    engine: Arc<Engine>,
    limits: Limits,
}

/// The routes over an engine.
pub fn router(engine: Arc<Engine>, limits: Limits) -> Router {
    let app = App { engine, limits };
    let v1 = Router::new()
        .route("/topics", get(read::topics))
        .route("/topics/{topic}", get(read::topic))
        .route("/requests", get(read::requests))
        .route("/requests/{id}", get(read::request))
        .route("/requests/{id}/message", get(read::message))
        .route("/requests/{id}/responses", get(read::responses))
        .route("/requests/{id}/tree", get(read::tree))
        .route("/runs/{id}", get(read::run))
        .route("/runs/{id}/logs", get(logs::logs))
        .route("/source", get(status::source));
    Router::new()
        .route("/publish/{topic}", post(publish::publish))
        .route("/response/{id}", post(publish::respond).get(old::responses))
        .route("/refresh", get(old::refresh).post(old::refresh))
        .route("/alive", get(old::alive))
        .route("/healthz", get(status::healthz))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
        .nest("/api/v1", v1)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::around))
        .with_state(app)
}

async fn no_route(uri: axum::http::Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    EngineError::new(
        ErrorCode::NotFound,
        format!("there is nothing at {path}; publish with POST /publish/<topic>, read under /api/v1"),
    )
    .into()
}

async fn no_method(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::method_not_allowed(format!("{method} is not possible at {path}; the Allow header names what is"))
}
