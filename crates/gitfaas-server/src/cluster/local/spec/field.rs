//! What a pod can be told of itself and of what it may use: the downward API.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::manifest::{self, PodSpec};
use super::super::references::ResourceRef;
use super::{Checked, Quantity, each, malformed, unsupported};

/// A field of the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) enum Field {
    Name,
    Namespace,
    Uid,
    /// All of them, one a line; as a file only.
    Labels,
    Annotations,
    Label(String),
    Annotation(String),
    NodeName,
    ServiceAccountName,
    /// The pod's and the node's are the same here.
    Address,
}

impl Field {
    /// Reads one for a variable.
    pub(super) fn read(at: &str, path: &str) -> Checked<Self> {
        Self::read_for_file(at, path).and_then(|field| match field {
            Self::Labels | Self::Annotations => {
                Err(malformed(at, &format!("say which one: `{path}['name']`; all of them can only be a file")))
            }
            field => Ok(field),
        })
    }

    /// Reads one for a file.
    pub(super) fn read_for_file(at: &str, path: &str) -> Checked<Self> {
        let one_of = |list: &str| path.strip_prefix(list)?.strip_prefix("['")?.strip_suffix("']").map(str::to_owned);
        Ok(match path {
            "metadata.name" => Self::Name,
            "metadata.namespace" => Self::Namespace,
            "metadata.uid" => Self::Uid,
            "metadata.labels" => Self::Labels,
            "metadata.annotations" => Self::Annotations,
            "spec.nodeName" => Self::NodeName,
            "spec.serviceAccountName" => Self::ServiceAccountName,
            "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs" => Self::Address,
            _ => match (one_of("metadata.labels"), one_of("metadata.annotations")) {
                (Some(label), _) => Self::Label(label),
                (None, Some(annotation)) => Self::Annotation(annotation),
                (None, None) => return Err(malformed(at, &format!("a pod cannot be told its `{path}`"))),
            },
        })
    }
}

/// What a container may use at most, and what it asked for at least.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cluster::local) struct Resources {
    limits: BTreeMap<String, Quantity>,
    requests: BTreeMap<String, Quantity>,
}

impl Resources {
    pub(super) fn read(at: &str, resources: Option<&manifest::Resources>) -> Checked<Self> {
        let Some(resources) = resources else { return Ok(Self::default()) };
        let limits = quantities(&format!("{at}.limits"), resources.limits.as_ref())?;
        Ok(Self { limits, requests: quantities(&format!("{at}.requests"), resources.requests.as_ref())? })
    }

    /// The limit of this name.
    pub(in crate::cluster::local) fn limit(&self, name: &str) -> Option<Quantity> {
        self.limits.get(name).copied()
    }
}

fn quantities(at: &str, given: Option<&BTreeMap<String, Value>>) -> Checked<BTreeMap<String, Quantity>> {
    let given = given.into_iter().flatten().filter(|(_, value)| !value.is_null());
    given.map(|(name, value)| Ok((name.clone(), quantity(&format!("{at}.{name}"), value)?))).collect()
}

fn quantity(at: &str, value: &Value) -> Checked<Quantity> {
    Quantity::read(value).ok_or_else(|| malformed(at, &format!("{value} is no quantity, as `500m` or `64Mi` are")))
}

/// A limit or request that a process is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) enum Resource {
    /// It is said in the manifest: this many of the unit that was asked for.
    Known(i128),
    /// It is what the machine has: its cores, in this unit.
    Cores(Quantity),
    /// Its memory, in this unit.
    Memory(Quantity),
}

impl Resource {
    /// Reads what is asked of the container `name`.
    pub(super) fn read(at: &str, pod: &PodSpec, name: &str, wanted: &ResourceRef) -> Checked<Self> {
        let unit = match wanted.divisor.as_ref().filter(|divisor| !divisor.is_null()) {
            Some(divisor) => quantity(&format!("{at}.divisor"), divisor)?,
            None => Quantity::whole(1),
        };
        // Zero stands for nothing said, as in Kubernetes.
        let unit = if unit == Quantity::whole(0) { Quantity::whole(1) } else { unit };
        let found = ["initContainers", "containers"].into_iter().flat_map(|list| each(pod, list));
        let (place, container) = found
            .into_iter()
            .find(|(_, container)| container.name == name)
            .ok_or_else(|| malformed(&format!("{at}.containerName"), &format!("there is no container `{name}`")))?;
        let resources = Resources::read(&format!("{place}.resources"), container.resources.as_ref())?;
        let at = format!("{at}.resource");
        let (list, name) = wanted.resource.split_once('.').unwrap_or_default();
        let known = match list {
            "limits" => resources.limits.get(name),
            // What has a limit asks for it, where it does not say otherwise.
            "requests" => resources.requests.get(name).or_else(|| resources.limits.get(name)),
            _ => return Err(malformed(&at, "must begin with `limits.` or `requests.`")),
        };
        match (known, list, name) {
            (Some(known), ..) => Ok(Self::Known(known.in_units_of(unit))),
            (None, "requests", _) => Ok(Self::Known(0)),
            (None, _, "cpu") => Ok(Self::Cores(unit)),
            (None, _, "memory") => Ok(Self::Memory(unit)),
            (None, ..) => Err(unsupported(&at, "there is no such limit, and the machine's own is not known here")),
        }
    }
}
