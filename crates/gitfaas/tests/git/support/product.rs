//! gitfaas itself, following a repository.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reqwest::StatusCode;
use rustix::process::Pid;
use serde_json::Value;

use super::eventually;
use super::machine::program;
use super::server::{Reply, Server};

/// A server that follows a repository, with its data folder. It looks only when it is asked to, unless told otherwise.
pub(crate) struct Product {
    pub(crate) server: Server,
    url: String,
    arguments: Vec<String>,
    // Dropped last: the server writes to it.
    folder: tempfile::TempDir,
}

/// How many lines of the log are shown when a test fails.
const LAST: usize = 40;

/// Why the source cannot be read, as `/api/v1/source` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) word: String,
    pub(crate) message: String,
}

impl Product {
    /// One that follows `url` and serves.
    pub(crate) async fn follows(url: &str, arguments: &[String]) -> Self {
        Self::begins(url, arguments).ready().await
    }

    /// One that may have nothing to serve.
    pub(crate) fn begins(url: &str, arguments: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let command = command(url, arguments, folder.path(), 0);
        let server = Server::launch(command, folder.path().join("data"));
        Self { server, url: url.to_owned(), arguments: arguments.to_vec(), folder }
    }

    async fn ready(self) -> Self {
        eventually("the server is ready", async || {
            let ready = self.server.get("/readyz").await.status == StatusCode::OK;
            assert!(ready || self.fault().await.is_none(), "{:?}", self.fault().await);
            ready.then_some(())
        })
        .await;
        self
    }

    /// Starts it again, over the same data and port, once it has ended.
    pub(crate) fn starts_again(&mut self) {
        let command = command(&self.url, &self.arguments, self.folder.path(), self.server.port());
        self.server.start_again(command);
    }

    pub(crate) fn kill_and_start_again(&mut self) {
        self.server.kill();
        self.starts_again();
    }

    pub(crate) async fn refresh(&self) -> Reply {
        self.server.post("/refresh", "").await
    }

    /// Looks at the repository, which has to go well; gives the revision that is served then.
    pub(crate) async fn refreshed(&self) -> String {
        let reply = self.refresh().await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.json()["revision"].as_str().expect("a revision").to_owned()
    }

    pub(crate) async fn source(&self) -> Value {
        self.server.get("/api/v1/source").await.json()
    }

    /// Why the last look failed, if it did.
    pub(crate) async fn fault(&self) -> Option<Fault> {
        let source = self.source().await;
        let error = source.get("lastError").filter(|error| !error.is_null())?;
        let text = |field: &str| error[field].as_str().unwrap_or_else(|| panic!("{source:#}")).to_owned();
        Some(Fault { word: text("fault"), message: text("message") })
    }

    /// Publishes to the topic `t`, and gives the version that it was served with.
    pub(crate) async fn version(&self) -> String {
        let request = self.server.publish("t", "").await;
        let view = self.server.finished(&request).await;
        let name = view["runs"][0]["objects"][0]["name"].as_str().unwrap_or_else(|| panic!("{view:#}")).to_owned();
        name.split('-').next().expect("a version").to_owned()
    }

    /// The value of a metric, by its name with its labels.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.server.get("/metrics").await.text();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where it keeps what it has of the repository.
    pub(crate) fn objects(&self) -> PathBuf {
        self.data().join("git")
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("run moved on")).collect();
            lines[lines.len().saturating_sub(LAST)..].iter().for_each(|line| println!("log: {line}"));
        }
    }
}

/// How long a server may take to refuse what it is told. Only waited out when a test fails.
const REFUSES_WITHIN: Duration = Duration::from_secs(20);

/// Starts a server that is expected to refuse what it is told, and gives what it said when it ended.
pub(crate) fn refusal(url: &str, arguments: &[String]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = command(url, arguments, folder.path(), 0);
    let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run");
    let pid = Pid::from_raw(process.id().cast_signed()).expect("a process");
    let (ended, end) = mpsc::channel();
    let waiting = std::thread::spawn(move || ended.send(process.wait_with_output()));
    let output = end.recv_timeout(REFUSES_WITHIN).unwrap_or_else(|_| {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        panic!("{url:?} {arguments:?} is not refused");
    });
    waiting.join().expect("waited").expect("told");
    output.expect("ended")
}

fn command(url: &str, arguments: &[String], folder: &Path, port: u16) -> Command {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log");
    let mut command = Command::new(program());
    // In one word, so that what looks like an option reaches the rule for addresses.
    command.args(["serve", "--cluster", "local", &format!("--git-url={url}")]);
    command.arg("--listen").arg(format!("127.0.0.1:{port}")).arg("--data").arg(folder.join("data"));
    if !arguments.iter().any(|argument| argument == "--poll") {
        command.args(["--poll", "off"]);
    }
    // It must find nothing of whoever runs the tests: no key, no known host, no proxy.
    for (name, _) in std::env::vars().filter(|(name, _)| name.to_ascii_lowercase().ends_with("_proxy")) {
        command.env_remove(name);
    }
    command.args(arguments).env("HOME", folder).env_remove("SSH_AUTH_SOCK").stderr(log);
    command
}
