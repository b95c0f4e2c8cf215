//! What `gitfaas source` takes.

use clap::{Args, Subcommand};

use super::{Output, ServerAddress};

const STATUS: &str = "It ends with 1 when the source could not be read the last time, or something is wrong with what was \
read. What was served before is served meanwhile.";

const REFRESH: &str = "It ends with 1 when the source cannot be read, or something is wrong with what was read. What was \
served before is served meanwhile.";

/// `gitfaas source`.
#[derive(Debug, Subcommand)]
pub(crate) enum Source {
    /// Show what is served, of which commit, and when it is looked at again
    #[command(after_long_help = STATUS)]
    Status(SourceArgs),
    /// Have the source read now, and wait until that is done
    #[command(after_long_help = REFRESH)]
    Refresh(SourceArgs),
}

/// What both take.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}
