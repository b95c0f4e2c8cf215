//! A program that runs for as long as a test needs it.

use std::fs::File;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::eventually;
use super::machine::leave_out;

/// A running program with all that it started; killed when dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`, which writes what it says to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child }
    }

    /// Waits until it listens on `port`; fails with what it wrote to `log` when it ended before.
    pub(crate) async fn listening(mut self, port: u16, log: &Path) -> Self {
        eventually("a server listens", async || {
            if let Some(status) = self.child.try_wait().expect("waited") {
                panic!("it ended with {status}:\n{}", std::fs::read_to_string(log).unwrap_or_default());
            }
            TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        self
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            // Its children are of the group too; none may be left.
            let _ = kill_process_group(group, Signal::KILL);
        }
        drop(self.child.wait());
    }
}

/// A program that is on the PATH, or where Debian puts those that serve.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let known = std::env::vars().find(|(name, _)| name == "PATH").map(|(_, path)| path).unwrap_or_default();
    let folders = known.split(':').chain(["/usr/sbin"]);
    folders.map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// The programs, or nothing where one is missing, and then it is said that `what` is left out.
pub(crate) fn find_all<const N: usize>(what: &str, programs: [&str; N]) -> Option<[PathBuf; N]> {
    let missing: Vec<&str> = programs.into_iter().filter(|program| find(program).is_none()).collect();
    if !missing.is_empty() {
        leave_out(what, &missing.join(" and "));
        return None;
    }
    Some(programs.map(|program| find(program).expect("found")))
}

/// Runs a command that has to succeed, and gives what it printed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}
