//! What commands about the data folder take: `backup`, `restore`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{DataArgs, Output, StoreArgs};

/// The data folder that `dev` and `serve` would use, given the same arguments.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The directory of functions that the data folder belongs to, where --data does not name one
    #[arg(long, default_value = ".", env = "GITFAAS_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// The data folder itself
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Where its ledger is
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

const BACKUP: &str = "A backup is the ledger at one moment: every request that was acknowledged before the command \
began, with its message, runs, answers and logs, and the functions that were served then. A server goes on meanwhile. It \
holds the ledger's key as well, by which run tokens are made: keep it as secret as the data folder (the file is made for \
its owner alone).

It does not hold what this machine keeps of the Jobs that run. After a restore elsewhere, a run that was queued or being \
applied at that moment is started there, and one that was running is `unknown`, because its Job is not there: never let \
two servers go on from one ledger.

A ledger in Redis is backed up with the Redis, by its own means: its append-only files, or a snapshot.

From a pod: kubectl exec POD -- gitfaas backup - > ledger.backup";

const RESTORE: &str = "The folder must hold no ledger and be in use by nobody. A backup that was written by a newer \
gitfaas, is cut off or damaged is refused, and the folder stays as it was. What was queued goes on when a server is \
started over the folder.";

/// `gitfaas backup`.
#[derive(Debug, Args)]
#[command(after_long_help = BACKUP)]
pub(crate) struct Backup {
    /// The file to write, or `-` for stdout
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Whose ledger
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
}

/// `gitfaas restore`.
#[derive(Debug, Args)]
#[command(after_long_help = RESTORE)]
pub(crate) struct Restore {
    /// The backup, or `-` for stdin
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Where to
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
}
