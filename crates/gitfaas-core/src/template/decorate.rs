//! What gitfaas writes on the objects it makes.

use super::report::Report;
use super::text::{Reserved, Text};
use super::tree::{Entry, Tree, Value};
use crate::problem::Position;
use crate::topic::FunctionName;

/// What the keys that belong to gitfaas begin with.
pub(super) const PREFIX: &str = "gitfaas.io/";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Writes labels and annotations on `object`. Which run made it is a label where it is the run's own; on what has a name
/// of its own it is an annotation, as it changes with each run that applies it.
pub(super) fn object(object: &mut Tree, function: &FunctionName, unique: bool, report: &mut Report) {
    let Some(metadata) = object.get_mut("metadata") else { return };
    set(metadata, "labels", labels(unique), report);
    let mut annotations = vec![
        ("gitfaas.io/request", Reserved::RequestUuid.into()),
        ("gitfaas.io/topic", Reserved::Topic.into()),
        ("gitfaas.io/function", function.as_str().into()),
        ("gitfaas.io/revision", Reserved::Revision.into()),
    ];
    if !unique {
        annotations.extend(run());
    }
    set(metadata, "annotations", annotations, report);
}

/// Writes the labels of a run on the pods of a Job.
pub(super) fn pod_template(job: &mut Tree, report: &mut Report) {
    let Some(template) = job.get_mut("spec").and_then(|spec| spec.get_mut("template")) else { return };
    if let Some(metadata) = mapping(template, "metadata", report) {
        set(metadata, "labels", labels(true), report);
    }
}

fn labels(unique: bool) -> Vec<(&'static str, Text)> {
    let mut labels = vec![(MANAGED_BY, Text::from("gitfaas"))];
    if unique {
        labels.extend(run());
    }
    labels
}

/// Which run made an object, and in which try.
fn run() -> [(&'static str, Text); 2] {
    [("gitfaas.io/run", Reserved::RunId.into()), ("gitfaas.io/try", Reserved::Try.into())]
}

/// Sets keys of the mapping under `name`.
fn set(parent: &mut Tree, name: &str, keys: Vec<(&'static str, Text)>, report: &mut Report) {
    let Some(tree) = mapping(parent, name, report) else { return };
    let position = tree.position;
    let Value::Mapping(entries) = &mut tree.value else { return };
    for (key, text) in keys {
        entries.retain(|entry| !entry.key.is(key));
        entries.push(entry(key, position, Value::Text(text)));
    }
}

/// The mapping under `name` of a mapping, made where there is nothing; what is no mapping is reported.
fn mapping<'t>(parent: &'t mut Tree, name: &str, report: &mut Report) -> Option<&'t mut Tree> {
    let position = parent.position;
    let Value::Mapping(entries) = &mut parent.value else { return None };
    let place = entries.iter().position(|entry| entry.key.is(name)).unwrap_or_else(|| {
        entries.push(entry(name, position, Value::Mapping(Vec::new())));
        entries.len() - 1
    });
    let tree = &mut entries[place].value;
    if tree.is_null() {
        tree.value = Value::Mapping(Vec::new());
    }
    if matches!(tree.value, Value::Mapping(_)) {
        return Some(tree);
    }
    report.problem(
        tree.position,
        format!("`{name}` is a mapping, and this is {}", tree.what()),
        format!("write keys and values under `{name}:`"),
    );
    None
}

fn entry(key: &str, position: Position, value: Value) -> Entry {
    Entry { key: key.into(), position, value: Tree { position, value } }
}
