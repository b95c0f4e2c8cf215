//! A reader of the documents, who types what they say.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Repository, Server, program};

/// Where a reader's server answers; a test's has a port of its own.
pub(crate) const USUAL: &str = "http://127.0.0.1:5000";

/// A block of code: its language, and what was said since the block before.
pub(crate) struct Block<'a> {
    pub(crate) before: &'a str,
    pub(crate) language: &'a str,
    pub(crate) code: &'a str,
}

pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let parts: Vec<&str> = text.split("```").collect();
    let pairs = parts.chunks_exact(2);
    pairs
        .map(|pair| {
            let (language, code) = pair[1].split_once('\n').expect("a line after the fence");
            Block { before: pair[0], language, code }
        })
        .collect()
}

/// A reader at a shell, with the program on the path.
pub(crate) struct Reader {
    pub(crate) folder: Repository,
    path: String,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let folder = program().parent().map(Path::to_path_buf).expect("a folder");
        let known = std::env::vars().find(|(name, _)| name == "PATH").map(|(_, path)| path).unwrap_or_default();
        Self { folder: Repository::empty(), path: format!("{}:{known}", folder.display()) }
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder.file(path)
    }

    /// Types a command against a server, and gives what it printed; it has to succeed.
    pub(crate) fn types(&self, command: &str, server: Option<&Server>) -> String {
        let url = server.map_or(USUAL, |server| &server.url);
        let mut shell = Command::new("sh");
        shell.args(["-c", &command.replace(USUAL, url)]).env("GITFAAS_SERVER", url);
        printed(command, &self.at_home(&mut shell).output().expect("run"))
    }

    /// Has `command` run in the reader's folder, which is all that it finds of a home.
    pub(crate) fn at_home<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let command = command.current_dir(self.folder.path()).env("HOME", self.folder.path()).env("PATH", &self.path);
        command.env("NO_COLOR", "1").env_remove("XDG_STATE_HOME")
    }
}

pub(crate) fn printed(command: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}
