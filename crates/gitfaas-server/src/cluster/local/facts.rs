//! What a pod is told of itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gitfaas_core::run::ObjectKey;
use sha2::{Digest as _, Sha256};

use super::names::{FileName, pod_name};
use super::spec::{Field, Quantity, Resource, Spec};
use super::start::Start;

/// Where everything is that runs here.
const ADDRESS: &str = "127.0.0.1";
/// Where a pod finds which completion it is for.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What a pod is told of itself.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    name: String,
    /// The Job's name, and which completion it is for.
    base: String,
    index: Option<String>,
    namespace: String,
    uid: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    service_account: String,
}

impl Facts {
    /// Those of the pod of this start; `usual` is the namespace of a Job that names none.
    pub(super) fn new(spec: &Spec, job: &ObjectKey, usual: &str, file: &FileName, start: &Start) -> Self {
        let index = spec.indexed.then(|| start.index.to_string());
        let (mut labels, mut annotations) = (spec.labels.clone(), spec.annotations.clone());
        for label in ["job-name", "batch.kubernetes.io/job-name"] {
            labels.insert(label.to_owned(), job.name.clone());
        }
        if let Some(index) = &index {
            labels.insert(INDEX.to_owned(), index.clone());
            annotations.insert(INDEX.to_owned(), index.clone());
        }
        let base = index.as_ref().map_or_else(|| job.name.clone(), |index| format!("{}-{index}", job.name));
        let hash = Sha256::digest(format!("{file}/{}/uid", start.pod));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self {
            name: pod_name(&base, file, start.pod),
            base,
            index,
            namespace: job.namespace.clone().unwrap_or_else(|| usual.to_owned()),
            uid: uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string(),
            labels,
            annotations,
            service_account: spec.service_account.clone(),
        }
    }

    /// What the pod calls itself: its name, or the same for every pod of a completion.
    pub(super) fn hostname(&self) -> String {
        if self.index.is_some() { self.base.clone() } else { self.name.clone() }
    }

    /// Which completion of its Job it is for, where they are told apart.
    pub(super) fn index(&self) -> Option<&str> {
        self.index.as_deref()
    }

    /// A field as text.
    pub(super) fn field(&self, field: &Field) -> String {
        match field {
            Field::Name => self.name.clone(),
            Field::Namespace => self.namespace.clone(),
            Field::Uid => self.uid.clone(),
            Field::Labels => lines(&self.labels),
            Field::Annotations => lines(&self.annotations),
            Field::Label(name) => self.labels.get(name).cloned().unwrap_or_default(),
            Field::Annotation(name) => self.annotations.get(name).cloned().unwrap_or_default(),
            Field::NodeName => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            Field::ServiceAccountName => self.service_account.clone(),
            Field::Address => ADDRESS.to_owned(),
        }
    }
}

/// A limit or request as text: a whole number of what was asked for.
pub(super) fn resource(resource: &Resource) -> String {
    match resource {
        Resource::Known(count) => count.to_string(),
        Resource::Cores(unit) => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            Quantity::whole(cores as u64).in_units_of(*unit).to_string()
        }
        Resource::Memory(unit) => {
            let memory = rustix::system::sysinfo();
            let bytes = memory.totalram.saturating_mul(u64::from(memory.mem_unit));
            Quantity::whole(bytes).in_units_of(*unit).to_string()
        }
    }
}

/// As Kubernetes writes them into a file.
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    lines.join("\n")
}

/// In double quotes, as Go quotes.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if control.is_control() => {
                let _: std::fmt::Result = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_labels_are_one_a_line_and_quoted() {
        let map = [("b", "two \"quoted\"\n"), ("a", "one")];
        let map = map.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(lines(&map), "a=\"one\"\nb=\"two \\\"quoted\\\"\\n\"");
    }
}
