//! Replay: publish the message of a request once more, as a request of its own.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitfaas_core::admission::admit_all;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::manifest::Fillings;
use gitfaas_core::message::Message;
use gitfaas_core::plan::{Failure, FailureCode, Plan, PlanError, PlannedRun};
use gitfaas_core::request::{MAX_HOPS, Request};
use gitfaas_core::run::Run;

use super::publish::{Accepted, Entry, internal, unplannable};
use super::{At, Caller, Engine, EngineError, ErrorCode, Published};

impl Engine {
    /// Publishes the message of a request once more: with the manifests that were recorded for it, or planned anew with
    /// the functions that are served now. What is admitted is asked again. Returns as a publish does.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and those of a publish.
    pub async fn replay(
        self: &Arc<Self>,
        id: RequestId,
        at: At,
        caller: Caller,
        apply_wait: Duration,
    ) -> Result<Published, EngineError> {
        let engine = self.clone();
        let accepted = self.tasks.spawn(async move { engine.accept_again(id, at, caller, apply_wait).await });
        self.report(accepted.await.map_err(|_| internal())??, apply_wait).await
    }

    async fn accept_again(
        self: Arc<Self>,
        id: RequestId,
        at: At,
        caller: Caller,
        apply_wait: Duration,
    ) -> Result<Accepted, EngineError> {
        self.check_open()?;
        let (replayed, runs) = self.request(id).await?;
        let message = self.message(id).await?;
        let lineage = self.lineage(caller, replayed.topic.as_str()).await?;
        let (now, payload) = (self.now(), message.payload.clone());
        let id = self.ids.next(now);
        let (mut request, plan) = match at {
            At::Head => self.plan(id, replayed.topic.as_str(), message, lineage, now)?,
            At::Recorded => {
                let request = Request { id, received_at: now, lineage, ..replayed.clone() };
                let plan = self.recorded(&request, runs, &message).await?;
                (request, plan)
            }
        };
        request.replay_of = Some(replayed.id);
        self.enter(Entry { request, payload, plan, idempotency: None }, apply_wait).await
    }

    /// The runs of another request with what was recorded for them, as runs of this one.
    async fn recorded(&self, request: &Request, runs: Vec<Run>, message: &Message) -> Result<Plan, EngineError> {
        if request.lineage.hops > MAX_HOPS {
            let detail =
                format!("more than {MAX_HOPS} publishes led here, one after the other: that is taken for a loop");
            return Err(EngineError::new(ErrorCode::HopLimit, detail));
        }
        let message = STANDARD.encode(&message.payload);
        let mut planned = Vec::with_capacity(runs.len());
        let mut failures = Vec::new();
        for before in runs {
            let manifests = self.parts.store.manifests(before.id).await?;
            let id = RunId::derive(request.id, &before.function);
            let (key, url) = (self.parts.store.ledger_key(), &self.settings.base_url);
            let fillings = Fillings::new(key, id, Try::FIRST, url, Cow::Borrowed(message.as_str()));
            if let Err(refusal) = admit_all(&manifests, &fillings, &self.settings.policy) {
                let (function, message) = (Some(before.function.clone()), refusal.to_string());
                failures.push(Failure { function, code: FailureCode::NotAdmitted, message, problem: None });
            }
            let Run { topic, function, ordinal, revision, .. } = before;
            let run = Run { revision, ..Run::planned(id, topic, function, ordinal, request.received_at) };
            planned.push(PlannedRun { run, manifests });
        }
        if failures.is_empty() { Ok(Plan { runs: planned, message }) } else { Err(unplannable(PlanError { failures })) }
    }
}
