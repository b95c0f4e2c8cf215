//! Dead letters: `GET /api/v1/dead-letters`, and what can be done to one or to many.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use gitfaas_core::message::Params;
use gitfaas_core::run::Run;
use utoipa::OpenApi;

use super::error::ApiError;
use super::params::{self, Segment};
use super::wire::{BulkView, List, NotDoneView, RunView, schema};
use super::{App, read, verb, view};
use crate::engine::{At, Bulk, EngineError};
use crate::store::DeadLetterQuery;

/// Entries of a page when nothing is asked, and at most; a bulk takes as many at once.
const PAGE: (usize, usize) = (50, 500);
/// The query parameters that choose dead letters.
const FILTERS: [&str; 5] = ["topic", "function", "reason", "before", "limit"];

/// What can be done to a dead letter.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Redrive,
    Purge,
}

const VERBS: &[(&str, Verb)] = &[("redrive", Verb::Redrive), ("purge", Verb::Purge)];

/// What the contract says about the verbs, which are one route to the router.
#[derive(OpenApi)]
#[openapi(paths(redrive, purge))]
pub(super) struct Verbs;

/// List the dead letters
///
/// The runs that gave up and that nobody has decided about: failed, interrupted, unknown or expired, and neither redriven nor
/// purged. Those of the newest requests first, a page at a time.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", operation_id = "listDeadLetters", tag = "dead letters",
    params(
        ("topic" = Option<schema::TopicName>, Query, description = "Only those of this topic."),
        ("function" = Option<schema::FunctionName>, Query, description = "Only those of this function."),
        ("reason" = Option<String>, Query, description = "Only those with this code of the reason."),
        ("before" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u32>, Query, description = "Entries of a page: 1 to 500, and 50 when nothing is said."),
    ),
    responses((status = 200, description = "One page.", body = List<RunView>)),
)]
pub(super) async fn list(State(app): State<App>, RawQuery(plain): RawQuery) -> Result<Json<List<RunView>>, ApiError> {
    let mut query = chosen(&params::known_query(plain.as_deref(), &FILTERS)?)?;
    let limit = query.limit;
    // One more than asked tells whether there is a next page.
    query.limit += 1;
    let mut runs = app.engine.dead_letters(&query).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next = runs.last().filter(|_| more).map(|run| run.id.to_string());
    let waits = app.engine.waits(&runs).await?;
    Ok(Json(List { items: runs.into_iter().map(|run| view::run(run, &waits)).collect(), next }))
}

/// `POST /api/v1/dead-letters/{run}:{verb}`.
pub(super) async fn act(
    State(app): State<App>,
    Segment(segment): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (id, verb) = verb::parse(&segment, VERBS)?;
    match verb {
        Verb::Redrive => Ok(redrive(&app, id, query.as_deref()).await?.into_response()),
        Verb::Purge => Ok(purge(&app, id, query.as_deref()).await?.into_response()),
    }
}

/// Try a dead letter once more
///
/// It is queued as the next try of the same run; the answers and logs of the tries before stay. What still runs of the
/// try that gave up is ended first.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{run}:redrive", operation_id = "redriveDeadLetter", tag = "dead letters",
    params(
        ("run" = schema::RunId, Path, description = "The run's id."),
        ("at" = Option<schema::At>, Query, description = "With the manifests that were recorded, or planned anew with the functions that are served now."),
    ),
    responses((status = 200, description = "The run as it stands.", body = RunView)),
)]
async fn redrive(app: &App, id: &str, query: Option<&str>) -> Result<Json<RunView>, ApiError> {
    let id = read::run_id(id)?;
    let at = at(&params::known_query(query, &["at"])?)?;
    one(app, app.engine.redrive(id, at).await?).await
}

/// Give a dead letter up for good
///
/// It is listed no more, and its request is forgotten after the ordinary retention. Nothing is deleted at once.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{run}:purge", operation_id = "purgeDeadLetter", tag = "dead letters",
    params(("run" = schema::RunId, Path, description = "The run's id.")),
    responses((status = 200, description = "The run as it stands.", body = RunView)),
)]
async fn purge(app: &App, id: &str, query: Option<&str>) -> Result<Json<RunView>, ApiError> {
    let id = read::run_id(id)?;
    params::known_query(query, &[])?;
    one(app, app.engine.purge(id).await?).await
}

async fn one(app: &App, run: Run) -> Result<Json<RunView>, ApiError> {
    let waits = app.engine.waits([&run]).await?;
    Ok(Json(view::run(run, &waits)))
}

