//! `gitfaas dead-letters`: lists the runs that gave up, tries them once more, or gives them up for good.

use gitfaas_core::id::RunId;
use gitfaas_server::api::wire::{BulkView, List, NotDoneView, RunView};
use gitfaas_server::clock::{Clock as _, SystemClock};
use jiff::Timestamp;

use crate::cli::{self, DeadLetters, Format};
use crate::client::{Client, Error, Filter};
use crate::exit::Outcome;
use crate::output::table::{self, Field};
use crate::output::{self, Out, escape, time};

/// How many dead letters one question to the server is about.
const STEP: u32 = 100;

/// Runs the command.
pub(crate) async fn run(arguments: DeadLetters, out: Out) -> anyhow::Result<Outcome> {
    match arguments {
        DeadLetters::List(arguments) => list(arguments, out).await,
        DeadLetters::Redrive(arguments) => {
            let client = Client::new(&arguments.address)?;
            let at = vec![("at", arguments.at.as_str().to_owned())];
            let done = all(&client, "redrive", &arguments.which, at).await?;
            tell("redriven", &done, arguments.output.format)
        }
        DeadLetters::Purge(arguments) => {
            let client = Client::new(&arguments.address)?;
            let done = all(&client, "purge", &arguments.which, Vec::new()).await?;
            tell("purged", &done, arguments.output.format)
        }
    }
}

async fn list(arguments: cli::DeadLetterList, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let mut query = chosen(&arguments.filter);
    query.push(("limit", arguments.limit.to_string()));
    query.extend(arguments.before.clone().map(|place| ("before", place)));
    let answer = client.dead_letters(&Filter { query }).await?;
    if arguments.output.format == Format::Json {
        output::server_json(&answer.json)?;
        return Ok(Outcome::Done);
    }
    if answer.value.items.is_empty() {
        output::remark("no dead letters")?;
        return Ok(Outcome::Done);
    }
    output::line(&draw(&answer.value, SystemClock.now(), out.table_width()))?;
    if let Some(next) = &answer.value.next {
        output::remark(&format!("there are more: --before {}", escape::line(next)))?;
    }
    Ok(Outcome::Done)
}

fn chosen(filter: &cli::DeadLetterFilter) -> Vec<(&'static str, String)> {
    let topic = filter.topic.as_ref().map(|topic| ("topic", topic.to_string()));
    let function = filter.function.as_ref().map(|function| ("function", function.to_string()));
    let reason = filter.reason.clone().map(|reason| ("reason", reason));
    topic.into_iter().chain(function).chain(reason).collect()
}

