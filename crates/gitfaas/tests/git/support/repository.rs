//! A Git repository as its people have it: a bare one that servers hand out, and a clone in which they work.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{find, output};

/// What names objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Sha1,
    Sha256,
}

impl Format {
    fn option(self) -> &'static str {
        match self {
            Self::Sha1 => "--object-format=sha1",
            Self::Sha256 => "--object-format=sha256",
        }
    }
}

/// Where the bare repository is below the folder that servers hand out.
pub(crate) const NAME: &str = "team/functions.git";

/// A repository whose branch is `main`, with no commit yet.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
    format: Format,
}

impl Repository {
    pub(crate) fn empty() -> Self {
        Self::of(Format::Sha1)
    }

    pub(crate) fn of(format: Format) -> Self {
        let repository = Self { folder: tempfile::tempdir().expect("a folder"), format };
        repository.makes_bare();
        let work = repository.work().display().to_string();
        output(isolated(repository.folder.path()).args(["init", "-q", "-b", "main", format.option(), &work]));
        repository.git(&["remote", "add", "origin", &repository.bare().display().to_string()]);
        repository
    }

    /// Makes the bare repository, with nothing in it.
    pub(crate) fn makes_bare(&self) {
        let bare = self.bare().display().to_string();
        let format = self.format.option();
        output(isolated(self.folder.path()).args(["init", "-q", "--bare", "-b", "main", format, &bare]));
        // As on servers where `main` is not what HEAD names.
        output(isolated(self.folder.path()).args(["-C", &bare, "config", "receive.denyDeleteCurrent", "ignore"]));
    }

    /// One whose topic `t` makes a config map with `version` in its name; pushed.
    pub(crate) fn serving(version: &str) -> Self {
        let repository = Self::empty();
        repository.write("config.json", r#"{"topics": [{"name": "t", "configs": ["t.yaml"]}]}"#);
        repository.pushes_version(version);
        repository
    }

    /// Pushes that the topic `t` makes a config map with `version` in its name; gives the commit's id.
    pub(crate) fn pushes_version(&self, version: &str) -> String {
        self.write("t.yaml", config_map(version));
        self.push(version)
    }

    /// The folder that servers hand out.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("served")
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.root().join(NAME)
    }

    /// The clone in which work is done.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes a file of the clone.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let target = self.work().join(path);
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("created");
        std::fs::write(target, content).expect("written");
    }

    /// Writes a file of so many bytes that nothing makes smaller, another one for each `seed`.
    pub(crate) fn writes_noise(&self, seed: u64, bytes: usize) {
        let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let words = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        let noise: Vec<u8> = words.take(bytes / 8).flatten().collect();
        self.write("noise", noise);
    }

    /// Commits all of the clone, and gives the commit's id.
    pub(crate) fn commit(&self, subject: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", subject]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Commits all of the clone and pushes it to `main`, whatever that has; gives the commit's id.
    pub(crate) fn push(&self, subject: &str) -> String {
        let id = self.commit(subject);
        self.git(&["push", "-q", "--force", "origin", "HEAD:refs/heads/main"]);
        id
    }

    /// The same as `push`, signed with this key of ssh.
    pub(crate) fn pushes_signed(&self, subject: &str, key: &Path) -> String {
        self.git(&["config", "gpg.format", "ssh"]);
        self.git(&["config", "user.signingKey", &key.display().to_string()]);
        self.git(&["config", "commit.gpgSign", "true"]);
        let id = self.push(subject);
        self.git(&["config", "commit.gpgSign", "false"]);
        id
    }

    /// Runs git in the clone; it has to succeed.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        output(isolated(self.folder.path()).current_dir(self.work()).args(args))
    }
}

/// A function that is done once it is made, with a name that begins with `name`.
pub(crate) fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: '{name}-{{{{RANDOM}}}}'}}\ndata: {{}}\n")
}

/// The real git, which knows nothing of this machine's settings and asks nobody anything.
pub(crate) fn isolated(home: &Path) -> Command {
    let mut git = Command::new(find("git").expect("git, which every test of this binary needs"));
    environment(&mut git, home);
    git
}

/// Gives a command an environment of its own.
pub(crate) fn environment(command: &mut Command, home: &Path) {
    let path = std::env::vars().find(|(name, _)| name == "PATH").map(|(_, path)| path).unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", home).env("LC_ALL", "C");
    command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")]);
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Ada Lovelace").env(format!("GIT_{who}_EMAIL"), "ada@example.com");
        command.env(format!("GIT_{who}_DATE"), "2026-03-04T05:06:07+01:00");
    }
}
