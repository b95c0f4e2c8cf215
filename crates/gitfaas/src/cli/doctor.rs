//! What `doctor` takes.

use clap::Args;

use super::{Folder, Output, PolicyArgs, ServerAddress};

/// `gitfaas doctor`.
///
/// Give it the arguments, the variables or the file of settings that the server gets, and it looks at what that server
/// would use. Nothing is changed but a file that is made in the data folder and removed again. It ends with 1 when
/// something is wrong that a server cannot work with.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Whose data folder and functions
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// What the functions are checked against
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// The server that runs, if any
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}
