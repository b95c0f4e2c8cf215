//! A commit of a Git repository, as people are told of it. How one is read is for sources.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A commit, for people. Everything in it is what its author wrote: hostile until escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// Its id in hex: 40 digits, or 64 in a repository of SHA-256.
    pub id: String,
    /// Who wrote it: the name, without the address.
    pub author: String,
    /// When, as the author's clock had it; `None` when that is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The first line of its message, at most 200 characters of it.
    pub subject: String,
    /// Who signed it, where signatures are asked for: the key's fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}
