//! Whether a commit is signed by somebody who may: signatures of SSH and OpenPGP keys, as `git commit -S` makes them.
//!
//! It decides on the bytes of one commit and on the files that name the signers, and asks nobody else: no key server, no
//! agent, no `git` and no `gpg`. Commits before that one are not looked at; who signs a commit stands for its whole tree.

mod armor;
mod object;
mod openpgp;
mod refusal;
mod ssh;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use self::object::{Format, Signed};
use self::refusal::Refusal;
use crate::secret::read_at_most;
use crate::source::{Fault, SourceError};

/// How large a file of signers may be.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// How many bits RSA keys have at least.
const MIN_RSA_BITS: usize = 2048;

/// How far in the future a signature may have been made: clocks differ, and none of them by a day.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// Whom commits may be signed by.
pub(super) struct Signers {
    ssh: Vec<ssh::Signer>,
    openpgp: Vec<openpgp::Certificate>,
    /// The files that were read, for people.
    files: String,
}

impl Signers {
    /// Reads the files that name them, each of which is one of these: an `allowed_signers` file of OpenSSH, OpenSSH
    /// public keys one a line, or public keys of OpenPGP, armoured (any number of blocks) or binary.
    ///
    /// # Errors
    /// With [`Fault::Credentials`], when a file cannot be read or used, or names nobody: which file, which line, and what
    /// to do.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, SourceError> {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let mut signers = Self { ssh: Vec::new(), openpgp: Vec::new(), files: names.join(", ") };
        for file in files {
            let content = read_at_most(file, "the list of signers", MAX_FILE)?;
            signers.add(&content).map_err(|why| {
                SourceError::new(Fault::Credentials, format!("cannot use the signers of {}: {why}", file.display()))
            })?;
        }
        Ok(signers)
    }

    fn add(&mut self, content: &[u8]) -> Result<(), String> {
        if openpgp::is_keyring(content) {
            self.openpgp.extend(openpgp::read(content)?);
            return Ok(());
        }
        let text = std::str::from_utf8(content).map_err(|_| {
            "it is neither text nor a keyring; export public keys by `gpg --export` or list SSH keys one a line"
                .to_owned()
        })?;
        self.ssh.extend(ssh::read(text)?);
        Ok(())
    }

    /// Verifies a commit as `git verify-commit` does, given its bytes without the `commit <size>\0` before them. Returns
    /// who signed it: the fingerprint of the SSH key (`SHA256:…`), or that of the OpenPGP primary key (40 or 64 hex
    /// digits, also where a subkey signed).
    ///
    /// Keys have to be valid at the time of the signature: for OpenPGP that which it carries, for SSH, whose signatures
    /// carry none, the committer's. Signatures from the future are refused.
    ///
    /// # Errors
    /// With [`Fault::Unverified`]: why the commit is not one that is asked for.
    pub(super) fn verify(&self, commit: &[u8], now: Timestamp) -> Result<String, SourceError> {
        self.check(commit, now).map_err(|refusal| SourceError::new(Fault::Unverified, self.describe(&refusal)))
    }

    fn check(&self, commit: &[u8], now: Timestamp) -> Result<String, Refusal> {
        let signed = Signed::parse(commit)?;
        let latest = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        match signed.format()? {
            Format::Ssh => ssh::verify(&self.ssh, &signed, latest),
            Format::OpenPgp => openpgp::verify(&self.openpgp, &signed, now, latest),
        }
    }

    fn describe(&self, refusal: &Refusal) -> String {
        match refusal {
            Refusal::NotSigned | Refusal::Unknown { .. } => {
                format!("the commit {refusal}; it has to be signed by a key of {}", self.files)
            }
            _ => format!("the commit {refusal}"),
        }
    }
}
