//! What functions answered and what their pods wrote.
//!
//! Of the answers of a run the newest is kept: it is the only one that is ever read, and memory is dear.

use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::response::Response;
use redis::Value;
use serde::{Deserialize, Serialize};

use super::RedisStore;
use super::index::score;
use super::link::Ask;
use super::read::run_id;
use super::record::{damaged, decode, encode, held, isolate};
use super::reply;
use super::scripts;
use crate::cluster::LogPart;
use crate::store::StoreError;

/// What is said of an answer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(rename = "try")]
    try_no: Option<Try>,
    received_at: jiff::Timestamp,
    content_type: Option<String>,
    size: usize,
}

/// What is said of a part of a log, whose text follows those of the parts before it.
#[derive(Serialize, Deserialize)]
struct Part {
    attempt: u32,
    container: String,
    cut: u64,
    size: usize,
}

impl RedisStore {
    pub(super) async fn write_response(&self, response: &Response) -> Result<(), StoreError> {
        let Response { run, try_no, received_at, content_type, body } = response;
        let (try_no, received_at, content_type) = (*try_no, *received_at, content_type.clone());
        let meta = encode(&Meta { try_no, received_at, content_type, size: body.len() })?;
        let ask = Ask::once(&scripts::RESPOND, &self.prefix).with(&self.who).with(run).with(score(received_at));
        let ask = ask.bytes(meta.as_bytes()).bytes(body).with(format!("request {}", run.request()));
        found(self.link.ask(ask).await?)
    }

    pub(super) async fn read_responses(&self, request: RequestId) -> Result<Vec<Response>, StoreError> {
        let answer = reply::items(self.link.ask(Ask::again(&scripts::RESPONSES, &self.prefix).with(request)).await?)?;
        let mut answer = answer.into_iter();
        let mut responses = Vec::new();
        while let (Some(run), Some(meta), Some(body)) = (answer.next(), answer.next(), answer.next()) {
            responses.extend(isolate(response(run, meta, body))?);
        }
        Ok(responses)
    }

    pub(super) async fn write_logs(
        &self,
        run: RunId,
        try_no: Try,
        job: &str,
        parts: &[LogPart],
    ) -> Result<(), StoreError> {
        let text = if parts.is_empty() { Vec::new() } else { spell(parts)? };
        let ask = Ask::once(&scripts::LOGS, &self.prefix).with(&self.who).with(run).with(format!("{}:{job}", try_no.0));
        let ask = ask.bytes(&text).with(try_no.0).with(format!("request {}", run.request()));
        found(self.link.ask(ask).await?)
    }

    pub(super) async fn read_logs(&self, run: RunId, try_no: Try) -> Result<Vec<LogPart>, StoreError> {
        let whose = || format!("logs of run {run}");
        let ask = Ask::again(&scripts::ALL, &self.prefix).with(format!("logs:{run}"));
        let answer = self.link.ask(ask).await?;
        if matches!(answer, Value::Int(_)) {
            return Err(damaged(&whose(), "its key holds something else than a record"));
        }
        let mut jobs = Vec::new();
        for (name, text) in reply::pairs(answer)? {
            let name = String::from_utf8_lossy(&held(name, whose)?.unwrap_or_default()).into_owned();
            let Some((of, job)) = name.split_once(':') else { continue };
            if of == try_no.0.to_string() {
                jobs.push((job.to_owned(), held(text, whose)?.unwrap_or_default()));
            }
        }
        jobs.sort_unstable();
        let mut parts = Vec::new();
        for (_, text) in jobs {
            let mut of_job = isolate(parse(&text, &whose()))?.unwrap_or_default();
            of_job.sort_by(|one, other| (one.attempt, &one.container).cmp(&(other.attempt, &other.container)));
            parts.extend(of_job);
        }
        Ok(parts)
    }
}

fn found(answer: Value) -> Result<(), StoreError> {
    match reply::outcome(answer)?.0.as_str() {
        "done" => Ok(()),
        "none" => Err(StoreError::NotFound),
        _ => Err(reply::unexpected()),
    }
}

fn response(run: Value, meta: Value, body: Value) -> Result<Response, StoreError> {
    let run = run_id(run)?;
    let whose = || format!("answer of run {run}");
    let meta = held(meta, whose)?.unwrap_or_default();
    let Meta { try_no, received_at, content_type, size } = decode(&meta, whose)?;
    let body = held(body, whose)?.filter(|body| body.len() == size);
    let body = body.ok_or_else(|| damaged(&whose(), "it is not as long as it was"))?;
    Ok(Response { run, try_no, received_at, content_type, body: body.into() })
}

/// What is said of the parts as JSON, a line's end, and their texts.
fn spell(parts: &[LogPart]) -> Result<Vec<u8>, StoreError> {
    let said: Vec<Part> = parts
        .iter()
        .map(|part| Part {
            attempt: part.attempt,
            container: part.container.clone(),
            cut: part.cut,
            size: part.text.len(),
        })
        .collect();
    let mut text = encode(&said)?.into_bytes();
    text.push(b'\n');
    for part in parts {
        text.extend_from_slice(&part.text);
    }
    Ok(text)
}

fn parse(text: &[u8], whose: &str) -> Result<Vec<LogPart>, StoreError> {
    let wrong = || damaged(whose, "they are not as long as they were");
    let end = text.iter().position(|byte| *byte == b'\n').ok_or_else(wrong)?;
    let (said, rest) = text.split_at(end);
    let said: Vec<Part> = decode(said, || whose.to_owned())?;
    let mut rest = &rest[1..];
    let mut parts = Vec::new();
    for Part { attempt, container, cut, size } in said {
        let (text, after) = rest.split_at_checked(size).ok_or_else(wrong)?;
        rest = after;
        parts.push(LogPart { attempt, container, text: bytes::Bytes::copy_from_slice(text), cut });
    }
    if rest.is_empty() { Ok(parts) } else { Err(wrong()) }
}
