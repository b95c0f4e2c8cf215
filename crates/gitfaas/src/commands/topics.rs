//! `gitfaas topics`: what can be published to, what listens, and what is wrong with it.

use anstyle::AnsiColor;
use gitfaas_server::api::wire::TopicView;

use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Outcome;
use crate::output::table::{self, Field};
use crate::output::{self, Out, escape};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Topics, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let (topics, json) = if let Some(topic) = &arguments.topic {
        let answer = client.topic(topic).await?;
        (vec![answer.value], answer.json)
    } else {
        let answer = client.topics().await?;
        (answer.value.items, answer.json)
    };
    if arguments.output.format == Format::Json {
        output::server_json(&json)?;
    } else if topics.is_empty() {
        output::remark("no topics")?;
    } else {
        output::line(&draw(&topics, out.table_width()))?;
    }
    Ok(Outcome::Done)
}

fn draw(topics: &[TopicView], width: Option<u16>) -> String {
    let mut text = table::draw(
        ["TOPIC", "FUNCTION", "PARAMETERS", "STATE", "REVISION"],
        topics.iter().flat_map(rows).collect(),
        width,
    );
    for problem in topics.iter().flat_map(|topic| &topic.problems) {
        text.push('\n');
        text += &escape::line(&problem.to_string());
    }
    text
}

/// A row for each function of the topic, or one for a topic without any.
fn rows(topic: &TopicView) -> Vec<[Field; 5]> {
    let row = |function: &str, parameters: &[String]| {
        let revision = topic.revision.as_deref().map(brief).unwrap_or_default();
        [(&topic.name).into(), function.into(), parameters.join(" ").into(), state(topic), revision.into()]
    };
    if topic.functions.is_empty() {
        return vec![row("", &[])];
    }
    topic.functions.iter().map(|function| row(function.path.as_str(), &function.parameters)).collect()
}

fn state(topic: &TopicView) -> Field {
    match topic {
        TopicView { revision: None, .. } => Field::colored("broken", AnsiColor::Red),
        TopicView { stale: true, .. } => Field::colored("stale", AnsiColor::Yellow),
        TopicView { problems, .. } if !problems.is_empty() => Field::colored("refused", AnsiColor::Red),
        TopicView { .. } => Field::colored("ok", AnsiColor::Green),
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
    use gitfaas_core::problem::{Position, Problem};
    use gitfaas_server::api::wire::FunctionView;

    fn topic(name: &str, functions: &[(&str, &[&str])]) -> TopicView {
        let function = |(path, parameters): &(&str, &[&str])| FunctionView {
            path: path.parse().expect("a path"),
            parameters: parameters.iter().map(ToString::to_string).collect(),
        };
        TopicView {
            name: name.parse().expect("a topic"),
            revision: Some("dir@sha256:132f4e7a55aa".to_owned()),
            functions: functions.iter().map(function).collect(),
            stale: false,
            problems: vec![],
        }
    }

    #[test]
    fn topics_say_what_listens_and_what_is_wrong() {
        let mistake = Problem::at("web.yaml", Position { line: 3, column: 9 }, "bad\x1b[2J indentation");
        let stale =
            TopicView { stale: true, problems: vec![mistake], ..topic("web", &[("web.yaml", &["replicas", "zone"])]) };
        let broken = TopicView { revision: None, ..topic("new", &[]) };
        let fine = topic("collect", &[("collect.yaml", &[]), ("audit/log.yaml", &[])]);
        insta::assert_snapshot!(anstream::adapter::strip_str(&draw(&[fine, stale, broken], None)), @r#"
        TOPIC    FUNCTION        PARAMETERS     STATE   REVISION
        collect  collect.yaml    -              ok      dir@sha256:132f4e7…
        collect  audit/log.yaml  -              ok      dir@sha256:132f4e7…
        web      web.yaml        replicas zone  stale   dir@sha256:132f4e7…
        new      -               -              broken  -
        web.yaml:3:9: bad\x1b[2J indentation
        "#);
    }

    #[test]
    fn a_revision_is_cut_in_its_hash_only() {
        assert_eq!(brief("main@sha1:132f4e7a55"), "main@sha1:132f4e7…");
        assert_eq!(brief("main@sha1:132f4e7"), "main@sha1:132f4e7");
    }
}
