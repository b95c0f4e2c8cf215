//! Reading what is known by its id: requests, messages, runs and manifests.

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::message::Message;
use gitfaas_core::request::Request;
use gitfaas_core::run::Run;
use redis::Value;

use super::RedisStore;
use super::link::Ask;
use super::record::{self, contradicts, damaged, decode, held};
use super::reply;
use super::scripts;
use crate::store::StoreError;

impl RedisStore {
    /// What is held in fields of one key.
    async fn fields<const N: usize>(&self, key: String, names: [&str; N]) -> Result<[Value; N], StoreError> {
        let mut ask = Ask::again(&scripts::FIELDS, &self.prefix).with(key);
        for name in names {
            ask.push(name);
        }
        reply::exactly(self.link.ask(ask).await?)
    }

    pub(super) async fn read_request(&self, id: RequestId) -> Result<Option<Request>, StoreError> {
        let [record] = self.fields(format!("request:{id}"), ["record"]).await?;
        record::request(id, record)
    }

    pub(super) async fn read_message(&self, id: RequestId) -> Result<Option<Message>, StoreError> {
        let [record, payload] = self.fields(format!("request:{id}"), ["record", "payload"]).await?;
        let Some(request) = record::request(id, record)? else { return Ok(None) };
        let whose = || format!("request {id}");
        match held(payload, whose)? {
            Some(payload) if payload.len() as u64 == request.size => {
                Ok(Some(Message { payload: payload.into(), meta: request.meta }))
            }
            Some(_) => Err(damaged(&whose(), "its payload is not as long as it was")),
            None => Err(damaged(&whose(), "its payload is missing")),
        }
    }

    pub(super) async fn read_run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        let [record] = self.fields(format!("run:{id}"), ["record"]).await?;
        record::run(id, record)
    }

    pub(super) async fn read_manifests(&self, run: RunId) -> Result<Vec<RecordedManifest>, StoreError> {
        let [text] = self.fields(format!("run:{run}"), ["manifests"]).await?;
        let whose = || format!("manifests of run {run}");
        let text = held(text, whose)?;
        Ok(text.map(|text| decode(&text, whose)).transpose()?.unwrap_or_default())
    }

    /// No run is left out: a caller that asks for a request's runs decides about the request by them.
    pub(super) async fn read_runs(&self, request: RequestId) -> Result<Vec<Run>, StoreError> {
        let answer = self.link.ask(Ask::again(&scripts::RUNS, &self.prefix).with(request)).await?;
        if matches!(answer, Value::Int(_)) {
            return Err(damaged(&format!("request {request}"), "its key holds something else than a record"));
        }
        let run = |(id, record): (Value, Value)| {
            let id = run_id(id)?;
            record::run(id, record)?.ok_or_else(|| contradicts(&format!("run {id}")))
        };
        reply::pairs(answer)?.into_iter().map(run).collect()
    }
}

/// A run's id as an index has it.
pub(super) fn run_id(value: Value) -> Result<RunId, StoreError> {
    let text = reply::text(value).map_err(|_| damaged("an index of runs", "it has something else than runs"))?;
    text.parse().map_err(|_| damaged("an index of runs", "it has something else than runs"))
}

/// A request's id as an index has it.
pub(super) fn request_id(value: Value) -> Result<RequestId, StoreError> {
    let text =
        reply::text(value).map_err(|_| damaged("an index of requests", "it has something else than requests"))?;
    text.parse().map_err(|_| damaged("an index of requests", "it has something else than requests"))
}
