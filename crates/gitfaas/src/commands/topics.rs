//! `gitfaas topics`: what can be published to, what listens, and what is wrong with it.

mod rules;

use anstyle::AnsiColor;
use gitfaas_core::problem::Problem;
use gitfaas_server::api::wire::{ForbiddenView, SourceView, TopicView};
use std::collections::BTreeSet;

use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Outcome;
use crate::output::table::{self, Field};
use crate::output::{self, Out, escape};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Topics, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let json = arguments.output.format == Format::Json;
    if let Some(topic) = &arguments.topic {
        let answer = client.topic(topic).await?;
        if json {
            output::server_json(&answer.json)?;
        } else {
            let mut lines = vec![draw(std::slice::from_ref(&answer.value), None, out.table_width())];
            lines.extend(rules::draw(&answer.value, out.table_width()));
            output::line(&lines.join("\n"))?;
        }
        return Ok(Outcome::Done);
    }
    let answer = client.topics().await?;
    if json {
        output::server_json(&answer.json)?;
        return Ok(Outcome::Done);
    }
    // A config file that is wrong belongs to no topic.
    let source = client.source().await?.value;
    output::line(&draw(&answer.value.items, Some(&source), out.table_width()))?;
    Ok(Outcome::Done)
}

/// The topics as a table, and below it all that is wrong, each thing once.
fn draw(topics: &[TopicView], source: Option<&SourceView>, width: Option<u16>) -> String {
    let header = ["TOPIC", "FUNCTION", "PARAMETERS", "STATE", "QUEUED", "LIVE", "REVISION"];
    let mut lines = vec![match topics {
        [] => "no topics".to_owned(),
        topics => table::draw(header, topics.iter().flat_map(rows).collect(), width),
    }];
    let of_source = source.into_iter().flat_map(|source| &source.problems);
    let problems: BTreeSet<&Problem> = topics.iter().flat_map(|topic| &topic.problems).chain(of_source).collect();
    let forbidden: BTreeSet<String> = topics.iter().flat_map(|topic| &topic.forbidden).map(forbidden).collect();
    let error = source.and_then(|source| Some(source.last_error.as_ref()?.message.as_str()));
    if error.is_some() || !problems.is_empty() || !forbidden.is_empty() {
        lines.push(String::new());
    }
    lines.extend(error.map(escape::line));
    lines.extend(problems.iter().map(|problem| escape::line(&problem.to_string())));
    lines.extend(forbidden.iter().map(|line| escape::line(line)));
    lines.join("\n")
}

fn forbidden(view: &ForbiddenView) -> String {
    format!("{}: {}", view.function, view.message)
}

/// A row for each function of the topic, or one for a topic without any.
fn rows(topic: &TopicView) -> Vec<[Field; 7]> {
    let row = |function: &str, parameters: &[String]| {
        let revision = topic.revision.as_deref().map(brief).unwrap_or_default();
        let queued = topic.queued.map(|queued| queued.to_string()).unwrap_or_default();
        [
            (&topic.name).into(),
            function.into(),
            parameters.join(" ").into(),
            state(topic),
            queued.into(),
            live(topic).into(),
            revision.into(),
        ]
    };
    if topic.functions.is_empty() {
        return vec![row("", &[])];
    }
    topic.functions.iter().map(|function| row(function.path.as_str(), &function.parameters)).collect()
}

fn state(topic: &TopicView) -> Field {
    let (state, color) = match topic {
        TopicView { left: true, .. } => ("left", AnsiColor::Yellow),
        TopicView { revision: None, .. } => ("broken", AnsiColor::Red),
        TopicView { stale: true, .. } => ("stale", AnsiColor::Yellow),
        TopicView { problems, .. } if !problems.is_empty() => ("refused", AnsiColor::Red),
        TopicView { forbidden, .. } if !forbidden.is_empty() => ("forbidden", AnsiColor::Red),
        TopicView { paused: Some(_), .. } => return Field::colored("paused", AnsiColor::Yellow),
        TopicView { .. } => ("ok", AnsiColor::Green),
    };
    match topic.paused {
        Some(_) => Field::colored(&format!("{state}, paused"), color),
        None => Field::colored(state, color),
    }
}

/// How many are live, of how many that may be.
fn live(topic: &TopicView) -> String {
    match (topic.live, topic.concurrency) {
        (None, None) => String::new(),
        (None, Some(most)) => format!("?/{most}"),
        (Some(live), None) => live.to_string(),
        (Some(live), Some(most)) => format!("{live}/{most}"),
    }
}

