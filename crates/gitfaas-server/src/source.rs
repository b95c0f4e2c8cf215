//! Where functions come from: a directory here, a Git repository later. The trait, and what it speaks of.

pub mod directory;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use gitfaas_core::topic::FunctionName;

/// Where functions come from.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Where it is, for people: a path, or a URL without credentials.
    fn describe(&self) -> String;

    /// The config file's path inside it (`config.json`).
    fn config_path(&self) -> &str;

    /// What it holds now. One snapshot is one state: a file read from it later is of the same state as its revision.
    ///
    /// # Errors
    /// When the source cannot be read at all; what was served before goes on being served.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError>;

    /// Returns when the source may have changed; never, for one that can only be polled.
    async fn changed(&self);
}

/// One state of a source.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Reads a file, at most `max` bytes of it.
    ///
    /// # Errors
    /// Why it cannot be read, as a sentence for the person who named it (`does not exist`, `is a symbolic link that
    /// leaves the repository`, `is larger than 1 MiB`).
    async fn read(&self, path: &FunctionName, max: u64) -> Result<Bytes, String>;

    /// The revision of these files, as printed (`dir@sha256:…`, `main@sha1:…`). A directory has no commit to name, so
    /// its revision is made of the files that were read, which are therefore given.
    fn revision(&self, files: &BTreeMap<FunctionName, Result<Bytes, String>>) -> String;
}

/// Why a source cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What happened and what to do, without credentials.
    pub message: String,
}
