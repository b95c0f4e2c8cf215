//! Lists: walked in pages along a set, so that no step is long, and what is damaged is left out of them.

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::request::Request;
use gitfaas_core::run::{Phase, Run};
use redis::Value;

use super::RedisStore;
use super::index;
use super::link::Ask;
use super::read::{request_id, run_id};
use super::record::{self, contradicts, isolate};
use super::reply;
use super::scripts;
use crate::store::{DeadLetterQuery, RequestQuery, StoreError};

/// How many are read in one step, at least and at most.
const PAGE: (usize, usize) = (32, 1000);

/// A walk along one set.
struct Walk {
    set: String,
    /// What the records of its members are kept under; nothing where they are not wanted.
    kind: &'static str,
    backwards: bool,
    /// What is walked is between these bounds, in the words of Redis.
    from: String,
    to: String,
}

impl Walk {
    /// Goes on behind a member.
    fn behind(&mut self, member: &str) {
        let bound = format!("({member}");
        if self.backwards {
            self.to = bound;
        } else {
            self.from = bound;
        }
    }
}

impl RedisStore {
    /// The next members of a walk, with their records where they are wanted; whether there may be more.
    async fn page(&self, walk: &mut Walk, wanted: usize) -> Result<(Vec<(Value, Value)>, bool), StoreError> {
        let most = wanted.clamp(PAGE.0, PAGE.1);
        let ask = self.walking(walk.kind, walk.backwards, (&walk.from, &walk.to), most).with(&walk.set);
        let [page] = reply::exactly(self.link.ask(ask).await?)?;
        let page = match walk.kind {
            "" => reply::items(page)?.into_iter().map(|member| (member, Value::Nil)).collect(),
            _ => reply::pairs(page)?,
        };
        if let Some((Value::BulkString(last), _)) = page.last() {
            walk.behind(&String::from_utf8_lossy(last));
        }
        let more = page.len() == most;
        Ok((page, more))
    }

