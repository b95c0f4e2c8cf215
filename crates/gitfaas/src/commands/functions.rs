//! The functions of a directory, read and compiled as a server would: what `lint` and `render` look at.

use std::collections::HashMap;

use anyhow::Context as _;
use gitfaas_core::admission::{Namespaces, Policy};
use gitfaas_core::catalog::Catalog;
use gitfaas_core::problem::Problem;
use gitfaas_core::topic::FunctionName;
use gitfaas_server::engine::inspect_source;
use gitfaas_server::source::{MAX_FILE, Snapshot, Source};

use crate::cli::PolicyArgs;
use crate::exit::Usage;
use crate::output::problem::{self, Severity};

/// One state of a source, compiled.
pub(super) struct Functions {
    /// What is right of it; of a wrong config file, as much as is understood, to look for more mistakes in.
    pub(super) catalog: Catalog,
    /// What is wrong with the config file.
    pub(super) config_problems: Vec<Problem>,
    snapshot: Box<dyn Snapshot>,
}

impl Functions {
    /// Reads and compiles what `source` holds now.
    ///
    /// # Errors
    /// When the source cannot be read at all.
    pub(super) async fn read(source: &dyn Source) -> anyhow::Result<Self> {
        let snapshot = source.snapshot().await?;
        let (read, config_problems) = inspect_source(&*snapshot, source.config_path()).await;
        let catalog = read.map(|read| {
            let revision = snapshot.revision(&read.files);
            read.compile(revision, None)
        });
        let catalog = catalog.unwrap_or_default();
        Ok(Self { catalog, config_problems, snapshot })
    }

    /// Draws problems in the files they are about, an empty line after each.
    pub(super) async fn draw(&self, problems: &[&Problem], severity: Severity, width: usize) -> String {
        draw(&*self.snapshot, problems, severity, width).await
    }
}

/// Draws problems in the files of `snapshot` they are about, an empty line after each.
pub(super) async fn draw(snapshot: &dyn Snapshot, problems: &[&Problem], severity: Severity, width: usize) -> String {
    let mut sources: HashMap<&str, Option<String>> = HashMap::new();
    let mut drawn = String::new();
    for problem in problems {
        let file = problem.file.as_str();
        if !sources.contains_key(file) {
            sources.insert(file, text(snapshot, file).await);
        }
        drawn += &problem::draw(problem, severity, sources[file].as_deref(), width);
        drawn += "\n\n";
    }
    drawn
}

async fn text(snapshot: &dyn Snapshot, file: &str) -> Option<String> {
    let path: FunctionName = file.parse().ok()?;
    let bytes = snapshot.read(&path, MAX_FILE).await.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The policy that the arguments describe, where no cluster is at hand: in every namespace, unless they say otherwise.
pub(super) fn policy(arguments: &PolicyArgs) -> anyhow::Result<Policy> {
    let namespaces = match &arguments.namespaces {
        None => Namespaces::Any,
        Some(given) => within(arguments.namespace(), given),
    };
    policy_within(arguments, namespaces)
}

/// The namespaces that were given, beside the server's own.
pub(super) fn within(own: &str, given: &[String]) -> Namespaces {
    let names = words(given);
    if names.split_whitespace().any(|name| name == "*") {
        return Namespaces::Any;
    }
    Namespaces::Only(std::iter::once(own).chain(names.split_whitespace()).map(str::to_owned).collect())
}

/// The policy that the arguments describe, in these namespaces.
pub(super) fn policy_within(arguments: &PolicyArgs, namespaces: Namespaces) -> anyhow::Result<Policy> {
    let policy = match &arguments.banned_kinds {
        None => Policy::default().within(namespaces),
        Some(banned) => {
            let policy = Policy::new(&words(banned), namespaces).map_err(|error| Usage(error.to_string()));
            policy.context("--banned-kinds")?
        }
    };
    Ok(policy.with_pods(arguments.pod_policy))
}

/// What was given in several arguments, or in one with commas, parted by blanks.
fn words(given: &[String]) -> String {
    given.join(" ").replace(',', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gitfaas_core::admission::PodPolicy;
    use gitfaas_core::template::Template;

    fn arguments(banned: Option<&[&str]>, namespaces: Option<&[&str]>) -> PolicyArgs {
        let owned = |given: &[&str]| given.iter().map(ToString::to_string).collect();
        PolicyArgs {
            config_path: String::new(),
            banned_kinds: banned.map(owned),
            namespace: Some("own".to_owned()),
            namespaces: namespaces.map(owned),
            pod_policy: PodPolicy::default(),
        }
    }

    fn refused(banned: Option<&[&str]>, kind: &str) -> bool {
        let policy = policy(&arguments(banned, None)).expect("a policy");
        let yaml = format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: x\n");
        let template = Template::compile(&"x.yaml".parse().expect("a path"), yaml.as_bytes()).expect("a template");
        !policy.problems(&template).is_empty()
    }

    #[test]
    fn banned_kinds_replace_the_list_however_they_are_parted() {
        assert!(refused(None, "Role"));
        assert!(!refused(None, "Secret"));
        assert!(refused(Some(&["Pod,Secret", "ConfigMap Service"]), "Secret"));
        assert!(refused(Some(&["Pod,Secret", "ConfigMap Service"]), "Service"));
        assert!(!refused(Some(&["Pod"]), "Role"));
        assert!(!refused(Some(&[""]), "Role"));
    }

    #[test]
    fn a_kind_that_cannot_be_is_a_usage_error() {
        assert!(policy(&arguments(Some(&["kind: Role"]), None)).expect_err("it is none").is::<Usage>());
    }

    fn may_be_in(namespaces: Option<&[&str]>, namespace: &str) -> bool {
        let policy = policy(&arguments(None, namespaces)).expect("a policy");
        let yaml = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  namespace: {namespace}\n");
        let template = Template::compile(&"x.yaml".parse().expect("a path"), yaml.as_bytes()).expect("a template");
        policy.problems(&template).is_empty()
    }

    #[test]
    fn namespaces_that_are_named_are_the_only_ones_beside_the_server_s_own() {
        assert!(may_be_in(None, "anywhere"));
        assert!(may_be_in(Some(&["one,two"]), "two"));
        assert!(may_be_in(Some(&["one"]), "own"));
        assert!(!may_be_in(Some(&["one"]), "anywhere"));
        assert!(!may_be_in(Some(&[""]), "one"));
    }
}
