//! Commits signed by the real `git`, `ssh-keygen` and `gpg`, and what `git verify-commit` says of the same bytes.

mod commits;
mod files;
mod flips;
mod openpgp;
mod ssh;
mod workshop;

use std::path::PathBuf;

use jiff::Timestamp;

use super::Signers;
use crate::source::Fault;
use workshop::Workshop;

/// Later than everything that is signed here.
fn now() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().expect("a time")
}

fn signers(files: &[PathBuf]) -> Signers {
    Signers::read(files).expect("signers")
}

/// What is said of a commit: who signed it, or why it is refused.
fn verdict(signers: &Signers, commit: &[u8]) -> Result<String, String> {
    signers.verify(commit, now()).map_err(|error| {
        assert_eq!(error.fault, Fault::Unverified);
        error.message
    })
}

/// What is said of a commit, on which Git has to agree.
fn agreed(workshop: &Workshop, signers: &Signers, commit: &[u8]) -> Result<String, String> {
    let verdict = verdict(signers, commit);
    assert_eq!(verdict.is_ok(), workshop.git_verifies(commit), "{verdict:?}, of {}", String::from_utf8_lossy(commit));
    verdict
}

#[track_caller]
fn assert_refused(verdict: Result<String, String>, why: &str) {
    let message = verdict.expect_err("refused");
    assert!(message.contains(why), "{message}");
}

/// The commit with this signature in the place of its own, if it has one.
fn with_signature(commit: &[u8], signature: &str) -> Vec<u8> {
    let payload = payload(commit);
    let headers = payload.windows(2).position(|pair| pair == b"\n\n").expect("a message") + 1;
    let mut signed = payload[..headers].to_vec();
    signed.extend(format!("gpgsig {}\n", signature.trim_end().replace('\n', "\n ")).into_bytes());
    signed.extend_from_slice(&payload[headers..]);
    signed
}

/// What was or is to be signed of a commit.
fn payload(commit: &[u8]) -> Vec<u8> {
    super::object::Signed::parse(commit).map_or_else(|_| commit.to_vec(), |signed| signed.payload)
}

/// The signature of a commit, as it is there.
fn signature(commit: &[u8]) -> String {
    String::from_utf8(super::object::Signed::parse(commit).expect("signed").signature).expect("text")
}
