//! The statements that change the ledger. Each function is one operation inside a transaction that somebody else
//! begins and commits.

use bytes::Bytes;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::response::Response;
use gitfaas_core::run::{Phase, Run};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::record::{self, checksum, ended_at, nanoseconds, run_key, run_keys};
use super::{line, read};
use crate::cluster::LogPart;
use crate::store::{Accept, Acceptance, StoreError};

/// An accept, spelled out by the one who asks, so that the one writer has less to do.
pub(super) struct Accepted {
    accept: Accept,
    request: String,
    runs: Vec<(String, String)>,
}

impl Accepted {
    pub(super) fn new(accept: Accept) -> Result<Self, StoreError> {
        let request = record::encode(&accept.request)?;
        let spell = |(run, manifests)| Ok((record::encode(run)?, record::encode(manifests)?));
        let runs =
            accept.runs.iter().map(|(run, manifests)| spell((run, manifests))).collect::<Result<_, StoreError>>()?;
        Ok(Self { accept, request, runs })
    }

    /// Bytes it holds.
    pub(super) fn size(&self) -> usize {
        let runs: usize = self.runs.iter().map(|(run, manifests)| run.len() + manifests.len()).sum();
        self.accept.payload.len() + self.request.len() + runs
    }

    pub(super) fn write(&self, connection: &Connection) -> Result<Acceptance, Fault> {
        let Accept { request, runs, idempotency, room, .. } = &self.accept;
        if let Some(idempotency) = idempotency {
            match read::accepted_under(connection, idempotency)? {
                Acceptance::New => {}
                known => return Ok(known),
            }
        }
        let marked = runs.iter().any(|(run, _)| run.phase == Phase::Applying);
        let behind = marked && line::is_due(connection, &request.topic, request.received_at)?;
        let queued = runs.iter().filter(|(run, _)| behind || run.phase == Phase::Queued).count() as u64;
        if queued > 0
            && let Some(bound) = line::passed(connection, &request.topic, *room, queued)?
        {
            return Ok(Acceptance::Full(bound));
        }
        self.insert_request(connection)?;
        for ((run, _), (record, manifests)) in runs.iter().zip(&self.runs) {
            if behind {
                let run = run.clone().unmarked(request.received_at);
                insert_run(connection, &run, &record::encode(&run)?, manifests)?;
            } else {
                insert_run(connection, run, record, manifests)?;
            }
        }
        Ok(if behind { Acceptance::Behind } else { Acceptance::New })
    }

    /// Everything but the runs.
    fn insert_request(&self, connection: &Connection) -> Result<(), Fault> {
        let request = &self.accept.request;
        if let Some(idempotency) = &self.accept.idempotency {
            keep_key(connection, idempotency, request.id)?;
        }
        let crc = checksum(&[request.id.as_bytes(), &self.accept.payload]);
        connection
            .prepare_cached("INSERT INTO payload (body, crc) VALUES (?1, ?2)")?
            .execute(params![self.accept.payload.as_ref(), crc])?;
        let payload = connection.last_insert_rowid();
        let parent = request.lineage.parent.map(|run| *run.request().as_bytes());
        connection
            .prepare_cached(
                "INSERT INTO request (id, topic, parent, payload, ended_at, record, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                request.id.as_bytes(),
                request.topic.as_str(),
                parent,
                payload,
                self.ended_at(),
                self.request,
                checksum(&[request.id.as_bytes(), self.request.as_bytes()])
            ])?;
        Ok(())
    }

    /// When the request is over already: it may have no run at all.
    fn ended_at(&self) -> Option<i64> {
        let runs = self.accept.runs.iter().map(|(run, _)| ended_at(run));
        let received = nanoseconds(self.accept.request.received_at);
        runs.reduce(|one, other| Some(one?.max(other?))).unwrap_or(Some(received))
    }
}

fn keep_key(connection: &Connection, idempotency: &Idempotency, request: RequestId) -> Result<(), Fault> {
    connection
        .prepare_cached("INSERT INTO idempotency (key, fingerprint, request, crc) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            idempotency.key,
            idempotency.fingerprint,
            request.as_bytes(),
            checksum(&[&idempotency.key, &idempotency.fingerprint, request.as_bytes()])
        ])?;
    Ok(())
}

fn insert_run(connection: &Connection, run: &Run, record: &str, manifests: &str) -> Result<(), Fault> {
    let key = run_key(run.id);
    connection
        .prepare_cached("INSERT INTO manifests (record, crc) VALUES (?1, ?2)")?
        .execute(params![manifests, checksum(&[&key, manifests.as_bytes()])])?;
    let manifests = connection.last_insert_rowid();
    connection
        .prepare_cached(
            "INSERT INTO run (id, topic, ordinal, phase, due_at, ended_at, manifests, record, live, crc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            key,
            run.topic.as_str(),
            run.ordinal,
            run.phase.as_str(),
            run.due_at.map(nanoseconds),
            ended_at(run),
            manifests,
            record,
            run.is_live(),
            checksum(&[&key, record.as_bytes()])
        ])?;
    Ok(())
}

