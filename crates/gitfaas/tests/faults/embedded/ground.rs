//! The server, everything it stands on, and what is done to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::audit::{Evidence, Makes};
use crate::chance::Chance;
use crate::load::Load;
use crate::notes::Notes;
use crate::support::{Repository, Server, no_fewer_left, shell_job, signal};
use crate::{ledger, local};

/// A server's lease is 10 seconds.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(12);
/// Within what the server is killed while it starts: sooner or later than it is ready.
const STARTING: u64 = 150;
/// How long a short pause is at most, in milliseconds.
const PAUSE: u64 = 500;
const OBJECT: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'o-{{RANDOM}}'}\ndata: {message: \"{{MESSAGE}}\"}\n";

/// What happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGKILL, and again while it starts.
    KillTwice,
    /// SIGTERM: it ends by itself.
    End,
    /// SIGSTOP for some time, and on it goes.
    Pause,
    /// SIGSTOP for some time, and SIGKILL.
    PauseAndKill,
    /// SIGSTOP until its lease has run out, and on it goes.
    OutlastLease,
}

/// The server, and everything it stands on.
pub(super) struct Ground {
    pub(super) server: Server,
    repository: Repository,
    starts: PathBuf,
    // Dropped last: the folder is there for as long as anything may write to it.
    pub(super) folder: tempfile::TempDir,
}

impl Ground {
    /// A server that is ready, with four topics: `record` makes an object, `job` starts a process, `both` does both, and
    /// `line` starts processes four at a time.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (starts, data) = (folder.path().join("starts"), folder.path().join("data"));
        let repository = Repository::empty();
        repository.write("object.yaml", OBJECT);
        // O_APPEND makes each line whole.
        repository.write("job.yaml", &shell_job(&format!("echo \"$RUN_ID $$\" >> {}", starts.display())));
        repository.write(
            "config.json",
            r#"{"topics": [
                {"name": "record", "configs": ["object.yaml"]},
                {"name": "job", "configs": ["job.yaml"]},
                {"name": "both", "configs": ["job.yaml", "object.yaml"]},
                {"name": "line", "configs": ["job.yaml"], "concurrency": 4}
            ]}"#,
        );
        let server = Server::launch(command(&repository, &data, 0), data).ready().await;
        Self { server, repository, starts, folder }
    }

    /// Lets this happen to the server; how long each start of it took that it was let finish.
    pub(super) async fn suffer(&mut self, fault: Fault, load: &Load, chance: &mut Chance) -> Option<Duration> {
        let pause = Duration::from_millis(chance.among(20..PAUSE));
        match fault {
            Fault::Kill | Fault::KillTwice => self.server.kill(),
            Fault::End => {
                signal(&self.server, Signal::TERM);
                self.server.ended().await;
            }
            Fault::Pause => self.pause(pause).await,
            Fault::OutlastLease => self.pause(LONGER_THAN_A_LEASE).await,
            Fault::PauseAndKill => {
                signal(&self.server, Signal::STOP);
                tokio::time::sleep(pause).await;
                self.server.kill();
            }
        }
        if matches!(fault, Fault::Pause | Fault::OutlastLease) {
            return None;
        }
        load.servers_are([]);
        if fault == Fault::KillTwice {
            let mut starting = self.command().stdout(Stdio::null()).spawn().expect("started");
            tokio::time::sleep(Duration::from_millis(chance.among(0..STARTING))).await;
            starting.kill().expect("killed");
            starting.wait().expect("ended");
        }
        let begun = Instant::now();
        self.server.start_again(self.command());
        self.server.until_ready().await;
        let took = begun.elapsed();
        load.servers_are([self.server.url.clone()]);
        Some(took)
    }

    async fn pause(&self, time: Duration) {
        signal(&self.server, Signal::STOP);
        // The fault is that nothing happens for so long.
        tokio::time::sleep(time).await;
        signal(&self.server, Signal::CONT);
    }

    fn command(&self) -> Command {
        command(&self.repository, &self.server.data, self.server.port())
    }

    /// Waits until each run is over, for as long as fewer and fewer are left; what is left then is stuck.
    pub(super) async fn until_over(&self) {
        no_fewer_left(&self.server, &["queued", "applying", "pending", "running"]).await;
    }

    /// Everything there is to know, once the server has ended.
    pub(super) async fn evidence(&mut self, notes: &Notes) -> Evidence {
        let served = ledger::of_server(&self.server).await;
        signal(&self.server, Signal::TERM);
        self.server.ended().await;
        let (job, object) = (("job.yaml".to_owned(), Makes::Process), ("object.yaml".to_owned(), Makes::Still));
        Evidence {
            topics: [
                ("record".to_owned(), [object.clone()].into()),
                ("job".to_owned(), [job.clone()].into()),
                ("both".to_owned(), [job.clone(), object].into()),
                ("line".to_owned(), [job].into()),
            ]
            .into(),
            acknowledged: notes.read().0,
            kept: ledger::of_file(&self.server.data),
            served,
            made: local::made(&self.server.data),
            starts: local::starts(&self.starts),
        }
    }
}

fn command(repository: &Repository, data: &Path, port: u16) -> Command {
    let mut command = Server::command("serve", repository.path(), data, port);
    command.args(["--log", "warn"]);
    command
}
