//! Publish: plan the message, write it down, and dispatch at once what can be.
//!
//! Planning is pure and all or nothing; nothing is stored of a message that cannot be planned, and nothing is
//! acknowledged that is not stored.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gitfaas_core::catalog::{Catalog, Topic};
use gitfaas_core::id::RequestId;
use gitfaas_core::idempotency::{Idempotency, IdempotencyKey};
use gitfaas_core::message::Message;
use gitfaas_core::nearest::did_you_mean;
use gitfaas_core::plan::{self, FailureCode, Plan, PlannedRun};
use gitfaas_core::request::{Lineage, Request};
use gitfaas_core::run::machine::{Event, step};
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::{Caller, Engine, EngineError, ErrorCode};
use crate::store::{Accept, Acceptance};

/// How a publish is to be taken.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// Who publishes.
    pub caller: Caller,
    /// By which its sender says that it is the same one as before.
    pub key: Option<IdempotencyKey>,
    /// How long to wait for the first apply of each function at most.
    pub apply_wait: Duration,
}

/// An accepted publish.
#[derive(Debug)]
pub struct Published {
    /// Its request.
    pub request: RequestId,
    /// Its runs as they stand after [`PublishOptions::apply_wait`] at most.
    pub runs: Vec<Run>,
    /// Whether it was accepted before, under the same key.
    pub repeated: bool,
}

impl Engine {
    /// Accepts a message for a topic and applies its functions; returns when each has a verdict, or when the wait for
    /// it is over. What has been accepted goes on when the caller goes away. A message that was accepted before under
    /// the same key is not accepted again.
    ///
    /// # Errors
    /// Nothing was stored: the topic is unknown or broken, the message does not fit, another message has the key, or
    /// the store is unavailable.
    pub async fn publish(
        self: &Arc<Self>,
        topic: &str,
        message: Message,
        options: PublishOptions,
    ) -> Result<Published, EngineError> {
        let apply_wait = options.apply_wait;
        // In a task of its own: a caller that hangs up in the middle must not leave an accepted run undispatched.
        let (engine, topic) = (self.clone(), topic.to_owned());
        let accepted = self.tasks.spawn(async move { engine.accept(&topic, message, options).await });
        self.report(accepted.await.map_err(|_| internal())??, apply_wait).await
    }

    /// What became of what was accepted, once each run has a verdict, or the wait for it is over.
    pub(super) async fn report(&self, accepted: Accepted, apply_wait: Duration) -> Result<Published, EngineError> {
        let deadline = |wait| tokio::time::Instant::now() + wait;
        match accepted {
            Accepted::New(request, pending) => {
                let runs = verdicts(pending, deadline(apply_wait)).await;
                Ok(Published { request, runs, repeated: false })
            }
            Accepted::Before(request) => {
                let runs = self.decided(request, deadline(apply_wait)).await?;
                Ok(Published { request, runs, repeated: true })
            }
        }
    }

    async fn accept(
        self: Arc<Self>,
        topic: &str,
        message: Message,
        options: PublishOptions,
    ) -> Result<Accepted, EngineError> {
        self.check_open()?;
        check_json(&message)?;
        let idempotency =
            options.key.as_ref().map(|key| Idempotency::of(key, options.caller.sender(), topic, &message));
        // What was accepted stays so, also when the functions have changed or are broken by now.
        if let Some(idempotency) = idempotency
            && let Some(first) = before(self.parts.store.accepted_under(idempotency).await?)?
        {
            return Ok(Accepted::Before(first));
        }
        let lineage = self.lineage(options.caller, topic).await?;
        let now = self.now();
        let payload = message.payload.clone();
        let id = self.ids.next(now);
        let (request, plan) = self.plan(id, topic, message, lineage, now)?;
        self.enter(Entry { request, payload, plan, idempotency }, options.apply_wait).await
    }

    /// Refuses what would be new while the server is about to stop.
    pub(super) fn check_open(&self) -> Result<(), EngineError> {
        if self.draining.is_cancelled() {
            let detail = "the server is about to stop; publish again in a moment";
            return Err(EngineError::new(ErrorCode::Stopping, detail));
        }
        Ok(())
    }

    /// Writes down what was planned, and dispatches at once what can be.
    pub(super) async fn enter(self: &Arc<Self>, entry: Entry, apply_wait: Duration) -> Result<Accepted, EngineError> {
        let Entry { request, payload, plan: Plan { runs, message }, idempotency } = entry;
        let (id, now) = (request.id, request.received_at);
        let held = self.gate(&request.topic).holds();
        let inline = !held && self.cut_off().is_none();
        let (runs, permit) = if inline { self.mark_inline(runs, now) } else { (unmarked(runs), None) };
        let accepted = Accept { request, payload, runs, idempotency, room: self.settings.room };
        let (topic, mut runs) = (accepted.request.topic.clone(), accepted.runs.clone());
        // Before the ledger has them, so that nobody takes them for left by somebody.
        let accepting: Vec<_> = runs.iter().map(|(run, _)| self.accepting.hold(run.id)).collect();
        let acceptance = self.parts.store.accept(accepted).await?;
        if let Some(first) = before(acceptance)? {
            return Ok(Accepted::Before(first));
        }
        let pending = match (acceptance, permit) {
            (Acceptance::Full(bound), _) => return Err(self.queue_full(&topic, bound, runs.len()).await),
            (Acceptance::New, Some(permit)) => self.dispatch_inline(runs, permit, message),
            (acceptance, _) => {
                if acceptance == Acceptance::Behind {
                    runs = runs.into_iter().map(|(run, manifests)| (run.unmarked(now), manifests)).collect();
                }
                self.queued.notify_one();
                self.leave_queued(runs, held, apply_wait)
            }
        };
        drop(accepting);
        Ok(Accepted::New(id, pending))
    }

