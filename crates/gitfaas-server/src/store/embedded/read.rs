//! The statements that read the ledger. Each function runs in a transaction of its own and so sees one moment.

use bytes::Bytes;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::message::Message;
use gitfaas_core::request::Request;
use gitfaas_core::response::Response;
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::record::{self, Walk, collect, damaged, isolate, run_key, run_keys};
use crate::cluster::LogPart;
use crate::store::{Acceptance, RequestQuery};

/// After every key there is.
const END: [u8; 17] = [0xff; 17];

pub(super) fn runs_in(
    connection: &Connection,
    phases: &[Phase],
    after: Option<RunId>,
    limit: usize,
) -> Result<Walk, Fault> {
    let after = after.map(|run| run_key(run).to_vec()).unwrap_or_default();
    let mut statement = connection.prepare_cached(
        "SELECT id, record, phase, crc FROM run INDEXED BY run_in_phase WHERE phase = ?1 AND id > ?2 ORDER BY id",
    )?;
    let mut found = Walk::default();
    // Each phase is walked in the order of ids; the first `limit` of all are among the first `limit` of each.
    for phase in Phase::ALL.iter().filter(|phase| phases.contains(phase)) {
        let mut walk = Walk::default();
        walk.along(statement.query(params![phase.as_str(), after])?, limit)?;
        found.runs.append(&mut walk.runs);
        found.damaged.append(&mut walk.damaged);
    }
    found.runs.sort_unstable_by_key(|run| run.id);
    found.runs.truncate(limit);
    Ok(found)
}

