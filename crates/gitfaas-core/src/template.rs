//! Templates: Kubernetes manifests with placeholders, compiled once and filled for every message.
//!
//! A template is parsed as YAML first and filled afterwards, so a value can never create structure. Compiling finds
//! everything that is wrong whatever the message is; rendering only fills gaps in ready JSON and checks what depends
//! on the values. Whether the objects are allowed is for admission to say, what to do with them for the plan.

mod checks;
mod decorate;
mod filled;
mod head;
mod jobs;
mod kinds;
mod list;
mod name;
mod naming;
mod object;
mod placeholder;
mod places;
mod pods;
mod program;
mod render;
mod report;
mod text;
mod tree;

pub use placeholder::{RESERVED, is_placeholder_name};
pub use render::{RenderCode, RenderError};

use std::collections::HashSet;

use filled::{Filled, Given};
use object::Object;
use placeholder::Placeholders;
use render::Refusal;
use report::Report;
use text::Text;
use tree::{Reader, Tree};

use crate::admission::pod::Violation;
use crate::catalog::params::ParamRules;
use crate::manifest::{Fillings, RecordedManifest};
use crate::message::Params;
use crate::problem::{Position, Problem};
use crate::topic::{FunctionName, TopicName};
use crate::yaml::{self, YamlError};

/// A compiled template; it never changes, and any number of messages can be rendered from it at once.
#[derive(Debug)]
pub struct Template {
    path: FunctionName,
    source: Vec<u8>,
    parameters: Vec<Parameter>,
    headers: Vec<Header>,
    warnings: Vec<Problem>,
    objects: Vec<Object>,
}

/// A parameter that a template takes from the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; never one of [`RESERVED`].
    pub name: String,
    /// Where the template uses it first.
    pub position: Position,
}

/// What is known of an object before any message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `apiVersion`; `None` where a placeholder decides.
    pub api_version: Option<String>,
    /// `kind`; `None` where a placeholder decides.
    pub kind: Option<String>,
    /// `metadata.namespace`.
    pub namespace: Namespace,
    /// `metadata.name`; `None` where anything is filled into it.
    pub name: Option<String>,
    /// Whether each run makes an object of its own.
    pub unique: bool,
    /// Where the object begins.
    pub position: Position,
    /// What its pods are certain to break of the strictest pod policy, and where that stands.
    pub(crate) violations: Vec<(Position, Violation)>,
}

/// The namespace of an object, as far as its template says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// The one that gitfaas uses: none is given, or `{{NAMESPACE}}`.
    Own,
    /// This one.
    Named(String),
    /// A placeholder decides.
    Open,
}

/// What one run of one message fills into a template.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// The topic it was published to.
    pub topic: &'a TopicName,
    /// The commit that the template is from, as it is printed.
    pub revision: &'a str,
    /// The namespace that gitfaas uses.
    pub namespace: &'a str,
    /// W3C trace context of the publisher.
    pub traceparent: Option<&'a str>,
    /// The query parameters of the message.
    pub params: &'a Params,
    /// What the topic says of them.
    pub rules: &'a ParamRules,
    /// The fillings of the first try: lengths and names are checked with them.
    pub fillings: &'a Fillings<'a>,
}

impl Template {
    /// Compiles the file at `path`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong whatever the message is, with line and column. A mistake in YAML's syntax hides what
    /// follows it.
    pub fn compile(path: &FunctionName, source: &[u8]) -> Result<Self, Vec<Problem>> {
        let file = path.as_str();
        let mut report = Report::of(file);
        let (trees, parameters) = match read(source) {
            Ok(read) => read,
            Err(errors) => {
                report.problems = errors.into_iter().map(|error| error.into_problem(file)).collect();
                return Err(report.into_problems());
            }
        };
        let mut flat = Vec::new();
        for tree in trees {
            list::flatten(tree, &mut report, &mut flat);
        }
        if flat.is_empty() && report.problems.is_empty() {
            report.problems.push(Problem::of_file(file, "the file has no object").help("write a manifest into it"));
        }
        let compile = |(index, tree)| Object::compile(tree, index, path, &mut report);
        let objects: Vec<Object> = flat.into_iter().enumerate().filter_map(compile).collect();
        if let Err(twice) = all_differ(&objects, |text| text.written(str::to_owned)) {
            report.problems.push(twice.into_error(file).problem);
        }
        if !report.problems.is_empty() {
            return Err(report.into_problems());
        }
        Ok(Self {
            path: path.clone(),
            source: source.to_owned(),
            parameters,
            headers: objects.iter().map(|object| object.header.clone()).collect(),
            warnings: report.warnings,
            objects,
        })
    }

