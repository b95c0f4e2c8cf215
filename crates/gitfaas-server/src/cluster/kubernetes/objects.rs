//! Jobs, pods and warnings as the API server shows them: only the fields that are used, so that little is kept of each.

use gitfaas_core::id::{RunId, Try};
use gitfaas_core::run::ObjectKey;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::refused::shortened;
use crate::cluster::Owner;

/// How much is kept of what the cluster says about one thing, in characters.
const WORDS: usize = 500;

/// What the cluster says: bounded, and in one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words(Box<str>);

impl Words {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        Self(shortened(text.trim(), WORDS).into())
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        Ok(Self::from(text.unwrap_or_default().as_str()))
    }
}

/// `null` and nothing are the same to an API server.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What every object has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: Box<str>,
    pub(super) namespace: Box<str>,
    pub(super) uid: Box<str>,
    /// Taken out of what is kept: it is new with every change.
    pub(super) resource_version: Box<str>,
    pub(super) creation_timestamp: Option<Timestamp>,
    pub(super) deletion_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "or_default")]
    labels: Marks,
    #[serde(deserialize_with = "or_default")]
    annotations: Marks,
    #[serde(deserialize_with = "or_default")]
    owner_references: Vec<OwnerReference>,
}

/// What we wrote onto an object to find it again.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Marks {
    #[serde(rename = "gitfaas.io/run")]
    run: Option<Box<str>>,
    #[serde(rename = "gitfaas.io/try")]
    try_no: Option<Box<str>>,
}

impl Marks {
    fn owner(&self) -> Option<Owner> {
        let run: RunId = self.run.as_deref()?.parse().ok()?;
        let try_no = Try(self.try_no.as_deref()?.parse().ok()?);
        Some(Owner { run, try_no })
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct OwnerReference {
    kind: Box<str>,
    name: Box<str>,
    uid: Box<str>,
    controller: bool,
}

impl Meta {
    /// Which try of which run it was made for, or last applied for.
    pub(super) fn owner(&self) -> Option<Owner> {
        self.labels.owner().or_else(|| self.annotations.owner())
    }

    /// Leaves out what has been read from it: thousands of these are kept.
    pub(super) fn forget_marks(&mut self) {
        (self.uid, self.labels, self.annotations) = (Box::default(), Marks::default(), Marks::default());
        self.owner_references = Vec::new();
    }

    /// Whether it belongs to one run alone.
    pub(super) fn is_unique(&self) -> bool {
        self.labels.run.is_some()
    }

    /// The Job that it is a pod of: its name and uid.
    pub(super) fn job(&self) -> Option<(&str, &str)> {
        let is_job = |owner: &&OwnerReference| owner.controller && &*owner.kind == "Job";
        self.owner_references.iter().find(is_job).map(|owner| (&*owner.name, &*owner.uid))
    }
}

/// A Job.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "or_default")]
    pub(super) spec: JobSpec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: JobStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct JobSpec {
    pub(super) suspend: Option<bool>,
    pub(super) active_deadline_seconds: Option<i64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobStatus {
    #[serde(deserialize_with = "or_default")]
    pub(super) active: i32,
    #[serde(deserialize_with = "or_default")]
    succeeded: i32,
    #[serde(deserialize_with = "or_default")]
    failed: i32,
    #[serde(deserialize_with = "or_default")]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Condition {
    pub(super) r#type: Box<str>,
    pub(super) status: Box<str>,
    pub(super) reason: Words,
    pub(super) message: Words,
    pub(super) last_transition_time: Option<Timestamp>,
}

impl JobStatus {
    /// How many pods ended.
    pub(super) fn ended(&self) -> u32 {
        u32::try_from(self.succeeded).unwrap_or(0).saturating_add(u32::try_from(self.failed).unwrap_or(0))
    }
}

impl Job {
    pub(super) fn key(&self) -> ObjectKey {
        ObjectKey {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            namespace: Some(self.metadata.namespace.to_string()),
            name: self.metadata.name.to_string(),
        }
    }

    /// The condition of this type, when it holds.
    pub(super) fn condition(&self, r#type: &str) -> Option<&Condition> {
        holding(&self.status.conditions, r#type)
    }

    /// Whether nothing of it will run any more.
    pub(super) fn is_over(&self) -> bool {
        self.condition("Complete").is_some() || self.condition("Failed").is_some()
    }
}

fn holding<'a>(conditions: &'a [Condition], r#type: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| &*condition.r#type == r#type && &*condition.status == "True")
}

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "or_default")]
    spec: PodSpec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: PodStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    #[serde(deserialize_with = "or_default")]
    init_containers: Vec<InitContainer>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct InitContainer {
    name: Box<str>,
    restart_policy: Option<Box<str>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) phase: Box<str>,
    pub(super) reason: Words,
    pub(super) message: Words,
    #[serde(deserialize_with = "or_default")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "or_default")]
    pub(super) init_container_statuses: Vec<Container>,
    #[serde(deserialize_with = "or_default")]
    pub(super) container_statuses: Vec<Container>,
}

