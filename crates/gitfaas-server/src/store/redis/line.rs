//! The lines of topics: who is in them, who comes next, and the slots at their end.

use std::num::NonZeroU32;
use std::str::FromStr as _;

use gitfaas_core::id::RunId;
use gitfaas_core::run::Run;
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;
use redis::Value;

use super::RedisStore;
use super::index;
use super::link::Ask;
use super::list::run;
use super::read::run_id;
use super::record::{self, contradicts, damaged, isolate};
use super::reply;
use super::scripts;
use super::write::Change;
use crate::store::{Load, Marking, Order, Place, Queue, StoreError};

/// How many are read in one step, at least and at most.
const PAGE: (usize, usize) = (32, 1000);

impl RedisStore {
    /// Of a topic whose slots are all taken, those are given back that nothing live has: a damaged record has none.
    pub(super) async fn write_mark(
        &self,
        before: &Run,
        after: &Run,
        most_live: Option<NonZeroU32>,
    ) -> Result<Marking, StoreError> {
        let change = Change { before, after, manifests: None, most_live };
        let marking = self.write_settle(change).await?;
        if marking == Marking::Full && self.free_slots(&before.topic).await? {
            return self.write_settle(change).await;
        }
        Ok(marking)
    }

    /// Whether a slot became free that a damaged record had.
    async fn free_slots(&self, topic: &TopicName) -> Result<bool, StoreError> {
        let mut free = Ask::again(&scripts::FREE, &self.prefix).with(topic);
        let mut texts = Vec::new();
        for (id, record) in self.all_live(topic).await? {
            let text = bytes(&record);
            if isolate(run(id, record))?.is_none() {
                texts.push((id, text));
            }
        }
        if texts.is_empty() {
            return Ok(false);
        }
        for (id, text) in &texts {
            free.push(id);
            free.push_bytes(text);
        }
        reply::number(&self.link.ask(free).await?).map(|freed| freed > 0)
    }

    /// The runs that have the slots of a topic, with what is held for them.
    async fn all_live(&self, topic: &TopicName) -> Result<Vec<(RunId, Value)>, StoreError> {
        let (mut found, mut from) = (Vec::new(), "-".to_owned());
        loop {
            let ask = Ask::again(&scripts::LIST, &self.prefix).with("run:").with(0).with(&from).with("+");
            let ask = ask.with(PAGE.1).with(format!("live:{topic}"));
            let [page] = reply::exactly(self.link.ask(ask).await?)?;
            let page = reply::pairs(page)?;
            let more = page.len() == PAGE.1;
            for (member, record) in page {
                if let Value::BulkString(last) = &member {
                    from = format!("({}", String::from_utf8_lossy(last));
                }
                found.extend(isolate(run_id(member))?.map(|id| (id, record)));
            }
            if !more {
                return Ok(found);
            }
        }
    }

    pub(super) async fn read_queues(&self) -> Result<Vec<Queue>, StoreError> {
        let answer = reply::items(self.link.ask(Ask::again(&scripts::QUEUES, &self.prefix)).await?)?;
        let mut answer = answer.into_iter();
        let mut queues = Vec::new();
        while let (Some(name), Some(first), Some(record)) = (answer.next(), answer.next(), answer.next()) {
            let Some(topic) = isolate(topic(name))? else { continue };
            let mut first = isolate(run_id(first).and_then(|id| queued(id, record)))?;
            if first.is_none() {
                // A damaged one must not be announced again and again: what is due next counts.
                first = self.read_due(&topic, Order::Due, Timestamp::MAX, 1).await?.pop();
            }
            queues.extend(first.and_then(|run| run.due_at).map(|due_at| Queue { topic, due_at }));
        }
        Ok(queues)
    }

    pub(super) async fn read_due(
        &self,
        topic: &TopicName,
        order: Order,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        match order {
            Order::Due => self.longest_due(topic, now, limit).await,
            Order::Accepted => self.first_accepted(topic, now, limit).await,
        }
    }

    async fn longest_due(&self, topic: &TopicName, now: Timestamp, limit: usize) -> Result<Vec<Run>, StoreError> {
        let (mut found, mut bad, mut seen, mut more) = (Vec::new(), Vec::new(), 0, true);
        while more && found.len() < limit {
            let most = (limit - found.len()).clamp(PAGE.0, PAGE.1);
            let ask = Ask::again(&scripts::DUE, &self.prefix).with(topic).with(index::until(now)).with(seen).with(most);
            let page = reply::pairs(self.link.ask(ask).await?)?;
            more = page.len() == most;
            seen += page.len();
            for (place, record) in page {
                meet(place, record, &mut found, &mut bad)?;
            }
        }
        self.set_aside(topic, &bad).await?;
        found.truncate(limit);
        Ok(found)
    }

    async fn first_accepted(&self, topic: &TopicName, now: Timestamp, limit: usize) -> Result<Vec<Run>, StoreError> {
        let mut walk = Walk { from: "-".to_owned(), to: "+".to_owned(), now };
        let (mut found, mut bad, mut more) = (Vec::new(), Vec::new(), true);
        while more && found.len() < limit {
            let page;
            (page, more) = self.along(topic, &mut walk, limit - found.len(), true).await?;
            let mut page = page.into_iter();
            while let (Some(place), Some(record)) = (page.next(), page.next()) {
                meet(place, record, &mut found, &mut bad)?;
            }
        }
        self.set_aside(topic, &bad).await?;
        found.truncate(limit);
        Ok(found)
    }

