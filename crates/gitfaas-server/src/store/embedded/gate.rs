//! The statements about the gates of topics. One that holds nothing is no row.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::str::FromStr as _;

use gitfaas_core::gate::Gate;
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::record::{damaged, isolate, nanoseconds, time};

pub(super) fn gates(connection: &Connection) -> Result<BTreeMap<TopicName, Gate>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT topic, concurrency, paused_by_config, paused_by_operator FROM gate")?;
    let mut rows = statement.query([])?;
    let mut gates = BTreeMap::new();
    while let Some(row) = rows.next()? {
        gates.extend(isolate(gate(row))?);
    }
    Ok(gates)
}

fn gate(row: &Row<'_>) -> Result<(TopicName, Gate), Fault> {
    let name: String = row.get(0)?;
    let topic = TopicName::from_str(&name).map_err(|error| damaged("a topic's gate", &error.to_string()))?;
    let gate = Gate {
        concurrency: row.get::<_, Option<u32>>(1)?.and_then(NonZeroU32::new),
        paused_by_config: row.get::<_, Option<i64>>(2)?.map(time),
        paused_by_operator: row.get::<_, Option<i64>>(3)?.map(time),
    };
    Ok((topic, gate))
}

pub(super) fn configure(connection: &Connection, gates: &[(TopicName, Gate)]) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO gate (topic, concurrency, paused_by_config) VALUES (?1, ?2, ?3)
         ON CONFLICT (topic) DO UPDATE SET concurrency = ?2, paused_by_config = ?3",
    )?;
    for (topic, gate) in gates {
        let concurrency = gate.concurrency.map(NonZeroU32::get);
        statement.execute(params![topic.as_str(), concurrency, gate.paused_by_config.map(nanoseconds)])?;
    }
    sweep(connection)
}

pub(super) fn pause(connection: &Connection, topic: &TopicName, since: Option<Timestamp>) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO gate (topic, paused_by_operator) VALUES (?1, ?2) ON CONFLICT (topic) DO UPDATE
             SET paused_by_operator = CASE WHEN ?2 IS NOT NULL THEN coalesce(paused_by_operator, ?2) END",
        )?
        .execute(params![topic.as_str(), since.map(nanoseconds)])?;
    sweep(connection)
}

fn sweep(connection: &Connection) -> Result<(), Fault> {
    let nothing = "DELETE FROM gate WHERE coalesce(concurrency, paused_by_config, paused_by_operator) IS NULL";
    connection.prepare_cached(nothing)?.execute([])?;
    Ok(())
}
