//! The auditor: compares what publishers were told with what the ledger keeps, what the cluster says was made, and what
//! functions say of their own starts, and finds every loss and every double.
//!
//! It knows nothing of gitfaas but these records, asks nobody, and waits for nothing: whoever hands it evidence has let
//! everything end that would. Nobody redrives in what it looks at, so each run has one try.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// How many findings of a kind are shown.
const SHOWN: usize = 20;

/// That a publisher was told that its message is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// What was published: no two publishers publish the same.
    pub(crate) message: String,
    pub(crate) topic: String,
    pub(crate) request: String,
    /// When it was sent, and when the answer was there, from the beginning of the notes.
    pub(crate) sent: Duration,
    pub(crate) at: Duration,
}

/// A request of the ledger, however that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) message: String,
    pub(crate) runs: Vec<Run>,
}

/// A run of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) function: String,
    pub(crate) try_no: u64,
    pub(crate) phase: String,
}

/// A Job or another object of a run, as the cluster itself remembers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Made {
    pub(crate) run: String,
    /// What it is told from another one of the same name by.
    pub(crate) uid: String,
}

/// A start of a function, as it tells itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) run: String,
    pub(crate) pid: String,
}

/// What a function is expected to do; each makes one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Makes {
    /// Something that never starts: a `ConfigMap`, or a Job without pods.
    Still,
    /// A Job whose process tells that it started.
    Process,
}

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// The functions of each topic.
    pub(crate) topics: BTreeMap<String, BTreeMap<String, Makes>>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// The ledger as the auditor reads it.
    pub(crate) kept: Vec<Request>,
    /// The ledger as servers tell it over HTTP, without messages.
    pub(crate) served: Vec<Request>,
    pub(crate) made: BTreeSet<Made>,
    pub(crate) starts: Vec<Start>,
}

/// What was found: nothing, if the promise was kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Acknowledged, or made, and not (all) there.
    pub(crate) lost: Vec<String>,
    /// There more than once.
    pub(crate) double: Vec<String>,
    /// Not over.
    pub(crate) stuck: Vec<String>,
    /// Over, and not as its function ended.
    pub(crate) untrue: Vec<String>,
}

impl Report {
    /// Whether nothing was found.
    pub(crate) fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [("lost", &self.lost), ("double", &self.double), ("stuck", &self.stuck), ("untrue", &self.untrue)];
        let counts: Vec<String> = kinds.iter().map(|(kind, found)| format!("{} {kind}", found.len())).collect();
        write!(f, "{}", counts.join(", "))?;
        for (kind, found) in kinds {
            for one in found.iter().take(SHOWN) {
                write!(f, "\n  {kind}: {one}")?;
            }
        }
        Ok(())
    }
}

/// Looks at everything.
pub(crate) fn audit(evidence: &Evidence) -> Report {
    let mut report = Report::default();
    acknowledgements(evidence, &mut report);
    messages(evidence, &mut report);
    told_as_kept(evidence, &mut report);
    let (made, starts) =
        (by_run(evidence.made.iter().map(|made| &made.run)), by_run(evidence.starts.iter().map(|start| &start.run)));
    let mut known = BTreeSet::new();
    for request in &evidence.kept {
        let Some(functions) = evidence.topics.get(&request.topic) else {
            report.lost.push(format!("request {} is of the topic {}, which there is not", request.id, request.topic));
            continue;
        };
        each_function_once(request, functions, &mut report);
        for run in &request.runs {
            known.insert(run.id.as_str());
            let Some(makes) = functions.get(&run.function) else { continue };
            let count = |of: &BTreeMap<&str, usize>| of.get(run.id.as_str()).copied().unwrap_or(0);
            one_run(run, *makes, (count(&made), count(&starts)), &mut report);
        }
    }
    for (what, runs) in [("an object was made", &made), ("a process was started", &starts)] {
        let strange = runs.keys().filter(|run| !known.contains(*run));
        report.lost.extend(strange.map(|run| format!("{what} for run {run}, which the ledger does not know")));
    }
    report
}

