//! `gitfaas demo`: the pipeline example from message to answers, in one command on one machine.
//!
//! It starts what `dev` starts, then does over HTTP what anybody could do.

mod pipeline;
mod programs;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gitfaas_core::run::Phase;
use gitfaas_core::topic::TopicName;
use gitfaas_server::api::wire::TreeView;
use gitfaas_server::clock::{Clock as _, SystemClock};
use gitfaas_server::engine::Refreshed;
use gitfaas_server::server::Config;
use gitfaas_server::source::directory::DirectorySource;
use tokio::sync::mpsc;

use super::ledger::Ledger;
use super::machine::{self, Local, Place, Runner, Stop};
use super::wait::{self, Deadline, Logs};
use crate::cli::{self, LogFormat};
use crate::client::Client;
use crate::exit::Outcome;
use crate::output::tree::{self, Look};
use crate::output::{self, Out, escape, live, style};
use crate::publication::Publication;

/// Where it is served, unless something else is there.
const PORT: u16 = 5000;
/// The message, a file of the example: what `collect` is to look at.
const MESSAGE: &str = "message.json";
const TOPIC: &str = "collect";
/// Far more than it takes on a slow machine.
const LONGEST: Duration = Duration::from_mins(5);
/// How much of the log of a run that failed is shown.
const LAST_LINES: usize = 20;

/// Runs the command.
pub(crate) async fn run(arguments: cli::Demo, out: Out) -> anyhow::Result<Outcome> {
    programs::check()?;
    machine::log("warn", LogFormat::Text)?;
    let mut stop = Stop::listen()?;
    // Removed when the demo ends.
    let temporary = tempfile::Builder::new().prefix("gitfaas-demo-").tempdir().context("cannot make a folder")?;
    let functions = arguments.dir.unwrap_or_else(|| temporary.path().join("pipeline"));
    let data = match &arguments.data {
        Some(data) => machine::data_folder(Some(data), &functions)?,
        None => temporary.path().join("data"),
    };
    pipeline::put(&functions)?;
    let (reports, refreshes) = mpsc::unbounded_channel();
    let source = Arc::new(DirectorySource::new(&functions, "config.json")?);
    let place = Place {
        data,
        functions: source.root().to_owned(),
        cluster: Runner::Local(Local::default()),
        ledger: Ledger::Embedded,
    };
    let config = Config { listen: address(), end_runs: true, ..Config::default() };
    let server = machine::start(source, place, config, Some(reports)).await?;
    let url = server.url();
    let played = tokio::select! {
        played = play(&functions, &url, refreshes, out) => played,
        () = stop.asked() => Ok(Outcome::Failed),
    };
    if arguments.keep && matches!(played, Ok(Outcome::Done)) {
        output::line(&look_around(&url, &functions))?;
        stop.asked().await;
    }
    stop.orderly(server).await;
    played
}

/// The usual port when it is free, else any.
fn address() -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// Publishes the message and shows what becomes of it.
async fn play(functions: &Path, url: &str, refreshes: Refreshes, out: Out) -> anyhow::Result<Outcome> {
    output::line(&format!("gitfaas serves {} at {url}", functions.display()))?;
    until_served(refreshes).await?;
    let client = Client::at(url, None)?;
    let topic: TopicName = TOPIC.parse().context("the demo's topic")?;
    let file = functions.join(MESSAGE);
    let payload = std::fs::read(&file).with_context(|| format!("cannot read the demo's message {}", file.display()))?;
    output::line(&format!("\npublishing {MESSAGE} to {TOPIC}:\n\n"))?;
    let message = Publication {
        payload: payload.into(),
        content_type: Some("application/json".to_owned()),
        params: std::collections::BTreeMap::new(),
    };
    let request = client.publish(&topic, &message, None).await?.value.request_uid;
    let say = |line: &str| output::line(line);
    let deadline = Deadline::after(Some(LONGEST));
    let in_time = wait::follow(&client, request, deadline, Logs::Leave, out.width(), &say).await?;
    let tree = client.tree(request).await?.value;
    let look = Look { width: out.width(), ids: false, now: SystemClock.now() };
    output::line(&format!("\nwhat became of request {request}:\n\n{}", tree::draw(&tree, look)))?;
    if in_time && live::all_succeeded(&tree) {
        return Ok(Outcome::Done);
    }
    show_failed(&client, &tree).await?;
    Ok(if in_time { Outcome::Failed } else { Outcome::TimeUp })
}

type Refreshes = mpsc::UnboundedReceiver<Refreshed>;

/// Waits for the first refresh: before it there is no topic to publish to.
async fn until_served(mut refreshes: Refreshes) -> anyhow::Result<()> {
    let refresh = refreshes.recv().await.context("the server ended")??;
    match refresh.problems.first() {
        None => Ok(()),
        Some(problem) => bail!("the demo's functions are not right: {problem}"),
    }
}

/// Prints the end of the log of each run that did not succeed.
async fn show_failed(client: &Client, tree: &TreeView) -> anyhow::Result<()> {
    for (request, run) in live::runs(tree).into_iter().filter(|(_, run)| run.phase != Phase::Succeeded) {
        output::line(&style::paint(style::STRONG, &format!("==> {}, {} <==", live::name(request, run), run.phase)))?;
        let mut lines = client.logs(run.id, false, None).await?;
        let mut last = std::collections::VecDeque::new();
        while let Some(line) = lines.next().await? {
            last.push_back(line);
            if last.len() > LAST_LINES {
                last.pop_front();
            }
        }
        for line in last {
            output::line(&escape::lines(&String::from_utf8_lossy(&line)))?;
        }
    }
    Ok(())
}

/// What to type in another terminal.
fn look_around(url: &str, functions: &Path) -> String {
    let server = if url.ends_with(&format!("127.0.0.1:{PORT}")) { String::new() } else { format!(" --server {url}") };
    let publish = format!("publish {TOPIC} -d @{} --follow", functions.join(MESSAGE).display());
    let commands = ["list", "topics", "get REQUEST --ids", "logs RUN", &publish];
    let mut lines = vec![String::new(), "Still serving. In another terminal:".to_owned(), String::new()];
    lines.extend(commands.map(|command| match command.split_once(' ') {
        Some((name, rest)) => format!("  gitfaas {name}{server} {rest}"),
        None => format!("  gitfaas {command}{server}"),
    }));
    lines.push(String::new());
    lines.push(format!("The functions are in {}: a change is served at once. Ctrl-C ends it.", functions.display()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_to_look_around_reach_this_server() {
        let text = look_around("http://127.0.0.1:40001", Path::new("/tmp/x"));
        let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("  gitfaas ")).collect();
        assert_eq!(commands.len(), 5);
        assert!(commands.iter().all(|line| line.contains("--server http://127.0.0.1:40001")), "{text}");
        assert!(!look_around("http://127.0.0.1:5000", Path::new("/tmp/x")).contains("--server"));
    }
}
