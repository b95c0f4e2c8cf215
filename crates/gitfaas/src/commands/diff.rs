//! `gitfaas diff`: what a server would serve differently if it served a directory.
//!
//! Compared are topics, the functions that listen on them, the text of their templates, and what the config file says
//! of a topic beside them. A server tells hashes of its templates and rules and not their text, so what changed inside
//! a template is shown against another directory only.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::AnsiColor;
use anyhow::bail;
use gitfaas_core::catalog::Catalog;
use gitfaas_server::api::wire::TopicView;
use gitfaas_server::source::directory::DirectorySource;
use serde::Serialize;
use similar::TextDiff;

use super::functions::Functions;
use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Outcome;
use crate::output::{self, Out, escape, style};

/// What a topic runs, and by which rules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    /// A hash of the rules.
    rules: String,
    /// Its functions, each with the hash of its template.
    functions: BTreeMap<String, String>,
}

/// One of the two that are compared.
#[derive(Default)]
struct Side {
    topics: BTreeMap<String, Contents>,
    /// Templates by their path, where they are known.
    templates: BTreeMap<String, String>,
    /// Topics that do not compile: a server keeps what it has of them.
    broken: BTreeSet<String>,
}

/// What is done to a topic or a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    Added,
    Removed,
    Changed,
}

/// A topic that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Topic {
    name: String,
    change: Change,
    /// Whether its rules (`params`, `concurrency`, `message`, …) are others, in a topic that is on both sides.
    rules: bool,
    functions: Vec<Function>,
}

/// A function that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Function {
    path: String,
    change: Change,
}

/// All that differs.
#[derive(Debug, Serialize)]
struct Difference {
    topics: Vec<Topic>,
    /// Topics of the directory that are broken: a server keeps what it serves of them.
    broken: BTreeSet<String>,
    /// What changed in each template that both sides tell, as `diff -u` writes it.
    templates: BTreeMap<String, String>,
}

/// Runs the command.
pub(crate) async fn run(arguments: cli::Diff, out: Out) -> anyhow::Result<Outcome> {
    let new = of_directory(&DirectorySource::new(&arguments.dir, &arguments.config_path)?).await?;
    let old = match &arguments.with {
        Some(dir) => of_directory(&DirectorySource::new(dir, &arguments.config_path)?).await?,
        None => of_server(Client::new(&arguments.address)?.topics().await?.value.items),
    };
    let difference = compare(&old, new);
    match arguments.output.format {
        Format::Json => output::server_json(&serde_json::to_string(&difference)?)?,
        Format::Table => output::line(&draw(&difference, out.is_terminal()))?,
    }
    let same = difference.topics.is_empty() && difference.broken.is_empty();
    Ok(if same { Outcome::Done } else { Outcome::Failed })
}

async fn of_directory(source: &DirectorySource) -> anyhow::Result<Side> {
    let functions = Functions::read(source).await?;
    if let Some(problem) = functions.config_problems.first() {
        bail!("{problem}; a server that is given this keeps what it serves");
    }
    Ok(of_catalog(&functions.catalog))
}

fn of_catalog(catalog: &Catalog) -> Side {
    let mut side = Side::default();
    for topic in catalog.topics() {
        let Some(version) = &topic.version else {
            side.broken.insert(topic.name.to_string());
            continue;
        };
        let mut functions = BTreeMap::new();
        for function in &version.functions {
            let path = function.name().to_string();
            let text = String::from_utf8_lossy(function.template().source()).into_owned();
            side.templates.insert(path.clone(), text);
            functions.insert(path, function.sha256().to_owned());
        }
        side.topics.insert(topic.name.to_string(), Contents { rules: version.rules_sha256(), functions });
    }
    side
}

fn of_server(topics: Vec<TopicView>) -> Side {
    let served = topics.into_iter().filter(|topic| !topic.left && topic.revision.is_some());
    let topics = served.map(|topic| {
        let functions = topic.functions.into_iter().map(|function| (function.path.to_string(), function.sha256));
        let rules = topic.rules_sha256.unwrap_or_default();
        (topic.name.to_string(), Contents { rules, functions: functions.collect() })
    });
    Side { topics: topics.collect(), ..Side::default() }
}

fn compare(old: &Side, new: Side) -> Difference {
    let names: BTreeSet<&String> = old.topics.keys().chain(new.topics.keys()).collect();
    let kept = names.into_iter().filter(|name| !new.broken.contains(*name));
    let topics: Vec<Topic> = kept.filter_map(|name| topic(name, old.topics.get(name), new.topics.get(name))).collect();
    let changed =
        topics.iter().flat_map(|topic| &topic.functions).filter(|function| function.change == Change::Changed);
    let templates = changed.filter_map(|function| {
        let path = &function.path;
        let (before, after) = (old.templates.get(path)?, new.templates.get(path)?);
        let diff = TextDiff::from_lines(before.as_str(), after.as_str());
        Some((path.clone(), diff.unified_diff().header(&format!("a/{path}"), &format!("b/{path}")).to_string()))
    });
    Difference { templates: templates.collect(), topics, broken: new.broken }
}

