//! How records are spelled in Redis and how they are read back: whatever does not parse, or says it is another than its
//! key says, is damaged.

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::request::Request;
use gitfaas_core::run::Run;
use redis::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::StoreError;

/// A record as text.
pub(super) fn encode(record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|error| StoreError::Unavailable(format!("a record cannot be written as JSON: {error}")))
}

/// A record from its text; `whose` says which one it is.
pub(super) fn decode<T: DeserializeOwned>(text: &[u8], whose: impl FnOnce() -> String) -> Result<T, StoreError> {
    // The error of serde_json tells a place and a type, never more than a word of the record.
    serde_json::from_slice(text).map_err(|error| damaged(&whose(), &error.to_string()))
}

/// That the record called `whose` cannot be served.
pub(super) fn damaged(whose: &str, why: &str) -> StoreError {
    StoreError::Damaged(format!("{whose}: {why}"))
}

/// What a script found under a key: nothing, the bytes of a record, or something that no ledger puts there.
pub(super) fn held(value: Value, whose: impl FnOnce() -> String) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        _ => Err(damaged(&whose(), "its key holds something else than a record")),
    }
}

/// A request from what is held for it.
pub(super) fn request(id: RequestId, value: Value) -> Result<Option<Request>, StoreError> {
    let whose = || format!("request {id}");
    let Some(text) = held(value, whose)? else { return Ok(None) };
    let request: Request = decode(&text, whose)?;
    if request.id != id {
        return Err(damaged(&whose(), "the record is another request's"));
    }
    Ok(Some(request))
}

/// A run from what is held for it.
pub(super) fn run(id: RunId, value: Value) -> Result<Option<Run>, StoreError> {
    let whose = || format!("run {id}");
    let Some(text) = held(value, whose)? else { return Ok(None) };
    let run: Run = decode(&text, whose)?;
    if run.id != id {
        return Err(damaged(&whose(), "the record is another run's"));
    }
    Ok(Some(run))
}

/// That an index names something that is not there, or is not as the index says.
pub(super) fn contradicts(whose: &str) -> StoreError {
    damaged(whose, "the record is not as it is listed")
}

/// Takes a damaged record for one that is not there, and logs it, so that one bad record never hides the others.
pub(super) fn isolate<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Damaged(what)) => {
            tracing::error!(store.record = what, "a damaged record of the store is left out of a listing");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes from their hex; `None` unless it is so many.
pub(super) fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digits = hex.as_bytes();
    if digits.len() != 2 * N || !hex.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
