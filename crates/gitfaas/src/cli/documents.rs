//! What `completions`, `man` and `docs` take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use clap_complete::Shell;

/// `gitfaas completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell, such as bash: `gitfaas completions bash > ~/.local/share/bash-completion/completions/gitfaas`
    pub(crate) shell: Shell,
}

/// `gitfaas man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for each command into this folder, such as ~/.local/share/man/man1 [default: the first page, on
    /// stdout]
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// Documents of the repository that are made from the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Document {
    /// docs/configuration.md
    Config,
}
