//! `gitfaas serve`.

use crate::cli;
use crate::exit::Outcome;
use crate::output::Out;

/// Runs the command.
pub(crate) async fn run(_arguments: cli::Serve, _out: Out) -> anyhow::Result<Outcome> {
    anyhow::bail!("not connected yet")
}
