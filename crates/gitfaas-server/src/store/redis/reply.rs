//! Reading what Redis answers.

use redis::{RedisError, Value};

use crate::store::StoreError;

/// The items of a list.
pub(super) fn items(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(items) => Ok(items),
        // An empty table of Lua.
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected()),
    }
}

/// So many items, and nothing else.
pub(super) fn exactly<const N: usize>(value: Value) -> Result<[Value; N], StoreError> {
    items(value)?.try_into().map_err(|_| unexpected())
}

/// A text.
pub(super) fn text(value: Value) -> Result<String, StoreError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| unexpected()),
        _ => Err(unexpected()),
    }
}

/// A count.
pub(super) fn number(value: &Value) -> Result<u64, StoreError> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| unexpected()),
        _ => Err(unexpected()),
    }
}

/// What a list of names and values pairs.
pub(super) fn pairs(value: Value) -> Result<Vec<(Value, Value)>, StoreError> {
    let mut items = items(value)?.into_iter();
    let mut pairs = Vec::new();
    while let Some(name) = items.next() {
        pairs.push((name, items.next().ok_or_else(unexpected)?));
    }
    Ok(pairs)
}

/// The word that a script begins its answer with, and what follows.
pub(super) fn outcome(value: Value) -> Result<(String, Vec<Value>), StoreError> {
    let mut items = items(value)?;
    if items.is_empty() {
        return Err(unexpected());
    }
    let word = text(items.remove(0))?;
    Ok((word, items))
}

/// That Redis, or what is in its place, answered something else than was asked for.
pub(super) fn unexpected() -> StoreError {
    StoreError::Unavailable("redis answered with something else than was asked for".to_owned())
}

/// How much of what Redis says is repeated.
const SHOWN: usize = 200;

/// What a failure means for the one who asked.
pub(super) fn failure(error: &RedisError) -> StoreError {
    let unavailable = |what: &str| StoreError::Unavailable(what.to_owned());
    let forbidden = || {
        StoreError::Unavailable(format!(
            "redis does not let this user do what the ledger needs ({})",
            shown(error.detail().unwrap_or_default())
        ))
    };
    match error.code() {
        Some("DAMAGED") => {
            let key = shown(error.detail().unwrap_or_default());
            StoreError::Damaged(format!("key {key}: it holds something else than a ledger has there"))
        }
        Some("FOREIGN") => {
            let key = shown(error.detail().unwrap_or_default());
            StoreError::Unavailable(format!(
                "the key {key} holds something else than a ledger has there, and nothing was written: see who else \
                 uses this prefix (--redis-prefix)"
            ))
        }
        Some("OOM") => {
            unavailable("redis has no memory left: raise its maxmemory, or keep requests for a shorter time")
        }
        Some("READONLY") => {
            unavailable("this redis is a replica, which takes no writes: name the primary, or Sentinels")
        }
        Some("LOADING") => unavailable("redis is reading its files, and answers when it has"),
        Some("MASTERDOWN") => unavailable("this redis is a replica that has lost its primary"),
        Some("MISCONF") => unavailable("redis cannot write its files: see its log and its disk"),
        Some("NOREPLICAS") => unavailable("redis has fewer replicas than its min-replicas-to-write asks for"),
        Some("BUSY") => unavailable("redis is kept busy by a script that is none of ours"),
        Some("NOAUTH" | "WRONGPASS") => unavailable("redis does not take the user or the password"),
        Some("NOPERM") => forbidden(),
        // What it says within a script.
        _ if error.detail().is_some_and(|detail| detail.contains("user executing the script")) => forbidden(),
        _ if error.is_timeout() => unavailable("redis has not answered in time"),
        _ if error.kind() == redis::ErrorKind::AuthenticationFailed => {
            unavailable("redis does not take the user or the password")
        }
        _ => StoreError::Unavailable(format!("redis: {}", shown(&error.to_string()))),
    }
}

/// What somebody else said, on one line and not without end.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}
