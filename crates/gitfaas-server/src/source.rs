//! Where functions come from: a directory of this machine, or a Git repository. The trait, and what it speaks of.

pub mod directory;
mod fault;
pub mod git;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gitfaas_core::retry::Backoff;
use gitfaas_core::topic::FunctionName;

use crate::secret::UnusableFile;

pub use gitfaas_core::commit::Commit;

pub use self::fault::Fault;

/// The largest config file and template, in bytes. A rendered object of more than 1 MiB would be refused anyway.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Where functions come from.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Where it is, for people: a path, or a URL without credentials.
    fn describe(&self) -> String;

    /// The config file's path inside it (`config.json`).
    fn config_path(&self) -> &str;

    /// What it follows there, as the full name of a reference (`refs/heads/main`), which push webhooks are compared with;
    /// `None` where there are no references.
    fn reference(&self) -> Option<&str> {
        None
    }

    /// How long to wait between two looks; `None` for one that tells by itself when it has changed.
    fn poll_every(&self) -> Option<Duration> {
        None
    }

    /// How long to wait after failures before the next look: between half of the ceiling and all of it.
    ///
    /// A failure that passes is over within seconds, and what is broken is not asked about all day: somebody else pays for
    /// each look.
    fn backoff(&self) -> Backoff {
        let most = self.poll_every().unwrap_or_default().max(Duration::from_mins(5));
        Backoff { first: Duration::from_secs(5), most }
    }

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

    /// The commit it is of; `None` where there are none.
    fn commit(&self) -> Option<Commit> {
        None
    }
}

/// Why a source cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What kind of fault it is, for programs.
    pub fault: Fault,
    /// What happened and what to do, without credentials.
    pub message: String,
    /// How long whoever has the source asked to be left alone, if they did.
    pub retry_after: Option<Duration>,
}

impl From<UnusableFile> for SourceError {
    fn from(unusable: UnusableFile) -> Self {
        Self::new(Fault::Credentials, unusable.to_string())
    }
}

impl SourceError {
    /// An error of this kind; `message` says what happened and what to do, without credentials.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), retry_after: None }
    }

    /// The same error, of a server that asked to be left alone for so long.
    #[must_use]
    pub fn retry_after(self, wait: Option<Duration>) -> Self {
        Self { retry_after: wait, ..self }
    }
}