fn topic(name: &str, old: Option<&Contents>, new: Option<&Contents>) -> Option<Topic> {
    let change = match (old, new) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        (Some(old), Some(new)) if old == new => return None,
        (Some(_), Some(_)) => Change::Changed,
    };
    let none = Contents::default();
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let paths: BTreeSet<&String> = old.functions.keys().chain(new.functions.keys()).collect();
    let functions = paths.into_iter().filter_map(|path| {
        let change = match (old.functions.get(path), new.functions.get(path)) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (before, after) if before == after => return None,
            _ => Change::Changed,
        };
        Some(Function { path: path.clone(), change })
    });
    let rules = change == Change::Changed && old.rules != new.rules;
    Some(Topic { name: name.to_owned(), change, rules, functions: functions.collect() })
}

fn draw(difference: &Difference, terminal: bool) -> String {
    let mut lines = Vec::new();
    for topic in &difference.topics {
        lines.push(mark(topic.change, &format!("topic {}", topic.name), ""));
        lines.extend(topic.rules.then(|| mark(Change::Changed, "what the config file says of it", "  ")));
        lines.extend(topic.functions.iter().map(|function| mark(function.change, &function.path, "  ")));
    }
    for topic in &difference.broken {
        let text =
            format!("! topic {} is broken: what is served of it stays (gitfaas lint says why)", escape::line(topic));
        lines.push(style::paint(AnsiColor::Red.on_default(), &text));
    }
    if lines.is_empty() {
        return "no difference".to_owned();
    }
    for diff in difference.templates.values() {
        lines.push(String::new());
        lines.push(if terminal { escape::lines(diff.trim_end()) } else { diff.trim_end().to_owned() });
    }
    lines.join("\n")
}

fn mark(change: Change, what: &str, indent: &str) -> String {
    let (sign, color) = match change {
        Change::Added => ('+', AnsiColor::Green),
        Change::Removed => ('-', AnsiColor::Red),
        Change::Changed => ('~', AnsiColor::Yellow),
    };
    style::paint(color.on_default(), &format!("{indent}{sign} {}", escape::line(what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: x-{{RANDOM}}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - name: main\n          image: busybox\n";

    async fn side(files: &[(&str, &str)]) -> Side {
        let dir = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            std::fs::write(dir.path().join(path), text).expect("a file");
        }
        of_directory(&DirectorySource::new(dir.path(), "config.json").expect("a source")).await.expect("it is right")
    }

    #[tokio::test]
    async fn what_would_change_is_told_by_topic_and_shown_by_template() {
        let longer = JOB.replace("busybox", "busybox:2");
        let old = side(&[
            (
                "config.json",
                r#"{"topics": [{"name": "a", "configs": ["one.yaml", "two.yaml"]}, {"name": "b", "configs": ["one.yaml"]}]}"#,
            ),
            ("one.yaml", JOB),
            ("two.yaml", JOB),
        ])
        .await;
        let new = side(&[
            (
                "config.json",
                r#"{"topics": [{"name": "a", "configs": ["one.yaml", "three.yaml"]}, {"name": "c", "configs": ["three.yaml"]}, {"name": "d", "configs": ["bad.yaml"]}]}"#,
            ),
            ("one.yaml", &longer),
            ("three.yaml", JOB),
            ("bad.yaml", "{"),
        ])
        .await;
        let difference = compare(&old, new);
        insta::assert_snapshot!(anstream::adapter::strip_str(&draw(&difference, true)), @r"
        ~ topic a
          ~ one.yaml
          + three.yaml
          - two.yaml
        - topic b
          - one.yaml
        + topic c
          + three.yaml
        ! topic d is broken: what is served of it stays (gitfaas lint says why)

        --- a/one.yaml
        +++ b/one.yaml
        @@ -8,4 +8,4 @@
               restartPolicy: Never
               containers:
                 - name: main
        -          image: busybox
        +          image: busybox:2
        ");
    }

    #[tokio::test]
    async fn other_rules_are_a_difference() {
        let topic = |rule: &str| format!(r#"{{"topics": [{{"name": "a", "configs": ["one.yaml"]{rule}}}]}}"#);
        let with = async |rule: &str, schema: &str| {
            side(&[("config.json", &topic(rule)), ("one.yaml", JOB), ("m.json", schema)]).await
        };
        let schema = r#", "message": {"schema": "m.json"}"#;
        for (rule, other) in [
            (("", "{}"), (r#", "concurrency": 2"#, "{}")),
            ((r#", "concurrency": 2"#, "{}"), (r#", "concurrency": 3"#, "{}")),
            (("", "{}"), (r#", "paused": true"#, "{}")),
            ((schema, "{}"), (schema, r#"{"type": "object"}"#)),
        ] {
            let difference = compare(&with(rule.0, rule.1).await, with(other.0, other.1).await);
            let told = anstream::adapter::strip_str(&draw(&difference, false)).to_string();
            assert_eq!(told, "~ topic a\n  ~ what the config file says of it", "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_directory_does_not_differ_from_itself() {
        let files = [("config.json", r#"{"topics": [{"name": "a", "configs": ["one.yaml"]}]}"#), ("one.yaml", JOB)];
        let difference = compare(&side(&files).await, side(&files).await);
        assert_eq!(draw(&difference, false), "no difference");
    }
}