/// Does it to each run that is named, or to all that the filters choose, step by step.
async fn all(
    client: &Client,
    verb: &str,
    which: &cli::Which,
    more: Vec<(&'static str, String)>,
) -> Result<BulkView, Error> {
    let mut told = BulkView { done: 0, failed: Vec::new(), next: None };
    for run in &which.runs {
        match client.dead_letter(verb, *run, &Filter { query: more.clone() }).await {
            Ok(_) => told.done += 1,
            Err(error) => told.failed.push(not_done(*run, error)?),
        }
    }
    if !which.runs.is_empty() {
        return Ok(told);
    }
    let mut query = chosen(&which.filter);
    query.extend(which.all.then(|| ("all", "true".to_owned())));
    query.extend(more);
    query.push(("limit", STEP.to_string()));
    loop {
        let mut query = query.clone();
        query.extend(told.next.take().map(|next| ("before", next)));
        let step = client.all_dead_letters(verb, &Filter { query }).await?.value;
        told.done += step.done;
        told.failed.extend(step.failed);
        told.next = step.next;
        if told.next.is_none() {
            return Ok(told);
        }
    }
}

/// What the server said no to; any other failure ends the command.
fn not_done(run: RunId, error: Error) -> Result<NotDoneView, Error> {
    if let Error::Refused(refusal) = &error
        && let Some(problem) = &refusal.problem
    {
        return Ok(NotDoneView { run, code: problem.code.clone(), detail: problem.detail.clone() });
    }
    Err(error)
}

fn tell(what: &str, told: &BulkView, format: Format) -> anyhow::Result<Outcome> {
    match format {
        Format::Json => output::server_json(&serde_json::to_string(told)?)?,
        Format::Table => output::line(&sentence(what, told))?,
    }
    Ok(if told.failed.is_empty() { Outcome::Done } else { Outcome::Failed })
}

fn sentence(what: &str, told: &BulkView) -> String {
    let mut text = match told.done {
        1 => format!("1 run is {what}"),
        number => format!("{number} runs are {what}"),
    };
    for NotDoneView { run, detail, .. } in &told.failed {
        text.extend(["\n", run.as_str(), ": ", &escape::line(detail)]);
    }
    text
}

fn draw(list: &List<RunView>, now: Timestamp, width: Option<u16>) -> String {
    let row = |run: &RunView| {
        [
            run.id.into(),
            (&run.topic).into(),
            (&run.function).into(),
            Field::phase(run.phase),
            run.try_no.into(),
            run.finished_at.map(|at| time::ago(at, now)).unwrap_or_default().into(),
            run.reason.as_ref().map(|reason| format!("{}: {}", reason.code, reason.message)).unwrap_or_default().into(),
        ]
    };
    let rows = list.items.iter().map(row).collect();
    table::draw(["RUN", "TOPIC", "FUNCTION", "PHASE", "TRY", "GAVE UP", "REASON"], rows, width)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use gitfaas_core::run::Reason;

    use super::*;
    use crate::output::tree::samples;

    #[test]
    fn a_page_is_a_row_for_each_run_with_why_it_gave_up() {
        let mut run = samples::pipeline().request.runs.remove(0);
        run.phase = gitfaas_core::run::Phase::Failed;
        run.reason = Some(Reason::new("BackoffLimitExceeded", "it failed 3 times\x1b[2J"));
        let list = List { items: vec![run], next: None };
        let drawn = draw(&list, samples::time("2026-11-23T15:10:00Z"), None);
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn), @r#"
        RUN                               TOPIC    FUNCTION      PHASE   TRY  GAVE UP    REASON
        01j79r8m61f999qfg0000000016c3tn1  collect  collect.yaml  failed  1    5m52s ago  BackoffLimitExceeded: it failed 3 times\x1b[2J
        "#);
    }

    #[test]
    fn what_could_not_be_done_is_told() {
        let run = samples::pipeline().request.runs[0].id;
        let failed = vec![NotDoneView { run, code: "not-settled".to_owned(), detail: "ask again".to_owned() }];
        assert_eq!(sentence("purged", &BulkView { done: 1, failed: vec![], next: None }), "1 run is purged");
        let told = sentence("redriven", &BulkView { done: 2, failed, next: None });
        assert_eq!(told, format!("2 runs are redriven\n{run}: ask again"));
    }

    #[test]
    fn nobody_means_all_by_leaving_something_out() {
        let parse = |typed: &str| cli::Cli::try_parse_from(typed.split(' '));
        let run = "01j79r8m61f999qfg0000000016c3tn1";
        for typed in [
            "gitfaas dead-letters redrive".to_owned(),
            "gitfaas dead-letters purge".to_owned(),
            format!("gitfaas dead-letters purge {run} --all"),
            format!("gitfaas dead-letters purge {run} --topic t"),
            "gitfaas dead-letters purge --topic t --all".to_owned(),
        ] {
            assert_eq!(parse(&typed).expect_err(&typed).exit_code(), 2, "{typed}");
        }
        for typed in [
            format!("gitfaas dead-letters purge {run}"),
            "gitfaas dead-letters redrive --at head --topic t --reason OOMKilled".to_owned(),
            "gitfaas dead-letters redrive --all".to_owned(),
        ] {
            assert!(parse(&typed).is_ok(), "{typed}");
        }
    }
}
