//! The `gitfaas` program: parses its arguments, runs one command, ends with its exit code.
//!
//! What commands do is in `commands`; what their end means is in `exit`.

mod cli;
mod client;
mod commands;
mod exit;
mod output;
mod publication;

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    exit::report(commands::run(cli))
}
