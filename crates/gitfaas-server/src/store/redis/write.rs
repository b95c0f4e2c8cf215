//! Accepting, settling, marking and replacing: one script and one round trip each, in the ordinary case.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use gitfaas_core::id::RunId;
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::request::Request;
use gitfaas_core::run::{Phase, Run};
use jiff::Timestamp;
use redis::Value;

use super::RedisStore;
use super::index::{self, Place};
use super::lease;
use super::link::Ask;
use super::record::{self, encode, hex};
use super::reply;
use super::scripts;
use crate::store::{Accept, Acceptance, Bound, Marking, Order, StoreError};

/// How often a run is compared anew, because its record is spelled otherwise than this program spells it.
const SPELLINGS: usize = 3;

impl RedisStore {
    pub(super) async fn write_accept(&self, accept: &Accept) -> Result<Acceptance, StoreError> {
        let spelled = Spelled::new(accept)?;
        self.room.admit(spelled.size())?;
        let marked = accept.runs.iter().any(|(run, _)| run.phase == Phase::Applying);
        let due_by = marked.then_some(accept.request.received_at);
        match self.send(&spelled, due_by).await? {
            Some(acceptance) => Ok(acceptance),
            None => self.write_behind(accept, &spelled).await,
        }
    }

    /// Others of the topic are due: the runs are written behind them, unless all of those are damaged.
    async fn write_behind(&self, accept: &Accept, spelled: &Spelled<'_>) -> Result<Acceptance, StoreError> {
        let Request { topic, received_at, .. } = &accept.request;
        if self.read_due(topic, Order::Due, *received_at, 1).await?.is_empty() {
            return self.send(spelled, None).await?.ok_or_else(reply::unexpected);
        }
        let unmark = |(run, manifests): &(Run, _)| (run.clone().unmarked(*received_at), Vec::clone(manifests));
        let runs = accept.runs.iter().map(unmark).collect();
        let behind = Accept { runs, ..accept.clone() };
        match self.send(&Spelled::new(&behind)?, None).await? {
            Some(Acceptance::New) => Ok(Acceptance::Behind),
            Some(other) => Ok(other),
            None => Err(reply::unexpected()),
        }
    }

    /// What comes of an accept; `None` where something of the topic is due by that moment.
    async fn send(&self, spelled: &Spelled<'_>, due_by: Option<Timestamp>) -> Result<Option<Acceptance>, StoreError> {
        let (word, rest) = reply::outcome(self.link.ask(spelled.ask(self, due_by)).await?)?;
        if word == "behind" {
            return Ok(None);
        }
        acceptance(&word, rest).map(Some)
    }

    pub(super) async fn read_accepted_under(&self, idempotency: &Idempotency) -> Result<Acceptance, StoreError> {
        let ask =
            Ask::again(&scripts::KEY, &self.prefix).with(hex(&idempotency.key)).with(hex(&idempotency.fingerprint));
        let (word, rest) = reply::outcome(self.link.ask(ask).await?)?;
        acceptance(&word, rest)
    }

    /// Replaces, unless as many of the topic are live as may be.
    pub(super) async fn write_settle(&self, change: Change<'_>) -> Result<Marking, StoreError> {
        let Change { before, after, .. } = change;
        if after.id != before.id {
            return Ok(Marking::Changed);
        }
        let record = encode(after)?;
        let mut held = encode(before)?.into_bytes();
        for _ in 0..SPELLINGS {
            let ask = change.ask(self, &held, record.as_bytes());
            let (word, rest) = reply::outcome(self.link.ask(ask).await?)?;
            match word.as_str() {
                "done" => return Ok(Marking::Marked),
                "full" => return Ok(Marking::Full),
                "none" => return Ok(Marking::Changed),
                "differs" => {
                    let text = rest.into_iter().next().unwrap_or(Value::Nil);
                    let spelled = record::held(text.clone(), || format!("run {}", before.id))?;
                    // As values, not as text: a newer program may spell the same run otherwise.
                    match (record::run(before.id, text)?, spelled) {
                        (Some(same), Some(spelled)) if same == *before => held = spelled,
                        _ => return Ok(Marking::Changed),
                    }
                }
                _ => return Err(reply::unexpected()),
            }
        }
        Ok(Marking::Changed)
    }
}

fn acceptance(word: &str, rest: Vec<Value>) -> Result<Acceptance, StoreError> {
    let first = rest.into_iter().next().map(reply::text).transpose()?.unwrap_or_default();
    let held_by = || first.parse().map_err(|_| record::damaged("an idempotency key", "it is of no request"));
    match (word, first.as_str()) {
        ("new", _) => Ok(Acceptance::New),
        ("repeats", _) => Ok(Acceptance::Repeats(held_by()?)),
        ("contradicts", _) => Ok(Acceptance::Contradicts(held_by()?)),
        ("full", "topic") => Ok(Acceptance::Full(Bound::Topic)),
        ("full", _) => Ok(Acceptance::Full(Bound::All)),
        ("gone", _) => Err(lease::gone()),
        ("taken", _) => {
            Err(StoreError::Unavailable("what is accepted has the id of something in the ledger".to_owned()))
        }
        _ => Err(reply::unexpected()),
    }
}