pub(super) fn manifests(connection: &Connection, run: RunId) -> Result<Vec<RecordedManifest>, Fault> {
    let found: Option<(String, Option<u32>)> = connection
        .prepare_cached(
            "SELECT manifests.record, manifests.crc FROM run JOIN manifests ON seq = manifests WHERE id = ?1",
        )?
        .query_row([run_key(run)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((text, crc)) = found else { return Ok(Vec::new()) };
    let whose = || format!("manifests of run {run}");
    record::check(crc, &[&run_key(run), text.as_bytes()], whose)?;
    Ok(record::decode(&text, whose)?)
}

pub(super) fn request(connection: &Connection, id: RequestId) -> Result<Option<Request>, Fault> {
    connection
        .prepare_cached("SELECT id, record, crc FROM request WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| Ok(record::request(row)))
        .optional()?
        .transpose()
}

pub(super) fn accepted_under(connection: &Connection, idempotency: &Idempotency) -> Result<Acceptance, Fault> {
    let found: Option<([u8; 16], [u8; 32], Option<u32>)> = connection
        .prepare_cached("SELECT request, fingerprint, crc FROM idempotency WHERE key = ?1")?
        .query_row([idempotency.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((request, fingerprint, crc)) = found else { return Ok(Acceptance::New) };
    record::check(crc, &[&idempotency.key, &fingerprint, &request], || "an idempotency key".to_owned())?;
    let request = RequestId::from_bytes(request);
    let is_same = fingerprint == idempotency.fingerprint;
    Ok(if is_same { Acceptance::Repeats(request) } else { Acceptance::Contradicts(request) })
}

pub(super) fn message(connection: &Connection, id: RequestId) -> Result<Option<Message>, Fault> {
    let Some(request) = request(connection, id)? else { return Ok(None) };
    let found: Option<(Vec<u8>, Option<u32>)> = connection
        .prepare_cached("SELECT body, crc FROM payload WHERE seq = (SELECT payload FROM request WHERE id = ?1)")?
        .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let whose = || format!("payload of request {id}");
    let Some((payload, crc)) = found else { return Err(damaged(&whose(), "it is missing").into()) };
    if payload.len() as u64 != request.size {
        return Err(damaged(&whose(), "it is not as long as it was").into());
    }
    record::check(crc, &[id.as_bytes(), &payload], whose)?;
    Ok(Some(Message { payload: payload.into(), meta: request.meta }))
}

pub(super) fn runs(connection: &Connection, request: RequestId) -> Result<Vec<Run>, Fault> {
    let (first, end) = run_keys(request);
    let mut statement = connection
        .prepare_cached("SELECT id, record, phase, crc FROM run WHERE id >= ?1 AND id < ?2 ORDER BY ordinal, id")?;
    let mut rows = statement.query(params![first, end])?;
    let mut runs = Vec::new();
    // No run is left out: a caller that asks for a request's runs decides about the request by them.
    while let Some(row) = rows.next()? {
        runs.push(record::run(row)?);
    }
    Ok(runs)
}

pub(super) fn run(connection: &Connection, id: RunId) -> Result<Option<Run>, Fault> {
    connection
        .prepare_cached("SELECT id, record, phase, crc FROM run WHERE id = ?1")?
        .query_row([run_key(id)], |row| Ok(record::run(row)))
        .optional()?
        .transpose()
}

pub(super) fn children(connection: &Connection, parent: RequestId, limit: usize) -> Result<Vec<Request>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, record, crc FROM request INDEXED BY request_of_parent WHERE parent = ?1 ORDER BY id",
    )?;
    collect(statement.query([parent.as_bytes()])?, limit, record::request)
}

pub(super) fn requests(connection: &Connection, query: &RequestQuery) -> Result<Vec<Request>, Fault> {
    let from = query.from.map_or(Vec::new(), |id| id.as_bytes().to_vec());
    let before = query.before.map_or(END.to_vec(), |id| id.as_bytes().to_vec());
    match (query.phase, &query.topic) {
        (None, None) => {
            let mut statement = connection
                .prepare_cached("SELECT id, record, crc FROM request WHERE id >= ?1 AND id < ?2 ORDER BY id DESC")?;
            collect(statement.query([from, before])?, query.limit, record::request)
        }
        (None, Some(topic)) => {
            let mut statement = connection.prepare_cached(
                "SELECT id, record, crc FROM request INDEXED BY request_of_topic
                 WHERE topic = ?1 AND id >= ?2 AND id < ?3 ORDER BY id DESC",
            )?;
            collect(statement.query(params![topic.as_str(), from, before])?, query.limit, record::request)
        }
        (Some(phase), topic) => {
            let topic = topic.as_ref().map(TopicName::as_str);
            requests_in(connection, phase, topic, (&from, &before), query.limit)
        }
    }
}

/// Walks over the runs in the phase, which for a topic are a range of an index too once the phase is final; those in
/// the other phases are what is being worked on, which is little.
fn requests_in(
    connection: &Connection,
    phase: Phase,
    topic: Option<&str>,
    (from, before): (&[u8], &[u8]),
    limit: usize,
) -> Result<Vec<Request>, Fault> {
    let sql = match (topic, phase.is_final()) {
        (Some(_), true) => {
            "SELECT substr(id, 1, 16) FROM run INDEXED BY run_over_in_topic
             WHERE phase = ?1 AND topic = ?2 AND id >= ?3 AND id < ?4
                 AND phase NOT IN ('queued', 'applying', 'pending', 'running')
             ORDER BY id DESC"
        }
        _ => {
            "SELECT substr(id, 1, 16) FROM run INDEXED BY run_in_phase
             WHERE phase = ?1 AND (?2 IS NULL OR topic = ?2) AND id >= ?3 AND id < ?4 ORDER BY id DESC"
        }
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![phase.as_str(), topic, from, before])?;
    let mut found = Vec::new();
    let mut last = None;
    while found.len() < limit {
        let Some(row) = rows.next()? else { break };
        let id: [u8; 16] = row.get(0)?;
        // The runs of a request follow one another.
        if last.replace(id) != Some(id) {
            found.extend(isolate(request(connection, RequestId::from_bytes(id)))?.flatten());
        }
    }
    Ok(found)
}

pub(super) fn responses(connection: &Connection, request: RequestId) -> Result<Vec<Response>, Fault> {
    let (first, end) = run_keys(request);
    let mut statement = connection.prepare_cached(
        "SELECT run.id, record, phase, run.crc, try, received_at, content_type, body, response.crc FROM run JOIN response ON response.seq =
             (SELECT seq FROM response WHERE response.run = run.id ORDER BY received_at DESC, seq DESC LIMIT 1)
         WHERE run.id >= ?1 AND run.id < ?2 ORDER BY ordinal, run.id",
    )?;
    collect(statement.query(params![first, end])?, usize::MAX, |row| {
        let run = record::run(row)?.id;
        let (try_no, received_at): (Option<u32>, i64) = (row.get(4)?, row.get(5)?);
        let (content_type, body): (Option<String>, Vec<u8>) = (row.get(6)?, row.get(7)?);
        let said = (content_type.as_deref(), body.as_slice());
        let sum = record::response_checksum(&run_key(run), try_no, received_at, said);
        record::check_sum(row.get(8)?, sum, || format!("an answer of run {run}"))?;
        let (try_no, received_at) = (try_no.map(Try), record::time(received_at));
        Ok(Response { run, try_no, received_at, content_type, body: body.into() })
    })
}

/// A part of a log from the columns `attempt, container, text, cut`, of which that is the first.
pub(super) fn log_part(row: &Row<'_>, first: usize) -> rusqlite::Result<LogPart> {
    Ok(LogPart {
        attempt: row.get(first)?,
        container: row.get(first + 1)?,
        text: row.get::<_, Vec<u8>>(first + 2)?.into(),
        cut: u64::try_from(row.get::<_, i64>(first + 3)?).unwrap_or_default(),
    })
}

pub(super) fn logs(connection: &Connection, run: RunId, try_no: Try) -> Result<Vec<LogPart>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT attempt, container, text, cut, job, crc FROM log WHERE run = ?1 AND try = ?2
         ORDER BY job, attempt, container, seq",
    )?;
    let rows = statement.query(params![run_key(run), try_no.0])?;
    collect(rows, usize::MAX, |row| {
        let part = log_part(row, 0)?;
        let sum = record::log_checksum(&run_key(run), try_no, &row.get::<_, String>(4)?, &part);
        record::check_sum(row.get(5)?, sum, || format!("a log of run {run}"))?;
        Ok(part)
    })
}

/// What was served, with its sources.
type Catalog = (String, Vec<(String, Bytes)>);

pub(super) fn catalog(connection: &Connection) -> Result<Option<Catalog>, Fault> {
    let found: Option<(String, Option<u32>)> = connection
        .prepare_cached("SELECT live, crc FROM catalog")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((live, crc)) = found else { return Ok(None) };
    record::check(crc, &[live.as_bytes()], || "what was served last".to_owned())?;
    let mut statement = connection.prepare_cached("SELECT hash, body FROM source ORDER BY hash")?;
    let mut rows = statement.query([])?;
    let mut sources = Vec::new();
    while let Some(row) = rows.next()? {
        let (hash, body): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        if !record::hex(&Sha256::digest(&body)).eq_ignore_ascii_case(&hash) {
            return Err(damaged(&format!("source {hash}"), "it is not what its name says").into());
        }
        sources.push((hash, body.into()));
    }
    Ok(Some((live, sources)))
}

pub(super) fn count(connection: &Connection) -> Result<Vec<(Phase, u64)>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM run INDEXED BY run_in_phase WHERE phase = ?1")?;
    let count = |phase: Phase| {
        let runs: i64 = statement.query_row([phase.as_str()], |row| row.get(0))?;
        Ok((phase, u64::try_from(runs).unwrap_or_default()))
    };
    Phase::ALL.into_iter().map(count).collect()
}