    /// Applies the runs of a message, each in a task of its own.
    fn dispatch_inline(
        self: &Arc<Self>,
        runs: Vec<Planned>,
        permit: OwnedSemaphorePermit,
        message: String,
    ) -> Vec<Pending> {
        let (permit, payload) = (Arc::new(permit), Arc::<str>::from(message));
        let dispatched = runs.into_iter().map(|(run, manifests)| {
            let hold = self.applying.hold(run.id);
            let (engine, payload, permit, accepted) = (self.clone(), payload.clone(), permit.clone(), run.clone());
            let verdict = self.tasks.spawn(async move {
                let run = engine.apply(run, &manifests, &payload).await;
                drop((permit, hold));
                run
            });
            Pending { accepted, verdict: Some(verdict) }
        });
        dispatched.collect()
    }

    /// Leaves the runs to the dispatcher. Those of a topic that is held may go at once nevertheless.
    fn leave_queued(self: &Arc<Self>, runs: Vec<Planned>, held: bool, apply_wait: Duration) -> Vec<Pending> {
        let deadline = tokio::time::Instant::now() + apply_wait;
        let queued = runs.into_iter().map(|(run, _)| {
            let (engine, accepted) = (self.clone(), run.clone());
            let verdict = held.then(|| self.tasks.spawn(async move { engine.verdict_in_line(run, deadline).await }));
            Pending { accepted, verdict }
        });
        queued.collect()
    }

    /// The runs of a request that was accepted before, as they stand once each has a verdict that can come by then.
    async fn decided(&self, request: RequestId, deadline: tokio::time::Instant) -> Result<Vec<Run>, EngineError> {
        let runs = self.parts.store.runs(request).await?;
        Ok(join_all(runs.into_iter().map(|run| self.verdict_in_line(run, deadline))).await)
    }

    /// Plans a message for a topic without storing anything.
    pub(super) fn plan(
        &self,
        id: RequestId,
        topic: &str,
        message: Message,
        lineage: Lineage,
        now: Timestamp,
    ) -> Result<(Request, Plan), EngineError> {
        let catalog = self.catalog.load();
        let catalog = catalog.as_ref().as_ref().ok_or_else(|| self.no_catalog())?;
        let topic = find_topic(catalog, topic).map_err(|unknown| self.unless_behind(unknown))?;
        let version = topic.version.as_ref().ok_or_else(|| topic_broken(topic))?;
        let request = Request {
            id,
            topic: topic.name.clone(),
            revision: version.revision.clone(),
            received_at: now,
            size: message.payload.len() as u64,
            meta: message.meta,
            lineage,
            replay_of: None,
        };
        let input = plan::Input {
            topic,
            request: &request,
            payload: &message.payload,
            key: self.parts.store.ledger_key(),
            policy: &self.settings.policy,
            namespace: &self.settings.namespace,
            base_url: &self.settings.base_url,
            now,
        };
        let plan = plan::plan(&input).map_err(unplannable)?;
        Ok((request, plan))
    }

    /// What became of a run that others apply: its verdict if it can go at once, else where it stands. Returns by the
    /// deadline.
    async fn verdict_in_line(&self, accepted: Run, deadline: tokio::time::Instant) -> Run {
        let mut run = accepted;
        let mut changes = self.hub.subscribe(run.request());
        loop {
            // Without the store nothing better is known of it than that it was accepted.
            if let Ok(Some(stands)) = self.parts.store.run(run.id).await {
                run = stands;
            }
            let goes = match run.phase {
                Phase::Queued if run.apply_failures > 0 => false,
                Phase::Queued => {
                    self.why_queued(&run).await.is_ok_and(|why| why.is_none_or(|why| why.reason.is_none()))
                }
                phase => phase == Phase::Applying,
            };
            if !goes {
                return run;
            }
            tokio::select! {
                () = changes.changed() => {}
                () = tokio::time::sleep_until(deadline) => return run,
                () = self.stopping.cancelled() => return run,
            }
        }
    }

