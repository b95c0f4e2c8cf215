//! The statements about the lines of topics: who is in them, who comes next, and the slots at their end.
//!
//! A line is walked in an index that has all a walk looks at; only what is given is read from the table. How long it is
//! need not be counted: triggers keep that with each change of a run.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::str::FromStr as _;

use gitfaas_core::run::Run;
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::fault::Fault;
use super::record::{Walk, damaged, isolate, nanoseconds, run_key};
use super::write;
use crate::store::{Bound, Load, Marking, Order, Place, Queue, Room};

/// The first topic after a name that has queued runs.
pub(super) const NEXT_TOPIC: &str = "SELECT topic FROM run INDEXED BY run_due
    WHERE phase = 'queued' AND topic > ?1 ORDER BY topic LIMIT 1";
/// What is due in a topic, the longest due first.
pub(super) const LONGEST_DUE: &str = "SELECT id, record, phase, crc FROM run INDEXED BY run_due
    WHERE phase = 'queued' AND topic = ?1 AND due_at <= ?2 ORDER BY due_at, substr(id, 1, 16), ordinal";
/// What is due in a topic, the first accepted first.
pub(super) const FIRST_ACCEPTED: &str = "SELECT id FROM run INDEXED BY run_in_line
    WHERE phase = 'queued' AND topic = ?1 AND due_at <= ?2 ORDER BY substr(id, 1, 16), ordinal";
/// How many that are due were accepted before a run.
pub(super) const AHEAD: &str = "SELECT count(*) FROM (SELECT 1 FROM run INDEXED BY run_in_line
    WHERE phase = 'queued' AND topic = ?1 AND due_at <= ?2
        AND substr(id, 1, 16) <= ?3 AND (substr(id, 1, 16) < ?3 OR ordinal < ?4) LIMIT ?5)";
/// How many are live in a topic, counted no further than a limit.
pub(super) const LIVE: &str = "SELECT count(*) FROM (SELECT 1 FROM run INDEXED BY run_live
    WHERE live = 1 AND topic = ?1 LIMIT ?2)";
/// How many are queued in a topic, or in all of them, which have no name.
pub(super) const QUEUED: &str = "SELECT queued FROM line WHERE topic = ?1";
const ALL_QUEUED: &str = "SELECT topic, queued FROM line WHERE topic BETWEEN ?1 AND ?2";
/// Those that are live in a topic.
const LIVE_RUNS: &str = "SELECT id, record, phase, crc FROM run INDEXED BY run_live WHERE live = 1 AND topic = ?1";
const ALL_LIVE: &str = "SELECT topic, count(*) FROM run INDEXED BY run_live
    WHERE live = 1 AND topic BETWEEN ?1 AND ?2 GROUP BY topic";

/// From the first topic's name, which has a letter at least, to behind the last one's.
const ALL: [&str; 2] = ["\u{1}", "\u{10ffff}"];
/// In place of a topic's name: what counts for all of them.
const EVERY_TOPIC: &str = "";

pub(super) fn mark(
    connection: &Connection,
    before: &Run,
    (after, record): (&Run, &str),
    most_live: Option<NonZeroU32>,
) -> Result<Marking, Fault> {
    if let Some(most) = most_live.map(NonZeroU32::get)
        && !before.is_live()
        && live(connection, &before.topic, most.into())? >= u64::from(most)
    {
        let mut walk = Walk::default();
        walk.along(connection.prepare_cached(LIVE_RUNS)?.query([before.topic.as_str()])?, usize::MAX)?;
        write::set_aside(connection, &walk.damaged)?;
        if live(connection, &before.topic, most.into())? >= u64::from(most) {
            return Ok(Marking::Full);
        }
    }
    let settled = write::settle(connection, before, after, record)?;
    Ok(if settled { Marking::Marked } else { Marking::Changed })
}

/// Whether a queued run of the topic is due. A damaged one is before nobody.
pub(super) fn is_due(connection: &Connection, topic: &TopicName, now: Timestamp) -> Result<bool, Fault> {
    let mut walk = Walk::default();
    walk.along(connection.prepare_cached(LONGEST_DUE)?.query(params![topic.as_str(), nanoseconds(now)])?, 1)?;
    write::set_aside(connection, &walk.damaged)?;
    Ok(!walk.runs.is_empty())
}

