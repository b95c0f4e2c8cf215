//! The pod policy: what the Pod Security Standards of Kubernetes forbid, and other service accounts than `default`.
//!
//! The pods are read from the object as it would be sent, in the same pass as its head, and from the compiled template
//! to tell what is certain before any message. What of a governed kind cannot be understood is refused. Kinds of other
//! groups may make pods too; these are for the cluster's own admission to judge.
//!
//! The standards are those of Kubernetes 1.37, with one exception on purpose: `hostUsers: false` relaxes nothing,
//! because older servers drop that field without a word and would run the pod as what it asks to be.

mod container;
mod context;
mod control;
mod findings;
mod place;
mod read;
mod spec;
mod workload;

use std::fmt;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::DeserializeSeed as _;

pub(crate) use self::findings::{Findings, Violation};
pub(crate) use self::place::Step;
pub(super) use self::place::{At, lookalike};
pub(super) use self::read::Mapping;
pub(super) use self::spec::{Annotations, PodSpec};
pub(super) use self::workload::{Down, way_to_pods};

/// What pods may do, in the levels of the Pod Security Standards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodPolicy {
    /// Everything; the standards call it `privileged`.
    Off,
    /// What is known to lead out of a container is forbidden.
    #[default]
    Baseline,
    /// Pods have to be hardened, too.
    Restricted,
}

impl PodPolicy {
    /// Every level, the usual one first.
    pub const ALL: [Self; 3] = [Self::Baseline, Self::Restricted, Self::Off];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

impl fmt::Display for PodPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was given is no pod policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pod policy is `baseline`, `restricted` or `off`")]
pub struct InvalidPodPolicy;

impl FromStr for PodPolicy {
    type Err = InvalidPodPolicy;

    fn from_str(word: &str) -> Result<Self, InvalidPodPolicy> {
        Self::ALL.into_iter().find(|level| level.as_str() == word).ok_or(InvalidPodPolicy)
    }
}

/// Everything that a level of the standards forbids in `object`, as far as it is known: a value that is unknown is one
/// for which the deserializer visits `none`.
pub(crate) fn violations<'de, D: Deserializer<'de>>(api_version: &str, kind: &str, object: D) -> Vec<Violation> {
    let Some(way) = way_to_pods(api_version, kind) else { return Vec::new() };
    let mut findings = Findings::of(PodPolicy::Restricted);
    let mapping = Mapping { reader: &mut Down { way }, at: &At::TOP, findings: &mut findings };
    // What cannot be read at all has been reported by whoever made the object.
    drop(mapping.deserialize(object));
    findings.violations
}

#[cfg(test)]
mod tests;