    /// Marks the runs as being applied by us if there are slots for all of them; otherwise they stay queued.
    fn mark_inline(&self, planned: Vec<PlannedRun>, now: Timestamp) -> (Vec<Planned>, Option<OwnedSemaphorePermit>) {
        let wanted = u32::try_from(planned.len()).unwrap_or(u32::MAX);
        let permit = self.slots.clone().try_acquire_many_owned(wanted).ok();
        let runs = planned.into_iter().map(|planned| {
            let marked = permit.as_ref().and_then(|_| step(&planned.run, Event::Marked(self.mark()), now).next);
            (marked.unwrap_or(planned.run), planned.manifests)
        });
        (runs.collect(), permit)
    }
}

/// The runs as they were planned: queued.
fn unmarked(planned: Vec<PlannedRun>) -> Vec<Planned> {
    planned.into_iter().map(|planned| (planned.run, planned.manifests)).collect()
}

type Planned = (Run, Vec<gitfaas_core::manifest::RecordedManifest>);

/// What is to be written down.
pub(super) struct Entry {
    /// The request.
    pub(super) request: Request,
    /// Its payload.
    pub(super) payload: bytes::Bytes,
    /// Its runs.
    pub(super) plan: Plan,
    /// By which a repetition of it is known.
    pub(super) idempotency: Option<Idempotency>,
}

/// What came of accepting a message.
pub(super) enum Accepted {
    /// A request with its runs.
    New(RequestId, Vec<Pending>),
    /// This request, which was accepted before under the same key.
    Before(RequestId),
}

/// The request that was accepted before, if there is one.
fn before(acceptance: Acceptance) -> Result<Option<RequestId>, EngineError> {
    match acceptance {
        Acceptance::New | Acceptance::Behind | Acceptance::Full(_) => Ok(None),
        Acceptance::Repeats(request) => Ok(Some(request)),
        Acceptance::Contradicts(request) => Err(EngineError::new(
            ErrorCode::IdempotencyConflict,
            format!(
                "the idempotency key was used for the request {request} with another payload, other parameters or another content type; send a new message under a new key"
            ),
        )),
    }
}

/// The runs with their verdicts, as far as these come in time.
async fn verdicts(pending: Vec<Pending>, deadline: tokio::time::Instant) -> Vec<Run> {
    let mut runs = Vec::with_capacity(pending.len());
    for Pending { accepted, verdict } in pending {
        runs.push(match verdict {
            Some(verdict) => match tokio::time::timeout_at(deadline, verdict).await {
                Ok(Ok(run)) => run,
                Ok(Err(_)) | Err(_) => accepted,
            },
            None => accepted,
        });
    }
    runs
}

/// A run that was accepted, and its verdict if it is being applied.
pub(super) struct Pending {
    accepted: Run,
    verdict: Option<JoinHandle<Run>>,
}

pub(super) fn internal() -> EngineError {
    EngineError::new(ErrorCode::Internal, "the publish ended unexpectedly; whether it was accepted is not known")
}

/// A message that says that it is JSON must be JSON: the function would fail on it later, where nobody looks.
pub(super) fn check_json(message: &Message) -> Result<(), EngineError> {
    if !message.meta.is_json() {
        return Ok(());
    }
    // Checked apart: skipping over JSON looks at the bytes of a string as little as at its meaning.
    let wrong = match str::from_utf8(&message.payload) {
        Ok(text) => serde_json::from_str::<serde::de::IgnoredAny>(text).err().map(|error| error.to_string()),
        Err(error) => Some(format!("it is not UTF-8 from byte {} on", error.valid_up_to())),
    };
    let Some(wrong) = wrong else { return Ok(()) };
    Err(EngineError::new(
        ErrorCode::InvalidJson,
        format!(
            "the content type is JSON, but the message is not: {wrong}; send it as `text/plain` if it is not meant to be JSON"
        ),
    ))
}

pub(super) fn find_topic<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Topic, EngineError> {
    let parsed = TopicName::from_str(name).ok();
    parsed.and_then(|name| catalog.topic(&name)).ok_or_else(|| {
        let shown: String = name.chars().take(100).flat_map(char::escape_debug).collect();
        let mut detail = format!("there is no topic `{shown}` in {}", catalog.revision());
        if let Some(meant) = did_you_mean(name, catalog.topics().map(|topic| topic.name.as_str())) {
            detail.push_str("; ");
            detail.push_str(&meant);
        }
        EngineError::new(ErrorCode::UnknownTopic, detail)
    })
}

fn topic_broken(topic: &Topic) -> EngineError {
    let problem = topic.stale.as_ref().and_then(|stale| stale.problems.first()).map(ToString::to_string);
    let why = problem.unwrap_or_else(|| "its functions do not compile".to_owned());
    EngineError::new(ErrorCode::TopicBroken, format!("the topic `{}` has no working version: {why}", topic.name))
}

pub(super) fn unplannable(error: plan::PlanError) -> EngineError {
    // What a function renders may be too large too; that is another mistake.
    let of_request = |code| error.failures.iter().any(|failure| failure.code == code && failure.function.is_none());
    let code = if of_request(FailureCode::HopLimit) {
        ErrorCode::HopLimit
    } else if of_request(FailureCode::TooLarge) {
        ErrorCode::TooLarge
    } else {
        ErrorCode::Unplannable
    };
    EngineError { code, detail: error.to_string(), failures: error.failures }
}
