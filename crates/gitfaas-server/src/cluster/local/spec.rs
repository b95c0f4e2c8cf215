//! What a Job asks of this machine: read from its manifest, checked, and what cannot be had here refused in words.

mod container;
mod env;
mod field;
mod identity;
mod quantity;
mod volume;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use gitfaas_core::run::Reason;
use serde_json::Value;

pub(super) use self::container::Container;
pub(super) use self::env::{Names, Source, Var};
pub(super) use self::field::{Field, Resource, Resources};
pub(super) use self::quantity::Quantity;
pub(super) use self::volume::{Content, Item, Kind, ObjectName, Volume, is_key};
use super::manifest::{Job, JobSpec, PodSpec};

/// Times above this are as good as for ever, and still can be added to any point in time.
const LONGEST_SECONDS: i64 = 100 * 365 * 24 * 3600;
/// Kubernetes' own default.
const RETRIES: u32 = 6;
const GRACE: Duration = Duration::from_secs(30);
const POD: &str = "spec.template.spec";

/// A Job that this machine can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    /// Those that go first: each has to succeed before the next one is started, or to be running if it is a sidecar.
    pub(super) init: Vec<Container>,
    /// Those that run at once; at least one.
    pub(super) containers: Vec<Container>,
    pub(super) volumes: Vec<Volume>,
    /// What the pod can be told of itself.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) service_account: String,
    pub(super) hostname: Option<String>,
    /// Whether a failed container is started again in its pod, with its volumes.
    pub(super) restarts: bool,
    pub(super) retries: u32,
    /// How many pods have to succeed; `None`: as many as there are, once one has.
    pub(super) completions: Option<u32>,
    /// How many pods run at once; at least one.
    pub(super) parallelism: u32,
    /// Whether each completion has a number, and a pod of its own.
    pub(super) indexed: bool,
    pub(super) job_deadline: Option<Duration>,
    pub(super) pod_deadline: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) ttl: Option<Duration>,
}

/// Why a Job does not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// No cluster would take it.
    Malformed(Reason),
    /// A cluster may run it; this machine cannot.
    Unsupported(Reason),
}

type Checked<T> = Result<T, Refused>;

fn malformed(path: &str, what: &str) -> Refused {
    Refused::Malformed(Reason::new("Invalid", format!("{path}: {what}")))
}

fn unsupported(path: &str, what: &str) -> Refused {
    Refused::Unsupported(Reason::new("UnsupportedLocally", format!("{path}: {what}")))
}

impl Spec {
    /// Whether the container of this name runs beside the others, and so decides nothing.
    pub(super) fn is_sidecar(&self, container: &str) -> bool {
        self.init.iter().any(|init| init.sidecar && init.name == container)
    }

    /// Reads a Job. What is malformed is told before what is unsupported.
    pub(super) fn read(json: &str) -> Checked<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let job: Job = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            // The place in a JSON text that nobody has seen would help nobody.
            let what = error.inner().to_string();
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            malformed(&error.path().to_string(), what)
        })?;
        let spec = check_form(&job.spec)?;
        check_support(&job.spec)?;
        Ok(spec)
    }
}

fn check_form(job: &JobSpec) -> Checked<Spec> {
    let pod = &job.template.spec;
    if pod.containers.is_empty() {
        return Err(malformed(&format!("{POD}.containers"), "at least one is needed"));
    }
    let restarts = match pod.restart_policy.as_deref() {
        Some("Never") => false,
        Some("OnFailure") => true,
        _ => return Err(malformed(&format!("{POD}.restartPolicy"), "a Job needs `Never` or `OnFailure`")),
    };
    let retries = seconds("spec.backoffLimit", job.backoff_limit, 0)?;
    let grace = seconds(&format!("{POD}.terminationGracePeriodSeconds"), pod.termination_grace_period_seconds, 0)?;
    let (init, containers) = (containers(pod, "initContainers")?, containers(pod, "containers")?);
    all_differ(&init, &containers)?;
    let metadata = job.template.metadata.as_ref();
    Ok(Spec {
        init,
        containers,
        volumes: volume::read(pod)?,
        labels: metadata.and_then(|metadata| metadata.labels.clone()).unwrap_or_default(),
        annotations: metadata.and_then(|metadata| metadata.annotations.clone()).unwrap_or_default(),
        service_account: pod.service_account_name.clone().unwrap_or_else(|| "default".to_owned()),
        hostname: pod.hostname.clone().filter(|name| !name.is_empty()),
        restarts,
        retries: retries.map_or(RETRIES, clamped),
        completions: completions(job)?,
        parallelism: seconds("spec.parallelism", job.parallelism, 0)?.map_or(1, clamped).max(1),
        indexed: is_indexed(job)?,
        job_deadline: duration("spec.activeDeadlineSeconds", job.active_deadline_seconds, 1)?,
        pod_deadline: duration(&format!("{POD}.activeDeadlineSeconds"), pod.active_deadline_seconds, 1)?,
        grace: grace.map_or(GRACE, Duration::from_secs),
        ttl: duration("spec.ttlSecondsAfterFinished", job.ttl_seconds_after_finished, 0)?,
    })
}

