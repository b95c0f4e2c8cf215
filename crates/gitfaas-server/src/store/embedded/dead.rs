//! The statements that list dead letters. A row of the list is there exactly while its run is one: `write` keeps it so.

use gitfaas_core::run::Run;
use gitfaas_core::topic::{FunctionName, TopicName};
use rusqlite::{Connection, params};

use super::fault::Fault;
use super::record::{self, collect, run_key};
use crate::store::DeadLetterQuery;

/// Before every key there is, in the list's order.
const BEGIN: [u8; 22] = [0xff; 22];

/// The joins are written as `CROSS JOIN`, which `SQLite` takes in the order it stands in: along the list.
const ALL: &str =
    "SELECT run.id, run.record, run.phase, run.crc FROM dead_letter CROSS JOIN run ON run.id = dead_letter.run
    WHERE dead_letter.run < ?1 AND (?2 IS NULL OR dead_letter.function = ?2) AND (?3 IS NULL OR dead_letter.reason = ?3)
    ORDER BY dead_letter.run DESC";
const OF_TOPIC: &str = "SELECT run.id, run.record, run.phase, run.crc
    FROM dead_letter INDEXED BY dead_letter_of_topic CROSS JOIN run ON run.id = dead_letter.run
    WHERE dead_letter.topic = ?4 AND dead_letter.run < ?1
        AND (?2 IS NULL OR dead_letter.function = ?2) AND (?3 IS NULL OR dead_letter.reason = ?3)
    ORDER BY dead_letter.run DESC";

pub(super) fn letters(connection: &Connection, query: &DeadLetterQuery) -> Result<Vec<Run>, Fault> {
    let before = query.before.map_or(BEGIN, run_key);
    let function = query.function.as_ref().map(FunctionName::as_str);
    let reason = query.reason.as_deref();
    match query.topic.as_ref().map(TopicName::as_str) {
        None => {
            let mut statement = connection.prepare_cached(ALL)?;
            collect(statement.query(params![before, function, reason])?, query.limit, record::run)
        }
        Some(topic) => {
            let mut statement = connection.prepare_cached(OF_TOPIC)?;
            collect(statement.query(params![before, function, reason, topic])?, query.limit, record::run)
        }
    }
}
