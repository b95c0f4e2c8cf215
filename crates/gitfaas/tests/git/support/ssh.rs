//! OpenSSH's server, for one user who may read repositories and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::port::Port;
use super::process::{Process, find_all, output};
use super::repository::{Repository, isolated};

/// A server with a host key of each kind.
pub(crate) struct SshServer {
    sshd: PathBuf,
    keygen: PathBuf,
    repository: PathBuf,
    // Its paths are in the configuration.
    folder: tempfile::TempDir,
    port: Port,
    running: Option<Process>,
}

/// The kinds of host keys that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostKey {
    Ed25519,
    Ecdsa,
    Rsa,
}

impl HostKey {
    const ALL: [Self; 3] = [Self::Ed25519, Self::Ecdsa, Self::Rsa];

    fn kind(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
        }
    }
}

impl SshServer {
    /// A server for this repository, which answers; nothing where a program is missing. With `protocol`, clients may ask
    /// for the newer version of Git's protocol.
    pub(crate) async fn over(repository: &Repository, protocol: bool) -> Option<Self> {
        let [sshd, keygen] = find_all("Git over ssh", ["sshd", "ssh-keygen"])?;
        let folder = tempfile::tempdir().expect("a folder");
        let mut server =
            Self { sshd, keygen, repository: repository.bare(), folder, port: Port::free(), running: None };
        for key in HostKey::ALL {
            server.makes_host_key(key);
        }
        server.authorizes(&[]);
        std::fs::write(server.file("sshd.conf"), server.configuration(protocol)).expect("written");
        server.start().await;
        Some(server)
    }

    pub(crate) async fn start(&mut self) {
        if rustix::process::geteuid().is_root() {
            // Made by the machine's own service, which does not run here.
            std::fs::create_dir_all("/run/sshd").expect("created");
        }
        let log = self.file("said");
        let mut sshd = Command::new(&self.sshd);
        let process = Process::start(sshd.args(["-D", "-e", "-f"]).arg(self.file("sshd.conf")), &log);
        self.running = Some(process.listening(self.port.number(), &log).await);
    }

    /// Ends it; who connects is refused from now on.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    pub(crate) fn url(&self) -> String {
        let user = output(Command::new("id").arg("-un"));
        format!("ssh://{user}@127.0.0.1:{}{}", self.port.number(), self.repository.display())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// The line of `known_hosts` by which it is known for this key.
    pub(crate) fn known(&self, key: HostKey) -> String {
        let text = std::fs::read_to_string(self.file(&format!("host-{}.pub", key.kind()))).expect("a key");
        let key: Vec<&str> = text.split_whitespace().take(2).collect();
        format!("[127.0.0.1]:{} {}\n", self.port.number(), key.join(" "))
    }

    /// Makes a new host key of this kind, which it has from its next start on.
    pub(crate) fn makes_host_key(&self, key: HostKey) {
        let path = self.file(&format!("host-{}", key.kind()));
        drop(std::fs::remove_file(&path));
        self.make(key.kind(), "", &path);
    }

    /// A key pair for a client, at `name`; the private part has a passphrase where `passphrase` says something.
    pub(crate) fn client_key(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let path = self.file(name);
        drop(std::fs::remove_file(&path));
        self.make(kind, passphrase, &path);
        path
    }

    /// What `gitfaas serve` is told so that it can read from here, but the URL: with a key of this kind, which is let in,
    /// and with every host key known.
    pub(crate) fn arguments(&self, kind: &str, passphrase: &str) -> Vec<String> {
        let key = self.client_key("id", kind, passphrase);
        self.authorizes(&[&key]);
        self.is_known_by(&HostKey::ALL.map(|key| self.known(key)).concat());
        let [key, known] = [key, self.file("known_hosts")].map(|path| path.display().to_string());
        let mut arguments = ["--git-ssh-key", &key, "--git-known-hosts", &known].map(str::to_owned).to_vec();
        if !passphrase.is_empty() {
            let file = self.file("passphrase");
            std::fs::write(&file, format!("{passphrase}\n")).expect("written");
            arguments.extend(["--git-ssh-passphrase-file".to_owned(), file.display().to_string()]);
        }
        arguments
    }

    /// Writes the `known_hosts` that gitfaas has.
    pub(crate) fn is_known_by(&self, lines: &str) {
        std::fs::write(self.file("known_hosts"), lines).expect("written");
    }

    /// The same lines with the names of hosts hashed, as `ssh-keygen -H` does.
    pub(crate) fn hashed(&self, lines: &str) -> String {
        let path = self.file("to-hash");
        std::fs::write(&path, lines).expect("written");
        output(Command::new(&self.keygen).arg("-H").arg("-f").arg(&path));
        std::fs::read_to_string(path).expect("hashed")
    }

    /// A private key without its passphrase.
    pub(crate) fn opened(&self, key: &Path, passphrase: &str) -> String {
        let path = self.file("opened");
        drop(std::fs::remove_file(&path));
        // Copied by its name, so that it is as little readable as it was.
        std::fs::copy(key, &path).expect("copied");
        output(Command::new(&self.keygen).args(["-q", "-p", "-P", passphrase, "-N", "", "-f"]).arg(&path));
        std::fs::read_to_string(path).expect("read")
    }

    /// The fingerprint of a host key, as people know it.
    pub(crate) fn fingerprint(&self, key: HostKey) -> String {
        let public = self.file(&format!("host-{}.pub", key.kind()));
        let said = output(Command::new(&self.keygen).arg("-l").arg("-f").arg(public));
        said.split(' ').nth(1).expect("a fingerprint").to_owned()
    }

    /// Lets exactly those in who have one of these keys.
    pub(crate) fn authorizes(&self, keys: &[&Path]) {
        let lines = keys.iter().map(|key| std::fs::read_to_string(key.with_extension("pub")).expect("a key"));
        std::fs::write(self.file("authorized"), lines.collect::<String>()).expect("written");
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.file("said")).unwrap_or_default()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make(&self, kind: &str, passphrase: &str, path: &Path) {
        let mut keygen = Command::new(&self.keygen);
        output(keygen.args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(path));
    }

    fn configuration(&self, protocol: bool) -> String {
        let folder = self.folder.path().display();
        let host_keys: String = HostKey::ALL.map(|key| format!("HostKey {folder}/host-{}\n", key.kind())).concat();
        let accepted = if protocol { "AcceptEnv GIT_PROTOCOL\n" } else { "" };
        let shell = Path::new(&output(isolated(self.folder.path()).arg("--exec-path"))).join("git-shell");
        format!(
            r#"ListenAddress 127.0.0.1:{port}
{host_keys}{accepted}PidFile none
LogLevel VERBOSE
AuthorizedKeysFile {folder}/authorized
AuthenticationMethods publickey
PermitRootLogin yes
StrictModes no
UsePAM {pam}
PrintMotd no
ForceCommand {shell} -c "$SSH_ORIGINAL_COMMAND"
"#,
            port = self.port.number(),
            // Who is not root cannot see that an account is not locked.
            pam = if rustix::process::geteuid().is_root() { "no" } else { "yes" },
            shell = shell.display(),
        )
    }
}