/// An accept as it is sent.
struct Spelled<'a> {
    accept: &'a Accept,
    request: String,
    /// Record, manifests, and when it ended, of each run.
    runs: Vec<(RunId, String, String, String)>,
    places: Vec<Place>,
}

impl<'a> Spelled<'a> {
    fn new(accept: &'a Accept) -> Result<Self, StoreError> {
        let runs: Vec<&Run> = accept.runs.iter().map(|(run, _)| run).collect();
        let ids: BTreeSet<RunId> = runs.iter().map(|run| run.id).collect();
        if ids.len() != runs.len() {
            return Err(StoreError::Unavailable("the same run cannot be accepted twice".to_owned()));
        }
        let mut places = index::of_request(&accept.request);
        places.extend(runs.iter().flat_map(|run| index::of_run(run)));
        places.extend(index::of_topics(runs.iter().copied()));
        places.extend(index::of_end(&accept.request, &runs));
        let spell = |(run, manifests): &(Run, Vec<RecordedManifest>)| {
            let ended = index::ended_at(run).map(index::score).unwrap_or_default();
            Ok((run.id, encode(run)?, encode(manifests)?, ended))
        };
        let runs = accept.runs.iter().map(spell).collect::<Result<_, StoreError>>()?;
        Ok(Self { accept, request: encode(&accept.request)?, runs, places })
    }

    /// Bytes it has.
    fn size(&self) -> usize {
        let runs: usize = self.runs.iter().map(|(_, run, manifests, _)| run.len() + manifests.len()).sum();
        self.accept.payload.len() + self.request.len() + runs
    }

    fn ask(&'a self, store: &'a RedisStore, due_by: Option<Timestamp>) -> Ask<'a> {
        let Accept { request, payload, runs, idempotency, room } = self.accept;
        let key = idempotency.as_ref();
        let queued = runs.iter().filter(|(run, _)| run.phase == Phase::Queued).count();
        let ids: Vec<&str> = runs.iter().map(|(run, _)| run.id.as_str()).collect();
        let mut ask = Ask::marked(&scripts::ACCEPT, &store.prefix)
            .with(&store.who)
            .with(0)
            .with(request.id)
            .with(&request.topic)
            .with(key.map(|key| hex(&key.key)).unwrap_or_default())
            .with(key.map(|key| hex(&key.fingerprint)).unwrap_or_default())
            .with(due_by.map(index::until).unwrap_or_default())
            .with(room.per_topic)
            .with(room.in_all)
            .with(queued)
            .with(if queued > 0 { "queue" } else { "" })
            .with(&store.known_by)
            .bytes(self.request.as_bytes())
            .bytes(payload)
            .with(ids.join(" "))
            .with(self.runs.len());
        for (id, record, manifests, ended) in &self.runs {
            ask.push(id);
            ask.push_bytes(record.as_bytes());
            ask.push_bytes(manifests.as_bytes());
            ask.push(ended);
        }
        for Place { set, score, member } in &self.places {
            ask.push(set);
            ask.push(score);
            ask.push(member);
        }
        ask
    }
}

/// What replaces what.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) before: &'a Run,
    pub(super) after: &'a Run,
    /// What is recorded for the run from then on; nothing for what is recorded already.
    pub(super) manifests: Option<&'a str>,
    /// How many of the topic may be live before it takes a slot.
    pub(super) most_live: Option<NonZeroU32>,
}

impl Change<'_> {
    fn ask<'a>(&'a self, store: &'a RedisStore, held: &'a [u8], record: &'a [u8]) -> Ask<'a> {
        let Self { before, after, .. } = *self;
        let (had, has) = (index::of_run(before), index::of_run(after));
        let leaves: Vec<&Place> = had
            .iter()
            .filter(|old| !has.iter().any(|new| (&new.set, &new.member) == (&old.set, &old.member)))
            .collect();
        let takes: Vec<&Place> = has.iter().filter(|new| !had.contains(new)).collect();
        let of_line = |place: &&&Place| place.set.starts_with("due:") || place.set.starts_with("live:");
        let lines = leaves.iter().chain(&takes).any(|place| of_line(&place));
        let ends =
            index::ended_at(before) != index::ended_at(after) || before.is_dead_letter() != after.is_dead_letter();
        let limit = self.most_live.filter(|_| !before.is_live());
        let mut ask = Ask::marked(&scripts::SETTLE, &store.prefix)
            .with(&store.who)
            .with(0)
            .with(before.id)
            .with(before.request())
            .with(&before.topic)
            .bytes(held)
            .bytes(record)
            .with(self.manifests.unwrap_or_default())
            .with(index::ended_at(after).map(index::score).unwrap_or_default())
            .with(u8::from(after.is_dead_letter()))
            .with(if after.logs_captured { after.try_no.0.to_string() } else { String::new() })
            .with(u8::from(ends))
            .with(limit.map(|most| most.to_string()).unwrap_or_default())
            .with(u8::from(lines))
            .with(format!("request {}{}", before.request(), if lines { " queue" } else { "" }))
            .with(leaves.len());
        for place in leaves {
            ask.push(&place.set);
            ask.push(&place.member);
        }
        for place in takes {
            ask.push(&place.set);
            ask.push(&place.score);
            ask.push(&place.member);
        }
        ask
    }
}
