//! Why a commit is not taken for signed, as sentences about the commit.

use jiff::Timestamp;

/// Why a commit is not taken for signed. What is quoted from the commit has been escaped and cut.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("is not one that can be verified: {0}")]
    NoCommit(&'static str),
    #[error("is not signed")]
    NotSigned,
    #[error("has more than one signature, of which none is taken")]
    Several,
    #[error("has a signature of more than {0} bytes")]
    TooLong(usize),
    #[error("is signed by {0}, which is not supported; sign it with an SSH or OpenPGP key")]
    Format(&'static str),
    #[error("has a signature that cannot be read: {0}")]
    Unreadable(String),
    #[error("is signed by {who}, which is not among the signers")]
    Unknown { who: String },
    #[error("has a signature by {who} that is not a signature of it: commit or signature were changed or exchanged")]
    Mismatch { who: String },
    #[error("has an SSH signature for \"{0}\", and not for \"git\"")]
    Namespace(String),
    #[error("is signed by {who}, whose line among the signers does not allow signatures for \"git\"")]
    NotForGit { who: String },
    #[error("is signed over {hash}, which can be forged; sign it with SHA-256 or better")]
    WeakHash { hash: String },
    #[error("is signed by {who}, a key of {what}, which can be broken; sign it with another key")]
    WeakKey { who: String, what: String },
    #[error("has an OpenPGP signature of a {0}, and not of a binary document")]
    Type(&'static str),
    #[error("says that it was signed at {0}, which is in the future")]
    Future(Timestamp),
    #[error("has a signature by {who} that expired at {at}")]
    Outdated { who: String, at: Timestamp },
    #[error("was signed at {made} by {who}, a key that is valid from {from}")]
    TooEarly { who: String, made: Timestamp, from: Timestamp },
    #[error("was signed at {made} by {who}, a key that expired at {at}")]
    Expired { who: String, made: Timestamp, at: Timestamp },
    #[error("is signed by {who}, a key that is revoked")]
    Revoked { who: String },
    #[error("was signed at {made} by {who}, a key that was given up at {at}")]
    GivenUp { who: String, made: Timestamp, at: Timestamp },
    #[error("is signed by {who}, a key that may not sign")]
    MayNotSign { who: String },
    #[error(
        "is signed by {who}, a key without a valid self-signature; its owner has to renew it with SHA-256 or better"
    )]
    Unbound { who: String },
    #[error("is signed by {who}, a security key that nobody touched for it")]
    Untouched { who: String },
}

/// What somebody else wrote, as it may be shown: escaped, and at most 100 characters of it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}