    /// Its path in the repository.
    pub fn path(&self) -> &FunctionName {
        &self.path
    }

    /// The file as it was given.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The parameters it uses, sorted by name.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Its objects, lists taken apart, in order.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// What is allowed and probably not meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The objects for one message, in order.
    ///
    /// # Errors
    ///
    /// A parameter that is missing, or the first object that the values make invalid.
    pub fn render(&self, values: &Values<'_>) -> Result<Vec<RecordedManifest>, RenderError> {
        let refuse = |refusal: Refusal| refusal.into_error(self.path.as_str());
        let parameters = self.parameter_values(values).map_err(refuse)?;
        let filled = Filled::new(values, parameters);
        let render = |object: &Object| object.render(&filled);
        let manifests = self.objects.iter().map(render).collect::<Result<_, _>>().map_err(refuse)?;
        if self.objects.len() > 1 {
            all_differ(&self.objects, |text| filled.text(text)).map_err(refuse)?;
        }
        Ok(manifests)
    }

    fn parameter_values<'v>(&self, values: &Values<'v>) -> Result<Vec<Given<'v>>, Refusal> {
        let value = |parameter: &Parameter| {
            let text = values.rules.value(values.params, &parameter.name)?;
            Some(Given { text, kind: values.rules.kind(&parameter.name) })
        };
        let given: Vec<Given<'_>> = self.parameters.iter().filter_map(value).collect();
        if given.len() == self.parameters.len() {
            return Ok(given);
        }
        let missing: Vec<&Parameter> = self.parameters.iter().filter(|parameter| value(parameter).is_none()).collect();
        let names: Vec<String> = missing.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
        let query: Vec<String> = missing.iter().map(|parameter| format!("{}=…", parameter.name)).collect();
        let (what, is) = if names.len() == 1 { ("parameter", "is") } else { ("parameters", "are") };
        let position = missing.iter().map(|parameter| parameter.position).min();
        let position = position.unwrap_or(Position { line: 1, column: 1 });
        let message = format!("the {what} {} {is} missing", names.join(", "));
        Err(Refusal::new(RenderCode::MissingParameter, position, message)
            .help(format!("publish with `?{}`", query.join("&"))))
    }
}

/// Two objects that are one would be made once, and nobody would notice the other.
fn all_differ(objects: &[Object], spell: impl Fn(&Text) -> String + Copy) -> Result<(), Refusal> {
    let mut seen = HashSet::with_capacity(objects.len());
    match objects.iter().find(|object| !seen.insert(object.identity(spell))) {
        None => Ok(()),
        Some(object) => Err(object.is_twice()),
    }
}

fn read(source: &[u8]) -> Result<(Vec<Tree>, Vec<Parameter>), Vec<YamlError>> {
    let text = yaml::text(source).map_err(|error| vec![error])?;
    let (marked, placeholders) = Placeholders::extract(text).map_err(|error| vec![error])?;
    let documents = yaml::read(&marked).map_err(|mut errors| {
        for error in &mut errors {
            error.message = placeholders.written(&error.message);
            error.help = error.help.take().map(|help| placeholders.written(&help));
            if error.help.is_none() && placeholders.near(error.position).is_some() {
                error.help = Some("a placeholder can only be a key, a value, or a part of one".to_owned());
            }
        }
        errors
    })?;
    Reader::read(&documents, &placeholders)
}

#[cfg(test)]
mod tests;
