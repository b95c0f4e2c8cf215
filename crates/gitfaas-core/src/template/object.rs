//! One object of a template: what names it, what is wrong with it, and how it is written.

use super::Header;
use super::checks::Checks;
use super::decorate;
use super::filled::Filled;
use super::name::{self, Rule, unfilled};
use super::places;
use super::program::Program;
use super::render::{Refusal, RenderCode};
use super::report::Report;
use super::text::{Piece, Reserved, Symbol, Text};
use super::tree::{Tree, Value};
use crate::manifest::RecordedManifest;
use crate::problem::Position;
use crate::topic::FunctionName;

/// What an object's JSON has to stay below, in bytes: what Kubernetes stores at most, roughly.
const MAX_OBJECT: usize = 1 << 20;
/// Longest name that is made of a `generateName`; Kubernetes itself makes none that is longer.
const MAX_GENERATED: usize = 63;

/// A compiled object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) header: Header,
    api_version: Placed,
    kind: Placed,
    namespace: Option<Placed>,
    name: Placed,
    has_items: bool,
    checks: Checks,
    program: Program,
    /// How it is written when a placeholder makes it a Job.
    as_job: Option<Program>,
}

/// A text and where it stands.
#[derive(Debug, Clone)]
struct Placed {
    position: Position,
    text: Text,
}

impl Object {
    /// Compiles the object number `index` of a template; what is wrong goes to `report`.
    pub(super) fn compile(mut tree: Tree, index: usize, function: &FunctionName, report: &mut Report) -> Option<Self> {
        fixed_keys(&tree, report)?;
        let kind = tree.get("kind").and_then(Tree::text).and_then(Text::fixed).map(str::to_owned);
        places::strings(&mut tree, kind.as_deref(), report);
        let api_version = head(&tree, "apiVersion", report);
        let kind = head(&tree, "kind", report);
        let metadata = metadata(&tree, report);
        let (api_version, kind, ()) = (api_version?, kind?, metadata?);
        let fixed = api_version.text.fixed().zip(kind.text.fixed());
        check_head(&api_version, &kind, report);
        let max = fixed.map_or(MAX_GENERATED, |(api_version, kind)| Rule::of(api_version, kind).max.min(MAX_GENERATED));
        let name = name(&mut tree, index, max, report)?;
        if let Some((api_version, kind)) = fixed {
            check_name(&name, Rule::of(api_version, kind), kind, report);
        }
        let name = name.placed;
        let namespace = namespace(&tree, report);
        let unique = name.text.has(Reserved::is_unique);
        decorate::object(&mut tree, function, unique, report);
        let mut as_job = None;
        match fixed {
            Some((api_version, kind)) if is_job(api_version, kind) => {
                if unique {
                    decorate::pod_template(&mut tree, report);
                } else {
                    warn_of_fixed_job(&name, report);
                }
            }
            None if unique => {
                let mut job = tree.clone();
                decorate::pod_template(&mut job, report);
                as_job = Some(Program::of(&job));
            }
            Some(_) | None => {}
        }
        let text = |placed: &Placed| placed.text.fixed().map(str::to_owned);
        Some(Self {
            header: Header {
                api_version: text(&api_version),
                kind: text(&kind),
                namespace: namespace.as_ref().and_then(text),
                unique,
                position: tree.position,
            },
            has_items: tree.get("items").is_some(),
            checks: Checks::of(&tree, report),
            program: Program::of(&tree),
            api_version,
            kind,
            namespace,
            name,
            as_job,
        })
    }

    /// What two objects of one cluster cannot share: group, kind, namespace and name, as `spell` spells them.
    pub(super) fn identity(&self, spell: impl Fn(&Text) -> String) -> [String; 4] {
        let api_version = spell(&self.api_version.text);
        let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let namespace = self.namespace.as_ref().map(|namespace| spell(&namespace.text)).unwrap_or_default();
        [group, spell(&self.kind.text), namespace, spell(&self.name.text)]
    }

    /// Says that another object has the same identity.
    pub(super) fn is_twice(&self) -> Refusal {
        let (kind, name) = (self.kind.text.written(str::to_owned), self.name.text.written(str::to_owned));
        Refusal::of(&self.name.text, self.name.position, format!("the {kind} `{name}` is in this file twice"))
            .help("give each a name of its own")
    }

