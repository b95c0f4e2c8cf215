//! Redrive and purge: what becomes of dead letters, one by one or many at once.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use gitfaas_core::id::RunId;
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::run::Run;
use gitfaas_core::run::machine::{Event, step};
use tokio::time::Instant;

use super::query::no_run;
use super::{Engine, EngineError, ErrorCode};
use crate::store::DeadLetterQuery;

/// Dead letters that are read in one go, and how many of them are worked on at once.
const PAGE: (usize, usize) = (100, 16);

/// Which functions make a run, or a request, once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum At {
    /// Those that it was accepted with, as they were recorded.
    #[default]
    Recorded,
    /// Those that are served now.
    Head,
}

/// What is done to many dead letters.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Redrive(At),
    Purge,
}

/// What came of doing something to many dead letters.
#[derive(Debug, Default)]
pub struct Bulk {
    /// How many it was done to.
    pub done: usize,
    /// Those to which it could not be done.
    pub failed: Vec<(RunId, EngineError)>,
    /// Where to go on, when there are more: they come behind this one in the list's order.
    pub next: Option<RunId>,
}

impl Engine {
    /// Dead letters, the newest request's first.
    ///
    /// # Errors
    /// The store's.
    pub async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<Run>, EngineError> {
        Ok(self.parts.store.dead_letters(query).await?)
    }

    /// Tries a dead letter once more: queued, as the next try. What still runs of the try before is ended first.
    ///
    /// # Errors
    /// [`ErrorCode::NotDeadLetter`]; [`ErrorCode::NotSettled`] when what is left of the try before takes longer than
    /// [`Settings::apply_wait`](super::Settings::apply_wait); at [`At::Head`] those of a publish; and the store's.
    pub async fn redrive(self: &Arc<Self>, id: RunId, at: At) -> Result<Run, EngineError> {
        let mut changes = self.hub.subscribe(id.request());
        let deadline = Instant::now() + self.settings.apply_wait;
        loop {
            let dead = self.dead_letter(id).await?;
            if dead.is_done() {
                if let Some(redriven) = self.redrive_done(&dead, at).await? {
                    return Ok(redriven);
                }
                continue;
            }
            for job in dead.live_jobs() {
                let ended = self.parts.cluster.end(job).await;
                ended.map_err(|error| EngineError::new(ErrorCode::ClusterUnavailable, error.message))?;
            }
            if tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(not_settled(&dead));
            }
        }
    }

    /// Gives a dead letter up for good: it is listed no more, and kept for the ordinary time.
    ///
    /// # Errors
    /// [`ErrorCode::NotDeadLetter`], and the store's.
    pub async fn purge(self: &Arc<Self>, id: RunId) -> Result<Run, EngineError> {
        self.dead_letter(id).await?;
        let run = self.tell(id, Event::Purged).await?.ok_or_else(|| no_run(id))?;
        // Somebody may have redriven it meanwhile.
        if run.purged { Ok(run) } else { Err(no_dead_letter(&run)) }
    }

    /// Redrives the dead letters that `query` finds, at most its limit.
    ///
    /// # Errors
    /// The store's, when they cannot be listed.
    pub async fn redrive_all(self: &Arc<Self>, query: DeadLetterQuery, at: At) -> Result<Bulk, EngineError> {
        self.all(query, Deed::Redrive(at)).await
    }

    /// Purges the dead letters that `query` finds, at most its limit.
    ///
    /// # Errors
    /// The store's, when they cannot be listed.
    pub async fn purge_all(self: &Arc<Self>, query: DeadLetterQuery) -> Result<Bulk, EngineError> {
        self.all(query, Deed::Purge).await
    }

    /// Goes down the list a page at a time, so that what gives up again meanwhile is not met a second time.
    async fn all(self: &Arc<Self>, mut query: DeadLetterQuery, deed: Deed) -> Result<Bulk, EngineError> {
        let mut bulk = Bulk::default();
        let mut left = query.limit;
        loop {
            // One more than may be taken tells whether there are more.
            query.limit = left.min(PAGE.0) + 1;
            let mut page = self.dead_letters(&query).await?;
            let more = page.len() == query.limit;
            page.truncate(query.limit - 1);
            let last = page.last().map(|run| run.id).or(query.before);
            left -= page.len();
            let worked = stream::iter(page).map(|run| {
                let engine = self.clone();
                async move { (run.id, engine.do_to(run.id, deed).await) }
            });
            let mut worked = std::pin::pin!(worked.buffer_unordered(PAGE.1));
            while let Some((id, outcome)) = worked.next().await {
                match outcome {
                    Ok(_) => bulk.done += 1,
                    Err(error) => bulk.failed.push((id, error)),
                }
            }
            if !more || left == 0 || self.stopping.is_cancelled() {
                bulk.next = last.filter(|_| more);
                return Ok(bulk);
            }
            query.before = last;
        }
    }

    async fn do_to(self: &Arc<Self>, id: RunId, deed: Deed) -> Result<Run, EngineError> {
        match deed {
            Deed::Redrive(at) => self.redrive(id, at).await,
            Deed::Purge => self.purge(id).await,
        }
    }

    async fn dead_letter(&self, id: RunId) -> Result<Run, EngineError> {
        let run = self.run(id).await?;
        if run.is_dead_letter() { Ok(run) } else { Err(no_dead_letter(&run)) }
    }

    /// Queues the next try of a dead letter of which nothing is left to do; `None` when somebody was quicker.
    async fn redrive_done(self: &Arc<Self>, dead: &Run, at: At) -> Result<Option<Run>, EngineError> {
        let made = match at {
            At::Recorded => None,
            At::Head => Some(self.planned_now(dead).await?),
        };
        let (revision, manifests) = made.unzip();
        let Some(next) = step(dead, Event::Redriven { revision }, self.now()).next else { return Ok(None) };
        let settled = match manifests {
            None => self.parts.store.settle(dead, &next).await?,
            Some(manifests) => self.parts.store.replace(dead, &next, manifests).await?,
        };
        if !settled {
            return Ok(None);
        }
        self.settled(dead, &next);
        self.queued.notify_one();
        Ok(Some(next))
    }

    /// What the functions that are served now make of a run: their revision, and its manifests.
    async fn planned_now(&self, run: &Run) -> Result<(String, Vec<RecordedManifest>), EngineError> {
        let (request, _) = self.request(run.request()).await?;
        let message = self.message(request.id).await?;
        let (now, topic) = (self.now(), request.topic.as_str());
        let (request, plan) = self.plan(request.id, topic, message, request.lineage, now)?;
        let planned = plan.runs.into_iter().find(|planned| planned.run.id == run.id).ok_or_else(|| {
            let detail = format!(
                "the topic `{}` has no function `{}` any more in {}; redrive it as it was recorded, or purge it",
                run.topic, run.function, request.revision
            );
            EngineError::new(ErrorCode::Unplannable, detail)
        })?;
        Ok((request.revision, planned.manifests))
    }
}

fn no_dead_letter(run: &Run) -> EngineError {
    let stands = if run.purged { format!("{}, and was purged", run.phase) } else { run.phase.to_string() };
    EngineError::new(ErrorCode::NotDeadLetter, format!("the run {} is no dead letter: it is {stands}", run.id))
}

fn not_settled(run: &Run) -> EngineError {
    let what = match run.live_jobs().next() {
        Some(job) => format!("{job} is being ended"),
        None => "its logs are being kept".to_owned(),
    };
    let detail = format!("try {} of the run {} is not done yet: {what}; ask again in a moment", run.try_no, run.id);
    EngineError::new(ErrorCode::NotSettled, detail)
}
