//! The commands: one module each, called from `main` through [`run`].

mod backup;
mod cancel;
mod dead_letters;
mod demo;
mod dev;
mod diff;
mod docs;
mod doctor;
mod functions;
mod get;
mod ledger;
mod lint;
mod list;
mod logs;
mod machine;
mod new;
mod origin;
mod pause;
mod publish;
mod reload;
mod render;
mod response;
mod serve;
mod source;
mod topics;
mod wait;

use std::path::Path;

use anyhow::Context as _;
use gitfaas_server::cluster::local::supervisor;

use crate::cli::{Cli, Command, New};
use crate::exit::Outcome;
use crate::output::Out;

/// Runs what was typed.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let out = Out::standard();
    match cli.command {
        Command::Demo(arguments) => wait_for(demo::run(arguments, out)),
        Command::Dev(arguments) => wait_for(dev::run(*arguments, out)),
        Command::Serve(arguments) => wait_for(serve::run(*arguments)),
        Command::Publish(arguments) => wait_for(publish::run(arguments, out)),
        Command::Get(arguments) => wait_for(get::run(arguments, out)),
        Command::List(arguments) => wait_for(list::run(arguments, out)),
        Command::Response(arguments) => wait_for(response::run(arguments, out)),
        Command::Logs(arguments) => wait_for(logs::run(arguments, out)),
        Command::Cancel(arguments) => wait_for(cancel::run(arguments, out)),
        Command::Replay(arguments) => wait_for(publish::replay(arguments, out)),
        Command::DeadLetters(arguments) => wait_for(dead_letters::run(arguments, out)),
        Command::Topics(arguments) => wait_for(topics::run(arguments, out)),
        Command::Source(arguments) => wait_for(source::run(arguments)),
        Command::Pause(arguments) => wait_for(pause::pause(arguments)),
        Command::Resume(arguments) => wait_for(pause::resume(arguments)),
        Command::Lint(arguments) => wait_for(lint::run(arguments, out)),
        Command::Render(arguments) => wait_for(render::run(arguments, out)),
        Command::Doctor(arguments) => wait_for(doctor::run(arguments)),
        Command::Backup(arguments) => backup::back_up(&arguments, out),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Diff(arguments) => wait_for(diff::run(arguments, out)),
        Command::New(New::Function(arguments)) => new::function(&arguments),
        Command::Completions(arguments) => docs::completions(&arguments),
        Command::Man(arguments) => docs::man(&arguments),
        Command::Docs(document) => docs::docs(document),
        Command::Supervise { dir } => Ok(supervise(&dir)),
    }
}

fn wait_for(command: impl Future<Output = anyhow::Result<Outcome>>) -> anyhow::Result<Outcome> {
    tokio::runtime::Runtime::new().context("cannot start the worker threads")?.block_on(command)
}

/// There is one of these beside each attempt that runs, so it gets no runtime and its threads.
fn supervise(dir: &Path) -> Outcome {
    match supervisor::run(dir) {
        0 => Outcome::Done,
        _ => Outcome::Failed,
    }
}
