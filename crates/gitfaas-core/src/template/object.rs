//! One object of a template: what names it, what is wrong with it, and how it is written.

use super::Header;
use super::checks::Checks;
use super::decorate;
use super::filled::Filled;
use super::head;
use super::jobs;
use super::name::{self, Rule};
use super::naming;
use super::places;
use super::pods;
use super::program::Program;
use super::render::{Refusal, RenderCode};
use super::report::Report;
use super::text::{Placed, Reserved, Text};
use super::tree::Tree;
use crate::manifest::RecordedManifest;
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
    form: Form,
    /// Its form when a placeholder makes it a Job.
    as_job: Option<Form>,
}

/// How an object is checked and written.
#[derive(Debug)]
struct Form {
    checks: Checks,
    program: Program,
}

impl Form {
    fn of(tree: &Tree, report: &mut Report) -> Self {
        Self { checks: Checks::of(tree, report), program: Program::of(tree) }
    }
}

impl Object {
    /// Compiles the object number `index` of a template; what is wrong goes to `report`.
    pub(super) fn compile(mut tree: Tree, index: usize, function: &FunctionName, report: &mut Report) -> Option<Self> {
        head::fixed_keys(&tree, report)?;
        let kind = tree.get("kind").and_then(Tree::text).and_then(Text::fixed).map(str::to_owned);
        places::strings(&mut tree, kind.as_deref(), report);
        let api_version = head::of(&tree, "apiVersion", report);
        let kind = head::of(&tree, "kind", report);
        let metadata = head::metadata(&tree, report);
        let (api_version, kind, ()) = (api_version?, kind?, metadata?);
        let fixed = api_version.text.fixed().zip(kind.text.fixed());
        head::check(&api_version, &kind, report);
        let max = fixed.map_or(MAX_GENERATED, |(api_version, kind)| Rule::of(api_version, kind).max.min(MAX_GENERATED));
        let name = naming::of(&mut tree, index, max, report)?;
        if let Some((api_version, kind)) = fixed {
            naming::check(&name, Rule::of(api_version, kind), kind, report);
        }
        let name = name.placed;
        let namespace = naming::namespace(&tree, report);
        let unique = name.text.has(Reserved::is_unique);
        decorate::object(&mut tree, function, unique, report);
        let as_job = as_job(&mut tree, fixed, &name, report);
        let text = |placed: &Placed| placed.text.fixed().map(str::to_owned);
        Some(Self {
            header: Header {
                api_version: text(&api_version),
                kind: text(&kind),
                namespace: naming::known(namespace.as_ref()),
                name: text(&name),
                unique,
                position: tree.position,
                violations: fixed
                    .map_or_else(Vec::new, |(api_version, kind)| pods::violations(&tree, api_version, kind)),
            },
            has_items: tree.get("items").is_some(),
            form: Form::of(&tree, report),
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
        valid(&self.api_version, head::api_version_rule(&api_version))?;
        valid(&self.kind, head::kind_rule(&kind))?;
        if self.has_items && self.kind.text.fixed().is_none() && kind.ends_with("List") {
            let message = format!("`{kind}` would make this a list of objects, which only the template can say");
            return Err(Refusal::of(&self.kind.text, self.kind.position, message).help("give another kind"));
        }
        self.name.check(Rule::of(&api_version, &kind), &format!("the name of a {kind}"), filled)?;
        if let Some(namespace) = &self.namespace {
            namespace.check(name::NAMESPACE, "a namespace", filled)?;
        }
        let form = self.as_job.as_ref().filter(|_| is_job(&api_version, &kind)).unwrap_or(&self.form);
        form.checks.check(filled)?;
        let (json, length) = form.program.run(filled);
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

fn is_job(api_version: &str, kind: &str) -> bool {
    kind == "Job" && api_version.starts_with("batch/")
}

/// Labels the pods of a Job of one run. Where a placeholder decides the kind, that is a form of its own.
fn as_job(tree: &mut Tree, fixed: Option<(&str, &str)>, name: &Placed, report: &mut Report) -> Option<Form> {
    let unique = name.text.has(Reserved::is_unique);
    match fixed {
        Some((api_version, kind)) if is_job(api_version, kind) => {
            jobs::warn_of_pods(tree, report);
            if unique {
                decorate::pod_template(tree, report);
            } else {
                jobs::warn_of_fixed_name(name, report);
            }
            None
        }
        None if unique => {
            let mut job = tree.clone();
            decorate::pod_template(&mut job, report);
            Some(Form::of(&job, report))
        }
        _ => None,
    }
}
