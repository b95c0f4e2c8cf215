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
use crate::power;
use crate::program::{self, Process};

/// How the name of the file ends that a Redis writes to.
const LOG: &str = ".incr.aof";
/// Where it is recorded what a Redis writes that can lose its power.
const RECORD: &str = "written";

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
    /// Whether it can [lose its power](RedisServer::lose_power), for which it is watched by `strace`.
    pub loses_power: bool,
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
        if self.loses_power {
            // One file has all that is written from the beginning.
            line(format_args!("auto-aof-rewrite-percentage 0"));
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
        let process = Mutex::new(Some(run(folder.path(), &options)));
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

    /// Takes its power away: it is killed, and what it had not synced is gone from its files. Gives how many bytes that
    /// were.
    pub fn lose_power(&self) -> u64 {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let killed = process.take().expect("it runs");
        let number = killed.id();
        drop(killed);
        let lost = program::until("what was written is recorded", || {
            power::unsynced(&self.folder.path().join(RECORD), number, LOG)
        });
        let files = std::fs::read_dir(self.folder.path().join("appendonlydir")).expect("a folder");
        let mut logs = files.map(|file| file.expect("a file").path());
        let log = logs.find(|path| path.to_string_lossy().ends_with(LOG)).expect("a log");
        let log = std::fs::File::options().write(true).open(log).expect("a log");
        let length = log.metadata().expect("a length").len();
        log.set_len(length.checked_sub(lost).expect("it was written to it")).expect("cut");
        lost
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
        *process = Some(run(self.folder.path(), &self.options));
    }

    /// Waits until it has logged a line with each of these in it, since it was started last.
    pub fn says(&self, parts: &[&str]) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().expect("it runs").says(parts);
    }

    /// Gives it a command with the program for it, and gives what that prints.
    pub fn ask(&self, command: &[&str]) -> String {
        program::output(self.cli().args(command))
    }

    /// The same, for somebody who asks until the answer is what they wait for: one that begins to follow another cuts every
    /// connection, and then there is none.
    pub fn ask_again(&self, command: &[&str]) -> Option<String> {
        program::answer(self.cli().args(command))
    }

    fn cli(&self) -> Command {
        let mut cli = ask(self.address, self.options.password.as_deref());
        if let Some(authority) = &self.options.authority {
            cli.arg("--tls").arg("--cacert").arg(authority.certificate());
        }
        cli
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().expect("it runs").signal(signal);
    }
}

/// The program that gives a Redis, or a Sentinel, commands.
pub(crate) fn ask(address: SocketAddr, password: Option<&str>) -> Command {
    let mut cli = Command::new(program::find("redis-cli").expect("redis-cli is installed"));
    cli.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    if let Some(password) = password {
        cli.env("REDISCLI_AUTH", password);
    }
    cli
}

fn run(folder: &Path, options: &Options) -> Process {
    let program = program::find("redis-server").expect("redis-server is installed");
    let process = if options.loses_power {
        let strace = program::find("strace").expect("strace is installed");
        Process::start(&strace, folder, &power::recorded(RECORD, &program.to_string_lossy(), &["redis.conf"]))
    } else {
        Process::start(&program, folder, &["redis.conf"])
    };
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
    fn what_was_not_synced_is_gone_without_power() {
        if !RedisServer::is_there("power that is lost") || !program::are_there("power that is lost", &["strace"]) {
            return;
        }
        let server = RedisServer::start(Options { fsync: Fsync::No, loses_power: true, ..Options::default() });
        assert_eq!(server.ask(&["SET", "one", "1"]), "OK");
        server.ask(&["CONFIG", "SET", "appendfsync", "always"]);
        assert_eq!(server.ask(&["SET", "two", "2"]), "OK");
        server.ask(&["CONFIG", "SET", "appendfsync", "no"]);
        assert_eq!(server.ask(&["SET", "three", "3"]), "OK");
        assert!(server.lose_power() > 0);
        server.restart();
        assert_eq!(server.ask(&["MGET", "one", "two", "three"]), "1\n2");
        assert_eq!(server.lose_power(), 0);
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
