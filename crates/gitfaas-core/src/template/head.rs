//! What every object begins with: its `apiVersion`, its `kind` and its `metadata`.

use super::kinds::correction;
use super::report::Report;
use super::text::{Placed, Reserved};
use super::tree::{Tree, Value};

/// Where an object is and what names it is read from fixed keys: a value must not be able to add or hide one.
pub(super) fn fixed_keys(tree: &Tree, report: &mut Report) -> Option<()> {
    let Value::Mapping(entries) = &tree.value else {
        let help = "begin with `apiVersion:` and `kind:`";
        report.problem(tree.position, format!("a manifest is a mapping, and this is {}", tree.what()), help);
        return None;
    };
    let below = match tree.get("metadata").map(|metadata| &metadata.value) {
        Some(Value::Mapping(entries)) => entries.as_slice(),
        _ => &[],
    };
    let filled = entries.iter().chain(below).find(|entry| entry.key.fixed().is_none());
    let Some(entry) = filled else { return Some(()) };
    let message = format!("the key `{}` has a placeholder", entry.key.written(str::to_owned));
    report.problem(entry.position, message, "write the keys of a manifest and of its metadata out");
    None
}

/// `apiVersion` or `kind`.
pub(super) fn of(tree: &Tree, key: &str, report: &mut Report) -> Option<Placed> {
    let Some(value) = tree.get(key).filter(|value| !value.is_null()) else {
        let example = if key == "kind" { "kind: Job" } else { "apiVersion: batch/v1" };
        report.problem(tree.position, format!("`{key}` is missing"), format!("write, for example, `{example}`"));
        return None;
    };
    // What is no string has been reported with all other strings.
    let text = value.text()?.clone();
    if text.has(Reserved::is_hole) {
        let written = text.written(str::to_owned);
        let help = format!("write the {key} out, or use a parameter");
        report.problem(value.position, format!("`{written}` cannot be the {key} of an object"), help);
        return None;
    }
    Some(Placed { position: value.position, text })
}

pub(super) fn metadata(tree: &Tree, report: &mut Report) -> Option<()> {
    let help = "write `metadata:` with `name:` below it";
    match tree.get("metadata") {
        Some(Tree { value: Value::Mapping(_), .. }) => Some(()),
        Some(other) if !other.is_null() => {
            report.problem(other.position, format!("`metadata` is a mapping, and this is {}", other.what()), help);
            None
        }
        _ => {
            report.problem(tree.position, "`metadata` is missing", help);
            None
        }
    }
}

pub(super) fn check(api_version: &Placed, kind: &Placed, report: &mut Report) {
    if let Some(Err(why)) = api_version.text.fixed().map(api_version_rule) {
        report.problem(api_version.position, why, "write, for example, `batch/v1`");
    }
    if let Some(Err(why)) = kind.text.fixed().map(kind_rule) {
        report.problem(kind.position, why, "write, for example, `Job`");
    }
    let fixed = api_version.text.fixed().zip(kind.text.fixed());
    if let Some((api_version, name, help)) =
        fixed.and_then(|(group, name)| Some((group, name, correction(group, name)?)))
    {
        report.problem(kind.position, format!("`{api_version}` has no kind `{name}`"), help);
    }
}

pub(super) fn api_version_rule(api_version: &str) -> Result<(), String> {
    let (group, version) = api_version.split_once('/').unwrap_or(("v", api_version));
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    if part(group) && part(version) {
        return Ok(());
    }
    let shown: String = api_version.chars().take(60).collect();
    Err(format!("`{shown}` is no apiVersion (a group and a version, such as `batch/v1`, or `v1`)"))
}

pub(super) fn kind_rule(kind: &str) -> Result<(), String> {
    let letters = kind.starts_with(|first: char| first.is_ascii_alphabetic());
    if letters && kind.len() <= 63 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let shown: String = kind.chars().take(60).collect();
    Err(format!("`{shown}` is no kind (at most 63 letters and digits, such as `Job`)"))
}
