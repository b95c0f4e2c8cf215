//! HTTP: routes, limits and what errors look like on the wire. Decides nothing; every verb is the engine's.

mod body;
mod contract;
mod dead_letters;
mod error;
mod event;
mod events;
mod explain;
mod logs;
mod middleware;
mod old;
mod origin;
mod params;
mod prefer;
mod publish;
mod read;
mod render;
mod requests;
mod source;
mod status;
mod topics;
mod verb;
mod view;
mod webhooks;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::webhooks::WebhookSecrets;

use self::error::ApiError;
use crate::engine::{Engine, EngineError, ErrorCode};

/// What a caller may send, how slowly, and how it has to read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a message or an answer.
    pub body: usize,
    /// How long a body may send nothing, and how long it is read before its rate counts.
    pub body_idle: Duration,
    /// Bytes a second that a body has to bring, taken over all of it; 0 asks for none.
    pub body_rate: u64,
    /// How long a caller may take nothing of what is there for it to read.
    pub answer_idle: Duration,
    /// How many connections are served at once; further ones wait. Never more than half of the files that the process
    /// may have open.
    pub connections: usize,
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
            body_rate: 1024,
            answer_idle: Duration::from_secs(30),
            connections: 10_000,
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
    /// A place for each who may wait at once. Fewer than there are places for connections: what they wait for comes by a
    /// connection too.
    waiting: Arc<Semaphore>,
    /// What webhooks have to be signed with; none are taken where there is nothing.
    webhooks: Option<WebhookSecrets>,
    /// What `/openapi.json` answers.
    contract: Bytes,
}

impl App {
    /// A place to wait in: for a long poll, a stream of events, or logs that are followed.
    fn place_to_wait(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        self.waiting.clone().try_acquire_owned().map_err(|_| {
            EngineError::new(
                ErrorCode::TooManyWaiting,
                "as many wait here as may; ask again in a moment, or without waiting",
            )
        })
    }
}

/// The routes over an engine; `webhooks` are what deliveries of webhooks have to be signed with.
pub fn router(engine: Arc<Engine>, limits: Limits, webhooks: Option<WebhookSecrets>) -> Router {
    let (routes, contract) = routes().split_for_parts();
    let waiting = Arc::new(Semaphore::new((limits.connections / 2).clamp(1, Semaphore::MAX_PERMITS)));
    let app = App { engine, limits, waiting, webhooks, contract: contract::written(contract) };
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::around))
        .with_state(app)
}

/// Every route, with what the contract says about it. A new one is a handler with `#[utoipa::path]`, a line here, and a
/// line in `contract/refusals.rs`. Verbs on one thing are one route, and bring their part of the contract along.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(verbs(contract::head()))
        .routes(routes!(publish::publish))
        .routes(routes!(publish::respond, old::responses))
        .routes(routes!(old::refresh, old::refresh_by_get))
        .routes(routes!(webhooks::webhook))
        .routes(routes!(old::alive))
        .routes(routes!(status::healthz))
        .routes(routes!(status::readyz))
        .routes(routes!(status::metrics))
        .routes(routes!(status::contract))
        .routes(routes!(status::config_schema))
        .routes(routes!(topics::topics))
        .routes(routes!(topics::topic))
        .route("/api/v1/topics/{topic}", post(topics::act))
        .routes(routes!(read::requests))
        .routes(routes!(read::request))
        .route("/api/v1/requests/{id}", post(requests::act))
        .routes(routes!(read::message))
        .routes(routes!(read::responses))
        .routes(routes!(events::events))
        .routes(routes!(read::tree))
        .routes(routes!(read::run))
        .routes(routes!(logs::logs))
        .routes(routes!(explain::explanation))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::redrive_all))
        .routes(routes!(dead_letters::purge_all))
        .route("/api/v1/dead-letters/{run}", post(dead_letters::act))
        // A colon may be written as it is, or percent-encoded; the router takes what stands in a route to the letter.
        .route("/api/v1/dead-letters%3Aredrive", post(dead_letters::redrive_all))
        .route("/api/v1/dead-letters%3aredrive", post(dead_letters::redrive_all))
        .route("/api/v1/dead-letters%3Apurge", post(dead_letters::purge_all))
        .route("/api/v1/dead-letters%3apurge", post(dead_letters::purge_all))
        .routes(routes!(source::source))
        .routes(routes!(status::workers))
}

fn verbs(contract: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    contract
        .merge_from(topics::Verbs::openapi())
        .merge_from(requests::Verbs::openapi())
        .merge_from(dead_letters::Verbs::openapi())
}

async fn no_route(uri: http::Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    EngineError::new(
        ErrorCode::NotFound,
        format!("there is nothing at {path}; publish with POST /publish/<topic>, read under /api/v1"),
    )
    .into()
}

async fn no_method(method: http::Method, uri: http::Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::method_not_allowed(format!("{method} is not possible at {path}; the Allow header names what is"))
}
