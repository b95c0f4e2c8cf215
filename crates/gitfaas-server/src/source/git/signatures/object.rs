//! What was signed of a commit, and the signature, taken apart as `git` does. The signature is not verified here.

use jiff::Timestamp;

use super::refusal::Refusal;

/// How large a signature may be: those of RSA keys of 16,384 bits have 4 KiB.
const MAX_SIGNATURE: usize = 64 * 1024;

/// What makes signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ssh,
    OpenPgp,
}

/// A commit that is signed by somebody.
pub(super) struct Signed {
    /// What was signed: the commit without its signature.
    pub(super) payload: Vec<u8>,
    /// The signature, armoured.
    pub(super) signature: Vec<u8>,
}

impl Signed {
    /// Takes a commit apart.
    pub(super) fn parse(commit: &[u8]) -> Result<Self, Refusal> {
        let header = signature_header(commit)?;
        let mut signed = Self { payload: Vec::with_capacity(commit.len()), signature: Vec::new() };
        let mut inside = Part::Payload;
        let mut rest = commit;
        while !rest.is_empty() {
            let line;
            (line, rest) = split_line(rest);
            if line == b"\n" {
                // The message begins. What looks like a header in it is text.
                signed.payload.extend_from_slice(line);
                signed.payload.extend_from_slice(rest);
                break;
            }
            inside = Part::of(line, header, inside);
            match inside {
                Part::Payload => signed.payload.extend_from_slice(line),
                Part::Signature => signed.add(line, header)?,
                Part::Other => (),
            }
        }
        if signed.signature.is_empty() { Err(Refusal::NotSigned) } else { Ok(signed) }
    }

    fn add(&mut self, line: &[u8], header: &str) -> Result<(), Refusal> {
        let continued = line.strip_prefix(b" ");
        if continued.is_none() && !self.signature.is_empty() {
            return Err(Refusal::Several);
        }
        self.signature.extend_from_slice(continued.unwrap_or_else(|| &line[header.len() + 1..]));
        if self.signature.len() > MAX_SIGNATURE {
            return Err(Refusal::TooLong(MAX_SIGNATURE));
        }
        Ok(())
    }

    /// What made the signature.
    pub(super) fn format(&self) -> Result<Format, Refusal> {
        let (first, _) = split_line(&self.signature);
        match first.trim_ascii_end() {
            b"-----BEGIN SSH SIGNATURE-----" => Ok(Format::Ssh),
            b"-----BEGIN PGP SIGNATURE-----" => Ok(Format::OpenPgp),
            b"-----BEGIN PGP MESSAGE-----" => Err(Refusal::Format("PGP as it was before 1998")),
            b"-----BEGIN SIGNED MESSAGE-----" => Err(Refusal::Format("an X.509 certificate (S/MIME)")),
            _ => Err(Refusal::Unreadable("it is none of SSH or OpenPGP".to_owned())),
        }
    }

    /// When the committer says to have made it.
    pub(super) fn committed(&self) -> Result<Timestamp, Refusal> {
        let mut rest = self.payload.as_slice();
        while !rest.is_empty() {
            let line;
            (line, rest) = split_line(rest);
            if line == b"\n" {
                break;
            }
            if let Some(person) = line.strip_prefix(b"committer ") {
                return time(person).ok_or(Refusal::NoCommit("the time of its committer is none"));
            }
        }
        Err(Refusal::NoCommit("it has no committer"))
    }
}

/// What a line of a commit's headers belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Payload,
    Signature,
    /// A signature over the same commit with the other hash, which was no part of it either when it was signed.
    Other,
}

impl Part {
    /// That of a line after one that belongs to `before`.
    fn of(line: &[u8], header: &str, before: Self) -> Self {
        if line.starts_with(b" ") {
            return before;
        }
        let name = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        if name == header.as_bytes() && line.len() > name.len() {
            Self::Signature
        } else if line.starts_with(b"gpgsig") {
            Self::Other
        } else {
            Self::Payload
        }
    }
}

/// The name of the header that has the signature, which depends on the hash of the repository.
fn signature_header(commit: &[u8]) -> Result<&'static str, Refusal> {
    let (first, _) = split_line(commit);
    let tree = first.strip_prefix(b"tree ").and_then(|line| line.strip_suffix(b"\n"));
    match tree.filter(|tree| tree.iter().all(u8::is_ascii_hexdigit)).map(<[u8]>::len) {
        Some(40) => Ok("gpgsig"),
        Some(64) => Ok("gpgsig-sha256"),
        _ => Err(Refusal::NoCommit("it does not begin with its tree")),
    }
}

/// The first line with its line break, and what follows.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
    text.split_at(end)
}

/// The time in `Name <address> 1700000000 +0100`.
fn time(person: &[u8]) -> Option<Timestamp> {
    let after = person.rsplit(|byte| *byte == b'>').next()?;
    let seconds = std::str::from_utf8(after).ok()?.split_ascii_whitespace().next()?;
    Timestamp::from_second(seconds.parse().ok()?).ok()
}
