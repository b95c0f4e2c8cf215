//! The places of a manifest that Kubernetes says hold strings.

use super::decorate::PREFIX;
use super::report::Report;
use super::text::{Piece, Symbol, Text};
use super::tree::{Tree, Value};

/// First the kinds it is true for, then the place: `**` is any way from the top, `*` any key, `[]` any item, `|` one of
/// several, and `containers` also those that begin before the others or are added later.
const STRINGS: &[(&str, &str)] = &[
    ("*", "apiVersion"),
    ("*", "kind"),
    ("*", "metadata name|namespace|generateName"),
    ("*", "** metadata labels|annotations *"),
    ("*", "** matchLabels|nodeSelector *"),
    ("*", "** containers [] name|image|workingDir|imagePullPolicy"),
    ("*", "** containers [] command|args []"),
    ("*", "** containers [] env [] name|value"),
    ("*", "** containers [] volumeMounts [] name|mountPath|subPath"),
    ("Pod|Job|Deployment|StatefulSet|DaemonSet|ReplicaSet|CronJob", "** restartPolicy|serviceAccountName|nodeName"),
    ("ConfigMap", "data|binaryData *"),
    ("Secret", "data|stringData *"),
    ("Secret", "type"),
    ("Service", "spec selector *"),
    ("PersistentVolumeClaim", "spec storageClassName|volumeName"),
];

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The way from the top of an object to one of its values.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    before: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a Text),
    Item,
}

impl<'a> Path<'a> {
    pub(super) const fn key(before: Option<&'a Self>, key: &'a Text) -> Self {
        Self { before, step: Step::Key(key) }
    }

    pub(super) const fn item(before: Option<&'a Self>) -> Self {
        Self { before, step: Step::Item }
    }
}

/// Whether the way is one of `pattern`, read from its end.
pub(super) fn matches(path: Option<&Path<'_>>, pattern: &str) -> bool {
    let (pattern, last) = match pattern.rsplit_once(' ') {
        Some((pattern, last)) => (Some(pattern), last),
        None => (None, pattern),
    };
    if last == "**" {
        return true;
    }
    let Some(path) = path else { return false };
    let fits = match path.step {
        Step::Item => last == "[]",
        Step::Key(key) if last == "containers" => CONTAINERS.iter().any(|one| key.is(one)),
        Step::Key(key) => last == "*" || last.split('|').any(|one| key.is(one)),
    };
    fits && match pattern {
        Some(pattern) => matches(path.before, pattern),
        None => path.before.is_none(),
    }
}

/// A pattern of [`STRINGS`] for one object.
struct Place {
    pattern: &'static str,
    /// Whether the object is of a kind that has it; `false` where that shows only when a placeholder is filled.
    certain: bool,
}

/// Makes every placeholder at a place for strings a string, and reports what can be none there.
///
/// `kind` is `None` where a placeholder decides it: then the places of all kinds count.
pub(super) fn strings(tree: &mut Tree, kind: Option<&str>, report: &mut Report) {
    let place = |(kinds, pattern): &(&str, &'static str)| {
        let certain = *kinds == "*" || kind.is_some_and(|kind| kinds.split('|').any(|one| one == kind));
        (certain || kind.is_none()).then_some(Place { pattern, certain })
    };
    let places: Vec<Place> = STRINGS.iter().filter_map(place).collect();
    walk(tree, None, &places, report);
}

fn walk(tree: &mut Tree, path: Option<&Path<'_>>, places: &[Place], report: &mut Report) {
    if let Some(place) = places.iter().find(|place| matches(path, place.pattern)) {
        string(tree, place.certain, report);
    }
    match &mut tree.value {
        Value::Sequence(items) => {
            let path = Path::item(path);
            for item in items {
                walk(item, Some(&path), places, report);
            }
        }
        Value::Mapping(entries) => {
            let of_gitfaas = matches(path, "** metadata labels|annotations");
            for entry in entries {
                if of_gitfaas && entry.key.fixed().is_some_and(|key| key.starts_with(PREFIX)) {
                    let message = format!("`{}` is for gitfaas to set", entry.key.fixed().unwrap_or_default());
                    report.problem(entry.position, message, format!("choose a key without `{PREFIX}`"));
                }
                let path = Path::key(path, &entry.key);
                walk(&mut entry.value, Some(&path), places, report);
            }
        }
        _ => {}
    }
}

fn string(tree: &mut Tree, certain: bool, report: &mut Report) {
    match &tree.value {
        Value::Bare(index, name) => {
            tree.value = Value::Text(Text(vec![Piece::Symbol(Symbol::Parameter(*index, name.clone()))]));
        }
        _ if !certain => {}
        Value::Json(_) if !tree.is_null() => {
            let message = format!("Kubernetes wants a string here, and this is {}", tree.what());
            report.problem(tree.position, message, "write it in quotes");
        }
        Value::Sequence(_) | Value::Mapping(_) => {
            let message = format!("Kubernetes wants a string here, and this is {}", tree.what());
            report.problem(tree.position, message, "write a string");
        }
        _ => {}
    }
}
