//! `gitfaas lint`: what is wrong with the functions of a directory, as a server would find it; with `--server`, also what
//! the API server of a cluster says of their objects.

mod server;

use std::collections::BTreeSet;
use std::time::Duration;

use gitfaas_core::admission::Policy;
use gitfaas_core::problem::Problem;
use gitfaas_server::source::Source;
use gitfaas_server::source::directory::DirectorySource;
use serde::Serialize;

use self::server::Asked;
use super::functions::{self, Functions};
use super::machine;
use crate::cli::{self, Format};
use crate::exit::Outcome;
use crate::output::problem::Severity;
use crate::output::{self, Out};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Lint, out: Out) -> anyhow::Result<Outcome> {
    let source = DirectorySource::new(&arguments.dir, &arguments.policy.config_path)?;
    let (report, unasked) = if arguments.server {
        let (cluster, namespaces) =
            machine::kubernetes(&arguments.api_server, &arguments.policy, Duration::ZERO).await?;
        let policy = functions::policy_within(&arguments.policy, namespaces)?;
        let mut report = Report::of(&source, &policy).await?;
        let asked = server::ask(&cluster, &report.functions, &policy).await;
        let unasked = asked.map(|asked| report.add(asked)).err();
        (report, unasked)
    } else {
        (Report::of(&source, &functions::policy(&arguments.policy)?).await?, None)
    };
    match arguments.output.format {
        Format::Json => output::server_json(&report.json()?)?,
        Format::Table => output::line(&report.draw(out.width()).await)?,
    }
    // What was found without it has been told.
    if let Some(error) = unasked {
        return Err(error);
    }
    Ok(if report.errors.is_empty() { Outcome::Done } else { Outcome::Failed })
}

/// What was found.
pub(super) struct Report {
    functions: Functions,
    /// What does not work.
    pub(super) errors: Vec<Problem>,
    /// What works, probably not as meant.
    pub(super) warnings: Vec<Problem>,
    /// Who else was asked, and how much of it was right.
    asked: Option<String>,
}

impl Report {
    /// Reads what `source` holds, and holds it to `policy`.
    ///
    /// # Errors
    /// When the source cannot be read at all.
    pub(super) async fn of(source: &dyn Source, policy: &Policy) -> anyhow::Result<Self> {
        let functions = Functions::read(source).await?;
        let mut errors = functions.config_problems.clone();
        errors.extend(functions.catalog.problems().into_iter().cloned());
        errors.extend(refused(&functions, policy));
        // Of a topic that is understood in part only, what seems to be missing may just be misspelt.
        let mut warnings = functions.catalog.warnings();
        warnings.retain(|warning| functions.config_problems.iter().all(|problem| problem.file != warning.file));
        let warnings = warnings.into_iter().cloned().collect();
        Ok(Self { functions, errors, warnings, asked: None })
    }

    /// Adds what an API server says.
    fn add(&mut self, asked: Asked) {
        self.errors.extend(asked.errors);
        self.warnings.extend(asked.warnings);
        self.asked = Some(format!("{} would take {}", asked.whom, count(asked.taken, "object")));
    }

    async fn draw(&self, width: usize) -> String {
        let errors: Vec<&Problem> = self.errors.iter().collect();
        let warnings: Vec<&Problem> = self.warnings.iter().collect();
        let mut text = self.functions.draw(&warnings, Severity::Warning, width).await;
        text += &self.functions.draw(&errors, Severity::Error, width).await;
        text + &self.summary()
    }

    /// How many of each, in words.
    pub(super) fn summary(&self) -> String {
        let catalog = &self.functions.catalog;
        let found = format!("{}, {}", count(self.errors.len(), "error"), count(self.warnings.len(), "warning"));
        if catalog.topics().len() == 0 {
            return found;
        }
        let asked = self.asked.as_ref().map(|asked| format!("; {asked}")).unwrap_or_default();
        format!("{found} in {}{asked}", count(catalog.topics().len(), "topic"))
    }

    fn json(&self) -> serde_json::Result<String> {
        let errors = self.errors.iter().map(|problem| Finding { severity: "error", problem });
        let warnings = self.warnings.iter().map(|problem| Finding { severity: "warning", problem });
        serde_json::to_string(&errors.chain(warnings).collect::<Vec<_>>())
    }
}

/// A problem as programs read it.
#[derive(Serialize)]
struct Finding<'a> {
    severity: &'static str,
    #[serde(flatten)]
    problem: &'a Problem,
}

