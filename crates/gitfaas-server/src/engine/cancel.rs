//! Cancel: end the runs of a request, and of what they published where that is wanted.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::join_all;
use gitfaas_core::id::RequestId;
use gitfaas_core::request::Request;
use gitfaas_core::run::machine::Event;
use gitfaas_core::run::{Reason, Run};

use super::{Caller, Engine, EngineError, ErrorCode};

/// Requests below the cancelled one that are looked at; with more, the answer says that it did not get to all.
const DESCENDANTS: usize = 10_000;

/// A request whose runs were cancelled.
#[derive(Debug)]
pub struct Cancelled {
    /// The request.
    pub request: Request,
    /// Its runs as they stand: each is over, or is being applied and will be over once that has a verdict.
    pub runs: Vec<Run>,
    /// How many of the requests that followed from it were cancelled too.
    pub descendants: usize,
    /// Whether there are more of them than one answer gets to.
    pub cut: bool,
}

impl Engine {
    /// Cancels the runs of a request that are not over, durably; what runs of them is ended within its grace. What is
    /// over stays as it is. With `descendants`, also those of each request that followed from it and is known by then.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and the store's: ask again, what is cancelled stays so.
    pub async fn cancel(
        self: &Arc<Self>,
        id: RequestId,
        descendants: bool,
        caller: Caller,
    ) -> Result<Cancelled, EngineError> {
        // In a task of its own: who hangs up in the middle has cancelled all the same.
        let engine = self.clone();
        let cancelled = self.tasks.spawn(async move { engine.cancel_all(id, descendants, &by(caller)).await });
        cancelled.await.map_err(|_| {
            EngineError::new(
                ErrorCode::Internal,
                "the cancel ended unexpectedly; ask again, what is cancelled stays so",
            )
        })?
    }

    async fn cancel_all(
        self: &Arc<Self>,
        id: RequestId,
        descendants: bool,
        reason: &Reason,
    ) -> Result<Cancelled, EngineError> {
        let (request, runs) = self.request(id).await?;
        // From above: what is ended publishes nothing more.
        self.cancel_runs(&runs, reason).await?;
        let (descendants, cut) = if descendants { self.cancel_below(id, reason).await? } else { (0, false) };
        let runs = self.parts.store.runs(id).await?;
        Ok(Cancelled { request, runs, descendants, cut })
    }

    /// Tells all of them, also when one cannot be told; and those that are over and whose Jobs are not, so that asking
    /// again ends what an error left running.
    async fn cancel_runs(self: &Arc<Self>, runs: &[Run], reason: &Reason) -> Result<(), EngineError> {
        let open = runs.iter().filter(|run| !run.is_done());
        let told = join_all(open.map(|run| self.tell(run.id, Event::Cancelled(reason.clone())))).await;
        told.into_iter().try_for_each(|told| told.map(drop))
    }

    /// Cancels what followed from a request; says how many requests that were, and whether there are more.
    async fn cancel_below(self: &Arc<Self>, id: RequestId, reason: &Reason) -> Result<(usize, bool), EngineError> {
        let mut parents = VecDeque::from([id]);
        let mut seen = 0;
        while let Some(parent) = parents.pop_front() {
            let left = DESCENDANTS - seen;
            let mut children = self.parts.store.children(parent, left + 1).await?;
            let cut = children.len() > left;
            children.truncate(left);
            for child in children {
                let runs = self.parts.store.runs(child.id).await?;
                self.cancel_runs(&runs, reason).await?;
                seen += 1;
                parents.push_back(child.id);
            }
            if cut {
                return Ok((seen, true));
            }
        }
        Ok((seen, false))
    }
}

fn by(caller: Caller) -> Reason {
    let message = match caller {
        Caller::Anyone => "somebody cancelled it".to_owned(),
        Caller::Run(run, _) => format!("the run {run} cancelled it"),
        Caller::Because(run) => format!("somebody cancelled it because of the run {run}"),
    };
    Reason::new("Cancelled", message)
}