    /// Takes what is damaged out of a line, so that it fills no queue and no walk passes it again. It comes back when a
    /// server begins its life.
    async fn set_aside(&self, topic: &TopicName, bad: &[Bad]) -> Result<(), StoreError> {
        for bad in bad.chunks(PAGE.1) {
            let mut ask = Ask::again(&scripts::ASIDE, &self.prefix).with(topic);
            for Bad { place, record } in bad {
                ask.push_bytes(place);
                ask.push_bytes(record);
            }
            self.link.ask(ask).await?;
        }
        Ok(())
    }

    /// Puts back what was set aside: somebody may have mended it, or this program may be newer.
    pub(super) async fn look_again(&self) -> Result<(), StoreError> {
        loop {
            let ask = Ask::again(&scripts::AGAIN, &self.prefix).with(PAGE.1);
            if reply::number(&self.link.ask(ask).await?)? == 0 {
                return Ok(());
            }
        }
    }

    pub(super) async fn read_live(&self, topic: &TopicName) -> Result<u64, StoreError> {
        let ask = Ask::again(&scripts::COUNT, &self.prefix).with(format!("live:{topic}"));
        let [live] = reply::exactly(self.link.ask(ask).await?)?;
        reply::number(&live)
    }

    pub(super) async fn read_place(&self, run: &Run, now: Timestamp, most: u32) -> Result<Place, StoreError> {
        let mut walk = Walk { from: "-".to_owned(), to: format!("({}", index::in_line(run)), now };
        let (mut ahead, mut more, most) = (0, true, most as usize);
        while more && ahead < most {
            let page;
            (page, more) = self.along(&run.topic, &mut walk, most - ahead, false).await?;
            ahead += page.len();
        }
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        Ok(Place { ahead, live: self.read_live(&run.topic).await? })
    }

    /// What is due in the next part of a line; and whether there may be more.
    async fn along(
        &self,
        topic: &TopicName,
        walk: &mut Walk,
        wanted: usize,
        records: bool,
    ) -> Result<(Vec<Value>, bool), StoreError> {
        let ask = Ask::again(&scripts::LINE, &self.prefix).with(topic).with(&walk.from).with(&walk.to);
        let ask = ask.with(index::until(walk.now)).with(wanted.min(PAGE.1)).with(PAGE.1).with(u8::from(records));
        let mut answer = reply::items(self.link.ask(ask).await?)?;
        if answer.len() < 2 {
            return Err(reply::unexpected());
        }
        let due = answer.split_off(2);
        let [last, more] = reply::exactly(Value::Array(answer))?;
        walk.from = format!("({}", reply::text(last)?);
        Ok((due, reply::number(&more)? > 0))
    }

    pub(super) async fn read_loads(&self, of: Option<&TopicName>) -> Result<Vec<Load>, StoreError> {
        let ask = Ask::again(&scripts::LOADS, &self.prefix).with(of.map_or("", TopicName::as_str));
        let mut answer = reply::items(self.link.ask(ask).await?)?.into_iter();
        let mut loads = Vec::new();
        while let (Some(name), Some(queued), Some(live)) = (answer.next(), answer.next(), answer.next()) {
            let (queued, live) = (reply::number(&queued)?, reply::number(&live)?);
            if queued + live > 0 {
                loads.extend(isolate(topic(name))?.map(|topic| Load { topic, queued, live }));
            }
        }
        loads.sort_unstable_by(|one, other| one.topic.cmp(&other.topic));
        Ok(loads)
    }
}

/// A walk along a line.
struct Walk {
    from: String,
    to: String,
    now: Timestamp,
}

/// What is damaged in a line, as it was read.
struct Bad {
    place: Vec<u8>,
    record: Vec<u8>,
}

/// Sorts what is at a place of a line.
fn meet(place: Value, record: Value, found: &mut Vec<Run>, bad: &mut Vec<Bad>) -> Result<(), StoreError> {
    let (Value::BulkString(place), text) = (place, bytes(&record)) else { return Err(reply::unexpected()) };
    match isolate(index::run_at(&place).and_then(|id| queued(id, record)))? {
        Some(run) => found.push(run),
        None => bad.push(Bad { place, record: text }),
    }
    Ok(())
}

/// What is held for a record; nothing where that is no text.
fn bytes(record: &Value) -> Vec<u8> {
    match record {
        Value::BulkString(text) => text.clone(),
        _ => Vec::new(),
    }
}

fn queued(id: RunId, record: Value) -> Result<Run, StoreError> {
    let run = run(id, record)?;
    if run.phase == gitfaas_core::run::Phase::Queued { Ok(run) } else { Err(contradicts(&format!("run {id}"))) }
}

fn topic(name: Value) -> Result<TopicName, StoreError> {
    let name = record::held(name, || "an index of topics".to_owned())?.unwrap_or_default();
    TopicName::from_str(&String::from_utf8_lossy(&name)).map_err(|error| damaged("a run's topic", &error.to_string()))
}
