//! How records are spelled in the tables, and how they are read back: whatever does not parse, or says it is another
//! than its key says, is damaged.

use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::request::Request;
use gitfaas_core::run::{Phase, Run};
use jiff::Timestamp;
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use crate::cluster::LogPart;
use crate::store::StoreError;

/// How many characters of a run id spell its request.
const REQUEST_DIGITS: usize = 26;

/// A run's key: the bytes of its request, then the digits of its function.
pub(super) fn run_key(run: RunId) -> [u8; 22] {
    let mut key = [0; 22];
    key[..16].copy_from_slice(run.request().as_bytes());
    key[16..].copy_from_slice(&run.as_str().as_bytes()[REQUEST_DIGITS..]);
    key
}

/// The keys of a request's runs: from the first, which is included, to the second, which is not.
pub(super) fn run_keys(request: RequestId) -> ([u8; 16], [u8; 17]) {
    let mut end = [0xff; 17];
    end[..16].copy_from_slice(request.as_bytes());
    (*request.as_bytes(), end)
}

/// A time as a column holds it. Times beyond the years 1677 to 2262 become the nearest that fits.
pub(super) fn nanoseconds(time: Timestamp) -> i64 {
    let exact = time.as_nanosecond();
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// The time a column holds.
pub(super) fn time(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::MAX)
}

/// When a run counts as over for retention: not while it is `unknown`, which is held until somebody decides.
pub(super) fn ended_at(run: &Run) -> Option<i64> {
    let held = run.phase == Phase::Unknown && run.is_dead_letter();
    let over = run.phase.is_final() && !held;
    run.finished_at.filter(|_| over).map(nanoseconds)
}

/// A record as text.
pub(super) fn encode(record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|error| StoreError::Unavailable(format!("a record cannot be written as JSON: {error}")))
}

/// A record from its text; `whose` says which one it is.
pub(super) fn decode<T: DeserializeOwned>(text: &str, whose: impl FnOnce() -> String) -> Result<T, StoreError> {
    // The error of serde_json tells a place and a type, never more than a word of the record.
    serde_json::from_str(text).map_err(|error| damaged(&whose(), &error.to_string()))
}

/// That the record called `whose` cannot be served.
pub(super) fn damaged(whose: &str, why: &str) -> StoreError {
    StoreError::Damaged(format!("{whose}: {why}"))
}

/// The checksum of a record, from its key and the parts of what it says: neither can be another one's.
pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for part in parts {
        sum.update(&(part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    sum.finalize()
}

/// Refuses a record that is not what was written. One of a version that kept no checksum is taken for what it is.
pub(super) fn check(kept: Option<u32>, parts: &[&[u8]], whose: impl FnOnce() -> String) -> Result<(), StoreError> {
    check_sum(kept, checksum(parts), whose)
}

/// Refuses a record of which the checksum is not the one that was kept.
pub(super) fn check_sum(kept: Option<u32>, sum: u32, whose: impl FnOnce() -> String) -> Result<(), StoreError> {
    match kept {
        Some(kept) if kept != sum => Err(damaged(&whose(), "it is not what was written")),
        _ => Ok(()),
    }
}

/// The checksum of an answer of the run with this key, from its columns.
pub(super) fn response_checksum(
    key: &[u8],
    try_no: Option<u32>,
    received_at: i64,
    (content_type, body): (Option<&str>, &[u8]),
) -> u32 {
    let (try_no, received_at) = (try_no.unwrap_or_default().to_le_bytes(), received_at.to_le_bytes());
    checksum(&[key, &try_no, &received_at, content_type.unwrap_or_default().as_bytes(), body])
}

/// The checksum of a part of a Job's log, of the run with this key.
pub(super) fn log_checksum(key: &[u8], try_no: Try, job: &str, part: &LogPart) -> u32 {
    checksum(&[
        key,
        &try_no.0.to_le_bytes(),
        job.as_bytes(),
        &part.attempt.to_le_bytes(),
        part.container.as_bytes(),
        &part.cut.to_le_bytes(),
        &part.text,
    ])
}

/// A request from the columns `id, record, crc`.
pub(super) fn request(row: &Row<'_>) -> Result<Request, Fault> {
    let id: Vec<u8> = row.get(0)?;
    let whose = || format!("request {}", hex(&id));
    let record = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    check(row.get(2)?, &[&id, record.as_bytes()], whose)?;
    let request: Request = decode(record, whose)?;
    if request.id.as_bytes() != id.as_slice() {
        return Err(damaged(&whose(), "the record is another request's").into());
    }
    Ok(request)
}

/// A run from the columns `id, record, phase, crc`.
pub(super) fn run(row: &Row<'_>) -> Result<Run, Fault> {
    let id: Vec<u8> = row.get(0)?;
    let whose = || format!("run {}", hex(&id));
    let record = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    check(row.get(3)?, &[&id, record.as_bytes()], whose)?;
    let run: Run = decode(record, whose)?;
    if run_key(run.id) != id.as_slice() {
        return Err(damaged(&whose(), "the record is another run's").into());
    }
    if row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)? != run.phase.as_str() {
        return Err(damaged(&whose(), "the record is in another phase than the run is listed in").into());
    }
    Ok(run)
}

/// Collects at most `limit` of what `read` makes of the rows. What is damaged is left out and logged, so that one bad
/// record never hides the others.
pub(super) fn collect<T>(
    mut rows: rusqlite::Rows<'_>,
    limit: usize,
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next()? else { break };
        found.extend(isolate(read(row))?);
    }
    Ok(found)
}

/// What a walk over runs met.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Those that are what was written.
    pub(super) runs: Vec<Run>,
    /// The keys of the others.
    pub(super) damaged: Vec<Vec<u8>>,
}

impl Walk {
    /// Goes on along rows of the columns `id, record, phase, crc`, until it has so many runs.
    pub(super) fn along(&mut self, mut rows: rusqlite::Rows<'_>, limit: usize) -> Result<(), Fault> {
        while self.runs.len() < limit {
            let Some(row) = rows.next()? else { break };
            self.meet(row)?;
        }
        Ok(())
    }

    /// Takes one row of these columns.
    pub(super) fn meet(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        match run(row).map_err(StoreError::from) {
            Ok(run) => self.runs.push(run),
            Err(StoreError::Damaged(_)) => self.damaged.push(row.get(0)?),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Takes a damaged record for one that is not there, and logs it.
pub(super) fn isolate<T>(read: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match read.map_err(StoreError::from) {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Damaged(what)) => {
            tracing::error!(store.record = what, "a damaged record of the store is left out of a listing");
            Ok(None)
        }
        Err(error) => Err(error.into()),
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
