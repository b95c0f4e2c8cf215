//! Where a record is listed: sorted sets by name, and the places that a run or a request has in them.
//!
//! | set | ordered by | members |
//! | --- | --- | --- |
//! | `requests`, `requests:TOPIC` | acceptance | requests |
//! | `children:REQUEST` | acceptance | requests that a run of it published |
//! | `phase:PHASE` | acceptance | runs in a phase |
//! | `over:PHASE:TOPIC` | acceptance | runs of a topic in a phase that is final |
//! | `due:TOPIC` | when they are due, then as in the line | queued runs |
//! | `line:TOPIC` | acceptance, then the config's order | queued runs |
//! | `live:TOPIC` | acceptance | runs that take a slot |
//! | `dead`, `dead:TOPIC` | acceptance | dead letters |
//! | `ended`, `ended:dead` | when they ended | requests that are over, without and with a dead letter |
//! | `topics:queued`, `topics:live` | name | topics that have such runs |
//! | `aside:TOPIC`, `topics:aside` | as in the line; name | damaged runs that were queued, and topics that have such |

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::request::Request;
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;

use super::record::damaged;
use crate::store::StoreError;

/// How many characters of a run's id are its request's, and how many its own.
const OF_REQUEST: usize = 26;
const OWN: usize = 6;

/// A place in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) set: String,
    pub(super) score: String,
    pub(super) member: String,
}

impl Place {
    fn new(set: impl Into<String>, member: impl Into<String>) -> Self {
        Self { set: set.into(), score: "0".to_owned(), member: member.into() }
    }

    fn at(set: impl Into<String>, score: String, member: impl Into<String>) -> Self {
        Self { set: set.into(), score, member: member.into() }
    }
}

/// A time as a score: microseconds since 1970, which a score holds exactly until the year 2255. What is between two
/// becomes the later one, so that nothing is due, or over, before its time.
pub(super) fn score(time: Timestamp) -> String {
    let nanoseconds = time.as_nanosecond();
    let whole = nanoseconds.div_euclid(1000);
    (whole + i128::from(nanoseconds.rem_euclid(1000) > 0)).to_string()
}

/// A moment as the score until which things are due at it.
pub(super) fn until(now: Timestamp) -> String {
    now.as_nanosecond().div_euclid(1000).to_string()
}

/// When a run counts as over for retention: not while it is `unknown`, which is held until somebody decides.
pub(super) fn ended_at(run: &Run) -> Option<Timestamp> {
    let held = run.phase == Phase::Unknown && run.is_dead_letter();
    let over = run.phase.is_final() && !held;
    run.finished_at.filter(|_| over)
}

pub(super) fn in_phase(phase: Phase) -> String {
    format!("phase:{phase}")
}

pub(super) fn over(phase: Phase, topic: &TopicName) -> String {
    format!("over:{phase}:{topic}")
}

pub(super) fn requests(topic: Option<&TopicName>) -> String {
    topic.map_or_else(|| "requests".to_owned(), |topic| format!("requests:{topic}"))
}

pub(super) fn dead(topic: Option<&TopicName>) -> String {
    topic.map_or_else(|| "dead".to_owned(), |topic| format!("dead:{topic}"))
}

pub(super) fn children(parent: RequestId) -> String {
    format!("children:{parent}")
}

/// The set of requests that are over.
pub(super) fn ended(dead: bool) -> &'static str {
    if dead { "ended:dead" } else { "ended" }
}

/// Where a run stands in its topic's line: by its request, by the config's order, and its own digits.
pub(super) fn in_line(run: &Run) -> String {
    let beginning = RunId::beginning(run.request());
    let own = run.id.as_str().strip_prefix(&beginning).unwrap_or_default();
    format!("{beginning}{:08x}{own}", run.ordinal)
}

/// The run that has a place in a line.
pub(super) fn run_at(place: &[u8]) -> Result<RunId, StoreError> {
    let own = place.len().checked_sub(OWN).and_then(|at| place.get(at..));
    let id = place.get(..OF_REQUEST).zip(own).map(|(request, own)| [request, own].concat());
    let id = id.and_then(|id| String::from_utf8(id).ok()?.parse().ok());
    id.ok_or_else(|| damaged("a topic's line", "it has something else than runs"))
}

/// Where a run is listed.
pub(super) fn of_run(run: &Run) -> Vec<Place> {
    let id = run.id.as_str();
    let topic = &run.topic;
    let mut places = vec![Place::new(in_phase(run.phase), id)];
    if run.phase == Phase::Queued {
        let due = run.due_at.map_or_else(|| "+inf".to_owned(), score);
        places.push(Place::at(format!("due:{topic}"), due, in_line(run)));
        places.push(Place::new(format!("line:{topic}"), in_line(run)));
    }
    if run.is_live() {
        places.push(Place::new(format!("live:{topic}"), id));
    }
    if run.phase.is_final() {
        places.push(Place::new(over(run.phase, topic), id));
    }
    if run.is_dead_letter() {
        places.push(Place::new(dead(None), id));
        places.push(Place::new(dead(Some(topic)), id));
    }
    places
}

/// The places of the topics that these runs are queued or live in.
pub(super) fn of_topics<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<Place> {
    let mut places = Vec::new();
    for run in runs {
        let mut add = |set: &str| {
            let place = Place::new(set, run.topic.as_str());
            if !places.contains(&place) {
                places.push(place);
            }
        };
        if run.phase == Phase::Queued {
            add("topics:queued");
        }
        if run.is_live() {
            add("topics:live");
        }
    }
    places
}

/// Where a request is listed as long as it is there.
pub(super) fn of_request(request: &Request) -> Vec<Place> {
    let id = request.id.to_string();
    let mut places = vec![Place::new(requests(None), &id), Place::new(requests(Some(&request.topic)), &id)];
    if let Some(parent) = request.lineage.parent {
        places.push(Place::new(children(parent.request()), &id));
    }
    places
}

/// The place of a request that is over already when it is accepted: it may have no run at all.
pub(super) fn of_end(request: &Request, runs: &[&Run]) -> Option<Place> {
    let ends = runs.iter().map(|run| ended_at(run));
    let end = ends.reduce(|one, other| Some(one?.max(other?))).unwrap_or(Some(request.received_at))?;
    let set = ended(runs.iter().any(|run| run.is_dead_letter()));
    Some(Place::at(set, score(end), request.id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_due_or_over_before_its_time() {
        let time = |nanoseconds| Timestamp::from_nanosecond(nanoseconds).expect("a time");
        assert_eq!((score(time(5_000)), until(time(5_000))), ("5".to_owned(), "5".to_owned()));
        assert_eq!((score(time(5_001)), until(time(5_999))), ("6".to_owned(), "5".to_owned()));
        assert_eq!((score(time(-1)), until(time(-1))), ("0".to_owned(), "-1".to_owned()));
    }
}
