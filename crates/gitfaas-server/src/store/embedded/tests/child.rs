//! This test program, started again as a process that uses a ledger until it is killed.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use gitfaas_core::id::RequestId;

use super::super::EmbeddedStore;
use crate::store::contract::accept;
use crate::store::{Accept, Store};

const FOLDER: &str = "GITFAAS_STORE_CHILD_FOLDER";
const TASKS: &str = "GITFAAS_STORE_CHILD_TASKS";
/// How many pages the log has when it is copied, if not as many as ever.
pub(super) const LOG_PAGES: &str = "GITFAAS_STORE_CHILD_LOG_PAGES";

/// A process that accepts and tells what was acknowledged. Killed when dropped.
pub(super) struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
}

/// How long it may say nothing.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the process says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// This accept was acknowledged.
    Accepted(RequestId),
    /// One was not, and why.
    Refused(String),
}

impl Child {
    /// Starts it on this ledger, under `wrapper` if there is one. Under a wrapper it accepts one at a time.
    pub(super) fn start(folder: &Path, wrapper: &[&OsStr]) -> Self {
        let this = std::env::current_exe().expect("a path");
        let tasks = if wrapper.is_empty() { "8" } else { "1" };
        let line = wrapper.iter().copied().chain([this.as_os_str()]).collect::<Vec<_>>();
        let mut process = Command::new(line[0])
            .args(&line[1..])
            .args(["--exact", "store::embedded::tests::child::accepts_until_told_to_stop"])
            .args(["--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .env(TASKS, tasks)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let said = BufReader::new(process.stdout.take().expect("piped")).lines();
        let (say, lines) = mpsc::channel();
        // Ends with the process, or when nobody listens any more.
        std::thread::spawn(move || said.map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { process, lines }
    }

    /// The next thing it says; `None` when it has ended.
    pub(super) fn next(&mut self) -> Option<Line> {
        loop {
            let line = match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("the child has said nothing for {PATIENCE:?}"),
            };
            // A line that the kill cut short says nothing.
            match line.split_once(' ') {
                Some(("accepted", rest)) if rest.ends_with('.') => {
                    return Some(Line::Accepted(rest.trim_end_matches('.').parse().expect("an id")));
                }
                Some(("refused", why)) => return Some(Line::Refused(why.to_owned())),
                _ => {}
            }
        }
    }

    /// The next thing it says, as long as it lives.
    pub(super) fn next_line(&mut self) -> Line {
        self.next().expect("it goes on")
    }

    /// `kill -9`, and what it had said before.
    pub(super) fn kill(mut self) -> Vec<Line> {
        self.process.kill().expect("killed");
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Tells it to close the ledger and end; what it still said.
    pub(super) fn stop(mut self) -> Vec<Line> {
        drop(self.process.stdin.take());
        let rest = std::iter::from_fn(|| self.next()).collect();
        assert!(self.process.wait().expect("ended").success());
        rest
    }

    /// Tells it to close the ledger and end, which it may have done already, or not succeed in; what it still said.
    pub(super) fn end(mut self) -> Vec<Line> {
        drop(self.process.stdin.take());
        let rest = std::iter::from_fn(|| self.next()).collect();
        self.process.wait().expect("ended");
        rest
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the child accepts: whole from its number alone, so that the parent can check it.
pub(super) fn nth(id: RequestId) -> Accept {
    let mut nth = accept(0, "collect", &["b.yaml", "a.yaml"]);
    nth.request.id = id;
    nth.payload = format!("of {id}").into();
    nth.request.size = nth.payload.len() as u64;
    for (run, _) in &mut nth.runs {
        run.id = gitfaas_core::id::RunId::derive(id, &run.function);
    }
    nth
}

/// A test only in name: does nothing unless another test started it.
#[test]
fn accepts_until_told_to_stop() {
    let (Some(folder), Some(tasks)) = (std::env::var_os(FOLDER), std::env::var_os(TASKS)) else { return };
    let tasks: u64 = tasks.to_str().and_then(|tasks| tasks.parse().ok()).expect("a number");
    say("");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("started");
    runtime.block_on(async {
        let store = opened_with(Path::new(&folder));
        for task in 0..tasks {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move { accept_on(&*store, task).await });
        }
        let told = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = told.await.expect("no panic");
        store.close().await;
    });
}

fn opened_with(folder: &Path) -> std::sync::Arc<EmbeddedStore> {
    let opened = match std::env::var_os(LOG_PAGES) {
        None => EmbeddedStore::open(folder),
        Some(pages) => {
            let pages = pages.to_str().and_then(|pages| pages.parse().ok()).expect("a number");
            EmbeddedStore::open_with_log(folder, pages)
        }
    };
    std::sync::Arc::new(opened.expect("opened"))
}

/// Accepts one after the other; after a refusal, when the store says that it is ready again.
async fn accept_on(store: &dyn Store, task: u64) {
    for n in 0_u32.. {
        let number = u128::from(store.epoch()) << 64 | u128::from(task) << 32 | u128::from(n);
        let id = RequestId::from_bytes(number.to_be_bytes());
        match store.accept(nth(id)).await {
            Ok(_) => say(&format!("accepted {id}.")),
            Err(why) => say(&format!("refused {why}")),
        }
        while store.ready().await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Past the capturing of the test harness, in one piece.
pub(super) fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).expect("written");
}
