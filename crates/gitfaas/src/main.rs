//! The `gitfaas` program: parses its arguments, runs one command, ends with its exit code.
//!
//! What commands do is in `commands`; what their end means is in `exit`.

mod cli;
mod client;
mod commands;
mod exit;
mod output;
mod publication;

use std::ffi::OsString;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    exit::report(cli::parse(&arguments).and_then(commands::run))
}