/// What was acknowledged is there, as it was published, and one message is one request.
fn acknowledgements(evidence: &Evidence, report: &mut Report) {
    let kept: BTreeMap<&str, &Request> = evidence.kept.iter().map(|request| (request.id.as_str(), request)).collect();
    let mut told: BTreeMap<&str, &str> = BTreeMap::new();
    for Acknowledged { message, topic, request, .. } in &evidence.acknowledged {
        match kept.get(request.as_str()) {
            None => {
                report.lost.push(format!("request {request} of message {message} was acknowledged, and is not kept"));
            }
            Some(kept) if (&kept.topic, &kept.message) != (topic, message) => report.lost.push(format!(
                "request {request} was acknowledged for message {message} to {topic}, and is kept as {} to {}",
                kept.message, kept.topic
            )),
            Some(_) => {}
        }
        let earlier = told.insert(message, request);
        if let Some(earlier) = earlier.filter(|earlier| earlier != request) {
            report.double.push(format!("message {message} was acknowledged as request {earlier} and as {request}"));
        }
    }
}

/// No message was accepted twice, whether or not somebody was told.
fn messages(evidence: &Evidence, report: &mut Report) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for request in &evidence.kept {
        if let Some(earlier) = seen.insert(&request.message, &request.id) {
            report
                .double
                .push(format!("message {} is kept as request {earlier} and as {}", request.message, request.id));
        }
    }
}

/// Servers tell of the ledger what is in it.
fn told_as_kept(evidence: &Evidence, report: &mut Report) {
    let served: BTreeMap<&str, &Request> =
        evidence.served.iter().map(|request| (request.id.as_str(), request)).collect();
    for kept in &evidence.kept {
        match served.get(kept.id.as_str()) {
            None => report.lost.push(format!("request {} is kept, and not served", kept.id)),
            Some(served) if (&served.topic, &served.runs) != (&kept.topic, &kept.runs) => report
                .lost
                .push(format!("request {} is kept as {:?}, and served as {:?}", kept.id, kept.runs, served.runs)),
            Some(_) => {}
        }
    }
    if served.len() != evidence.served.len() {
        report.double.push("a request is listed twice".to_owned());
    }
    let kept: BTreeSet<&str> = evidence.kept.iter().map(|request| request.id.as_str()).collect();
    let more = served.keys().filter(|id| !kept.contains(*id));
    report.lost.extend(more.map(|id| format!("request {id} is served, and not kept")));
}

fn by_run<'a>(runs: impl Iterator<Item = &'a String>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for run in runs {
        *counts.entry(run.as_str()).or_default() += 1;
    }
    counts
}

fn each_function_once(request: &Request, functions: &BTreeMap<String, Makes>, report: &mut Report) {
    let mut runs: BTreeMap<&str, usize> = BTreeMap::new();
    for run in &request.runs {
        *runs.entry(run.function.as_str()).or_default() += 1;
        if !functions.contains_key(&run.function) {
            report.lost.push(format!("run {} is of the function {}, which there is not", run.id, run.function));
        }
    }
    for function in functions.keys() {
        match runs.get(function.as_str()) {
            Some(1) => {}
            None => report.lost.push(format!("request {} has no run of {function}", request.id)),
            Some(number) => report.double.push(format!("request {} has {number} runs of {function}", request.id)),
        }
    }
}

/// A run came to its end in one try, which made one object, and started one process if it is to.
fn one_run(run: &Run, makes: Makes, (made, starts): (usize, usize), report: &mut Report) {
    let id = &run.id;
    if run.try_no != 1 {
        report.double.push(format!("run {id} had {} tries, and nobody asked for them", run.try_no));
    }
    if matches!(run.phase.as_str(), "queued" | "applying" | "pending" | "running") {
        report.stuck.push(format!("run {id} is {}", run.phase));
    } else if run.phase != "succeeded" {
        report.untrue.push(format!("run {id} is {}", run.phase));
    }
    match made {
        1 => {}
        0 => report.lost.push(format!("nothing was made for run {id}, which is {}", run.phase)),
        number => report.double.push(format!("{number} objects were made for run {id}")),
    }
    match (makes, starts) {
        (Makes::Process, 1) | (Makes::Still, 0) => {}
        (Makes::Process, 0) => report.lost.push(format!("run {id} was never started, and is {}", run.phase)),
        (_, number) => report.double.push(format!("run {id} was started {number} times")),
    }
}

#[cfg(test)]
mod tests;
