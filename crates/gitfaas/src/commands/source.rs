//! `gitfaas source`: where functions come from, what is served of it, and whether it can be read.

use anstyle::{AnsiColor, Style};
use gitfaas_core::problem::Problem;
use gitfaas_server::api::wire::{CommitView, Refreshed, SourceView};
use gitfaas_server::clock::{Clock as _, SystemClock};
use jiff::Timestamp;

use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Outcome;
use crate::output::{self, escape, style, time};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Source) -> anyhow::Result<Outcome> {
    match arguments {
        cli::Source::Status(arguments) => status(&arguments).await,
        cli::Source::Refresh(arguments) => refresh(&arguments).await,
    }
}

async fn status(arguments: &cli::SourceArgs) -> anyhow::Result<Outcome> {
    let answer = Client::new(&arguments.address)?.source().await?;
    match arguments.output.format {
        Format::Json => output::server_json(&answer.json)?,
        Format::Table => output::line(&draw(&answer.value, SystemClock.now()))?,
    }
    Ok(outcome(answer.value.last_error.is_none() && answer.value.problems.is_empty()))
}

async fn refresh(arguments: &cli::SourceArgs) -> anyhow::Result<Outcome> {
    let answer = Client::new(&arguments.address)?.refresh().await?;
    match arguments.output.format {
        Format::Json => output::server_json(&answer.json)?,
        Format::Table => output::line(&said(&answer.value))?,
    }
    Ok(outcome(!answer.value.error))
}

const fn outcome(well: bool) -> Outcome {
    if well { Outcome::Done } else { Outcome::Failed }
}

fn draw(source: &SourceView, now: Timestamp) -> String {
    let ago = |then: Timestamp| format!("{then} ({})", time::ago(then, now));
    let mut lines = vec![("source", source.location.clone())];
    lines.extend(source.reference.clone().map(|reference| ("follows", reference)));
    lines.push(("config file", source.config_path.clone()));
    lines.push(("serves", source.revision.clone().unwrap_or_else(|| "nothing yet".to_owned())));
    lines.extend(source.commit.as_ref().into_iter().flat_map(|commit| of_commit(commit, &ago)));
    if let Some(newest) = &source.newest {
        lines.push(("not served", format!("{} {}", brief(&newest.id), newest.subject)));
    }
    lines.push(("last read", source.last_success.map_or_else(|| "not since the start".to_owned(), ago)));
    lines.push(("next look", next(source, now)));
    let mut text: Vec<String> = lines.iter().map(|(name, value)| field(name, value)).collect();
    text.push(state(source, &ago));
    text.extend(mistakes(&source.problems));
    text.join("\n")
}

fn of_commit(commit: &CommitView, ago: &impl Fn(Timestamp) -> String) -> Vec<(&'static str, String)> {
    let mut lines = vec![("commit", commit.subject.clone()), ("by", commit.author.clone())];
    lines.extend(commit.time.map(|time| ("of", ago(time))));
    lines.extend(commit.signer.clone().map(|signer| ("signed by", signer)));
    lines
}

fn next(source: &SourceView, now: Timestamp) -> String {
    let Some(next) = source.next_try else { return "when something says that there is something new".to_owned() };
    let every = source.poll_every.map(|every| format!("; every {every}s when all is well")).unwrap_or_default();
    format!("in {}{every}", time::span(now, next))
}

fn state(source: &SourceView, ago: &impl Fn(Timestamp) -> String) -> String {
    let (color, state) = match &source.last_error {
        Some(error) => (
            AnsiColor::Red,
            format!("{} at {}, {} in a row: {}", error.fault, ago(error.at), source.failures, error.message),
        ),
        None if !source.problems.is_empty() => (AnsiColor::Yellow, "something is wrong with what was read".to_owned()),
        None if source.last_success.is_none() => (AnsiColor::Yellow, "not read yet since the start".to_owned()),
        None => (AnsiColor::Green, "ok".to_owned()),
    };
    let state = style::paint(Style::new().fg_color(Some(color.into())), &escape::line(&state));
    format!("{}  {state}", style::paint(style::FAINT, &format!("{:12}", "state")))
}

fn field(name: &str, value: &str) -> String {
    format!("{}  {}", style::paint(style::FAINT, &format!("{name:12}")), escape::line(value))
}

/// What is wrong, after an empty line.
fn mistakes(problems: &[Problem]) -> Vec<String> {
    let lines = problems.iter().map(|problem| escape::line(&problem.to_string()));
    if problems.is_empty() { Vec::new() } else { std::iter::once(String::new()).chain(lines).collect() }
}

