//! `git daemon`, which hands repositories to everybody, unencrypted.

use super::port::Port;
use super::process::Process;
use super::repository::{NAME, Repository, isolated};

/// The daemon; it notes who came.
pub(crate) struct GitDaemon {
    port: Port,
    folder: tempfile::TempDir,
    _process: Process,
}

impl GitDaemon {
    pub(crate) async fn over(repository: &Repository) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = Port::free();
        let mut git = isolated(folder.path());
        git.args(["daemon", "--export-all", "--reuseaddr", "--verbose", "--listen=127.0.0.1"]);
        git.arg(format!("--port={}", port.number())).arg(format!("--base-path={}", repository.root().display()));
        let log = folder.path().join("said");
        let process = Process::start(&mut git, &log).listening(port.number(), &log).await;
        Self { port, folder, _process: process }
    }

    pub(crate) fn url(&self) -> String {
        format!("git://127.0.0.1:{}/{NAME}", self.port.number())
    }

    /// How many have asked it for something.
    pub(crate) fn asked(&self) -> usize {
        let said = std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
        said.lines().filter(|line| line.contains("Request upload-pack")).count()
    }
}
