//! Query: what the ledger knows, for readers. Changes nothing.

use std::collections::BTreeMap;

use gitfaas_core::catalog::{Catalog, Topic};
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::message::Message;
use gitfaas_core::request::Request;
use gitfaas_core::response::Response;
use gitfaas_core::run::explain::{Explanation, explain};
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;

use super::publish::find_topic;
use super::{Engine, EngineError, ErrorCode};
use crate::cluster::LogPart;
use crate::store::{Load, RequestQuery};

/// What one tree may hold; a larger one is cut, and says so.
struct Budget {
    /// Requests.
    requests: usize,
    /// Bytes of answers: they are read whole.
    answers: usize,
}

const TREE: Budget = Budget { requests: 1000, answers: 16 * 1024 * 1024 };

/// A request with everything that followed from it.
#[derive(Debug)]
pub struct Tree {
    /// The request.
    pub request: Request,
    /// Its runs, in the config's order.
    pub runs: Vec<Run>,
    /// The newest answer of each run that has one.
    pub responses: Vec<Response>,
    /// The requests that its runs published, the oldest first.
    pub children: Vec<Self>,
    /// Whether children or answers were left out.
    pub cut: bool,
}

impl Tree {
    /// Its runs, and those of what followed.
    pub fn all_runs(&self) -> Vec<&Run> {
        self.runs.iter().chain(self.children.iter().flat_map(Self::all_runs)).collect()
    }
}

impl Engine {
    /// A request with its runs.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and the store's.
    pub async fn request(&self, id: RequestId) -> Result<(Request, Vec<Run>), EngineError> {
        let request = self.parts.store.request(id).await?.ok_or_else(|| no_request(id))?;
        Ok((request, self.parts.store.runs(id).await?))
    }

    /// A request's message.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and the store's.
    pub async fn message(&self, id: RequestId) -> Result<Message, EngineError> {
        self.parts.store.message(id).await?.ok_or_else(|| no_request(id))
    }

    /// Requests, the newest first, with their runs.
    ///
    /// # Errors
    /// The store's.
    pub async fn requests(&self, query: &RequestQuery) -> Result<Vec<(Request, Vec<Run>)>, EngineError> {
        let requests = self.parts.store.requests(query).await?;
        let mut listed = Vec::with_capacity(requests.len());
        for request in requests {
            let runs = self.parts.store.runs(request.id).await?;
            listed.push((request, runs));
        }
        Ok(listed)
    }

    /// A topic that is served, for as long as `read` looks at it.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTopic`] with the nearest names, [`ErrorCode::NoCatalog`].
    pub fn with_topic<T>(&self, name: &str, read: impl FnOnce(&Topic) -> T) -> Result<T, EngineError> {
        let catalog = self.catalog();
        let catalog = catalog.as_ref().as_ref().ok_or_else(|| self.no_catalog())?;
        Ok(read(find_topic(catalog, name)?))
    }

    /// How many runs are queued and live, of each topic that has such.
    ///
    /// # Errors
    /// The store's.
    pub async fn loads(&self) -> Result<Vec<Load>, EngineError> {
        Ok(self.parts.store.loads(None).await?)
    }

    /// How many runs are queued and live, of each topic of the catalog that has such runs, a `concurrency`, or a pause.
    ///
    /// # Errors
    /// The store's.
    pub async fn topic_loads(&self) -> Result<Vec<Load>, EngineError> {
        let catalog = self.catalog();
        let loads = self.loads().await?;
        let mut loads: BTreeMap<_, _> = loads.into_iter().map(|load| (load.topic.clone(), load)).collect();
        let load = |topic: TopicName| {
            let held = self.gate(&topic).holds().then(|| Load { topic: topic.clone(), queued: 0, live: 0 });
            loads.remove(&topic).or(held)
        };
        Ok(catalog.iter().flat_map(Catalog::topics).map(|topic| topic.name.clone()).filter_map(load).collect())
    }

