//! Which host keys servers have: OpenSSH's `known_hosts`, read as OpenSSH reads it.
//!
//! A line that cannot be read does not take the others with it. What follows from what is known is decided by
//! [`host_key`](super::host_key).

mod hosts;

use std::path::Path;

use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;

use self::hosts::Hosts;
pub(super) use self::hosts::glob;
use crate::secret::read_at_most;
use crate::source::SourceError;

/// The largest file.
const MOST: u64 = 4 * 1024 * 1024;

/// The longest line: a certificate of RSA with 16,384 bits takes 6 kB. It also bounds how deep one key can be in another.
const LONGEST: usize = 16 * 1024;

/// The usual port, which is not named in the file.
const PORT: u16 = 22;

/// A host as the file names it: in lower case, and with its port where that is not the usual one.
pub(super) fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == PORT { host } else { format!("[{host}]:{port}") }
}

/// A file of known hosts.
#[derive(Debug)]
pub(super) struct KnownHosts {
    /// Where it is, for people.
    pub(super) file: String,
    lines: Vec<Line>,
    broken: Vec<Broken>,
}

#[derive(Debug)]
struct Line {
    mark: Mark,
    hosts: Hosts,
    known: KnownKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Key,
    Authority,
    Revoked,
}

/// A key of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownKey {
    /// The number of its line, from 1.
    pub(super) line: usize,
    pub(super) key: KeyData,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken {
    line: usize,
    why: &'static str,
}

/// What is known of one host.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Keys that it has.
    pub(super) keys: Vec<KnownKey>,
    /// Keys that the same host has at its usual port; empty where that is the one meant.
    pub(super) elsewhere: Vec<KnownKey>,
    /// Who may sign certificates for it.
    pub(super) authorities: Vec<KnownKey>,
    /// Keys that nobody may be known by.
    pub(super) revoked: Vec<KnownKey>,
}

impl KnownHosts {
    /// Reads the file; lines that cannot be read are warned of.
    ///
    /// # Errors
    /// When the file cannot be read, or is too large.
    pub(super) fn read(path: &Path) -> Result<Self, SourceError> {
        let content = read_at_most(path, "the list of known hosts", MOST)?;
        let known = Self::parse(&content, path.display().to_string());
        for Broken { line, why } in &known.broken {
            tracing::warn!(file = %known.file, line, "a line of the known_hosts file is left out: {why}");
        }
        Ok(known)
    }

    /// Reads what is in a file; `file` is its name, for people.
    pub(super) fn parse(content: &[u8], file: String) -> Self {
        let mut known = Self { file, lines: Vec::new(), broken: Vec::new() };
        let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
        for (line, text) in (1..).zip(content.split(|&byte| byte == b'\n')) {
            match Line::parse(line, text) {
                Ok(Some(read)) => known.lines.push(read),
                Ok(None) => {}
                Err(why) => known.broken.push(Broken { line, why }),
            }
        }
        known
    }

    /// What it knows of a host.
    pub(super) fn of(&self, host: &str, port: u16) -> Known {
        let (here, usual) = (name(host, port), name(host, PORT));
        let mut known = Known::default();
        for Line { mark, hosts, known: key } in &self.lines {
            let is_here = hosts.match_name(&here);
            let is_usual = port != PORT && hosts.match_name(&usual);
            match mark {
                Mark::Key if is_here => known.keys.push(key.clone()),
                Mark::Key if is_usual => known.elsewhere.push(key.clone()),
                Mark::Authority if is_here => known.authorities.push(key.clone()),
                Mark::Revoked if is_here || is_usual => known.revoked.push(key.clone()),
                Mark::Key | Mark::Authority | Mark::Revoked => {}
            }
        }
        known
    }
}

impl Line {
    /// Nothing for a blank line or a comment.
    fn parse(line: usize, text: &[u8]) -> Result<Option<Self>, &'static str> {
        if text.len() > LONGEST {
            return Err("it is longer than 16 KiB");
        }
        let text = std::str::from_utf8(text).map_err(|_| "it is no text in UTF-8")?.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let mut words = text.split_ascii_whitespace();
        let mut hosts = words.next().unwrap_or_default();
        let mut mark = Mark::Key;
        if hosts.starts_with('@') {
            mark = match hosts {
                "@cert-authority" => Mark::Authority,
                "@revoked" => Mark::Revoked,
                _ => return Err("it begins with a mark other than @cert-authority and @revoked"),
            };
            hosts = words.next().unwrap_or_default();
        }
        let (Some(kind), Some(key)) = (words.next(), words.next()) else {
            return Err("it has not the three parts: hosts, the kind of key and the key");
        };
        let hosts = Hosts::parse(hosts)?;
        let key = PublicKey::from_openssh(&format!("{kind} {key}"))
            .map_err(|_| "its key cannot be read, or is not of the kind that it says")?;
        Ok(Some(Self { mark, hosts, known: KnownKey { line, key: key.key_data().clone() } }))
    }
}

#[cfg(test)]
mod tests;
