//! The commands: one module each, called from `main` through [`run`].

mod demo;
mod dev;
mod functions;
mod get;
mod lint;
mod list;
mod logs;
mod machine;
mod publish;
mod reload;
mod render;
mod response;
mod serve;
mod topics;
mod wait;

use anyhow::Context as _;

use crate::cli::{Cli, Command};
use crate::exit::Outcome;
use crate::output::Out;

/// Runs what was typed.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let out = Out::standard();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the worker threads")?;
    runtime.block_on(async {
        match cli.command {
            Command::Demo(arguments) => demo::run(arguments, out).await,
            Command::Dev(arguments) => dev::run(arguments, out).await,
            Command::Serve(arguments) => serve::run(arguments).await,
            Command::Publish(arguments) => publish::run(arguments, out).await,
            Command::Get(arguments) => get::run(arguments, out).await,
            Command::List(arguments) => list::run(arguments, out).await,
            Command::Response(arguments) => response::run(arguments, out).await,
            Command::Logs(arguments) => logs::run(arguments, out).await,
            Command::Topics(arguments) => topics::run(arguments, out).await,
            Command::Lint(arguments) => lint::run(arguments, out).await,
            Command::Render(arguments) => render::run(arguments, out).await,
            Command::Supervise { .. } => anyhow::bail!("not connected yet"),
        }
    })
}