/// Try many dead letters once more
///
/// Those that the filters choose, from the top of the list, at most `limit`; without any filter `all=true` has to say
/// that all are meant. Each is redriven for itself, and the answer tells those that could not be.
#[utoipa::path(
    post, path = "/api/v1/dead-letters:redrive", operation_id = "redriveDeadLetters", tag = "dead letters",
    params(
        ("topic" = Option<schema::TopicName>, Query, description = "Only those of this topic."),
        ("function" = Option<schema::FunctionName>, Query, description = "Only those of this function."),
        ("reason" = Option<String>, Query, description = "Only those with this code of the reason."),
        ("all" = Option<bool>, Query, description = "Whether all are meant."),
        ("before" = Option<String>, Query, description = "The `next` of the answer before."),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 500, and 50 when nothing is said."),
        ("at" = Option<schema::At>, Query, description = "With the manifests that were recorded, or planned anew with the functions that are served now."),
    ),
    responses((status = 200, description = "What came of it.", body = BulkView)),
)]
pub(super) async fn redrive_all(State(app): State<App>, RawQuery(plain): RawQuery) -> Result<Json<BulkView>, ApiError> {
    let asked =
        params::known_query(plain.as_deref(), &["topic", "function", "reason", "before", "limit", "all", "at"])?;
    let bulk = app.engine.redrive_all(meant(&asked)?, at(&asked)?).await?;
    Ok(Json(told(bulk)))
}

/// Give many dead letters up for good
///
/// Those that the filters choose, from the top of the list, at most `limit`; without any filter `all=true` has to say
/// that all are meant.
#[utoipa::path(
    post, path = "/api/v1/dead-letters:purge", operation_id = "purgeDeadLetters", tag = "dead letters",
    params(
        ("topic" = Option<schema::TopicName>, Query, description = "Only those of this topic."),
        ("function" = Option<schema::FunctionName>, Query, description = "Only those of this function."),
        ("reason" = Option<String>, Query, description = "Only those with this code of the reason."),
        ("all" = Option<bool>, Query, description = "Whether all are meant."),
        ("before" = Option<String>, Query, description = "The `next` of the answer before."),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 500, and 50 when nothing is said."),
    ),
    responses((status = 200, description = "What came of it.", body = BulkView)),
)]
pub(super) async fn purge_all(State(app): State<App>, RawQuery(plain): RawQuery) -> Result<Json<BulkView>, ApiError> {
    let asked = params::known_query(plain.as_deref(), &["topic", "function", "reason", "before", "limit", "all"])?;
    Ok(Json(told(app.engine.purge_all(meant(&asked)?).await?)))
}

/// Which functions make it once more.
pub(super) fn at(asked: &Params) -> Result<At, EngineError> {
    match asked.get("at").map(String::as_str) {
        None | Some("recorded") => Ok(At::Recorded),
        Some("head") => Ok(At::Head),
        Some(_) => Err(params::invalid("`at` in the query should be `recorded` or `head`")),
    }
}

fn chosen(asked: &Params) -> Result<DeadLetterQuery, EngineError> {
    Ok(DeadLetterQuery {
        topic: params::parsed(asked, "topic", "a topic's name")?,
        function: params::parsed(asked, "function", "a function's path")?,
        reason: asked.get("reason").cloned(),
        before: params::parsed(asked, "before", "the `next` of the page before")?,
        limit: params::limit(asked, PAGE)?,
    })
}

/// The choice of a bulk, which nobody makes by leaving something out.
fn meant(asked: &Params) -> Result<DeadLetterQuery, EngineError> {
    let all = params::parsed(asked, "all", "true or false")?.unwrap_or(false);
    let filtered = ["topic", "function", "reason"].iter().any(|filter| asked.contains_key(*filter));
    if all == filtered {
        let detail =
            "say which dead letters are meant: by `topic`, `function` or `reason`, or all of them by `all=true`";
        return Err(params::invalid(detail));
    }
    chosen(asked)
}

fn told(bulk: Bulk) -> BulkView {
    let not_done = |(run, error): (gitfaas_core::id::RunId, EngineError)| {
        let problem = ApiError::from(error).view();
        NotDoneView { run, code: problem.code, detail: problem.detail }
    };
    BulkView {
        done: bulk.done,
        failed: bulk.failed.into_iter().map(not_done).collect(),
        next: bulk.next.map(|run| run.to_string()),
    }
}