    fn walking(&self, kind: &str, backwards: bool, (from, to): (&str, &str), most: usize) -> Ask<'_> {
        let ask = Ask::again(&scripts::LIST, &self.prefix).with(kind).with(u8::from(backwards));
        ask.with(from).with(to).with(most)
    }

    /// What `read` makes of the members of a walk, at most `limit`; it makes nothing of what is not wanted.
    async fn walk<T>(
        &self,
        mut walk: Walk,
        limit: usize,
        read: impl Fn(Value, Value) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let (mut found, mut more) = (Vec::new(), true);
        while more && found.len() < limit {
            let page;
            (page, more) = self.page(&mut walk, limit - found.len()).await?;
            for (member, record) in page {
                found.extend(isolate(read(member, record))?.flatten());
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    pub(super) async fn read_children(&self, parent: RequestId, limit: usize) -> Result<Vec<Request>, StoreError> {
        let [from, to] = ["-", "+"].map(str::to_owned);
        let walk = Walk { set: index::children(parent), kind: "request:", backwards: false, from, to };
        self.walk(walk, limit, |member, record| request(request_id(member)?, record).map(Some)).await
    }

    pub(super) async fn read_requests(&self, query: &RequestQuery) -> Result<Vec<Request>, StoreError> {
        if let Some(phase) = query.phase {
            return self.requests_in(phase, query).await;
        }
        let from = query.from.map_or_else(|| "-".to_owned(), |id| format!("[{id}"));
        let to = query.before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let walk = Walk { set: index::requests(query.topic.as_ref()), kind: "request:", backwards: true, from, to };
        self.walk(walk, query.limit, |member, record| request(request_id(member)?, record).map(Some)).await
    }

    /// Walks over the runs in the phase, which for a topic are a set of their own once the phase is final; those in the
    /// other phases are what is being worked on, which is little.
    async fn requests_in(&self, phase: Phase, query: &RequestQuery) -> Result<Vec<Request>, StoreError> {
        let (set, kind) = match &query.topic {
            Some(topic) if phase.is_final() => (index::over(phase, topic), ""),
            Some(_) => (index::in_phase(phase), "run:"),
            None => (index::in_phase(phase), ""),
        };
        let from = query.from.map_or_else(|| "-".to_owned(), |id| format!("[{}", RunId::beginning(id)));
        let to = query.before.map_or_else(|| "+".to_owned(), |id| format!("({}", RunId::beginning(id)));
        let mut walk = Walk { set, kind, backwards: true, from, to };
        let (mut found, mut more, mut last) = (Vec::new(), true, None);
        while more && found.len() < query.limit {
            let page;
            (page, more) = self.page(&mut walk, query.limit - found.len()).await?;
            let mut ids = Vec::new();
            for (member, record) in page {
                let of_topic = |id| {
                    let of = |run: &Run| query.topic.as_ref().is_none_or(|topic| run.topic == *topic);
                    if kind.is_empty() { Ok(true) } else { listed(id, record, phase).map(|run| of(&run)) }
                };
                let Some(id) = isolate(run_id(member))? else { continue };
                // The runs of a request follow one another.
                if isolate(of_topic(id))?.unwrap_or(false) && last.replace(id.request()) != Some(id.request()) {
                    ids.push(id.request());
                }
            }
            found.extend(self.requests_of(&ids).await?);
        }
        found.truncate(query.limit);
        Ok(found)
    }

    /// These requests, without those that are not there any more.
    async fn requests_of(&self, ids: &[RequestId]) -> Result<Vec<Request>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut ask = Ask::again(&scripts::RECORDS, &self.prefix).with("request:");
        for id in ids {
            ask.push(id);
        }
        let records = reply::items(self.link.ask(ask).await?)?;
        let mut found = Vec::new();
        for (id, record) in ids.iter().zip(records) {
            found.extend(isolate(record::request(*id, record))?.flatten());
        }
        Ok(found)
    }

    pub(super) async fn read_dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<Run>, StoreError> {
        let to = query.before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let set = index::dead(query.topic.as_ref());
        let walk = Walk { set, kind: "run:", backwards: true, from: "-".to_owned(), to };
        let wanted = |run: &Run| {
            let code = run.reason.as_ref().map_or("", |reason| reason.code.as_str());
            query.function.as_ref().is_none_or(|function| *function == run.function)
                && query.reason.as_ref().is_none_or(|reason| reason == code)
        };
        self.walk(walk, query.limit, |member, record| {
            let run = run(run_id(member)?, record)?;
            if !run.is_dead_letter() {
                return Err(contradicts(&format!("run {}", run.id)));
            }
            Ok(Some(run).filter(wanted))
        })
        .await
    }

    /// All phases are looked at in one step: a run that goes from one to another is in one of them.
    pub(super) async fn read_runs_in(
        &self,
        phases: &[Phase],
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        let phases: Vec<Phase> = Phase::ALL.into_iter().filter(|phase| phases.contains(phase)).collect();
        let mut from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut found = Vec::new();
        while !phases.is_empty() && found.len() < limit {
            let most = (limit - found.len()).clamp(PAGE.0, PAGE.1);
            let mut ask = self.walking("run:", false, (&from, "+"), most);
            for phase in &phases {
                ask.push(index::in_phase(*phase));
            }
            let (mut listed, mut whole_until) = (Vec::new(), None);
            for (phase, page) in phases.iter().zip(reply::items(self.link.ask(ask).await?)?) {
                let page = reply::pairs(page)?;
                // Behind the last of a full page there may be more in this phase, which comes before others.
                if page.len() == most
                    && let Some((Value::BulkString(last), _)) = page.last()
                {
                    let last = String::from_utf8_lossy(last).into_owned();
                    whole_until = Some(whole_until.map_or(last.clone(), |until: String| until.min(last)));
                }
                for (member, record) in page {
                    listed.extend(isolate(run_id(member))?.map(|id| (id, *phase, record)));
                }
            }
            listed.sort_unstable_by_key(|(id, ..)| *id);
            listed.retain(|(id, ..)| whole_until.as_deref().is_none_or(|until| id.as_str() <= until));
            for (id, phase, record) in listed {
                found.extend(isolate(self::listed(id, record, phase))?);
            }
            match whole_until {
                Some(until) => from = format!("({until}"),
                None => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// A run that a set names.
pub(super) fn run(id: RunId, record: Value) -> Result<Run, StoreError> {
    record::run(id, record)?.ok_or_else(|| contradicts(&format!("run {id}")))
}

/// A run that is listed in a phase.
fn listed(id: RunId, record: Value, phase: Phase) -> Result<Run, StoreError> {
    let run = run(id, record)?;
    if run.phase == phase { Ok(run) } else { Err(contradicts(&format!("run {id}"))) }
}

/// A request that a set names.
fn request(id: RequestId, record: Value) -> Result<Request, StoreError> {
    record::request(id, record)?.ok_or_else(|| contradicts(&format!("request {id}")))
}