/// How a container stands.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: Box<str>,
    restart_count: i32,
    pub(super) state: State,
    pub(super) last_state: State,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) waiting: Option<Waiting>,
    pub(super) running: Option<Running>,
    pub(super) terminated: Option<Terminated>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    pub(super) reason: Words,
    pub(super) message: Words,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Running {}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Terminated {
    pub(super) exit_code: i32,
    pub(super) reason: Words,
    pub(super) message: Words,
    pub(super) finished_at: Option<Timestamp>,
}

impl Container {
    /// How often it was started again.
    pub(super) fn restarts(&self) -> u32 {
        u32::try_from(self.restart_count).unwrap_or(0)
    }

    /// Whether it has ever been started.
    pub(super) fn was_started(&self) -> bool {
        self.state.running.is_some() || self.state.terminated.is_some() || self.last_state.terminated.is_some()
    }

    /// How its last start ended, where that has been seen.
    pub(super) fn ended(&self) -> Option<&Terminated> {
        self.state.terminated.as_ref().or(self.last_state.terminated.as_ref())
    }
}

impl Pod {
    /// Every container, in the order in which they begin.
    pub(super) fn containers(&self) -> impl Iterator<Item = &Container> {
        self.status.init_container_statuses.iter().chain(&self.status.container_statuses)
    }

    /// Whether any of its containers has been started.
    pub(super) fn was_started(&self) -> bool {
        self.containers().any(Container::was_started)
    }

    /// How often its containers were started again in place; a container that is to run beside the others is none that
    /// the function's attempts are counted by.
    pub(super) fn restarts(&self) -> u32 {
        let init = self.init_restarts();
        let main = self.status.container_statuses.iter().map(Container::restarts).max();
        init + main.unwrap_or(0)
    }

    /// How often those were started again that come before the main ones.
    pub(super) fn init_restarts(&self) -> u32 {
        let init = self.status.init_container_statuses.iter();
        init.filter(|container| !self.is_sidecar(&container.name)).map(Container::restarts).sum()
    }

    /// Whether the container runs beside the others (`restartPolicy: Always` of an init container).
    pub(super) fn is_sidecar(&self, name: &str) -> bool {
        self.spec
            .init_containers
            .iter()
            .any(|init| &*init.name == name && init.restart_policy.as_deref() == Some("Always"))
    }

    /// Its attempts: none before it is started, and one more for each time it was started again in place.
    pub(super) fn attempts(&self) -> u32 {
        if self.was_started() { 1 + self.restarts() } else { 0 }
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        matches!(&*self.status.phase, "Succeeded" | "Failed")
    }

    /// Why no node has been found for it.
    pub(super) fn unscheduled(&self) -> Option<&Condition> {
        let conditions = self.status.conditions.iter();
        let unscheduled =
            |condition: &&Condition| &*condition.r#type == "PodScheduled" && &*condition.status == "False";
        conditions.filter(unscheduled).find(|condition| !condition.reason.as_str().is_empty())
    }
}

/// What a collection is made of.
pub(super) trait Listed: serde::de::DeserializeOwned + Send + 'static {
    /// What every object has.
    fn meta(&mut self) -> &mut Meta;
}

impl Listed for Job {
    fn meta(&mut self) -> &mut Meta {
        &mut self.metadata
    }
}

impl Listed for Pod {
    fn meta(&mut self) -> &mut Meta {
        &mut self.metadata
    }
}

impl Listed for Warning {
    fn meta(&mut self) -> &mut Meta {
        &mut self.metadata
    }
}

/// What the cluster warns of.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Warning {
    metadata: Meta,
    pub(super) involved_object: Involved,
    pub(super) reason: Words,
    pub(super) message: Words,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Involved {
    pub(super) kind: Box<str>,
    pub(super) uid: Box<str>,
}