/// Compares what the ledger holds with `before` as values, not as text: a newer program may spell the same run
/// otherwise.
pub(super) fn settle(connection: &Connection, before: &Run, after: &Run, record: &str) -> Result<bool, Fault> {
    let key = run_key(before.id);
    let held = connection
        .prepare_cached("SELECT id, record, phase, crc FROM run WHERE id = ?1")?
        .query_row([key], |row| Ok(record::run(row)))
        .optional()?
        .transpose()?;
    if held.as_ref() != Some(before) || after.id != before.id {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "UPDATE run SET phase = ?2, due_at = ?3, ended_at = ?4, record = ?5, live = ?6, crc = ?7 WHERE id = ?1",
        )?
        .execute(params![
            key,
            after.phase.as_str(),
            after.due_at.map(nanoseconds),
            ended_at(after),
            record,
            after.is_live(),
            checksum(&[&key, record.as_bytes()])
        ])?;
    if before.is_dead_letter() != after.is_dead_letter() {
        list_dead_letter(connection, after)?;
    }
    if ended_at(before) != ended_at(after) || before.is_dead_letter() != after.is_dead_letter() {
        end_request(connection, before.request())?;
    }
    Ok(true)
}

/// In place of the phase of a run whose record is damaged.
const SET_ASIDE: &str = "damaged";

/// Takes damaged runs out of every list by which something is done about runs: they are in no line and have no slot. Their
/// records stay as they are.
pub(super) fn set_aside(connection: &Connection, keys: &[Vec<u8>]) -> Result<(), Fault> {
    for key in keys {
        let found = connection
            .prepare_cached("SELECT id, record, phase, crc FROM run WHERE id = ?1")?
            .query_row([key], |row| Ok(record::run(row)))
            .optional()?;
        let Some(Err(fault)) = found else { continue };
        match StoreError::from(fault) {
            StoreError::Damaged(what) => {
                tracing::error!(store.record = what, "a damaged run is set aside: nothing is done about it any more");
                connection
                    .prepare_cached("UPDATE run SET phase = ?2, live = 0 WHERE id = ?1")?
                    .execute(params![key, SET_ASIDE])?;
            }
            error => return Err(error.into()),
        }
    }
    Ok(())
}

/// Settles, and replaces what was recorded for the run.
pub(super) fn replace(
    connection: &Connection,
    before: &Run,
    (after, record): (&Run, &str),
    manifests: &str,
) -> Result<bool, Fault> {
    if !settle(connection, before, after, record)? {
        return Ok(false);
    }
    let key = run_key(after.id);
    connection
        .prepare_cached(
            "UPDATE manifests SET record = ?2, crc = ?3 WHERE seq = (SELECT manifests FROM run WHERE id = ?1)",
        )?
        .execute(params![key, manifests, checksum(&[&key, manifests.as_bytes()])])?;
    Ok(true)
}

