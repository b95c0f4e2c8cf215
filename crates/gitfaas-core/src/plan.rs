//! The plan: the runs that a message would create. Pure: match, render, admit.
//!
//! All or nothing: if any function of the topic cannot be planned there is no plan, and [`PlanError`] tells of every
//! function. What the ledger keeps is not yet filled ([`RecordedManifest`]); it is filled here once, for the first
//! try, only to see that it would be admitted.

mod error;

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;

pub use self::error::{Failure, FailureCode, PlanError};
use crate::admission::{Policy, admit, group_of};
use crate::catalog::{Function, Topic, TopicVersion};
use crate::id::{RequestId, RunId, Try};
use crate::key::LedgerKey;
use crate::manifest::{Fillings, RecordedManifest};
use crate::nearest::did_you_mean;
use crate::problem::Problem;
use crate::request::{MAX_HOPS, Request};
use crate::run::{ObjectKey, Run};
use crate::template::{RESERVED, Values};
use crate::url::BaseUrl;

/// The request that is planned for where nothing will be stored: no server gives out this id, whose time is 1970.
pub const UNSTORED: RequestId = RequestId::from_bytes([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]);

/// A message, and what it meets.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The topic published to.
    pub topic: &'a Topic,
    /// The request that would be accepted.
    pub request: &'a Request,
    /// Its payload.
    pub payload: &'a Bytes,
    /// The ledger's key.
    pub key: &'a LedgerKey,
    /// What may be created.
    pub policy: &'a Policy,
    /// The server's own namespace, for manifests that name none.
    pub namespace: &'a str,
    /// Where functions reach the server.
    pub base_url: &'a BaseUrl,
    /// The time that the runs begin to be due.
    pub now: Timestamp,
}

/// The runs that a message creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One for each function, in the order of the config file.
    pub runs: Vec<PlannedRun>,
    /// The payload in base64, as it goes into the manifests' holes; spelled once for all of them.
    pub message: String,
}

/// One run of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRun {
    /// The run, queued.
    pub run: Run,
    /// Its manifests as the ledger keeps them; each was admitted when filled for the first try.
    pub manifests: Vec<RecordedManifest>,
}

/// Plans the runs of a message.
///
/// # Errors
///
/// All that keeps any function of the topic from being planned.
pub fn plan(input: &Input<'_>) -> Result<Plan, PlanError> {
    let version = accept(input)?;
    // The payload is the same for all runs, and the largest thing in them.
    let message = STANDARD.encode(input.payload);
    let mut planned = Vec::with_capacity(version.functions.len());
    let mut failures = Vec::new();
    for function in &version.functions {
        match plan_run(input, version, function, planned.len(), &message) {
            Ok(run) => planned.push(run),
            Err(failed) => failures.extend(failed),
        }
    }
    if failures.is_empty() {
        failures = collisions(input, version, &planned);
    }
    if failures.is_empty() {
        Ok(Plan { runs: planned.into_iter().map(|(run, _)| run).collect(), message })
    } else {
        Err(PlanError { failures })
    }
}

/// What the request itself and the topic have to fulfil before any function is looked at.
fn accept<'a>(input: &Input<'a>) -> Result<&'a TopicVersion, PlanError> {
    let hops = input.request.lineage.hops;
    let mut failures = Vec::new();
    if hops > MAX_HOPS {
        let message = format!(
            "{hops} publishes led here, one after the other; more than {MAX_HOPS} are taken for a loop: look for a \
             function that publishes to a topic it listens to"
        );
        failures.push(Failure::of_request(FailureCode::HopLimit, message));
    }
    for name in input.request.meta.params.keys().filter(|name| RESERVED.contains(&name.as_str())) {
        let message = format!("the parameter `{name}` is reserved for gitfaas itself: give it another name");
        failures.push(Failure::of_request(FailureCode::ReservedParameter, message));
    }
    match &input.topic.version {
        Some(version) => {
            failures.extend(unfit(input, version));
            failures.extend(unfit_message(input, version));
        }
        None => failures.extend(broken(input.topic)),
    }
    match &input.topic.version {
        Some(version) if failures.is_empty() => Ok(version),
        _ => Err(PlanError { failures }),
    }
}

/// What is wrong with the parameters that the topic declares.
fn unfit(input: &Input<'_>, version: &TopicVersion) -> Vec<Failure> {
    let (topic, given) = (&input.topic.name, &input.request.meta.params);
    let wrong = version.rules.params.iter().filter_map(|(name, rule)| match given.get(name) {
        None if rule.default.is_some() => None,
        None => {
            let hint = did_you_mean(name, given.keys().map(String::as_str));
            let help = hint.unwrap_or_else(|| format!("publish with `?{name}=…`"));
            let message = format!("the topic `{topic}` needs the parameter `{name}`: {help}");
            Some(Failure::of_request(FailureCode::MissingParameter, message))
        }
        Some(value) => {
            let why = rule.refuses(value)?;
            let shown: String = value.chars().take(60).flat_map(char::escape_debug).collect();
            let message = format!("the parameter `{name}` of the topic `{topic}` {why}, and is `{shown}`");
            Some(Failure::of_request(FailureCode::InvalidParameter, message))
        }
    });
    wrong.collect()
}

/// What is wrong with the message itself.
fn unfit_message(input: &Input<'_>, version: &TopicVersion) -> Option<Failure> {
    let (topic, size) = (&input.topic.name, input.payload.len());
    if let Some(most) = version.rules.message.max_bytes.filter(|most| size as u64 > u64::from(most.get())) {
        let message = format!("the message has {size} bytes, and the topic `{topic}` takes at most {most}");
        return Some(Failure::of_request(FailureCode::TooLarge, message));
    }
    let why = version.schema.as_ref()?.refuses(input.payload)?;
    Some(Failure::of_request(FailureCode::InvalidMessage, format!("the message for the topic `{topic}` {why}")))
}

