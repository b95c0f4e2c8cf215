//! Git over ssh, without an ssh program: one connection for one command on the server, as a stream of bytes.
//!
//! Who the server is has to be known before anything is asked of it ([`host_key`], [`known_hosts`]), and who asks is
//! proven with a private key ([`key`]) and nothing else: no password, no agent, no configuration of this machine's user.
//! What the command is, and what its bytes mean, is decided elsewhere.

mod connection;
mod guard;
mod host_key;
mod key;
mod known_hosts;
mod session;
mod socket;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use russh::keys::PrivateKey;
use tokio::time::Instant;

pub(super) use self::session::{Remote, Session};

use self::connection::Connection;
use self::host_key::Judge;
use self::known_hosts::KnownHosts;
use super::super::{Fault, SourceError};
use crate::clock::{Clock as _, SystemClock};

/// What is needed to reach a server by ssh. The files are read at each connection, so that they can be replaced.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// The private key: OpenSSH's format or PEM.
    pub key: Option<PathBuf>,
    /// The passphrase of the private key, for one that has one.
    pub passphrase: Option<PathBuf>,
    /// Which host keys servers have, as OpenSSH's `known_hosts` says it.
    pub known_hosts: Option<PathBuf>,
    /// Whether a server must be known. Otherwise every host key is accepted that is not revoked.
    pub strict: bool,
    /// How long it may take until the command runs: the name, TCP, key exchange, authentication and the start.
    pub connect: Duration,
    /// After how long without anything from a command, or without it taking anything, it is given up.
    pub stall: Duration,
}

/// Where an ssh server is, and as whom it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct SshAddress<'a> {
    pub(super) user: &'a str,
    /// A name or an address; an IPv6 address without brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
}

impl SshAddress<'_> {
    /// The host as `known_hosts` names it: `host`, or `[host]:port` where the port is not the usual one.
    fn place(&self) -> String {
        known_hosts::name(self.host, self.port)
    }
}

/// Connects, proves both sides to one another, and starts `command` there with these environment variables, which a
/// server may ignore.
///
/// # Errors
/// Each thing that can be wrong with the files, the way, the server, its key and ours, under its own fault.
pub(super) async fn open(
    settings: &SshSettings,
    address: SshAddress<'_>,
    command: &str,
    environment: &[(&str, &str)],
) -> Result<Session, SourceError> {
    let Some(key_file) = &settings.key else {
        return Err(SourceError::new(
            Fault::Credentials,
            "a repository that is reached by ssh needs a private key: give its file as --git-ssh-key",
        ));
    };
    let (key, known) = read(settings.clone(), key_file.clone()).await?;
    let judge = Judge::new(address, known.as_ref(), settings.strict, SystemClock.now());
    let deadline = Instant::now() + settings.connect;
    let mut connection = Connection::to(address, judge, settings, deadline).await?;
    connection.authenticate(address, key, key_file).await?;
    connection.start(command, environment).await
}

/// Reads the files, which takes tenths of a second of computing where the key has a passphrase.
async fn read(settings: SshSettings, key: PathBuf) -> Result<(PrivateKey, Option<KnownHosts>), SourceError> {
    let reading = tokio::task::spawn_blocking(move || {
        let known = settings.known_hosts.as_deref().map(KnownHosts::read).transpose()?;
        Ok((key::read(&key, settings.passphrase.as_deref())?, known))
    });
    reading.await.unwrap_or_else(|_| Err(SourceError::new(Fault::Credentials, "the private key is damaged")))
}

/// The command that sends the repository at `path`, which does not begin with `-`; quoted as Git itself does.
pub(super) fn upload_pack(path: &str) -> String {
    let quoted: String = path
        .chars()
        .map(|character| match character {
            // Neither can be said within quotes to every shell.
            '\'' | '!' => format!("'\\{character}'"),
            _ => character.to_string(),
        })
        .collect();
    format!("git-upload-pack '{quoted}'")
}

/// What a server said, at most `most` characters of it, in one line that no terminal obeys.
fn shown(text: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = lines.join("; ");
    let cut = if text.chars().count() > most { "…" } else { "" };
    text.chars().take(most).map(harmless).collect::<String>() + cut
}

fn harmless(character: char) -> String {
    match character {
        '\'' | '"' | '\\' => character.to_string(),
        _ => character.escape_debug().collect(),
    }
}