/// A revision with a hash as short as people quote it: `main@sha1:132f4e7…`.
fn brief(revision: &str) -> String {
    let hash = revision.rfind(':').map_or(0, |colon| colon + 1);
    match revision[hash..].char_indices().nth(7) {
        Some((end, _)) => format!("{}…", &revision[..hash + end]),
        None => revision.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gitfaas_core::problem::Position;
    use gitfaas_server::api::wire::{FunctionView, PauseView, PausedBy};
    use std::num::NonZeroU32;

    fn topic(name: &str, functions: &[(&str, &[&str])]) -> TopicView {
        let function = |(path, parameters): &(&str, &[&str])| FunctionView {
            path: path.parse().expect("a path"),
            sha256: String::new(),
            parameters: parameters.iter().map(ToString::to_string).collect(),
        };
        TopicView {
            name: name.parse().expect("a topic"),
            revision: Some("dir@sha256:132f4e7a55aa".to_owned()),
            functions: functions.iter().map(function).collect(),
            stale: false,
            left: false,
            concurrency: None,
            paused: None,
            queued: Some(0),
            live: Some(3),
            params: vec![],
            message: None,
            publishes: None,
            rules_sha256: None,
            problems: vec![],
            forbidden: vec![],
        }
    }

    #[test]
    fn topics_say_what_listens_and_what_is_wrong() {
        let mistake = Problem::at("web.yaml", Position { line: 3, column: 9 }, "bad\x1b[2J indentation");
        let stale = TopicView {
            stale: true,
            problems: vec![mistake.clone()],
            ..topic("web", &[("web.yaml", &["replicas", "zone"])])
        };
        let broken = TopicView { revision: None, ..topic("new", &[]) };
        let pause = PauseView { by: PausedBy::Operator, since: jiff::Timestamp::UNIX_EPOCH };
        let limited = TopicView {
            concurrency: NonZeroU32::new(2),
            queued: Some(7),
            live: Some(2),
            ..topic("slow", &[("slow.yaml", &[])])
        };
        let paused = TopicView { paused: Some(pause.clone()), ..limited.clone() };
        let left = TopicView { left: true, revision: None, paused: Some(pause), ..topic("old", &[]) };
        let fine = topic("collect", &[("collect.yaml", &[]), ("audit/log.yaml", &[])]);
        let mut source = serde_json::json!({"location": "/functions", "configPath": "config.json", "failures": 1,
            "lastError": {"message": "cannot read the directory", "fault": "local", "at": "2026-11-25T04:05:06Z"},
            "problems": []});
        source["problems"] = serde_json::json!([mistake, Problem::of_file("config.json", "does not exist")]);
        let source: SourceView = serde_json::from_value(source).expect("a source");
        insta::assert_snapshot!(anstream::adapter::strip_str(&draw(&[fine, stale, broken, limited, paused, left], Some(&source), None)), @r#"
        TOPIC    FUNCTION        PARAMETERS     STATE         QUEUED  LIVE  REVISION
        collect  collect.yaml    -              ok            0       3     dir@sha256:132f4e7…
        collect  audit/log.yaml  -              ok            0       3     dir@sha256:132f4e7…
        web      web.yaml        replicas zone  stale         0       3     dir@sha256:132f4e7…
        new      -               -              broken        0       3     -
        slow     slow.yaml       -              ok            7       2/2   dir@sha256:132f4e7…
        slow     slow.yaml       -              paused        7       2/2   dir@sha256:132f4e7…
        old      -               -              left, paused  0       3     -

        cannot read the directory
        config.json: does not exist
        web.yaml:3:9: bad\x1b[2J indentation
        "#);
    }

    #[test]
    fn what_the_cluster_would_refuse_is_said_once() {
        let view =
            |message: &str| ForbiddenView { function: "a.yaml".parse().expect("a path"), message: message.into() };
        let refused = |name| TopicView { forbidden: vec![view("no\x1b[2J right")], ..topic(name, &[("a.yaml", &[])]) };
        let drawn = draw(&[refused("a"), refused("b"), topic("c", &[])], None, None);
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn), @r"
        TOPIC  FUNCTION  PARAMETERS  STATE      QUEUED  LIVE  REVISION
        a      a.yaml    -           forbidden  0       3     dir@sha256:132f4e7…
        b      a.yaml    -           forbidden  0       3     dir@sha256:132f4e7…
        c      -         -           ok         0       3     dir@sha256:132f4e7…

        a.yaml: no\x1b[2J right
        ");
    }

    #[test]
    fn one_topic_says_what_it_asks_of_messages() {
        let rules = serde_json::json!({
            "params": [
                {"name": "replicas", "type": "integer", "required": false, "default": 2, "minimum": 1, "maximum": 7},
                {"name": "size", "type": "string", "required": true, "maxLength": 9, "enum": ["small", "large"], "description": "how\u{1b}[2J much"},
            ],
            "message": {"schema": "schemas/web.json", "maxBytes": 4096},
            "publishes": ["audit-*", "collect"],
            "name": "web", "functions": [], "stale": false,
        });
        let topic: TopicView = serde_json::from_value(rules).expect("a topic");
        let drawn = rules::draw(&topic, None).join("\n");
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn), @r"

        PARAMETER  TYPE     DEFAULT     RULES                                      DESCRIPTION
        replicas   integer  2           1 to 7                                     -
        size       string   (required)  at most 9 characters; one of small, large  how\x1b[2J much

        a message fits schemas/web.json and has at most 4096 bytes
        its functions may publish to audit-*, collect
        ");
        assert!(rules::draw(&TopicView { params: vec![], message: None, publishes: None, ..topic }, None).is_empty());
    }

    #[test]
    fn a_revision_is_cut_in_its_hash_only() {
        assert_eq!(brief("main@sha1:132f4e7a55"), "main@sha1:132f4e7…");
        assert_eq!(brief("main@sha1:132f4e7"), "main@sha1:132f4e7");
    }
}