/// As in Kubernetes: one where nothing is said; with `parallelism` alone, the pods know themselves when they are done.
fn completions(job: &JobSpec) -> Checked<Option<u32>> {
    let completions = seconds("spec.completions", job.completions, 0)?.map(clamped);
    Ok(completions.or_else(|| job.parallelism.is_none().then_some(1)))
}

fn is_indexed(job: &JobSpec) -> Checked<bool> {
    const AT: &str = "spec.completionMode";
    match job.completion_mode.as_deref() {
        None | Some("NonIndexed") => Ok(false),
        Some("Indexed") if job.completions.is_none() => Err(malformed(AT, "`Indexed` needs `completions`")),
        Some("Indexed") => Ok(true),
        Some(other) => Err(malformed(AT, &format!("must be `NonIndexed` or `Indexed`, not `{other}`"))),
    }
}

fn clamped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn containers(pod: &PodSpec, list: &str) -> Checked<Vec<Container>> {
    each(pod, list).map(|(at, container)| Container::read(&at, pod, container)).collect()
}

/// The containers of one of the pod's lists, each with its place.
fn each<'a>(pod: &'a PodSpec, list: &str) -> impl Iterator<Item = (String, &'a super::manifest::Container)> {
    let containers =
        if list == "initContainers" { pod.init_containers.as_deref().unwrap_or_default() } else { &pod.containers };
    containers.iter().enumerate().map(move |(index, container)| (format!("{POD}.{list}[{index}]"), container))
}

/// Logs and folders are told apart by the names of their containers.
fn all_differ(init: &[Container], containers: &[Container]) -> Checked<()> {
    let mut seen = HashSet::new();
    match init.iter().chain(containers).find(|container| !seen.insert(&container.name)) {
        Some(twice) => {
            let what = format!("two containers are called `{}`", twice.name);
            Err(malformed(&format!("{POD}.containers"), &what))
        }
        None => Ok(()),
    }
}

fn seconds(path: &str, value: Option<i64>, least: i64) -> Checked<Option<u64>> {
    match value {
        Some(value) if value < least => Err(malformed(path, &format!("must be {least} or more, not {value}"))),
        value => Ok(value.and_then(|value| u64::try_from(value.min(LONGEST_SECONDS)).ok())),
    }
}

fn duration(path: &str, value: Option<i64>, least: i64) -> Checked<Option<Duration>> {
    Ok(seconds(path, value, least)?.map(Duration::from_secs))
}

/// Whether a field asks for anything.
fn asks(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

fn check_support(job: &JobSpec) -> Checked<()> {
    if job.parallelism == Some(0) {
        return Err(unsupported("spec.parallelism", "the local cluster cannot hold a Job back; at least 1 pod runs"));
    }
    if job.suspend == Some(true) {
        return Err(unsupported("spec.suspend", "the local cluster cannot hold a Job back; leave it out"));
    }
    none_of(
        "spec",
        &[
            ("backoffLimitPerIndex", &job.backoff_limit_per_index),
            ("managedBy", &job.managed_by),
            ("podFailurePolicy", &job.pod_failure_policy),
            ("successPolicy", &job.success_policy),
        ],
    )?;
    check_pod(&job.template.spec)
}

fn none_of(at: &str, fields: &[(&str, &Option<Value>)]) -> Checked<()> {
    match fields.iter().find(|(_, value)| asks(value.as_ref())) {
        Some((field, _)) => {
            Err(unsupported(&format!("{at}.{field}"), "the local cluster does not have this; leave it out to run here"))
        }
        None => Ok(()),
    }
}

fn check_pod(pod: &PodSpec) -> Checked<()> {
    none_of(
        POD,
        &[
            ("ephemeralContainers", &pod.ephemeral_containers),
            ("hostAliases", &pod.host_aliases),
            ("resourceClaims", &pod.resource_claims),
            ("schedulingGates", &pod.scheduling_gates),
        ],
    )?;
    if let Some(context) = &pod.security_context {
        identity::check(&format!("{POD}.securityContext"), context)?;
    }
    volume::check(pod)?;
    each(pod, "initContainers").try_for_each(|(at, container)| container::check(&at, container, true))?;
    each(pod, "containers").try_for_each(|(at, container)| container::check(&at, container, false))
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
