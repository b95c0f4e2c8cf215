//! Waiting for what a request becomes: until its runs have ended, or, with their logs, until nothing of what they
//! published runs any more.
//!
//! A server that is restarted meanwhile is asked again: what it accepted goes on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::run::Phase;
use gitfaas_server::api::wire::TreeView;
use gitfaas_server::clock::{Clock as _, SystemClock};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::{Client, Error};
use crate::output::live::{self, Live};
use crate::output::{escape, style};

/// How long one question waits at the server; the next one follows at once.
const LONG_POLL: Duration = Duration::from_secs(30);
/// How often a tree is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How long a server may be away while we wait: long enough for a restart.
const AWAY: Duration = Duration::from_secs(30);
/// How long after its run's end a log may still be on its way.
const LAST_LINES: Duration = Duration::from_secs(10);
/// How many logs are read at once.
const STREAMS: usize = 32;

/// When waiting ends at the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// After this time; never, if there is none.
    pub(super) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
    }
}

/// Asks until there is an answer, through a restart of the server.
pub(super) async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    let give_up = Instant::now() + AWAY;
    let mut pause = Duration::from_millis(100);
    loop {
        match ask().await {
            Err(error) if error.is_passing() && Instant::now() < give_up => {}
            ended => return ended,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Returns when each run of the request has ended (true), or when the time is up (false).
pub(super) async fn until_ended(client: &Client, request: RequestId, deadline: Deadline) -> Result<bool, Error> {
    let ended = async {
        loop {
            let view = patiently(|| client.request_view(request, LONG_POLL)).await?.value;
            if view.runs.iter().all(|run| run.phase.is_final()) {
                return Ok(());
            }
        }
    };
    match tokio::time::timeout(deadline.left(), ended).await {
        Ok(result) => result.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Whether logs are followed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logs {
    /// They are.
    Follow,
    /// What happens is enough.
    Leave,
}

/// Says what happens and what is logged, until nothing runs any more (true) or the time is up (false).
pub(super) async fn follow(
    client: &Client,
    request: RequestId,
    deadline: Deadline,
    logs: Logs,
    width: usize,
    say: &impl Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    match tokio::time::timeout(deadline.left(), Follow::new(client, logs, width).run(request, say)).await {
        Ok(result) => result.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// The logs that are being read, and what has been said.
struct Follow<'a> {
    client: &'a Client,
    logs: Logs,
    live: Live,
    begun: HashSet<RunId>,
    readers: JoinSet<()>,
    streams: Arc<Semaphore>,
    sender: mpsc::Sender<String>,
    lines: mpsc::Receiver<String>,
}

impl<'a> Follow<'a> {
    fn new(client: &'a Client, logs: Logs, width: usize) -> Self {
        let (sender, lines) = mpsc::channel(256);
        Self {
            client,
            logs,
            live: Live::new(width),
            begun: HashSet::new(),
            readers: JoinSet::new(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            sender,
            lines,
        }
    }

    async fn run(mut self, request: RequestId, say: &impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut quiet = false;
        loop {
            let tree = patiently(|| self.client.tree(request)).await?.value;
            for line in self.live.lines(&tree, SystemClock.now()) {
                say(&line)?;
            }
            if self.logs == Logs::Follow {
                self.read_logs(&tree);
            }
            // A tree is not read in one moment: it is over when it is still quiet at the second look.
            if quiet && live::is_quiet(&tree) {
                return self.finish(say).await;
            }
            quiet = live::is_quiet(&tree);
            self.print_for(LOOK, say).await?;
        }
    }

    fn read_logs(&mut self, tree: &TreeView) {
        for (request, run) in live::runs(tree) {
            let has_begun = run.phase == Phase::Running || run.started_at.is_some();
            if has_begun && self.begun.insert(run.id) {
                let name = style::paint(style::FAINT, &format!("{} |", live::name(request, run)));
                let reader = read_log(self.client.clone(), run.id, name, self.sender.clone(), self.streams.clone());
                self.readers.spawn(reader);
            }
        }
    }

    async fn print_for(&mut self, time: Duration, say: &impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while let Ok(Some(line)) = tokio::time::timeout_at(end, self.lines.recv()).await {
            say(&line)?;
        }
        Ok(())
    }

    /// Prints what the readers still bring.
    async fn finish(self, say: &impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Self { sender, mut lines, readers, .. } = self;
        drop(sender);
        let end = Instant::now() + LAST_LINES;
        while let Ok(Some(line)) = tokio::time::timeout_at(end, lines.recv()).await {
            say(&line)?;
        }
        drop(readers);
        Ok(())
    }
}

/// Sends each line of a run's log, with the run's name before it.
async fn read_log(client: Client, run: RunId, name: String, sender: mpsc::Sender<String>, streams: Arc<Semaphore>) {
    let Ok(_permit) = streams.acquire().await else { return };
    let mut lines = match client.logs(run, true, None).await {
        Ok(lines) => lines,
        Err(error) => {
            let _ = sender.send(format!("{name} (no logs: {})", escape::line(&error.to_string()))).await;
            return;
        }
    };
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => escape::line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])),
            Ok(None) => return,
            Err(error) => format!("({})", escape::line(&error.to_string())),
        };
        // The receiver is gone when nobody follows any more.
        if sender.send(format!("{name} {line}")).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_server_that_restarts_is_asked_again() {
        let mut asked = 0;
        let answer = patiently(async || {
            asked += 1;
            if asked < 3 { Err(Error::unreachable("http://127.0.0.1:5", "connection refused")) } else { Ok(asked) }
        });
        assert_eq!(answer.await.expect("it is back"), 3);
    }

    #[tokio::test]
    async fn what_does_not_pass_is_told_at_once() {
        let mut asked = 0;
        let answer: Result<(), Error> = patiently(async || {
            asked += 1;
            Err(Error::Strange("no gitfaas".to_owned()))
        })
        .await;
        assert!(answer.is_err());
        assert_eq!(asked, 1);
    }

    #[tokio::test]
    async fn waiting_ends_when_the_time_is_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(axum::serve(listener, Router::new().fallback(std::future::pending::<()>)).into_future());
        let client = Client::at(&address, None).expect("a client");
        let request = "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e".parse().expect("an id");
        let soon = || Deadline::after(Some(Duration::from_millis(30)));
        assert!(!until_ended(&client, request, soon()).await.expect("it waits"));
        let followed = follow(&client, request, soon(), Logs::Follow, 80, &|_| Ok(())).await;
        assert!(!followed.expect("it waits"));
    }
}
