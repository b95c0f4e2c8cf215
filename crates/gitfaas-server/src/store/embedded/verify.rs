//! Reading every record of a ledger to see that it is what was written. For `doctor`: it takes as long as the disk does.

use gitfaas_core::id::Try;
use rusqlite::{Connection, Row};

use super::fault::Fault;
use super::read;
use super::record::{check, check_sum, hex, log_checksum, response_checksum};
use crate::store::StoreError;

/// Records whose checksum is of their columns as they are: what they are called, and a query for checksum, key and rest.
const PLAIN: [(&str, &str); 6] = [
    ("request", "SELECT crc, id, record FROM request"),
    ("payload of request", "SELECT payload.crc, id, body FROM request JOIN payload ON seq = payload"),
    ("run", "SELECT crc, id, record FROM run"),
    ("manifests of run", "SELECT manifests.crc, id, manifests.record FROM run JOIN manifests ON seq = manifests"),
    ("idempotency key", "SELECT crc, key, fingerprint, request FROM idempotency"),
    ("what was served last", "SELECT crc, live FROM catalog"),
];
const ANSWERS: &str = "SELECT crc, run, try, received_at, content_type, body FROM response";
const LOGS: &str = "SELECT crc, run, try, job, attempt, container, text, cut FROM log";

/// What the first record that is not what was written is, in words.
pub(super) fn first_damage(connection: &Connection) -> Result<Option<String>, Fault> {
    for (what, sql) in PLAIN {
        if let Some(found) = first(connection, sql, |row| plain(row, what))? {
            return Ok(Some(found));
        }
    }
    let found = first(connection, ANSWERS, answer)?;
    if found.is_some() { Ok(found) } else { first(connection, LOGS, log) }
}

fn first(
    connection: &Connection,
    sql: &str,
    check: impl Fn(&Row<'_>) -> Result<(), Fault>,
) -> Result<Option<String>, Fault> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match check(row).map_err(StoreError::from) {
            Ok(()) => {}
            Err(StoreError::Damaged(what)) => return Ok(Some(what)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn plain(row: &Row<'_>, what: &str) -> Result<(), Fault> {
    let columns = row.as_ref().column_count();
    let part = |column| row.get_ref(column)?.as_bytes().map_err(rusqlite::Error::from);
    let parts = (1..columns).map(part).collect::<rusqlite::Result<Vec<&[u8]>>>()?;
    // There is only one of what was served last, and so no key.
    let key = if columns > 2 { hex(parts[0]) } else { String::new() };
    Ok(check(row.get(0)?, &parts, || format!("{what} {key}"))?)
}

fn answer(row: &Row<'_>) -> Result<(), Fault> {
    let (key, body): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(5)?);
    let (try_no, content_type): (Option<u32>, Option<String>) = (row.get(2)?, row.get(4)?);
    let sum = response_checksum(&key, try_no, row.get(3)?, (content_type.as_deref(), &body));
    Ok(check_sum(row.get(0)?, sum, || format!("an answer of run {}", hex(&key)))?)
}

fn log(row: &Row<'_>) -> Result<(), Fault> {
    let (key, job): (Vec<u8>, String) = (row.get(1)?, row.get(3)?);
    let sum = log_checksum(&key, Try(row.get(2)?), &job, &read::log_part(row, 4)?);
    Ok(check_sum(row.get(0)?, sum, || format!("a log of run {}", hex(&key)))?)
}
