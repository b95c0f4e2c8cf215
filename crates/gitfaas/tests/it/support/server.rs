//! The real server as a process of its own, killed at the end of the test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{eventually, http, program};

/// A server and its data folder, which outlives a kill.
pub(crate) struct Server {
    process: Child,
    http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) data: PathBuf,
    // Dropped last: the folder is there for as long as anything may write to it.
    folder: Option<tempfile::TempDir>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The stable code of an error.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Server {
    /// `gitfaas dev` over a folder, ready.
    pub(crate) async fn dev(functions: &Path) -> Self {
        Self::begin("dev", functions).ready().await
    }

    /// `gitfaas dev` over a folder that may hold nothing that works.
    pub(crate) fn dev_unready(functions: &Path) -> Self {
        Self::begin("dev", functions)
    }

    /// `gitfaas serve --dir` over a folder, ready.
    pub(crate) async fn serve(functions: &Path) -> Self {
        Self::begin("serve", functions).ready().await
    }

    fn begin(verb: &str, functions: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server =
            Self::launch(Self::command(verb, functions, &folder.path().join("data"), 0), folder.path().join("data"));
        server.folder = Some(folder);
        server
    }

    /// The command that starts a server; for those who want to change something about it.
    pub(crate) fn command(verb: &str, functions: &Path, data: &Path, port: u16) -> Command {
        let mut command = Command::new(program());
        command.arg(verb);
        if verb == "serve" {
            command.args(["--cluster", "local", "--dir"]);
        }
        command.arg(functions).arg("--listen").arg(format!("127.0.0.1:{port}")).arg("--data").arg(data);
        command
    }

    /// Starts `command`, whose data folder is `data`.
    pub(crate) fn launch(command: Command, data: PathBuf) -> Self {
        let (process, url) = begin(command);
        Self { process, http: http(), url, data, folder: None }
    }

    /// The same, once it has a catalog.
    pub(crate) async fn ready(self) -> Self {
        self.until_ready().await;
        self
    }

    pub(crate) async fn until_ready(&self) {
        eventually("the server is ready", async || {
            // One that does not answer is asked again, until the test fails.
            let asked = self.http.get(format!("{}/readyz", self.url)).timeout(Duration::from_secs(10));
            let reply = asked.send().await.ok()?;
            reply.status().is_success().then_some(())
        })
        .await;
    }

    /// Kills it as a power button would, and starts it again over the same data and port.
    pub(crate) async fn kill_and_restart(&mut self, verb: &str, functions: &Path) {
        self.kill();
        self.restart(verb, functions).await;
    }

    /// Starts it again over the same data and port, once it has ended.
    pub(crate) async fn restart(&mut self, verb: &str, functions: &Path) {
        self.start_again(Self::command(verb, functions, &self.data, self.port()));
        self.until_ready().await;
    }

    /// Starts it by `command`, once it has ended.
    pub(crate) fn start_again(&mut self, command: Command) {
        (self.process, self.url) = begin(command);
    }

    /// Kills it, and starts it again over the same data on another port.
    pub(crate) async fn kill_and_restart_elsewhere(&mut self, verb: &str, functions: &Path) {
        self.kill();
        (self.process, self.url) = begin(Self::command(verb, functions, &self.data, 0));
        self.until_ready().await;
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for it to end by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the server ends", async || self.process.try_wait().expect("waited")).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.expect("an answer");
        Reply {
            status: reply.status(),
            headers: reply.headers().clone(),
            body: reply.bytes().await.expect("a body").to_vec(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        self.send(Method::POST, path, &[], body).await
    }

    /// Publishes, expects 202, and gives the request's id.
    pub(crate) async fn publish(&self, topic: &str, body: impl Into<reqwest::Body>) -> String {
        let reply = self.post(&format!("/publish/{topic}"), body).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
        reply.json()["requestUid"].as_str().expect("an id").to_owned()
    }

    /// The request once all of its runs have finished.
    pub(crate) async fn finished(&self, request: &str) -> Value {
        let path = format!("/api/v1/requests/{request}?wait=5");
        eventually("the runs finish", async || {
            let view = self.get(&path).await.json();
            let runs = view["runs"].as_array()?;
            runs.iter().all(|run| run.get("finishedAt").is_some()).then_some(view)
        })
        .await
    }

    /// Runs a command of the command line against this server.
    pub(crate) fn client(&self, args: &[&str]) -> std::process::Output {
        Command::new(program())
            .args(args)
            .env("GITFAAS_SERVER", &self.url)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .expect("run")
    }
}

/// Starts a server and reads where it listens.
fn begin(mut command: Command) -> (Child, String) {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("started");
    let mut output = BufReader::new(process.stdout.take().expect("piped"));
    let mut said = String::new();
    let url = loop {
        let mut line = String::new();
        let read = output.read_line(&mut line).expect("read");
        assert!(read > 0, "the server ended before it said where it listens:\n{said}");
        said.push_str(&line);
        // What it serves may have an address too, which is said before.
        if let Some((_, rest)) = line.rsplit_once("http://") {
            break format!("http://{}", rest.split_whitespace().next().unwrap_or_default());
        }
    };
    // What it says later is read on, so that it never waits for us.
    std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| println!("server: {line}")));
    (process, url)
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        end_processes_of(&self.data);
    }
}

/// Ends what a killed server left behind: supervisors outlive it on purpose, and their attempts with them.
fn end_processes_of(data: &Path) {
    let marker = data.to_string_lossy().into_owned();
    for pid in processes_naming(&marker) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Processes whose command line or environment names `marker`.
pub(crate) fn processes_naming(marker: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("a process table");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            ["cmdline", "environ"].iter().any(|file| {
                let content = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&content).contains(marker)
            })
        })
        .collect()
}