    /// How many runs of a topic are queued and live.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(&self, topic: &TopicName) -> Result<Load, EngineError> {
        let load = self.parts.store.loads(Some(topic)).await?.pop();
        Ok(load.unwrap_or_else(|| Load { topic: topic.clone(), queued: 0, live: 0 }))
    }

    /// How many runs are in each phase.
    ///
    /// # Errors
    /// The store's.
    pub async fn count(&self) -> Result<Vec<(Phase, u64)>, EngineError> {
        Ok(self.parts.store.count().await?)
    }

    /// One run.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and the store's.
    pub async fn run(&self, id: RunId) -> Result<Run, EngineError> {
        self.parts.store.run(id).await?.ok_or_else(|| no_run(id))
    }

    /// One run, and where it stands and why.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and the store's.
    pub async fn explain(&self, id: RunId) -> Result<(Run, Explanation), EngineError> {
        let run = self.run(id).await?;
        let waits = self.waits([&run]).await?;
        let held = waits.get(&run.id).and_then(|waiting| waiting.reason.as_ref());
        let explanation = explain(&run, held, self.now());
        Ok((run, explanation))
    }

    /// The newest answer of each run of a request that has one, beside all of its runs.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and the store's.
    pub async fn responses(&self, id: RequestId) -> Result<(Vec<Run>, Vec<Response>), EngineError> {
        let (_, runs) = self.request(id).await?;
        Ok((runs, self.parts.store.responses(id).await?))
    }

    /// A request with everything that its runs published, and so on.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and the store's.
    pub async fn tree(&self, id: RequestId) -> Result<Tree, EngineError> {
        let mut left = TREE;
        let root = self.parts.store.request(id).await?.ok_or_else(|| no_request(id))?;
        self.subtree(root, &mut left).await
    }

    async fn subtree(&self, request: Request, left: &mut Budget) -> Result<Tree, EngineError> {
        left.requests = left.requests.saturating_sub(1);
        let runs = self.parts.store.runs(request.id).await?;
        let mut responses = self.parts.store.responses(request.id).await?;
        let bytes = responses.iter().map(|response| response.body.len()).sum();
        let mut cut = bytes > left.answers;
        if cut {
            responses.clear();
        }
        left.answers = left.answers.saturating_sub(bytes);
        // One more than may be shown tells whether there are more.
        let published = self.parts.store.children(request.id, left.requests + 1).await?;
        let mut children = Vec::with_capacity(published.len());
        for child in published {
            if left.requests == 0 {
                cut = true;
                break;
            }
            // A request cannot be among its own descendants: a child is accepted after its parent's run began.
            children.push(Box::pin(self.subtree(child, left)).await?);
        }
        Ok(Tree { request, runs, responses, children, cut })
    }

    /// The logs of a try of a run, the present one if none is named: from the ledger once they are captured, from the
    /// cluster before.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::ClusterUnavailable`], and the store's.
    pub async fn logs(&self, id: RunId, try_no: Option<Try>) -> Result<Vec<LogPart>, EngineError> {
        let run = self.run(id).await?;
        if let Some(try_no) = try_no.filter(|try_no| *try_no != run.try_no) {
            if try_no < Try::FIRST || try_no > run.try_no {
                let detail = format!("the run {id} has no try {try_no}; the present one is {}", run.try_no);
                return Err(EngineError::new(ErrorCode::NotFound, detail));
            }
            return Ok(self.parts.store.logs(id, try_no).await?);
        }
        if run.logs_captured {
            return Ok(self.parts.store.logs(id, run.try_no).await?);
        }
        let mut parts = Vec::new();
        for job in run.objects.iter().filter(|object| object.job.is_some()) {
            let logs = self.parts.cluster.logs(&job.key, self.settings.log_tail).await;
            parts.extend(logs.map_err(|error| EngineError::new(ErrorCode::ClusterUnavailable, error.message))?);
        }
        Ok(parts)
    }
}

fn no_request(id: RequestId) -> EngineError {
    EngineError::new(ErrorCode::NotFound, format!("there is no request {id}; it may have expired"))
}

pub(super) fn no_run(id: RunId) -> EngineError {
    EngineError::new(ErrorCode::NotFound, format!("there is no run {id}; it may have expired"))
}