/// What the policy refuses whatever the message is; each object once, however many topics it listens to.
fn refused(functions: &Functions, policy: &Policy) -> BTreeSet<Problem> {
    let versions = functions.catalog.topics().filter_map(|topic| topic.version.as_ref());
    let listening = versions.flat_map(|version| &version.functions);
    listening.flat_map(|function| policy.problems(function.template())).collect()
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: fine-{{RANDOM}}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - name: main\n          image: busybox\n";

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            std::fs::write(dir.path().join(path), text).expect("a file");
        }
        dir
    }

    async fn report(dir: &tempfile::TempDir) -> Report {
        let source = DirectorySource::new(dir.path(), "config.json").expect("a source");
        Report::of(&source, &Policy::default()).await.expect("it can be read")
    }

    async fn drawn(dir: &tempfile::TempDir) -> String {
        anstream::adapter::strip_str(&report(dir).await.draw(100).await).to_string()
    }

    #[tokio::test]
    async fn functions_that_are_right_are_counted() {
        let dir = directory(&[
            ("config.json", r#"{"topics": [{"name": "a", "configs": ["fine.yaml"]}]}"#),
            ("fine.yaml", JOB),
        ]);
        assert_eq!(drawn(&dir).await, "0 errors, 0 warnings in 1 topic");
    }

    #[tokio::test]
    async fn every_mistake_is_drawn_in_its_file() {
        let dir = directory(&[
            (
                "config.json",
                "{\"topics\": [\n  {\"name\": \"a\", \"configs\": [\"fine.yaml\", \"gone.yaml\"]},\n  {\"name\": \"b\", \"configs\": [\"role.yaml\"]}\n]}\n",
            ),
            ("fine.yaml", JOB),
            (
                "role.yaml",
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: \"Role\"\nmetadata:\n  name: r-{{RANDOM}}\n",
            ),
        ]);
        insta::assert_snapshot!(drawn(&dir).await, @r#"
        error: `gone.yaml` does not exist
         --> config.json:2:42
          |
        2 |   {"name": "a", "configs": ["fine.yaml", "gone.yaml"]},
          |                                          ^^^^^^^^^^^

        error: the kind `Role` is banned on this server
         --> role.yaml:1:1
          |
        1 | apiVersion: rbac.authorization.k8s.io/v1
          | ^^^^^^^^^^
          |
          = help: take it out of the template, or off the list of banned kinds: `--banned-kinds` of the server, `app.apply.bannedKubeRessources` of the chart

        2 errors, 0 warnings in 2 topics
        "#);
    }

    #[tokio::test]
    async fn what_the_pod_policy_forbids_is_drawn_where_it_stands() {
        let job = JOB.replace("      restartPolicy", "      hostNetwork: true\n      restartPolicy");
        let dir = directory(&[
            ("config.json", r#"{"topics": [{"name": "a", "configs": ["fine.yaml"]}]}"#),
            ("fine.yaml", &job),
        ]);
        insta::assert_snapshot!(drawn(&dir).await, @r"
        error: by the pod policy `baseline` (Host Namespaces), `spec.template.spec.hostNetwork` must be false or left out
         --> fine.yaml:8:7
          |
        8 |       hostNetwork: true
          |       ^^^^^^^^^^^
          |
          = help: change the template, or run the server with `--pod-policy off`

        1 error, 0 warnings in 1 topic
        ");
    }

    #[tokio::test]
    async fn a_config_file_that_is_wrong_is_drawn() {
        let dir = directory(&[("config.json", "{\"topics\": [{\"name\": \"a\", \"confgs\": [\"fine.yaml\"]}]}\n")]);
        insta::assert_snapshot!(drawn(&dir).await, @r#"
        error: a topic has no key `confgs`
         --> config.json:1:27
          |
        1 | {"topics": [{"name": "a", "confgs": ["fine.yaml"]}]}
          |                           ^^^^^^^^
          |
          = help: did you mean `configs`?

        1 error, 0 warnings in 1 topic
        "#);
    }

    #[tokio::test]
    async fn programs_get_a_list_of_findings() {
        let dir = directory(&[]);
        let report = report(&dir).await;
        insta::assert_snapshot!(report.json().expect("it is JSON"), @r#"[{"severity":"error","file":"config.json","message":"the config file does not exist"}]"#);
    }
}
