//! Secrets, and other small files that people point to: read when they are needed, so that they can be changed while
//! the server runs, no larger than they may be, and never shown.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The largest file of a secret, in bytes.
const MOST: u64 = 64 * 1024;

/// Something that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What somebody else read.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Reads it from a file; one line end at its end is not part of it. `what` is what it is, for people.
    ///
    /// # Errors
    /// When there is no such file, or nothing that can be one in it.
    pub fn read(path: &Path, what: &str) -> Result<Self, UnusableFile> {
        let text =
            String::from_utf8(read_file(path, what)?).map_err(|_| UnusableFile::new(path, what, "is no text"))?;
        let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if secret.is_empty() {
            return Err(UnusableFile::new(path, what, "is empty"));
        }
        if secret.chars().any(char::is_control) {
            return Err(UnusableFile::new(path, what, "has more than one line or a control character in it"));
        }
        Ok(Self(secret.to_owned()))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a file cannot be used: which one, and not what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableFile(String);

impl UnusableFile {
    /// That `what` in the file at `path` cannot be used, and why.
    pub fn new(path: &Path, what: &str, why: &str) -> Self {
        Self(format!("{what} in {} {why}", path.display()))
    }
}

/// Reads a small file that people point to; `what` is what is in it.
///
/// # Errors
/// When it cannot be read, or is larger than 64 KiB.
pub fn read_file(path: &Path, what: &str) -> Result<Vec<u8>, UnusableFile> {
    read_at_most(path, what, MOST)
}

/// Reads a file of at most `most` bytes that people point to; `what` is what is in it.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn read_at_most(path: &Path, what: &str, most: u64) -> Result<Vec<u8>, UnusableFile> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut content))
        .map_err(|error| UnusableFile::new(path, what, &format!("cannot be read: {error}")))?;
    if content.len() as u64 > most {
        return Err(UnusableFile::new(path, what, &format!("is larger than {most} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Secret, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("token");
        std::fs::write(&path, content).expect("written");
        Secret::read(&path, "the token").map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn one_line_end_is_not_part_of_a_secret() {
        for content in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            assert_eq!(read(content.as_bytes()).expect("a secret").reveal(), "s3cret");
        }
        assert_eq!(read(b" s3cret ").expect("a secret").reveal(), " s3cret ");
    }

    #[test]
    fn what_can_be_no_secret_says_why_without_showing_it() {
        assert_eq!(read(b"\n"), Err("the token in FILE is empty".to_owned()));
        assert_eq!(read(b"\xff\xfe"), Err("the token in FILE is no text".to_owned()));
        let lines = read(b"s3cret\nmore\n").expect_err("refused");
        assert!(lines.contains("more than one line") && !lines.contains("s3cret"), "{lines}");
        assert!(
            Secret::read(Path::new("/no/such"), "the token").expect_err("refused").to_string().contains("/no/such")
        );
        assert!(!format!("{:?}", read(b"s3cret").expect("a secret")).contains("s3cret"));
    }
}
