//! Who asks, and what a publish of theirs descends from.

use gitfaas_core::id::{RunId, Try};
use gitfaas_core::idempotency::Sender;
use gitfaas_core::key::{FunctionUid, TOKEN_PREFIX};
use gitfaas_core::request::Lineage;
use gitfaas_core::topic::TopicName;

use super::{Engine, EngineError, ErrorCode};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Somebody from outside.
    Anyone,
    /// A function, by its run token: a try of a run.
    Run(RunId, Try),
    /// Somebody who says that a run is the reason, without proving to be it.
    Because(RunId),
}

impl Caller {
    /// In whose name idempotency keys are.
    pub(super) const fn sender(self) -> Sender {
        match self {
            Self::Anyone => Sender::Anyone,
            Self::Run(run, _) => Sender::Run(run),
            Self::Because(run) => Sender::Because(run),
        }
    }
}

impl Engine {
    /// Who presents this bearer token, or names this parent (a run id or a function uid).
    ///
    /// A bearer that is no run token says nothing here: it is for whoever checks keys.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidToken`] for a run token that this ledger never made, [`ErrorCode::InvalidRequest`] for a
    /// parent that is no id, and the store's.
    pub async fn caller(&self, bearer: Option<&str>, parent: Option<&str>) -> Result<Caller, EngineError> {
        if let Some(token) = bearer.filter(|token| token.starts_with(TOKEN_PREFIX)) {
            let (run, try_no) = self.parts.store.ledger_key().verify_run_token(token).ok_or_else(|| {
                EngineError::new(ErrorCode::InvalidToken, "the run token was not made by this server, or is damaged")
            })?;
            return Ok(Caller::Run(run, try_no));
        }
        match parent {
            None => Ok(Caller::Anyone),
            Some(parent) => Ok(Caller::Because(self.named_parent(parent).await?)),
        }
    }

    async fn named_parent(&self, parent: &str) -> Result<RunId, EngineError> {
        if let Ok(run) = parent.parse() {
            return Ok(run);
        }
        let no_run = || {
            EngineError::new(
                ErrorCode::InvalidRequest,
                "X-Gitfaas-Parent is neither a run id nor the function uid of a run in the ledger",
            )
        };
        let uid: FunctionUid = parent.parse().map_err(|_| no_run())?;
        let runs = self.parts.store.runs(uid.request().ok_or_else(no_run)?).await?;
        let key = self.parts.store.ledger_key();
        runs.iter().find(|run| key.is_function_uid(&uid, run.id)).map(|run| run.id).ok_or_else(no_run)
    }

    /// Where a publish of this caller's stands in its pipeline.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`] when the topic of a run says that its functions may not publish to `topic`.
    pub(super) async fn lineage(&self, caller: Caller, topic: &str) -> Result<Lineage, EngineError> {
        let parent = match caller {
            Caller::Anyone => return Ok(Lineage::default()),
            Caller::Run(run, _) | Caller::Because(run) => run,
        };
        let gone = || match caller {
            Caller::Run(..) => {
                EngineError::new(ErrorCode::InvalidToken, "the run token is no longer valid: its request has expired")
            }
            _ => EngineError::new(
                ErrorCode::InvalidRequest,
                format!("X-Gitfaas-Parent names the run {parent}, which is not in the ledger"),
            ),
        };
        let run = self.parts.store.run(parent).await?.ok_or_else(gone)?;
        // Who only names a run shows no right that could be narrower than anybody's.
        if matches!(caller, Caller::Run(..)) {
            self.check_publishes(&run.topic, topic)?;
        }
        let request = self.parts.store.request(parent.request()).await?.ok_or_else(gone)?;
        Ok(Lineage { parent: Some(parent), hops: request.lineage.hops.saturating_add(1) })
    }

    /// Refuses a publish by a function of the topic `of` to a topic that its `publishes` leaves out.
    fn check_publishes(&self, of: &TopicName, topic: &str) -> Result<(), EngineError> {
        let catalog = self.catalog.load();
        // A topic that does not exist is told as such, and so is that nothing is served yet.
        let (Some(catalog), Ok(name)) = (catalog.as_ref(), topic.parse::<TopicName>()) else { return Ok(()) };
        let Some(version) = catalog.topic(of).and_then(|topic| topic.version.as_ref()) else {
            let detail = format!(
                "functions of the topic `{of}` may not publish any more: it is not in the config file, which would say where they may"
            );
            return Err(self.unless_behind(EngineError::new(ErrorCode::Forbidden, detail)));
        };
        if version.rules.may_publish(&name) {
            return Ok(());
        }
        let globs = version.rules.publishes.iter().flatten().map(|glob| format!("`{glob}`")).collect::<Vec<_>>();
        let allowed = if globs.is_empty() { "nothing".to_owned() } else { globs.join(", ") };
        let detail = format!(
            "functions of the topic `{of}` may not publish to `{name}`: its `publishes` in the config file allows {allowed}"
        );
        Err(self.unless_behind(EngineError::new(ErrorCode::Forbidden, detail)))
    }
}