fn said(refreshed: &Refreshed) -> String {
    let revision = refreshed.revision.as_deref().map_or_else(|| "nothing".to_owned(), escape::line);
    let changed = if refreshed.changed { "which is new" } else { "as before" };
    let mut lines = vec![format!("{revision} is served, {changed}")];
    lines.extend(mistakes(&refreshed.problems));
    lines.join("\n")
}

/// As much of a commit's id as tells it from others.
fn brief(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gitfaas_server::api::wire::SourceErrorView;

    fn at(time: &str) -> Timestamp {
        time.parse().expect("a time")
    }

    fn commit(subject: &str) -> CommitView {
        CommitView {
            id: "132f4e7a55".repeat(4),
            author: "Ada\u{202e}".to_owned(),
            time: Some(at("2026-11-25T04:00:00Z")),
            subject: subject.to_owned(),
            signer: Some("SHA256:AAA".to_owned()),
        }
    }

    fn view() -> SourceView {
        SourceView {
            location: "https://git.example/functions.git".to_owned(),
            config_path: "team/a/config.json".to_owned(),
            reference: Some("refs/heads/main".to_owned()),
            revision: Some("main@sha1:132f4e7".to_owned()),
            commit: Some(commit("Collect\u{1b}[2J from\u{9b}31m sensors")),
            newest: None,
            last_success: Some(at("2026-11-25T04:05:00Z")),
            last_error: None,
            failures: 0,
            next_try: Some(at("2026-11-25T04:15:00Z")),
            poll_every: Some(600),
            problems: Vec::new(),
        }
    }

    fn plain(source: &SourceView) -> String {
        anstream::adapter::strip_str(&draw(source, at("2026-11-25T04:10:00Z"))).to_string()
    }

    #[test]
    fn a_source_that_is_well_says_what_is_served_and_who_made_it() {
        insta::assert_snapshot!(plain(&view()), @r"
        source        https://git.example/functions.git
        follows       refs/heads/main
        config file   team/a/config.json
        serves        main@sha1:132f4e7
        commit        Collect\x1b[2J from\u{9b}31m sensors
        by            Ada\u{202e}
        of            2026-11-25T04:00:00Z (10m00s ago)
        signed by     SHA256:AAA
        last read     2026-11-25T04:05:00Z (5m00s ago)
        next look     in 5m00s; every 600s when all is well
        state         ok
        ");
    }

    #[test]
    fn a_source_that_cannot_be_read_says_why_since_when_and_when_it_is_tried_again() {
        let error = SourceErrorView {
            message: "the token is not accepted\u{1b}]0;x\u{7}".to_owned(),
            fault: "unauthorized".to_owned(),
            at: at("2026-11-25T04:09:50Z"),
        };
        let failing = SourceView { last_error: Some(error), failures: 3, ..view() };
        let shown = plain(&failing);
        let told = "state         unauthorized at 2026-11-25T04:09:50Z (10s ago), 3 in a row: the token is not accepted\\x1b]0;x\\x07";
        assert_eq!(shown.lines().last(), Some(told));
    }

    #[test]
    fn what_is_served_since_a_restart_without_a_look_is_not_called_well() {
        let restored = SourceView { last_success: None, next_try: None, ..view() };
        assert!(plain(&restored).ends_with("state         not read yet since the start"), "{}", plain(&restored));
    }

    #[test]
    fn a_commit_that_is_not_served_is_named_with_what_is_wrong() {
        let problem = Problem::of_file("config.json", "does not exist\n");
        let broken = SourceView { newest: Some(commit("Break\u{1b}")), problems: vec![problem], ..view() };
        let shown = plain(&broken);
        assert!(shown.contains("not served    132f4e7a55 Break\\x1b\n"), "{shown}");
        assert!(shown.ends_with("something is wrong with what was read\n\nconfig.json: does not exist\\n"), "{shown}");
    }

    #[test]
    fn a_refresh_says_what_is_served_and_what_is_wrong() {
        let refreshed = |changed, problems: &[Problem]| Refreshed {
            error: !problems.is_empty(),
            revision: Some("main@sha1:1".to_owned()),
            changed,
            problems: problems.to_vec(),
        };
        assert_eq!(said(&refreshed(true, &[])), "main@sha1:1 is served, which is new");
        let told = said(&refreshed(false, &[Problem::of_file("a\u{1b}.yaml", "is a folder")]));
        assert_eq!(told, "main@sha1:1 is served, as before\n\na\\x1b.yaml: is a folder");
    }
}
