//! Forgetting: what ended before a moment is read, and forgotten if it is still as it was read, a few requests in a step.

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::run::Run;
use jiff::Timestamp;
use redis::Value;

use super::RedisStore;
use super::index::{self, Place, score};
use super::link::Ask;
use super::list::run;
use super::read::{request_id, run_id};
use super::record::{self, contradicts, held, isolate};
use super::reply;
use super::scripts;
use crate::store::StoreError;

/// How many requests are forgotten in one step, so that nobody waits long for it.
const STEP: usize = 50;

/// A request that is over, with all that says where it is listed.
struct Over {
    id: RequestId,
    key: String,
    runs: Vec<(RunId, Vec<u8>)>,
    places: Vec<Place>,
}

impl RedisStore {
    pub(super) async fn write_expire(
        &self,
        ended_before: Timestamp,
        dead_before: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut forgotten = self.forget(false, ended_before, limit).await?;
        forgotten += self.forget(true, dead_before, limit - forgotten).await?;
        Ok(forgotten)
    }

    /// Forgets those with or without dead letters. What is damaged is passed over: it stays.
    async fn forget(&self, dead: bool, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let (set, before) = (index::ended(dead), score(before));
        let (mut forgotten, mut passed) = (0, 0);
        while forgotten < limit {
            let most = (limit - forgotten).min(STEP);
            let ask = Ask::again(&scripts::OVER, &self.prefix).with(set).with(&before).with(passed).with(most);
            let found = reply::items(self.link.ask(ask).await?)?;
            let more = found.len() == most;
            let mut over = Vec::new();
            for request in &found {
                over.extend(isolate(read(request.clone()))?);
            }
            let gone = if over.is_empty() { 0 } else { self.forget_these(set, &before, &over).await? };
            forgotten += gone;
            passed += found.len() - gone;
            if !more {
                break;
            }
        }
        Ok(forgotten)
    }

    async fn forget_these(&self, set: &str, before: &str, over: &[Over]) -> Result<usize, StoreError> {
        let mut ask = Ask::once(&scripts::FORGET, &self.prefix).with(set).with(before);
        for Over { id, key, runs, places } in over {
            ask.push(id);
            ask.push(key);
            ask.push(runs.len());
            ask.push(places.len());
            for (run, record) in runs {
                ask.push(run);
                ask.push_bytes(record);
            }
            for place in places {
                ask.push(&place.set);
                ask.push(&place.member);
            }
        }
        let gone = reply::number(&self.link.ask(ask).await?)?;
        usize::try_from(gone).map_err(|_| reply::unexpected())
    }
}

fn read(request: Value) -> Result<Over, StoreError> {
    let mut items = reply::items(request)?.into_iter();
    let mut next = || items.next().unwrap_or(Value::Nil);
    let id = request_id(next())?;
    let whose = || format!("request {id}");
    let request = record::request(id, next())?.ok_or_else(|| contradicts(&whose()))?;
    let key = held(next(), whose)?.unwrap_or_default();
    let mut places = index::of_request(&request);
    let mut runs = Vec::new();
    while let (Some(id), Some(record)) = (items.next(), items.next()) {
        let id = run_id(id)?;
        let text = held(record.clone(), || format!("run {id}"))?.unwrap_or_default();
        let run: Run = run(id, record)?;
        places.extend(index::of_run(&run));
        runs.push((id, text));
    }
    Ok(Over { id, key: String::from_utf8_lossy(&key).into_owned(), runs, places })
}
