//! `GET /api/v1/requests/{id}/events`: what becomes of a request, as server-sent events.
//!
//! Who connects gets the state as it is and then each change of it, read anew from the ledger whenever something
//! changed. Nothing is queued for a reader: a slow one misses what is past and gets what is, and of what it was told
//! only digests are kept. Decides nothing about the request.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use futures_util::stream::unfold;
use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::request::Request;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;
use super::params::Segment;
use super::wire::schema;
use super::{App, params, view};
use crate::engine::{Engine, EngineError, ErrorCode, Subscription};

/// How long a stream may be silent: proxies close what is silent for a minute, and often earlier.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a reader waits before it connects again.
const RETRY: Duration = Duration::from_secs(2);

/// Follow a request
///
/// Server-sent events: first `request` with the request and its runs as they are, and a `response` for each answer; then
/// `run` or `response` whenever one changes, always in its newest state; at last `end` with the request, once all of its
/// runs are over. Data is JSON: a `RequestView`, a `RunView` or a `ResponseView`. A stream that ends earlier ends with
/// `problem` and a `ProblemView`, such as `stopping` when the server stops: connect again. Who says by `Last-Event-ID`
/// that it saw the present state is not told it again, and gets 204 when that was the end.
#[utoipa::path(
    get, path = "/api/v1/requests/{id}/events", operation_id = "followRequest", tag = "requests",
    params(
        ("id" = schema::RequestId, Path, description = "The request's id."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen."),
    ),
    responses(
        (status = 200, description = "The events.", content_type = "text/event-stream", body = schema::SentEvent),
        (status = 204, description = "Nothing happened since the end that was seen."),
    ),
)]
pub(super) async fn events(
    State(app): State<App>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = super::read::request_id(&id)?;
    let seen = params::text(&headers, "last-event-id")?;
    let place = app.place_to_wait()?;
    let mut feed = Feed::begin(app.engine, id, place).await?;
    // Who saw this very state needs it no second time.
    if feed.state.as_deref() == seen.as_deref() {
        if feed.over {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        feed.pending.clear();
    }
    let alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(feed.stream()).keep_alive(alive).into_response())
}

/// One reader's stream.
struct Feed {
    _place: OwnedSemaphorePermit,
    engine: Arc<Engine>,
    request: Request,
    changes: Subscription,
    /// Digests of what the reader was told of each run, and of each answer.
    runs: HashMap<RunId, Digest>,
    answers: HashMap<RunId, Digest>,
    /// What is to be told of the state that was read last.
    pending: VecDeque<Event>,
    /// That state, as the id of its last event.
    state: Option<String>,
    over: bool,
}

type Digest = [u8; 32];

impl Feed {
    /// Subscribes, and then reads the state that the stream begins with: no change falls between.
    async fn begin(engine: Arc<Engine>, id: RequestId, place: OwnedSemaphorePermit) -> Result<Self, EngineError> {
        let changes = engine.subscribe(id);
        let (request, _) = engine.request(id).await?;
        let mut feed = Self {
            _place: place,
            engine,
            request,
            changes,
            runs: HashMap::new(),
            answers: HashMap::new(),
            pending: VecDeque::new(),
            state: None,
            over: false,
        };
        feed.look().await?;
        Ok(feed)
    }

    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        unfold(self, async |mut feed| Some((Ok(feed.next().await?), feed)))
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            let stopping = self.engine.stopping().clone();
            let looked = tokio::select! {
                () = self.changes.changed() => self.look().await,
                () = stopping.cancelled() => Err(EngineError::new(
                    ErrorCode::Stopping,
                    "the server stops; connect again in a moment",
                )),
            };
            if let Err(error) = looked {
                self.over = true;
                self.pending.push_back(event("problem", &ApiError::from(error).view()).retry(RETRY));
            }
        }
    }

    /// Reads the state, and puts down what of it the reader was not told yet.
    async fn look(&mut self) -> Result<(), EngineError> {
        let first = self.state.is_none();
        let (runs, responses) = self.engine.responses(self.request.id).await?;
        let over = runs.iter().all(|run| run.phase.is_final());
        let waits = self.engine.waits(&runs).await?;
        let whole = view::request(self.request.clone(), runs.clone(), &waits);
        let mut told = Vec::new();
        if first {
            told.push(event("request", &whole).retry(RETRY));
        }
        for run in &whole.runs {
            let is_new = changed(&mut self.runs, run.id, run);
            if is_new && !first {
                told.push(event("run", run));
            }
        }
        for response in responses.into_iter().filter_map(|response| view::response(response, &runs)) {
            if changed(&mut self.answers, response.run, &response) {
                told.push(event("response", &response));
            }
        }
        if over {
            told.push(event("end", &whole));
        }
        let state = self.digest();
        if let Some(last) = told.pop() {
            self.pending.extend(told);
            self.pending.push_back(last.id(&state));
        }
        self.state = Some(state);
        self.over = over;
        Ok(())
    }

    /// One word for all that the reader was told, the same in another life of the server.
    fn digest(&self) -> String {
        let mut all: Vec<_> = self.runs.iter().chain(&self.answers).collect();
        all.sort_unstable();
        let mut hash = Sha256::new();
        for (run, digest) in all {
            hash.update(run.as_str());
            hash.update(digest);
        }
        let digest: Digest = hash.finalize().into();
        let (half, _) = digest.split_at(16);
        half.iter().fold(String::new(), |mut word, byte| {
            // Writing to a string cannot fail.
            let _: std::fmt::Result = write!(word, "{byte:02x}");
            word
        })
    }
}

/// Whether this is not what was told of it last; from now on it is.
fn changed(told: &mut HashMap<RunId, Digest>, run: RunId, view: &impl Serialize) -> bool {
    let digest = Sha256::digest(json(view)).into();
    told.insert(run, digest) != Some(digest)
}

fn event(name: &str, view: &impl Serialize) -> Event {
    Event::default().event(name).data(json(view))
}

/// A view as one line of JSON. Its keys are text, so it can always be written.
fn json(view: &impl Serialize) -> String {
    serde_json::to_string(view).unwrap_or_default()
}
