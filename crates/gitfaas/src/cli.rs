//! What can be typed: the tree of commands. Their arguments are in a module for each kind of command.
//!
//! Only shapes are checked here. The bearer token is no argument, because any user of a machine can read the
//! arguments of its processes: it comes from the environment alone.

mod cluster;
mod data;
mod dead_letters;
mod doctor;
mod documents;
mod file;
mod following;
mod functions;
mod git;
mod new;
pub(crate) mod reference;
mod requests;
mod serve;
mod settings;
mod source;
mod store;
mod value;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use cluster::{ApiServerArgs, Cluster};
pub(crate) use data::{Backup, Folder, Restore};
pub(crate) use dead_letters::{DeadLetterFilter, DeadLetterList, DeadLetters, Which};
pub(crate) use doctor::Doctor;
pub(crate) use documents::{Completions, Document, Man};
pub(crate) use functions::{Diff, Lint, ManifestFormat, OneTopic, PolicyArgs, Render, Topics};
pub(crate) use git::{GitArgs, YesNo};
pub(crate) use new::{Language, New, NewFunction};
pub(crate) use requests::{Cancel, Get, List, Logs, MessageArgs, Publish, Replay, Response, RunOrRequest};
pub(crate) use serve::{Demo, Dev, Serve};
pub(crate) use settings::{LogFormat, Settings};
pub(crate) use source::{Source, SourceArgs};
pub(crate) use store::StoreArgs;
pub(crate) use value::Data;

/// Serverless functions and long-running Jobs on Kubernetes, kept in Git, started by a message.
#[derive(Debug, Parser)]
#[command(version, after_help = crate::exit::CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a pipeline on this machine and watch it
    Demo(Demo),
    /// Serve the functions of a directory on this machine, and follow every save
    Dev(Box<Dev>),
    /// Serve the functions of a directory
    Serve(Box<Serve>),
    /// Run one Job beside the server, so that it outlives it
    #[command(hide = true)]
    Supervise {
        /// The Job's folder in the data folder
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Publish a message to a topic
    Publish(Publish),
    /// Show a request, its runs, and what they published
    Get(Get),
    /// List requests, the newest first
    List(List),
    /// Print what the functions of a request answered
    Response(Response),
    /// Print the logs of a run
    Logs(Logs),
    /// Cancel the runs of a request
    Cancel(Cancel),
    /// Publish the message of a request once more
    Replay(Replay),
    /// See to the runs that gave up: list them, try them once more, or give them up for good
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// List topics with their functions, or show one
    Topics(Topics),
    /// Show where functions come from and whether it can be read, or have it read now
    #[command(subcommand)]
    Source(Source),
    /// Hold the runs of a topic back: it accepts, and what is live goes on
    Pause(OneTopic),
    /// Let the runs of a paused topic go
    Resume(OneTopic),
    /// Check the functions of a directory; needs no server
    Lint(Lint),
    /// Print what a message would create; needs no server
    Render(Render),
    /// Show what a server would serve differently if it served a directory
    Diff(Diff),
    /// Make something to begin with; needs no server
    #[command(subcommand)]
    New(New),
    /// Look at all that a server needs, and say what to do
    Doctor(Doctor),
    /// Write the ledger to a file, also while a server runs
    Backup(Backup),
    /// Make a data folder from a backup
    Restore(Restore),
    /// Print what makes a shell complete the commands; needs no server
    Completions(Completions),
    /// Print the manual, or write a page for each command; needs no server
    Man(Man),
    /// Print a document of the repository that is made from the program
    #[command(hide = true, subcommand)]
    Docs(Document),
}

/// Reads what was typed; ends the program when that is no command, as clap does.
///
/// # Errors
/// When the file of settings that it names cannot be read, or is wrong.
pub(crate) fn parse(arguments: &[OsString]) -> anyhow::Result<Cli> {
    let mut commands = file::with_defaults(Cli::command(), arguments)?;
    let typed = commands.try_get_matches_from_mut(arguments).unwrap_or_else(|error| error.exit());
    Ok(Cli::from_arg_matches(&typed).unwrap_or_else(|error| error.format(&mut commands).exit()))
}

/// The file of settings.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFile {
    /// A TOML file of settings: its keys are the names of flags. A flag goes before its variable, and that before the
    /// file
    #[arg(id = "config", long = "config", value_name = "FILE", env = "GITFAAS_CONFIG", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
}

/// Where a server keeps things.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Other settings
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Where to keep requests, runs and logs [default: a folder for this directory in ~/.local/state/gitfaas]
    #[arg(long, value_name = "DIR", env = "GITFAAS_DATA", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
}

/// How to reach the server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerAddress {
    /// Where gitfaas answers. A bearer token for it is taken from the variable `GITFAAS_TOKEN`
    #[arg(long, value_name = "URL", env = "GITFAAS_SERVER", hide_env_values = true)]
    #[arg(default_value = "http://127.0.0.1:5000", value_hint = ValueHint::Url)]
    pub(crate) server: String,
}

/// How the output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// `-o`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// How the output looks
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,
}

#[cfg(test)]
mod tests;
