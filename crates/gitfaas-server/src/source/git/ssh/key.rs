//! The private key that proves who asks.
//!
//! OpenSSH's format and PEM (PKCS#1, PKCS#8, SEC1), with a passphrase or without. What is wrong with a file is told
//! without a word of what is in it.

mod short;

use std::path::Path;

use russh::keys::ssh_key::Algorithm;
use russh::keys::{PrivateKey, decode_secret_key};

use crate::secret::{Secret, UnusableFile, read_file};
use crate::source::SourceError;

/// Reads the private key in the file `path`, with the passphrase in the file `passphrase`.
///
/// # Errors
/// Under [`Fault::Credentials`], what is wrong with which file.
pub(super) fn read(path: &Path, passphrase: Option<&Path>) -> Result<PrivateKey, SourceError> {
    let content = read_file(path, "the private key")?;
    let phrase = passphrase.map(|file| Secret::read(file, "the passphrase")).transpose()?;
    decode(&content, phrase.as_ref().map(Secret::reveal)).map_err(|why| why.of(path, passphrase))
}

/// Why a file is no private key that can be used.
#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    Empty,
    PublicKey,
    SomethingElse,
    NeedsPassphrase,
    WrongPassphrase,
    OldEncryption,
    Kind(String),
    Damaged,
}

impl Unusable {
    fn of(self, path: &Path, passphrase: Option<&Path>) -> SourceError {
        let shown = path.display();
        let why = match self {
            Self::Empty => "is empty".to_owned(),
            Self::PublicKey => {
                "is a public one: give the private one, which is mostly beside it in a file without `.pub`".to_owned()
            }
            Self::SomethingElse => {
                "is none: one begins with `-----BEGIN OPENSSH PRIVATE KEY-----`, or with other words before PRIVATE KEY"
                    .to_owned()
            }
            Self::NeedsPassphrase => "has a passphrase: give a file with it as --git-ssh-passphrase-file".to_owned(),
            Self::WrongPassphrase => {
                let phrase = passphrase.unwrap_or(Path::new("-")).display();
                format!("has another passphrase than the one in {phrase}")
            }
            Self::OldEncryption => format!(
                "is encrypted in an old way that is not understood: write it anew with `ssh-keygen -p -f {shown}`"
            ),
            Self::Kind(kind) => {
                format!("is of the kind {kind}, which is not used here: make one with `ssh-keygen -t ed25519`")
            }
            Self::Damaged => {
                "is damaged, or of a kind that is not used here: make one with `ssh-keygen -t ed25519`".to_owned()
            }
        };
        UnusableFile::new(path, "the private key", &why).into()
    }
}

fn decode(content: &[u8], passphrase: Option<&str>) -> Result<PrivateKey, Unusable> {
    let text = std::str::from_utf8(content).map_err(|_| Unusable::SomethingElse)?;
    // What editors and settings do to a file: a mark at its start, carriage returns, indentation.
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().map(str::trim).collect();
    let form = Form::of(&lines)?;
    let passphrase = match form {
        Form::Open => None,
        Form::Encrypted => Some(passphrase.ok_or(Unusable::NeedsPassphrase)?),
        // Only what is inside says whether it is encrypted; an open one does not mind a passphrase.
        Form::OpenSsh => passphrase,
    };
    let why = |error| match error {
        russh::keys::Error::KeyIsEncrypted => Unusable::NeedsPassphrase,
        _ if form == Form::Encrypted => Unusable::WrongPassphrase,
        russh::keys::Error::SshKey(russh::keys::ssh_key::Error::Crypto) if passphrase.is_some() => {
            Unusable::WrongPassphrase
        }
        _ => Unusable::Damaged,
    };
    let key = match decode_secret_key(&lines.join("\n"), passphrase) {
        Ok(key) => key,
        Err(error) => {
            let short = if form == Form::OpenSsh { short::read(&lines, passphrase) } else { None };
            short.ok_or_else(|| why(error))?
        }
    };
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. } => Ok(key),
        other => Err(Unusable::Kind(other.to_string())),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OpenSsh,
    /// PEM that needs no passphrase.
    Open,
    /// PEM that needs one.
    Encrypted,
}

impl Form {
    fn of(lines: &[&str]) -> Result<Self, Unusable> {
        let first = lines.iter().find(|line| !line.is_empty()).ok_or(Unusable::Empty)?;
        let public = [
            "ssh-",
            "ecdsa-",
            "sk-",
            "---- BEGIN SSH2 PUBLIC KEY",
            "-----BEGIN PUBLIC KEY",
            "-----BEGIN RSA PUBLIC KEY",
        ];
        if public.iter().any(|start| first.starts_with(start)) {
            return Err(Unusable::PublicKey);
        }
        let begin = lines.iter().find_map(|line| line.strip_prefix("-----BEGIN ")).ok_or(Unusable::SomethingElse)?;
        let cipher = lines.iter().find_map(|line| line.strip_prefix("DEK-Info:"));
        match begin {
            "OPENSSH PRIVATE KEY-----" => Ok(Self::OpenSsh),
            "ENCRYPTED PRIVATE KEY-----" => Ok(Self::Encrypted),
            "RSA PRIVATE KEY-----" if cipher.is_some_and(|cipher| cipher.trim().starts_with("AES-128-CBC,")) => {
                Ok(Self::Encrypted)
            }
            _ if cipher.is_some() => Err(Unusable::OldEncryption),
            "RSA PRIVATE KEY-----" | "EC PRIVATE KEY-----" | "PRIVATE KEY-----" => Ok(Self::Open),
            "DSA PRIVATE KEY-----" => Err(Unusable::Kind("ssh-dss".to_owned())),
            _ => Err(Unusable::SomethingElse),
        }
    }
}

#[cfg(test)]
mod tests;
