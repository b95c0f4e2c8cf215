//! Topics under `/api/v1`: what can be published to, what holds it back, and holding it back.

mod rules;

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use gitfaas_core::admission::Policy;
use gitfaas_core::catalog::{Catalog, Topic};
use gitfaas_core::gate::{Gate, Pauser};
use gitfaas_core::problem::Problem;
use gitfaas_core::topic::TopicName;
use utoipa::OpenApi;

use super::error::ApiError;
use super::params::Segment;
use super::wire::{ForbiddenView, FunctionView, List, PauseView, PausedBy, TopicView, schema};
use super::{App, render, verb};
use crate::engine::{Engine, EngineError, Forbidden};

/// What can be done to a topic.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Pause,
    Render,
    Resume,
}

const VERBS: &[(&str, Verb)] = &[("pause", Verb::Pause), ("render", Verb::Render), ("resume", Verb::Resume)];

/// What the contract says about the verbs, which are one route to the router.
#[derive(OpenApi)]
#[openapi(paths(pause, render::render, resume))]
pub(super) struct Verbs;

/// List the topics
///
/// All that the functions repository has, with what is wrong with them; and those that it no longer has, while runs of
/// theirs are queued or live.
#[utoipa::path(
    get, path = "/api/v1/topics", operation_id = "listTopics", tag = "topics",
    responses((
        status = 200,
        description = "The topics, in the config's order.",
        body = List<TopicView>,
        links(
            ("topic" = (operation_id = "getTopic", parameters(("topic" = "$response.body#/items/0/name")))),
            ("publish" = (operation_id = "publish", parameters(("topic" = "$response.body#/items/0/name")))),
        ),
    )),
)]
pub(super) async fn topics(State(app): State<App>) -> Json<List<TopicView>> {
    // Without the store its counts are missing, and everything else is worth all the more.
    let loads = app.engine.loads().await.ok();
    let catalog = app.engine.catalog();
    let served = catalog.iter().flat_map(Catalog::topics);
    let mut items: Vec<TopicView> = served.map(|topic| view(topic, &app.engine)).collect();
    let served: HashSet<TopicName> = items.iter().map(|item| item.name.clone()).collect();
    items.extend(
        loads.iter().flatten().filter(|load| !served.contains(&load.topic)).map(|load| left(load.topic.clone())),
    );
    let counted: HashMap<&TopicName, (u64, u64)> =
        loads.iter().flatten().map(|load| (&load.topic, (load.queued, load.live))).collect();
    for item in &mut items {
        let counts = loads.is_some().then(|| counted.get(&item.name).copied().unwrap_or_default());
        fill(item, app.engine.gate(&item.name), counts);
    }
    Json(List { items, next: None })
}

/// Read one topic
///
/// Its functions, the parameters they need, what is wrong with it, and what holds its runs back.
#[utoipa::path(
    get, path = "/api/v1/topics/{topic}", operation_id = "getTopic", tag = "topics",
    params(("topic" = schema::TopicName, Path, description = "The topic's name.")),
    responses((status = 200, description = "The topic.", body = TopicView)),
)]
pub(super) async fn topic(State(app): State<App>, Segment(name): Segment) -> Result<Json<TopicView>, ApiError> {
    Ok(Json(read(&app, &name).await?))
}

/// Pause a topic
///
/// What is published to it from now on is accepted and held, like what is queued already; what is live goes on. It lasts
/// until the topic is resumed, also over a restart. Pausing a topic that is paused changes nothing.
#[utoipa::path(
    post, path = "/api/v1/topics/{topic}:pause", operation_id = "pauseTopic", tag = "topics",
    params(("topic" = schema::TopicName, Path, description = "The topic's name.")),
    responses((status = 200, description = "The topic, which is paused.", body = TopicView)),
)]
async fn pause(app: &App, topic: &str) -> Result<TopicView, EngineError> {
    app.engine.pause(topic).await?;
    read(app, topic).await
}

/// Resume a topic
///
/// What was held goes on in the order of acceptance. Resuming a topic that nobody paused changes nothing; one that the
/// config pauses can only be resumed there.
#[utoipa::path(
    post, path = "/api/v1/topics/{topic}:resume", operation_id = "resumeTopic", tag = "topics",
    params(("topic" = schema::TopicName, Path, description = "The topic's name.")),
    responses((status = 200, description = "The topic, which nobody pauses.", body = TopicView)),
)]
async fn resume(app: &App, topic: &str) -> Result<TopicView, EngineError> {
    app.engine.resume(topic).await?;
    read(app, topic).await
}

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
        Verb::Pause => Ok(Json(pause(&app, topic).await?).into_response()),
        Verb::Render => Ok(render::render(&app, topic, query.as_deref(), &headers, body).await?.into_response()),
        Verb::Resume => Ok(Json(resume(&app, topic).await?).into_response()),
    }
}

async fn read(app: &App, name: &str) -> Result<TopicView, EngineError> {
    let known = app.engine.known_topic(name).await?;
    let load = app.engine.load(&known).await.ok();
    let mut item = match app.engine.with_topic(name, |topic| view(topic, &app.engine)) {
        Ok(served) => served,
        Err(_) => left(known.clone()),
    };
    fill(&mut item, app.engine.gate(&known), load.map(|load| (load.queued, load.live)));
    Ok(item)
}

/// Says what holds the topic back, and how many of its runs are queued and live, where that is known.
fn fill(item: &mut TopicView, gate: Gate, counts: Option<(u64, u64)>) {
    item.concurrency = gate.concurrency;
    item.paused = gate.paused().map(|(by, since)| PauseView {
        by: match by {
            Pauser::Config => PausedBy::Config,
            Pauser::Operator => PausedBy::Operator,
        },
        since,
    });
    (item.queued, item.live) = counts.unzip();
}

/// A topic that the config no longer has.
fn left(name: TopicName) -> TopicView {
    TopicView {
        name,
        revision: None,
        functions: Vec::new(),
        stale: false,
        left: true,
        concurrency: None,
        paused: None,
        queued: None,
        live: None,
        params: Vec::new(),
        message: None,
        publishes: None,
        rules_sha256: None,
        problems: Vec::new(),
        forbidden: Vec::new(),
    }
}

fn view(topic: &Topic, engine: &Engine) -> TopicView {
    let functions = topic.version.iter().flat_map(|version| &version.functions);
    let mut problems: Vec<Problem> = topic.stale.iter().flat_map(|stale| stale.problems.clone()).collect();
    problems.extend(refusals(topic, &engine.settings().policy));
    let forbidden = engine.forbidden(topic).into_iter();
    let mut view = TopicView {
        revision: topic.version.as_ref().map(|version| version.revision.clone()),
        functions: functions
            .map(|function| FunctionView {
                path: function.name().clone(),
                sha256: function.sha256().to_owned(),
                parameters: function.template().parameters().iter().map(|parameter| parameter.name.clone()).collect(),
            })
            .collect(),
        stale: topic.stale.is_some() && topic.version.is_some(),
        left: false,
        problems,
        forbidden: forbidden.map(|Forbidden { function, message }| ForbiddenView { function, message }).collect(),
        ..left(topic.name.clone())
    };
    if let Some(version) = &topic.version {
        rules::fill(&mut view, &version.rules);
        view.rules_sha256 = Some(version.rules_sha256());
    }
    view
}

/// What the policy would refuse of a topic, as far as its templates say without a message.
fn refusals(topic: &Topic, policy: &Policy) -> Vec<Problem> {
    let functions = topic.version.iter().flat_map(|version| &version.functions);
    functions.flat_map(|function| policy.problems(function.template())).collect()
}
