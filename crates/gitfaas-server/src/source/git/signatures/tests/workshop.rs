//! A folder with a repository, SSH keys and a keyring, in which the real programs work.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// When everything is committed.
const DATE: &str = "1700000000 +0100";

pub(super) struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    /// With an empty repository; `None`, which is said, where a program is missing.
    pub(super) fn open() -> Option<Self> {
        Self::with_hash("sha1")
    }

    pub(super) fn with_hash(hash: &str) -> Option<Self> {
        // Below /tmp, because a socket's path is short, and the agent has one in here.
        let workshop = Self { folder: tempfile::tempdir_in("/tmp").expect("a folder") };
        if let Some(program) = ["git", "ssh-keygen", "gpg"]
            .into_iter()
            .find(|program| workshop.command(program).arg("-?").output().is_err())
        {
            assert!(
                std::env::var_os("GITFAAS_TEST_ALL").is_none(),
                "GITFAAS_TEST_ALL is set, and there is no {program}"
            );
            let _ = writeln!(std::io::stderr(), "left out: there is no {program} to make signatures with");
            return None;
        }
        workshop.git(&["init", "-q", "--object-format", hash]);
        fs::write(workshop.path("allowed"), "").expect("written");
        Some(workshop)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("GNUPGHOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", DATE)
            .env("GIT_COMMITTER_DATE", DATE)
            .env("TZ", "UTC")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("XDG_CONFIG_HOME");
        for (name, value) in [("NAME", "Ada"), ("EMAIL", "ada@example.org")] {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        command
    }

    /// Runs a program; what it wrote to its standard output.
    pub(super) fn run(&self, program: &str, args: &[impl AsRef<OsStr>], input: &[u8]) -> Vec<u8> {
        let output = self.try_run(program, args, input);
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn try_run(&self, program: &str, args: &[impl AsRef<OsStr>], input: &[u8]) -> Output {
        let mut command = self.command(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let mut stdin = child.stdin.take().expect("piped");
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().expect("ended")
        })
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        String::from_utf8(self.run("git", args, b"")).expect("text").trim_end().to_owned()
    }

    pub(super) fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let args: Vec<&str> =
            ["--batch", "--quiet", "--no-tty", "--passphrase", ""].iter().chain(args).copied().collect();
        self.run("gpg", &args, b"")
    }

    /// Makes an SSH key; the file of its public key.
    pub(super) fn ssh_key(&self, name: &str, kind: &[&str]) -> PathBuf {
        let file = self.path(name);
        let file = file.to_str().expect("text");
        let args: Vec<&str> = ["-q", "-N", "", "-C", name, "-f", file, "-t"].iter().chain(kind).copied().collect();
        self.run("ssh-keygen", &args, b"");
        self.path(&format!("{name}.pub"))
    }

    /// Has Git trust these lines of `allowed_signers` from now on; the file of them.
    pub(super) fn allow(&self, lines: &str) -> PathBuf {
        fs::write(self.path("allowed"), lines).expect("written");
        self.path("allowed")
    }

    /// A commit that Git has signed with an SSH key.
    pub(super) fn commit_with_ssh(&self, key: &Path, message: &str) -> Vec<u8> {
        let key = format!("user.signingkey={}", key.display());
        self.commit(&["-c", "gpg.format=ssh", "-c", &key], message)
    }

    /// A commit that Git has signed with a key of the keyring, `gpg` being called with these options, too.
    pub(super) fn commit_with_gpg(&self, key: &str, options: &[&str], message: &str) -> Vec<u8> {
        let program = self.path("gpg-with-options");
        fs::write(&program, format!("#!/bin/sh\nexec gpg {} \"$@\"\n", options.join(" "))).expect("written");
        self.run("chmod", &[OsStr::new("+x"), program.as_os_str()], b"");
        let (key, program) = (format!("user.signingkey={key}"), format!("gpg.program={}", program.display()));
        self.commit(&["-c", &key, "-c", &program], message)
    }

    fn commit(&self, config: &[&str], message: &str) -> Vec<u8> {
        let args: Vec<&str> =
            config.iter().chain(&["commit", "-q", "--allow-empty", "-S", "-m", message]).copied().collect();
        self.git(&args);
        self.run("git", &["cat-file", "commit", "HEAD"], b"")
    }

    /// A commit that nobody signed.
    pub(super) fn unsigned(&self, message: &str) -> Vec<u8> {
        self.git(&["commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", message]);
        self.run("git", &["cat-file", "commit", "HEAD"], b"")
    }

    /// What Git says of the signature of a commit by this placeholder (`%GF`).
    pub(super) fn git_says(&self, commit: &[u8], placeholder: &str) -> String {
        let allowed = format!("gpg.ssh.allowedSignersFile={}", self.path("allowed").display());
        self.git(&["-c", &allowed, "log", "-1", &format!("--format={placeholder}"), &self.store(commit)])
    }

    /// Whether `git verify-commit` is content with a commit.
    pub(super) fn git_verifies(&self, commit: &[u8]) -> bool {
        let allowed = format!("gpg.ssh.allowedSignersFile={}", self.path("allowed").display());
        self.try_run("git", &["-c", &allowed, "verify-commit", &self.store(commit)], b"").status.success()
    }

    fn store(&self, commit: &[u8]) -> String {
        let id = self.run("git", &["hash-object", "-t", "commit", "-w", "--literally", "--stdin"], commit);
        String::from_utf8(id).expect("text").trim_end().to_owned()
    }

    /// Makes an OpenPGP key without a passphrase (`gpg --quick-generate-key`); its fingerprint.
    pub(super) fn gpg_key(&self, name: &str, kind: &[&str]) -> String {
        self.gpg_key_at(name, kind, &[])
    }

    pub(super) fn gpg_key_at(&self, name: &str, kind: &[&str], options: &[&str]) -> String {
        let user = format!("{name} <{name}@example.org>");
        let args: Vec<&str> =
            options.iter().copied().chain(["--quick-generate-key", &user]).chain(kind.iter().copied()).collect();
        self.gpg(&args);
        self.fingerprints(name).swap_remove(0)
    }

    /// The fingerprints of a key and of its subkeys.
    pub(super) fn fingerprints(&self, name: &str) -> Vec<String> {
        let listed = String::from_utf8(self.gpg(&["--with-colons", "--list-keys", name])).expect("text");
        listed
            .lines()
            .filter(|line| line.starts_with("fpr:"))
            .filter_map(|line| line.split(':').nth(9))
            .map(str::to_owned)
            .collect()
    }

    /// The public keys of these, armoured, as a file.
    pub(super) fn exported(&self, names: &[&str]) -> PathBuf {
        let file = self.path("signers.asc");
        let keys: Vec<Vec<u8>> = names.iter().map(|name| self.gpg(&["--armor", "--export", name])).collect();
        fs::write(&file, keys.concat()).expect("written");
        file
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Only what was started for this folder.
        let _ = self.command("gpgconf").args(["--kill", "all"]).output();
    }
}
