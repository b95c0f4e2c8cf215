//! Lists of objects: `kind: List` and its like are taken apart, as `kubectl` does.

use super::report::Report;
use super::text::Text;
use super::tree::{Entry, Tree, Value};

/// The objects in `tree`, which may be a list of lists; its depth is bounded by what YAML may nest.
pub(super) fn flatten(tree: Tree, report: &mut Report, objects: &mut Vec<Tree>) {
    let Some(kind) = list_kind(&tree) else {
        objects.push(tree);
        return;
    };
    let api_version = tree.get("apiVersion").cloned();
    let Value::Mapping(entries) = tree.value else { return };
    let Some(items) = entries.into_iter().find(|entry| entry.key.is("items")).map(|entry| entry.value) else { return };
    if items.is_null() {
        return;
    }
    let at = items.position;
    let Value::Sequence(items) = items.value else {
        report.problem(at, format!("the `items` of a {kind} are no list"), "write the objects as a list");
        return;
    };
    for mut item in items {
        inherit(&mut item, &kind, api_version.as_ref());
        flatten(item, report, objects);
    }
}

/// The kind, if `tree` is a list: its kind says so, and it has items (or is the plain `List` that has none).
fn list_kind(tree: &Tree) -> Option<String> {
    let kind = tree.get("kind")?.text()?.fixed()?;
    let is_list = kind == "List" || kind.ends_with("List") && tree.get("items").is_some();
    is_list.then(|| kind.to_owned())
}

/// The items of a `JobList` need not say that they are Jobs.
fn inherit(item: &mut Tree, kind: &str, api_version: Option<&Tree>) {
    let of = kind.strip_suffix("List").unwrap_or_default();
    if of.is_empty() || item.get("kind").is_some() || item.get("apiVersion").is_some() {
        return;
    }
    let position = item.position;
    if let (Value::Mapping(entries), Some(api_version)) = (&mut item.value, api_version) {
        let kind = Tree { position, value: Value::Text(of.into()) };
        for (key, value) in [("apiVersion", api_version.clone()), ("kind", kind)] {
            entries.push(Entry { key: Text::from(key), position, value });
        }
    }
}
