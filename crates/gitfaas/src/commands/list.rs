//! `gitfaas list`: a page of requests, the newest first.

use gitfaas_server::api::wire::{List, RequestView};
use gitfaas_server::clock::{Clock as _, SystemClock};
use jiff::Timestamp;

use crate::cli::{self, Format};
use crate::client::{Client, Filter};
use crate::exit::Outcome;
use crate::output::table::{self, Field};
use crate::output::{self, Out, escape, time};

/// Runs the command.
pub(crate) async fn run(arguments: cli::List, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let answer = client.requests(&filter(&arguments)).await?;
    if arguments.output.format == Format::Json {
        output::server_json(&answer.json)?;
        return Ok(Outcome::Done);
    }
    if answer.value.items.is_empty() {
        output::remark("no requests")?;
        return Ok(Outcome::Done);
    }
    output::line(&draw(&answer.value, SystemClock.now(), out.table_width()))?;
    if let Some(next) = &answer.value.next {
        output::remark(&format!("there are more: --before {}", escape::line(next)))?;
    }
    Ok(Outcome::Done)
}

fn filter(arguments: &cli::List) -> Filter {
    let mut query = vec![("limit", arguments.limit.to_string())];
    query.extend(arguments.topic.as_ref().map(|topic| ("topic", topic.to_string())));
    query.extend(arguments.phase.map(|phase| ("phase", phase.to_string())));
    query.extend(arguments.before.clone().map(|place| ("before", place)));
    Filter { query }
}

fn draw(list: &List<RequestView>, now: Timestamp, width: Option<u16>) -> String {
    let row = |request: &RequestView| {
        let ended = request.runs.iter().filter(|run| run.phase.is_final()).count();
        [
            request.id.into(),
            (&request.topic).into(),
            Field::phase(request.phase),
            format!("{ended}/{}", request.runs.len()).into(),
            request.size.into(),
            time::ago(request.received_at, now).into(),
        ]
    };
    let rows = list.items.iter().map(row).collect();
    table::draw(["REQUEST", "TOPIC", "PHASE", "ENDED", "BYTES", "RECEIVED"], rows, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tree::samples;

    #[test]
    fn a_page_is_a_row_for_each_request() {
        let tree = samples::pipeline();
        let list = List { items: vec![tree.request, tree.children[0].request.clone()], next: None };
        let drawn = draw(&list, samples::time("2026-11-23T15:10:00Z"), None);
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn), @r#"
        REQUEST                               TOPIC       PHASE      ENDED  BYTES  RECEIVED
        0199d3b4-58c1-7a52-9d3e-000000000001  collect     succeeded  1/1    1234   5m54s ago
        0199d3b4-58c1-7a52-9d3e-000000000002  uncompress  succeeded  1/1    1234   5m54s ago
        "#);
    }

    #[test]
    fn every_filter_is_passed_on() {
        use clap::Parser as _;
        let typed = ["gitfaas", "list", "--topic", "collect", "--phase", "failed", "--limit", "7", "--before", "x"];
        let cli::Command::List(list) = cli::Cli::parse_from(typed).command else { panic!("list") };
        let query: Vec<String> = filter(&list).query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(query, ["limit=7", "topic=collect", "phase=failed", "before=x"]);
    }
}
