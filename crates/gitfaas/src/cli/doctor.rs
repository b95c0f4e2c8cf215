//! What `doctor` takes.

use clap::Args;

use super::{Folder, Output, PolicyArgs, ServerAddress};

const DOCTOR: &str = "Give it the arguments, the variables or the file of settings that the server gets, and it looks \
at what that server would use. Nothing is changed but a file that is made in the data folder and removed again. It ends \
with 1 when something is wrong that a server cannot work with.";

/// `gitfaas doctor`.
#[derive(Debug, Args)]
#[command(after_long_help = DOCTOR)]
pub(crate) struct Doctor {
    /// Whose data folder and functions
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// What the functions are checked against
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// The server that runs, if any
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}
