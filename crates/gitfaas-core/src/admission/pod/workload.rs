//! The kinds that hold pods, and the way to these.

use serde::de::MapAccess;

use super::read::{Member, Reader};
use super::spec::{Annotations, PodSpec};
use crate::admission::group_of;

/// The groups that built-in kinds have had.
const GROUPS: [&str; 4] = ["", "apps", "batch", "extensions"];

/// The kinds, with the keys that lead to what has the `metadata` and the `spec` of a pod.
const KINDS: [(&str, &[&str]); 9] = [
    ("Pod", &[]),
    ("PodTemplate", &["template"]),
    ("Job", &["spec", "template"]),
    ("CronJob", &["spec", "jobTemplate", "spec", "template"]),
    ("Deployment", &["spec", "template"]),
    ("ReplicaSet", &["spec", "template"]),
    ("ReplicationController", &["spec", "template"]),
    ("StatefulSet", &["spec", "template"]),
    ("DaemonSet", &["spec", "template"]),
];

/// The way to the pods of an object, whatever the version and however group and kind are spelled; `None` for a kind
/// that the pod policy does not govern.
pub(in crate::admission) fn way_to_pods(api_version: &str, kind: &str) -> Option<&'static [&'static str]> {
    let group = group_of(api_version).trim();
    GROUPS.iter().find(|governed| governed.eq_ignore_ascii_case(group))?;
    KINDS.iter().find(|(governed, _)| governed.eq_ignore_ascii_case(kind.trim())).map(|(_, way)| *way)
}

/// A mapping on the way to the pods, or their template itself.
pub(in crate::admission) struct Down {
    /// The keys that are left to go.
    pub(in crate::admission) way: &'static [&'static str],
}

impl<'de> Reader<'de> for Down {
    fn keys(&self) -> &'static [&'static str] {
        if self.way.is_empty() { &["metadata", "spec"] } else { &self.way[..1] }
    }

    fn member<A: MapAccess<'de>>(&mut self, key: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        match self.way {
            [_, rest @ ..] => member.mapping(&mut Self { way: rest }),
            [] if key == "spec" => member.mapping(&mut PodSpec::default()),
            [] => member.mapping(&mut Metadata),
        }
    }
}

/// The `metadata` of a pod.
struct Metadata;

impl<'de> Reader<'de> for Metadata {
    fn keys(&self) -> &'static [&'static str] {
        &["annotations"]
    }

    fn member<A: MapAccess<'de>>(&mut self, _: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        member.mapping(&mut Annotations)
    }
}
