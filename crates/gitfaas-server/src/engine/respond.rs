//! Respond: keep the answer that a function posts.

use bytes::Bytes;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::key::FunctionUid;
use gitfaas_core::response::Response;
use gitfaas_core::run::Run;

use super::{Caller, Engine, EngineError, ErrorCode};

/// What was posted.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The content type as given.
    pub content_type: Option<String>,
    /// The answer.
    pub body: Bytes,
}

impl Engine {
    /// Keeps an answer for the run that `id` names: a function uid, a run id, or the id of a request with one function.
    /// Returns the run once the answer is on disk.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] for no id at all, [`ErrorCode::NotFound`] when nothing has it (any more),
    /// [`ErrorCode::AmbiguousAnswer`] for a request with several functions, [`ErrorCode::Forbidden`] when the caller's
    /// token speaks for another run, and the store's.
    pub async fn respond(&self, id: &str, answer: Answer, caller: Caller) -> Result<RunId, EngineError> {
        let run = self.answering_run(id, caller).await?;
        let try_no = match caller {
            Caller::Run(token_run, try_no) if token_run == run => Some(try_no),
            // A function uid carries its own right: a token beside it is of no matter.
            _ => None::<Try>,
        };
        let response =
            Response { run, try_no, received_at: self.now(), content_type: answer.content_type, body: answer.body };
        self.parts.store.put_response(response).await.map_err(|error| match error {
            crate::store::StoreError::NotFound => not_found(id),
            error => error.into(),
        })?;
        self.metrics.response_stored();
        self.hub.wake(run.request());
        Ok(run)
    }

    async fn answering_run(&self, id: &str, caller: Caller) -> Result<RunId, EngineError> {
        if let Ok(uid) = id.parse::<FunctionUid>() {
            let request = uid.request().ok_or_else(|| not_found(id))?;
            let runs = self.parts.store.runs(request).await?;
            let key = self.parts.store.ledger_key();
            let run = runs.iter().find(|run| key.is_function_uid(&uid, run.id));
            return run.map(|run| run.id).ok_or_else(|| not_found(id));
        }
        let run = if let Ok(run) = id.parse::<RunId>() {
            run
        } else if let Ok(request) = id.parse::<RequestId>() {
            let runs = self.parts.store.runs(request).await?;
            the_only_run(&runs, request, caller)?
        } else {
            return Err(EngineError::new(
                ErrorCode::InvalidRequest,
                "the path must end in a function uid ({{FUNCTION_UID}}), a run id ({{RUN_ID}}) or a request id ({{REQUEST_UUID}})",
            ));
        };
        match caller {
            Caller::Run(token_run, _) if token_run != run => Err(EngineError::new(
                ErrorCode::Forbidden,
                "the run token speaks for another run than the one named in the path",
            )),
            _ => Ok(run),
        }
    }
}

/// Which run a request's id means: the caller's own, or the only one.
fn the_only_run(runs: &[Run], request: RequestId, caller: Caller) -> Result<RunId, EngineError> {
    match (runs, caller) {
        ([], _) => Err(not_found(&request.to_string())),
        (runs, Caller::Run(token_run, _)) if runs.iter().any(|run| run.id == token_run) => Ok(token_run),
        ([run], _) => Ok(run.id),
        (runs, _) => Err(EngineError::new(
            ErrorCode::AmbiguousAnswer,
            format!(
                "the request has {} functions, so its id does not say whose answer this is; post to /response/ with {{{{FUNCTION_UID}}}} or {{{{RUN_ID}}}} instead",
                runs.len()
            ),
        )),
    }
}

fn not_found(id: &str) -> EngineError {
    // A function uid is a right: an error must not repeat it.
    let what = if id.starts_with("f-") { "this function uid".to_owned() } else { id.chars().take(64).collect() };
    EngineError::new(ErrorCode::NotFound, format!("no run in the ledger answers to {what}; it may have expired"))
}