fn list_dead_letter(connection: &Connection, run: &Run) -> Result<(), Fault> {
    let key = run_key(run.id);
    connection.prepare_cached("DELETE FROM dead_letter WHERE run = ?1")?.execute([key])?;
    if run.is_dead_letter() {
        let reason = run.reason.as_ref().map_or("", |reason| reason.code.as_str());
        connection
            .prepare_cached("INSERT INTO dead_letter (run, topic, function, reason) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![key, run.topic.as_str(), run.function.as_str(), reason])?;
    }
    Ok(())
}

/// A request is over when each of its runs is, and as late as the last of them; it is kept longer for a dead letter.
fn end_request(connection: &Connection, request: RequestId) -> Result<(), Fault> {
    let (first, end) = run_keys(request);
    connection
        .prepare_cached(
            "UPDATE request SET ended_at =
                 (SELECT CASE WHEN count(ended_at) = count(*) THEN max(ended_at) END FROM run WHERE id >= ?1 AND id < ?2),
                 dead = EXISTS (SELECT 1 FROM dead_letter WHERE run >= ?1 AND run < ?2)
             WHERE id = ?1",
        )?
        .execute(params![first, end])?;
    Ok(())
}

fn require_run(connection: &Connection, key: [u8; 22]) -> Result<(), Fault> {
    let exists = connection.prepare_cached("SELECT 1 FROM run WHERE id = ?1")?.exists([key])?;
    if exists { Ok(()) } else { Err(StoreError::NotFound.into()) }
}

pub(super) fn put_response(connection: &Connection, response: &Response) -> Result<(), Fault> {
    let key = run_key(response.run);
    require_run(connection, key)?;
    let (try_no, received_at) = (response.try_no.map(|number| number.0), nanoseconds(response.received_at));
    let (content_type, body) = (response.content_type.as_deref(), response.body.as_ref());
    let crc = record::response_checksum(&key, try_no, received_at, (content_type, body));
    connection
        .prepare_cached(
            "INSERT INTO response (run, try, received_at, content_type, body, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![key, try_no, received_at, content_type, body, crc])?;
    Ok(())
}

pub(super) fn put_logs(
    connection: &Connection,
    run: RunId,
    try_no: Try,
    job: &str,
    parts: &[LogPart],
) -> Result<(), Fault> {
    let key = run_key(run);
    let held = read::run(connection, run)?.ok_or(StoreError::NotFound)?;
    if held.logs_captured && held.try_no == try_no {
        return Ok(());
    }
    connection
        .prepare_cached("DELETE FROM log WHERE run = ?1 AND try = ?2 AND job = ?3")?
        .execute(params![key, try_no.0, job])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO log (run, try, job, attempt, container, cut, text, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for part in parts {
        let cut = i64::try_from(part.cut).unwrap_or(i64::MAX);
        let crc = record::log_checksum(&key, try_no, job, part);
        insert.execute(params![key, try_no.0, job, part.attempt, part.container, cut, part.text.as_ref(), crc])?;
    }
    Ok(())
}

pub(super) fn save_catalog(connection: &Connection, live: &str, sources: &[(String, Bytes)]) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO catalog (one, live, crc) VALUES (1, ?1, ?2) ON CONFLICT (one) DO UPDATE SET live = ?1, crc = ?2",
        )?
        .execute(params![live, checksum(&[live.as_bytes()])])?;
    // Written also where it should be there already: one that was damaged is whole again.
    let mut insert = connection
        .prepare_cached("INSERT INTO source (hash, body) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = ?2")?;
    for (hash, body) in sources {
        insert.execute(params![hash, body.as_ref()])?;
    }
    let kept: Vec<&str> = sources.iter().map(|(hash, _)| hash.as_str()).collect();
    connection
        .prepare_cached("DELETE FROM source WHERE hash NOT IN (SELECT value FROM json_each(?1))")?
        .execute([record::encode(&kept)?])?;
    Ok(())
}

/// How many free pages may wait to be used again before the file is made shorter, and how many are given back at once.
const FREE_PAGES: (i64, u32) = (1024, 256);

pub(super) fn expire(
    connection: &Connection,
    ended_before: Timestamp,
    dead_before: Timestamp,
    limit: usize,
) -> Result<usize, Fault> {
    let mut over = ended(connection, false, ended_before, limit)?;
    over.extend(ended(connection, true, dead_before, limit - over.len())?);
    for (request, payload) in &over {
        forget(connection, RequestId::from_bytes(*request), *payload)?;
    }
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free > FREE_PAGES.0 {
        // It gives a page back at each step of the statement.
        connection.pragma(None, "incremental_vacuum", FREE_PAGES.1, |_| Ok(()))?;
    }
    Ok(over.len())
}

/// Requests with or without dead letters that ended before a moment, the longest ended first, and their payloads.
fn ended(connection: &Connection, dead: bool, before: Timestamp, limit: usize) -> Result<Vec<([u8; 16], i64)>, Fault> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT id, payload FROM request INDEXED BY request_ended
         WHERE dead = ?1 AND ended_at < ?2 ORDER BY ended_at LIMIT ?3",
    )?;
    let rows = statement
        .query_map(params![dead, nanoseconds(before), limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

/// Responses and logs go with their run, and so does its place among the dead letters.
fn forget(connection: &Connection, request: RequestId, payload: i64) -> Result<(), Fault> {
    let (first, end) = run_keys(request);
    connection
        .prepare_cached("DELETE FROM manifests WHERE seq IN (SELECT manifests FROM run WHERE id >= ?1 AND id < ?2)")?
        .execute(params![first, end])?;
    connection.prepare_cached("DELETE FROM run WHERE id >= ?1 AND id < ?2")?.execute(params![first, end])?;
    connection.prepare_cached("DELETE FROM payload WHERE seq = ?1")?.execute([payload])?;
    connection.prepare_cached("DELETE FROM idempotency WHERE request = ?1")?.execute([first])?;
    connection.prepare_cached("DELETE FROM request WHERE id = ?1")?.execute([first])?;
    Ok(())
}
