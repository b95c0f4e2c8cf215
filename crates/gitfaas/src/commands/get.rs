//! `gitfaas get`: a request, its runs, and the tree of what came of it.

use gitfaas_server::api::wire::{RequestView, TreeView};
use gitfaas_server::clock::{Clock as _, SystemClock};
use jiff::Timestamp;

use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Outcome;
use crate::output::table::{self, Field};
use crate::output::tree::{self, Look};
use crate::output::{self, Out, escape, style, time};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Get, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let answer = client.tree(arguments.request).await?;
    match arguments.output.format {
        Format::Json => output::server_json(&answer.json)?,
        Format::Table => {
            let look = Look { width: out.width(), ids: arguments.ids, now: SystemClock.now() };
            output::line(&show(&answer.value, look, out.table_width()))?;
        }
    }
    Ok(Outcome::Done)
}

fn show(tree: &TreeView, look: Look, table_width: Option<u16>) -> String {
    let mut text = header(&tree.request, look.now);
    text.push('\n');
    text += &runs(&tree.request, look.now, table_width);
    if !tree.children.is_empty() || !tree.responses.is_empty() {
        text += "\n\n";
        text += &tree::draw(tree, look);
    }
    text
}

fn header(request: &RequestView, now: Timestamp) -> String {
    let mut lines = vec![
        ("request", request.id.to_string()),
        ("topic", request.topic.to_string()),
        ("phase", request.phase.to_string()),
        ("received", format!("{} ({})", request.received_at, time::ago(request.received_at, now))),
        ("revision", request.revision.clone()),
        ("message", message(request)),
    ];
    if !request.params.is_empty() {
        let params: Vec<String> = request.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.push(("params", params.join(" ")));
    }
    if let Some(replayed) = request.replay_of {
        lines.push(("replay of", replayed.to_string()));
    }
    if let Some(parent) = request.parent {
        lines.push(("published by", format!("run {parent} of request {}", parent.request())));
    }
    let paint = |(name, value): (&str, String)| {
        let value = escape::line(&value);
        let value = if name == "phase" { style::paint_phase(request.phase, &value) } else { value };
        format!("{}  {value}\n", style::paint(style::FAINT, &format!("{name:12}")))
    };
    lines.into_iter().map(paint).collect()
}

fn message(request: &RequestView) -> String {
    let kind = request.content_type.as_deref().unwrap_or("no content type");
    format!("{} bytes, {kind}", request.size)
}

/// The runs as a table.
pub(super) fn runs(request: &RequestView, now: Timestamp, width: Option<u16>) -> String {
    let rows = request.runs.iter().map(|run| {
        [
            Field::from(run.id),
            Field::from(&run.function),
            Field::phase(run.phase),
            run.attempts.into(),
            run.exit_code.map(|code| code.to_string()).unwrap_or_default().into(),
            tree::lasted(run, now).into(),
            run.reason.as_ref().map(|reason| reason.message.clone()).unwrap_or_default().into(),
        ]
    });
    table::draw(["RUN", "FUNCTION", "PHASE", "ATTEMPTS", "EXIT", "TIME", "REASON"], rows.collect(), width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tree::samples;

    #[test]
    fn a_request_is_shown_with_all_that_came_of_it() {
        let look = Look { width: 100, ids: false, now: samples::time("2026-11-23T15:10:00Z") };
        let shown = show(&samples::pipeline(), look, None);
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown), @r#"
        request       0199d3b4-58c1-7a52-9d3e-000000000001
        topic         collect
        phase         succeeded
        received      2026-11-23T15:04:05.125Z (5m54s ago)
        revision      dir@sha256:132f4e7a55
        message       1234 bytes, application/json
        params        zone=eu

        RUN                               FUNCTION      PHASE      ATTEMPTS  EXIT  TIME  REASON
        01j79r8m61f999qfg0000000016c3tn1  collect.yaml  succeeded  1         -     2.4s  -

        collect                   succeeded     2.6s
        └─ collect.yaml           succeeded     2.4s  {"files":["a.csv.gz","b.csv.gz"]}
           ├─ uncompress zone=eu  succeeded     2.4s
           │  └─ convert zone=eu  running      5m54s  (17 bytes, application/x-thing)
           └─ uncompress zone=eu  failed        2.4s  exit code 1
        "#);
    }

    #[test]
    fn a_request_that_a_run_published_names_it() {
        let child = &samples::pipeline().children[0];
        let text = header(&child.request, samples::time("2026-11-23T15:10:00Z"));
        let parent = child.request.parent.expect("a parent");
        assert!(text.contains(&format!("run {parent} of request {}", parent.request())), "{text}");
    }
}
