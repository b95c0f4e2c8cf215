//! A real Redis server in a folder of its own, which can be killed, stopped and started again on the same folder.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::address;
use crate::authority::Authority;
use crate::program::{self, Process};

/// When what was written is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fsync {
    /// Before it is answered.
    #[default]
    Always,
    /// Within a second, or two.
    EverySecond,
    /// When the kernel wishes.
    No,
}

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// When what was written is on the disk.
    pub fsync: Fsync,
    /// The password of its user `default`.
    pub password: Option<String>,
    /// Who signs its certificate; it speaks nothing but TLS then.
    pub authority: Option<Arc<Authority>>,
    /// So many bytes it may have; it refuses what would be more.
    pub max_memory: Option<u64>,
    /// Whose replica it is at first.
    pub replica_of: Option<SocketAddr>,
    /// More lines of its file of settings.
    pub more: Vec<String>,
}

/// A server that runs, or has been killed. It is gone with its folder when it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    options: Options,
    process: Mutex<Option<Process>>,
    folder: TempDir,
}

impl Options {
    fn file(&self, address: SocketAddr) -> String {
        let (ip, port) = (address.ip(), address.port());
        let mut text = format!("bind {ip}\nprotected-mode no\nsave \"\"\nappendonly yes\nreplica-announce-ip {ip}\n");
        let fsync = match self.fsync {
            Fsync::Always => "always",
            Fsync::EverySecond => "everysec",
            Fsync::No => "no",
        };
        let mut line = |words: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{words}");
        };
        line(format_args!("appendfsync {fsync}"));
        line(format_args!("repl-diskless-sync-delay 0"));
        line(format_args!("enable-debug-command local"));
        match &self.authority {
            None => line(format_args!("port {port}")),
            Some(authority) => {
                let identity = authority.signs(&format!("redis-{ip}"), &format!("IP:{ip}"));
                line(format_args!("port 0\ntls-port {port}\ntls-auth-clients no\ntls-replication yes"));
                line(format_args!("tls-cert-file {}", identity.certificate.display()));
                line(format_args!("tls-key-file {}", identity.key.display()));
                line(format_args!("tls-ca-cert-file {}", authority.certificate().display()));
            }
        }
        if let Some(password) = &self.password {
            line(format_args!("requirepass {password}\nmasterauth {password}"));
        }
        if let Some(bytes) = self.max_memory {
            line(format_args!("maxmemory {bytes}\nmaxmemory-policy noeviction"));
        }
        if let Some(primary) = self.replica_of {
            line(format_args!("replicaof {} {}", primary.ip(), primary.port()));
        }
        for more in &self.more {
            line(format_args!("{more}"));
        }
        text
    }
}

impl RedisServer {
    /// Whether a server can be started here; where not, it is said that `what` is left out.
    pub fn is_there(what: &str) -> bool {
        program::are_there(what, &["redis-server", "redis-cli"])
    }

    /// Starts one, and returns when it answers.
    pub fn start(options: Options) -> Self {
        let address = address::own(6379);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("redis.conf"), options.file(address)).expect("written");
        let process = Mutex::new(Some(run(folder.path())));
        Self { address, options, process, folder }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without the password.
    pub fn url(&self) -> String {
        let scheme = if self.options.authority.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.address)
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it, with everything that is in its memory only.
    pub fn kill(&self) {
        drop(self.process.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Stops it where it is: it keeps its connections, and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it if it runs, and starts it on the same folder and address; returns when it answers.
    pub fn restart(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        drop(process.take());
        *process = Some(run(self.folder.path()));
    }

    /// Waits until it has logged a line with each of these in it, since it was started last.
    pub fn says(&self, parts: &[&str]) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().expect("it runs").says(parts);
    }

    /// Gives it a command with the program for it, and gives what that prints.
    pub fn ask(&self, command: &[&str]) -> String {
        let mut cli = Command::new(program::find("redis-cli").expect("redis-cli is installed"));
        cli.args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()]);
        if let Some(authority) = &self.options.authority {
            cli.arg("--tls").arg("--cacert").arg(authority.certificate());
        }
        if let Some(password) = &self.options.password {
            cli.env("REDISCLI_AUTH", password);
        }
        program::output(cli.args(command))
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().expect("it runs").signal(signal);
    }
}

fn run(folder: &Path) -> Process {
    let program = program::find("redis-server").expect("redis-server is installed");
    let process = Process::start(&program, folder, &["redis.conf"]);
    process.says(&["Ready to accept connections"]);
    process
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_after_a_kill() {
        if !RedisServer::is_there("a Redis that is killed") {
            return;
        }
        let server = RedisServer::start(Options { password: Some("hunter2".to_owned()), ..Options::default() });
        assert_eq!(server.ask(&["SET", "one", "1"]), "OK");
        server.pause();
        server.go_on();
        server.restart();
        assert_eq!(server.ask(&["GET", "one"]), "1");
    }

    #[test]
    fn a_server_with_tls_is_known_by_its_authority() {
        if !RedisServer::is_there("Redis with TLS") || !program::are_there("Redis with TLS", &["openssl"]) {
            return;
        }
        let authority = Arc::new(Authority::new("tests"));
        let server = RedisServer::start(Options { authority: Some(authority), ..Options::default() });
        assert!(server.url().starts_with("rediss://"));
        assert_eq!(server.ask(&["PING"]), "PONG");
    }
}