    /// The object for one message.
    pub(super) fn render(&self, filled: &Filled<'_>) -> Result<RecordedManifest, Refusal> {
        let (api_version, kind) = (filled.text(&self.api_version.text), filled.text(&self.kind.text));
        let valid = |placed: &Placed, valid: Result<(), String>| {
            valid.map_err(|why| Refusal::of(&placed.text, placed.position, why).help("give another value"))
        };
        valid(&self.api_version, api_version_rule(&api_version))?;
        valid(&self.kind, kind_rule(&kind))?;
        if self.has_items && self.kind.text.fixed().is_none() && kind.ends_with("List") {
            let message = format!("`{kind}` would make this a list of objects, which only the template can say");
            return Err(Refusal::of(&self.kind.text, self.kind.position, message).help("give another kind"));
        }
        self.name.check(Rule::of(&api_version, &kind), &format!("the name of a {kind}"), filled)?;
        if let Some(namespace) = &self.namespace {
            namespace.check(name::NAMESPACE, "a namespace", filled)?;
        }
        self.checks.check(filled)?;
        let program = self.as_job.as_ref().filter(|_| is_job(&api_version, &kind)).unwrap_or(&self.program);
        let (json, length) = program.run(filled);
        if length >= MAX_OBJECT {
            let message = format!("the {kind} has {length} bytes; Kubernetes takes less than {MAX_OBJECT}");
            return Err(Refusal::new(RenderCode::TooLarge, self.header.position, message).help(
                "read the message from `{{MESSAGE_URL}}` with `{{RUN_TOKEN}}` instead of writing it into the object",
            ));
        }
        Ok(RecordedManifest {
            api_version,
            kind,
            namespace: self.namespace.as_ref().map(|namespace| filled.holed(&namespace.text)),
            name: filled.holed(&self.name.text),
            unique: self.header.unique,
            json,
        })
    }
}

impl Placed {
    fn check(&self, rule: Rule, what: &str, filled: &Filled<'_>) -> Result<(), Refusal> {
        rule.check(&filled.text(&self.text)).map_err(|why| {
            let message = format!("`{}` cannot be {what}: {why}", filled.shown(&self.text));
            Refusal::of(&self.text, self.position, message)
        })
    }
}

fn is_job(api_version: &str, kind: &str) -> bool {
    kind == "Job" && api_version.starts_with("batch/")
}

