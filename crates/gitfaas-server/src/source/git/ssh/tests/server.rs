//! OpenSSH's server, as the user who runs the tests.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};

use super::super::{Session, SshAddress, SshSettings, open};
use crate::source::SourceError;

/// Far more than anything here takes; only a test that fails waits so long.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A server, its host keys and the key of one user; ended and removed when dropped.
pub(super) struct Server {
    folder: tempfile::TempDir,
    port: u16,
    user: String,
    sshd: Option<Child>,
    // Keeps the port ours while nothing listens on it.
    _port: Socket,
}

impl Server {
    /// A server with host keys of these kinds; nothing where this machine has no sshd.
    pub(super) fn start(kinds: &[&str]) -> Option<Self> {
        Self::with(kinds, "")
    }

    /// A server with these lines in its configuration too.
    pub(super) fn with(kinds: &[&str], lines: &str) -> Option<Self> {
        let mut server = Self::prepare(kinds)?;
        server.run(kinds, lines);
        Some(server)
    }

    /// A server that does not run yet.
    pub(super) fn prepare(kinds: &[&str]) -> Option<Self> {
        program("sshd").or_else(|| left_out("sshd"))?;
        let (port, socket) = port();
        let folder = tempfile::tempdir().unwrap();
        let server = Self { folder, port, user: printed(Command::new("id").arg("-un")), sshd: None, _port: socket };
        for kind in kinds {
            keygen(&server.file(&format!("host-{kind}")), kind, &[]);
        }
        keygen(&server.file("id"), "ed25519", &[]);
        server.authorize(&["id"]);
        server.write("known_hosts", &server.line(kinds[0]));
        Some(server)
    }

    /// Starts it; `{folder}` in the lines is where its files are.
    pub(super) fn run(&mut self, kinds: &[&str], lines: &str) {
        let lines = lines.replace("{folder}", &self.folder.path().display().to_string());
        self.write("sshd.conf", &self.configuration(kinds, &lines));
        if rustix::process::geteuid().is_root() {
            // Made by the machine's own service, which does not run here.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let log = fs::File::create(self.file("log")).unwrap();
        // It wants to be called by its whole path.
        let mut command = Command::new(program("sshd").unwrap());
        command.args(["-D", "-e", "-f"]).arg(self.file("sshd.conf")).stdin(Stdio::null()).stderr(log);
        let mut sshd = command.spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(sshd.try_wait().unwrap().is_none() && Instant::now() < until, "sshd: {}", self.log());
            std::thread::yield_now();
        }
        self.sshd = Some(sshd);
    }

    fn configuration(&self, kinds: &[&str], lines: &str) -> String {
        let folder = self.folder.path().display();
        let keys: String =
            kinds.iter().map(|kind| format!("HostKey {folder}/host-{kind}\n")).collect::<Vec<_>>().concat();
        // The first value that sshd finds counts.
        format!(
            "{lines}\n{keys}ListenAddress 127.0.0.1:{}\nAuthorizedKeysFile {folder}/authorized\nPidFile none\n\
             AuthenticationMethods publickey\nPermitRootLogin yes\nStrictModes no\nUsePAM no\nPrintMotd no\n\
             AcceptEnv GIT_PROTOCOL\nLogLevel VERBOSE\nMaxStartups 100\n",
            self.port
        )
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The public part of the key in the file `name`: kind and key.
    pub(super) fn public(&self, name: &str) -> String {
        let text = fs::read_to_string(self.file(&format!("{name}.pub"))).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// How `ssh-keygen` prints the key in the file `name`.
    pub(super) fn fingerprint(&self, name: &str) -> String {
        let printed = printed(Command::new("ssh-keygen").arg("-lf").arg(self.file(name)));
        printed.split(' ').nth(1).unwrap().to_owned()
    }

    /// The host as `known_hosts` names it.
    pub(super) fn place(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// A line of `known_hosts` with the host key of this kind.
    pub(super) fn line(&self, kind: &str) -> String {
        format!("{} {}\n", self.place(), self.public(&format!("host-{kind}")))
    }

    /// Lets in who has one of these keys.
    pub(super) fn authorize(&self, names: &[&str]) {
        let keys: Vec<String> = names.iter().map(|name| self.public(name)).collect();
        self.write("authorized", &(keys.join("\n") + "\n"));
    }

    /// With the user's key, and the first of the host keys known.
    pub(super) fn settings(&self) -> SshSettings {
        SshSettings {
            key: Some(self.file("id")),
            passphrase: None,
            known_hosts: Some(self.file("known_hosts")),
            strict: true,
            connect: PATIENCE,
            stall: PATIENCE,
        }
    }

    pub(super) fn address(&self) -> SshAddress<'_> {
        SshAddress { user: &self.user, host: "127.0.0.1", port: self.port }
    }

    pub(super) async fn open(&self, settings: &SshSettings, command: &str) -> Result<Session, SourceError> {
        open(settings, self.address(), command, &[("GIT_PROTOCOL", "version=2")]).await
    }

    /// The processes that serve connections: all that descend from the server.
    pub(super) fn serving(&self) -> Vec<Pid> {
        let Some(sshd) = &self.sshd else { return Vec::new() };
        let mut found = vec![Pid::from_child(sshd)];
        let mut next = 0;
        while let Some(pid) = found.get(next) {
            let pid = pid.as_raw_nonzero();
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
            next += 1;
        }
        found.split_off(1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let serving = self.serving();
        if let Some(mut sshd) = self.sshd.take() {
            for pid in serving {
                let _ = kill_process(pid, Signal::KILL);
            }
            drop(sshd.kill());
            drop(sshd.wait());
        }
    }
}

/// Makes a key in the file `path`.
pub(in super::super) fn keygen(path: &Path, kind: &str, more: &[&str]) {
    // ecdsa-384 is of 384 bits.
    let (kind, bits) = kind.split_once('-').map_or((kind, None), |(kind, bits)| (kind, Some(bits)));
    let bits = bits.or((kind == "rsa").then_some("2048"));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-C", "test", "-a", "1"]).args(more).arg("-f").arg(path);
    if !more.contains(&"-N") {
        command.args(["-N", ""]);
    }
    if let Some(bits) = bits {
        command.args(["-b", bits]);
    }
    printed(&mut command);
}

/// Runs a command that has to succeed, and gives what it printed.
pub(in super::super) fn printed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.trim_end().to_owned()
}

/// Whether keys can be made here. Says so when they cannot.
pub(in super::super) fn can_make_keys() -> bool {
    program("ssh-keygen").or_else(|| left_out("ssh-keygen")).is_some()
}

fn left_out(program: &str) -> Option<PathBuf> {
    println!("LEFT OUT: {program} is not installed");
    assert!(std::env::var_os("GITFAAS_TEST_ALL").is_none(), "GITFAAS_TEST_ALL is set, and a test was left out");
    None
}

/// A program on the path, or where Debian puts those that serve.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A port of the loopback address that nobody else is given as long as the socket is there.
pub(super) fn port() -> (u16, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap().port(), socket)
}