/// Why a topic without a version has none.
fn broken(topic: &Topic) -> Vec<Failure> {
    let problems = topic.stale.iter().flat_map(|stale| &stale.problems);
    let failures: Vec<Failure> = problems
        .map(|problem| Failure {
            function: None,
            code: FailureCode::TopicBroken,
            message: format!("the topic `{}` never had a version that was right: {}", topic.name, problem.message),
            problem: Some(problem.clone()),
        })
        .collect();
    if failures.is_empty() {
        let message = format!("the topic `{}` has no functions", topic.name);
        return vec![Failure::of_request(FailureCode::TopicBroken, message)];
    }
    failures
}

/// A run with the names of the objects it would make.
type Planned = (PlannedRun, Vec<ObjectKey>);

fn plan_run(
    input: &Input<'_>,
    version: &TopicVersion,
    function: &Function,
    ordinal: usize,
    message: &str,
) -> Result<Planned, Vec<Failure>> {
    let missing = missing(input, version, function);
    if !missing.is_empty() {
        return Err(missing);
    }
    let request = input.request;
    let id = RunId::derive(request.id, function.name());
    let fillings = Fillings::new(input.key, id, Try::FIRST, input.base_url, Cow::Borrowed(message));
    let values = Values {
        topic: &input.topic.name,
        revision: &version.revision,
        namespace: input.namespace,
        traceparent: request.meta.traceparent.as_deref(),
        params: &request.meta.params,
        rules: &version.rules.params,
        fillings: &fillings,
    };
    let manifests = function.template().render(&values).map_err(|error| {
        let code = FailureCode::from(error.code);
        vec![Failure::of_function(function, code, error.problem)]
    })?;
    let objects = admitted(input.policy, function, &manifests, &fillings)?;
    let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
    let run = Run::planned(id, input.topic.name.clone(), function.name().clone(), ordinal, input.now);
    Ok((PlannedRun { run, manifests }, objects))
}

/// The parameters that the template needs and the message does not give.
fn missing(input: &Input<'_>, version: &TopicVersion, function: &Function) -> Vec<Failure> {
    let (given, rules) = (&input.request.meta.params, &version.rules.params);
    let is_absent = |name: &str| rules.value(given, name).is_none();
    let absent = function.template().parameters().iter().filter(|parameter| is_absent(&parameter.name));
    absent
        .map(|parameter| {
            let message = format!("the parameter `{}` is missing", parameter.name);
            let help = did_you_mean(&parameter.name, given.keys().map(String::as_str))
                .unwrap_or_else(|| format!("publish with `?{}=…`", parameter.name));
            let problem = Problem::at(function.name().as_str(), parameter.position, message).help(help);
            Failure::of_function(function, FailureCode::MissingParameter, problem)
        })
        .collect()
}

/// Admits every manifest as the first try would send it.
fn admitted(
    policy: &Policy,
    function: &Function,
    manifests: &[RecordedManifest],
    fillings: &Fillings<'_>,
) -> Result<Vec<ObjectKey>, Vec<Failure>> {
    let mut objects = Vec::with_capacity(manifests.len());
    let mut failures = Vec::new();
    for (place, manifest) in manifests.iter().enumerate() {
        match admit(policy, manifest.fill(fillings)) {
            Ok(manifest) => objects.push(manifest.into_inner().key),
            Err(refusal) => {
                let problem = problem_of(function, place, refusal.message).help(refusal.help);
                let refused = |problem| Failure::of_function(function, FailureCode::NotAdmitted, problem);
                // What the template alone decides has a place of its own.
                let header = function.template().headers().get(place);
                let certain =
                    header.map_or_else(Vec::new, |header| policy.problems_of(header, function.name().as_str()));
                let problems = if certain.is_empty() { vec![problem] } else { certain };
                failures.extend(problems.into_iter().map(refused));
            }
        }
    }
    if failures.is_empty() { Ok(objects) } else { Err(failures) }
}

/// A problem of a manifest by its place among those that the template renders: the place of its header.
fn problem_of(function: &Function, place: usize, message: String) -> Problem {
    let position = function.template().headers().get(place).map(|header| header.position);
    Problem { position, ..Problem::of_file(function.name().as_str(), message) }
}

/// Objects of one request that would be the same object: the later would overwrite or fail on the earlier.
fn collisions(input: &Input<'_>, version: &TopicVersion, planned: &[Planned]) -> Vec<Failure> {
    if planned.iter().map(|(_, objects)| objects.len()).sum::<usize>() < 2 {
        return Vec::new();
    }
    let mut taken = HashMap::new();
    let mut failures = Vec::new();
    for (function, (_, objects)) in version.functions.iter().zip(planned) {
        for (place, object) in objects.iter().enumerate() {
            let namespace = object.namespace.as_deref().unwrap_or(input.namespace);
            // One object may be reached by several versions of its group.
            let identity = (group_of(&object.api_version), object.kind.as_str(), namespace, object.name.as_str());
            if let Some(other) = taken.insert(identity, function.name()) {
                let message = format!("`{other}` makes the same object: {object}");
                let help = "put `{{RANDOM}}` into its name, or make it in one place only";
                let problem = problem_of(function, place, message).help(help);
                failures.push(Failure::of_function(function, FailureCode::InvalidManifest, problem));
            }
        }
    }
    failures
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