/// The bound that so many more queued runs of a topic would pass.
pub(super) fn passed(
    connection: &Connection,
    topic: &TopicName,
    room: Room,
    more: u64,
) -> Result<Option<Bound>, Fault> {
    let mut queued = connection.prepare_cached(QUEUED)?;
    for (name, most, bound) in [(topic.as_str(), room.per_topic, Bound::Topic), (EVERY_TOPIC, room.in_all, Bound::All)]
    {
        let there: Option<i64> = queued.query_row([name], |row| row.get(0)).optional()?;
        if there.map_or(0, i64::unsigned_abs).saturating_add(more) > most {
            return Ok(Some(bound));
        }
    }
    Ok(None)
}

pub(super) fn live(connection: &Connection, topic: &TopicName, most: i64) -> Result<u64, Fault> {
    let live: i64 = connection.prepare_cached(LIVE)?.query_row(params![topic.as_str(), most], |row| row.get(0))?;
    Ok(u64::try_from(live).unwrap_or_default())
}

/// The queues, and the keys of damaged runs before the first of each.
pub(super) fn queues(connection: &Connection) -> Result<(Vec<Queue>, Vec<Vec<u8>>), Fault> {
    let mut next = connection.prepare_cached(NEXT_TOPIC)?;
    let mut first = connection.prepare_cached(LONGEST_DUE)?;
    let (mut queues, mut damaged) = (Vec::new(), Vec::new());
    let mut last = String::new();
    while let Some(name) = next.query_row([&last], |row| row.get::<_, String>(0)).optional()? {
        // Read from a record: a damaged one must not be announced again and again.
        let mut walk = Walk::default();
        walk.along(first.query(params![name, i64::MAX])?, 1)?;
        damaged.append(&mut walk.damaged);
        if let Some(due_at) = walk.runs.pop().and_then(|run| run.due_at) {
            queues.extend(isolate(topic(&name))?.map(|topic| Queue { topic, due_at }));
        }
        last = name;
    }
    Ok((queues, damaged))
}

fn topic(name: &str) -> Result<TopicName, Fault> {
    TopicName::from_str(name).map_err(|error| damaged("a run's topic", &error.to_string()).into())
}

pub(super) fn due(
    connection: &Connection,
    topic: &TopicName,
    order: Order,
    now: Timestamp,
    limit: usize,
) -> Result<Walk, Fault> {
    let (topic, now) = (topic.as_str(), nanoseconds(now));
    let mut walk = Walk::default();
    match order {
        Order::Due => walk.along(connection.prepare_cached(LONGEST_DUE)?.query(params![topic, now])?, limit)?,
        Order::Accepted => {
            let mut statement = connection.prepare_cached(FIRST_ACCEPTED)?;
            let mut read = connection.prepare_cached("SELECT id, record, phase, crc FROM run WHERE id = ?1")?;
            let mut rows = statement.query(params![topic, now])?;
            while walk.runs.len() < limit {
                let Some(row) = rows.next()? else { break };
                let key: [u8; 22] = row.get(0)?;
                read.query_row([key], |row| Ok(walk.meet(row)))??;
            }
        }
    }
    Ok(walk)
}

pub(super) fn place(connection: &Connection, run: &Run, now: Timestamp, most: u32) -> Result<Place, Fault> {
    let request = &run_key(run.id)[..16];
    let ahead = connection
        .prepare_cached(AHEAD)?
        .query_row(params![run.topic.as_str(), nanoseconds(now), request, run.ordinal, most], |row| row.get(0))?;
    Ok(Place { ahead, live: live(connection, &run.topic, i64::MAX)? })
}

pub(super) fn loads(connection: &Connection, of: Option<&TopicName>) -> Result<Vec<Load>, Fault> {
    let mut counted: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for (place, sql) in [ALL_QUEUED, ALL_LIVE].into_iter().enumerate() {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(of.map_or(ALL, |topic| [topic.as_str(); 2]))?;
        while let Some(row) = rows.next()? {
            let runs = u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default();
            counted.entry(row.get(0)?).or_default()[place] = runs;
        }
    }
    let mut loads = Vec::new();
    for (name, [queued, live]) in counted {
        loads.extend(isolate(topic(&name))?.map(|topic| Load { topic, queued, live }));
    }
    Ok(loads)
}
