//! The secrets that deliveries are signed with, as a file has them. Reads no file.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Secrets, one of which a delivery has to be signed with. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(Vec<Vec<u8>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Why a file has no secrets that can be used. Quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecrets {
    /// There is none.
    #[error("it is empty")]
    Empty,
    /// A line is empty, which would let anybody sign.
    #[error("line {0} is empty: write a secret a line")]
    EmptyLine(usize),
    /// There are more than may be.
    #[error("it has more than {MOST} lines")]
    TooMany,
}

/// Each costs a hash of all that is sent; more are not needed to change a secret while webhooks come.
const MOST: usize = 8;
/// What secrets begin with that are base64 of a key (Standard Webhooks; GitLab calls one a signing token).
const ENCODED: &str = "whsec_";

impl Secrets {
    /// The secrets of a file: one a line. One line break at the end does not count.
    ///
    /// # Errors
    /// [`InvalidSecrets`].
    pub fn of_file(text: &[u8]) -> Result<Self, InvalidSecrets> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let lines: Vec<&[u8]> =
            text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
        if lines.len() == 1 && lines[0].is_empty() {
            return Err(InvalidSecrets::Empty);
        }
        if let Some(empty) = lines.iter().position(|line| line.is_empty()) {
            return Err(InvalidSecrets::EmptyLine(empty + 1));
        }
        if lines.len() > MOST {
            return Err(InvalidSecrets::TooMany);
        }
        Ok(Self(lines.into_iter().map(<[u8]>::to_vec).collect()))
    }

    /// Each as it is written.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Each as the key of a signature of Standard Webhooks.
    pub(super) fn keys(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().map(|secret| {
            let encoded = secret.strip_prefix(ENCODED.as_bytes());
            encoded.and_then(|encoded| STANDARD.decode(encoded).ok()).unwrap_or_else(|| secret.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_secret_a_line() {
        let lines = |text: &str| Secrets::of_file(text.as_bytes()).map(|secrets| secrets.0);
        assert_eq!(lines("one"), Ok(vec![b"one".to_vec()]));
        assert_eq!(lines(" one \n"), Ok(vec![b" one ".to_vec()]));
        assert_eq!(lines("one\r\ntwo\r\n"), Ok(vec![b"one".to_vec(), b"two".to_vec()]));
        assert_eq!(lines("é\0"), Ok(vec!["é\0".as_bytes().to_vec()]));
    }

    #[test]
    fn nobody_signs_with_nothing() {
        let refused = |text: &str| Secrets::of_file(text.as_bytes()).expect_err(text);
        assert_eq!(refused(""), InvalidSecrets::Empty);
        assert_eq!(refused("\n"), InvalidSecrets::Empty);
        assert_eq!(refused("one\n\ntwo"), InvalidSecrets::EmptyLine(2));
        assert_eq!(refused("one\n\n"), InvalidSecrets::EmptyLine(2));
        assert_eq!(refused(&"x\n".repeat(9)), InvalidSecrets::TooMany);
    }

    #[test]
    fn secrets_do_not_show() {
        let secrets = Secrets::of_file(b"canary").expect("a secret");
        assert!(!format!("{secrets:?}").contains("canary"));
    }
}