/// Where an object is and what names it is read from fixed keys: a value must not be able to add or hide one.
fn fixed_keys(tree: &Tree, report: &mut Report) -> Option<()> {
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
fn head(tree: &Tree, key: &str, report: &mut Report) -> Option<Placed> {
    let Some(value) = tree.get(key).filter(|value| !value.is_null()) else {
        let example = if key == "kind" { "kind: Job" } else { "apiVersion: batch/v1" };
        report.problem(tree.position, format!("`{key}` is missing"), format!("write, for example, `{example}`"));
        return None;
    };
    // What is no string has been reported with all other strings.
    let text = value.text()?.clone();
    let hole = |reserved| {
        matches!(reserved, Reserved::Random | Reserved::Message | Reserved::FunctionUid | Reserved::RunToken)
    };
    if text.has(hole) {
        let written = text.written(str::to_owned);
        let help = format!("write the {key} out, or use a parameter");
        report.problem(value.position, format!("`{written}` cannot be the {key} of an object"), help);
        return None;
    }
    Some(Placed { position: value.position, text })
}

fn metadata(tree: &Tree, report: &mut Report) -> Option<()> {
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

fn check_head(api_version: &Placed, kind: &Placed, report: &mut Report) {
    if let Some(Err(why)) = api_version.text.fixed().map(api_version_rule) {
        report.problem(api_version.position, why, "write, for example, `batch/v1`");
    }
    if let Some(Err(why)) = kind.text.fixed().map(kind_rule) {
        report.problem(kind.position, why, "write, for example, `Job`");
    }
}

fn api_version_rule(api_version: &str) -> Result<(), String> {
    let (group, version) = api_version.split_once('/').unwrap_or(("v", api_version));
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    if part(group) && part(version) {
        return Ok(());
    }
    let shown: String = api_version.chars().take(60).collect();
    Err(format!("`{shown}` is no apiVersion (a group and a version, such as `batch/v1`, or `v1`)"))
}

fn kind_rule(kind: &str) -> Result<(), String> {
    let letters = kind.starts_with(|first: char| first.is_ascii_alphabetic());
    if letters && kind.len() <= 63 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let shown: String = kind.chars().take(60).collect();
    Err(format!("`{shown}` is no kind (at most 63 letters and digits, such as `Job`)"))
}

/// The name of an object, and how its author wrote it.
struct Name {
    placed: Placed,
    /// The `name` or `generateName` as it was given.
    given: Text,
    generated: bool,
}

/// The name, made of `generateName` where there is none; the key `generateName` is taken away.
fn name(tree: &mut Tree, index: usize, max: usize, report: &mut Report) -> Option<Name> {
    let position = tree.position;
    let Some(Tree { value: Value::Mapping(entries), .. }) = tree.get_mut("metadata") else { return None };
    let given = |key: &str| entries.iter().position(|entry| entry.key.is(key) && !entry.value.is_null());
    let (named, generated) = (given("name"), given("generateName"));
    let Some(place) = named.or(generated) else {
        report.problem(position, "`metadata.name` is missing", "write `name: something-{{RANDOM}}` below `metadata:`");
        return None;
    };
    // What is no string has been reported with all other strings.
    let mut entry = entries.remove(place);
    let given = entry.value.text()?.clone();
    let generated = named.is_none();
    let text = if generated { generated_name(&given, index, max) } else { given.clone() };
    entry.key = "name".into();
    entry.value.value = Value::Text(text.clone());
    let placed = Placed { position: entry.value.position, text };
    entries.retain(|entry| !entry.key.is("name") && !entry.key.is("generateName"));
    entries.insert(0, entry);
    Some(Name { placed, given, generated })
}

/// A name for each try of each run and each object of the template.
fn generated_name(prefix: &Text, index: usize, max: usize) -> Text {
    let index = index.to_string();
    let room = max.saturating_sub(Reserved::Random.length().unwrap_or(0) + index.len());
    let hole = |symbol: &&Symbol| {
        let Symbol::Reserved(reserved) = symbol else { return false };
        matches!(reserved, Reserved::Random | Reserved::Message | Reserved::FunctionUid | Reserved::RunToken)
    };
    let mut pieces = match prefix.fixed() {
        Some(fixed) => vec![Piece::Text(fixed.chars().take(room).collect())],
        // What is left open cannot be cut.
        None if prefix.symbols().iter().any(hole) => prefix.0.clone(),
        None => vec![Piece::Prefix(prefix.clone(), room)],
    };
    pieces.push(Piece::Symbol(Symbol::Reserved(Reserved::Random)));
    pieces.push(Piece::Text(index));
    Text(pieces)
}

fn check_name(name: &Name, rule: Rule, kind: &str, report: &mut Report) {
    let (position, written) = (name.placed.position, name.given.written(str::to_owned));
    if let Some(word) = unfilled(&name.given) {
        report.problem(position, format!("`{word}` is still to be filled in"), format!("replace `{word}` by a name"));
    } else if let Err(why) = rule.check_text(&name.placed.text) {
        let suggestion = rule.suggestion(&name.given, name.generated);
        let help = suggestion.map_or_else(|| format!("give the {kind} another name"), |name| format!("write `{name}`"));
        let what = if name.generated { "begin" } else { "be" };
        report.problem(position, format!("`{written}` cannot {what} the name of a {kind}: {why}"), help);
    }
}

fn namespace(tree: &Tree, report: &mut Report) -> Option<Placed> {
    let value = tree.get("metadata")?.get("namespace")?;
    let text = value.text().filter(|text| !text.is(""))?;
    let help = "write the name of a namespace, or `{{NAMESPACE}}` for the one that gitfaas uses";
    if let Some(word) = unfilled(text) {
        let help = format!("replace `{word}` by the name of a namespace, or by `{{{{NAMESPACE}}}}`");
        report.problem(value.position, format!("`{word}` is still to be filled in"), help);
    } else if let Err(why) = name::NAMESPACE.check_text(text) {
        let written = text.written(str::to_owned);
        report.problem(value.position, format!("`{written}` cannot be a namespace: {why}"), help);
    }
    Some(Placed { position: value.position, text: text.clone() })
}

fn warn_of_fixed_job(name: &Placed, report: &mut Report) {
    let written = name.text.written(str::to_owned);
    let message = format!("the Job `{written}` has no name of its own for each run, so it runs once only");
    report.warning(name.position, message, format!("write `{written}-{{{{RANDOM}}}}`"));
}
