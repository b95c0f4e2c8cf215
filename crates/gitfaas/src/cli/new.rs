//! What `new` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use gitfaas_core::topic::TopicName;

use super::{Output, value};

/// What can be made.
#[derive(Debug, Subcommand)]
pub(crate) enum New {
    /// Write a manifest and a program to begin with, and add it to the config file
    Function(NewFunction),
}

/// In what a program is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// A shell script; it answers by curl
    Sh,
    /// Python 3, nothing but its standard library
    Python,
    /// Node.js 18 or later, no packages
    Node,
}

/// `gitfaas new function`.
#[derive(Debug, Args)]
pub(crate) struct NewFunction {
    /// Its name: of the manifest, the program, and the Jobs that it creates
    #[arg(value_parser = value::function_name)]
    pub(crate) name: String,
    /// The topic that it listens on; asked for on a terminal when it is not given
    #[arg(long)]
    pub(crate) topic: Option<TopicName>,
    /// The directory of functions
    #[arg(long, default_value = ".", env = "GITFAAS_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// The config file in the directory; made when it is not there
    #[arg(long, value_name = "PATH", env = "GITFAAS_CONFIG_PATH", default_value = "config.json")]
    pub(crate) config_path: String,
    /// In what the program is written
    #[arg(long, value_name = "LANGUAGE", default_value = "sh")]
    pub(crate) lang: Language,
    /// The image of its container [default: a stock image of the language]
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// A scratch volume of this size at /scratch, such as 1Gi
    #[arg(long, value_name = "SIZE", value_parser = value::quantity)]
    pub(crate) volume: Option<String>,
    /// How many times a failed attempt is made again
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) retries: u32,
    /// How many seconds a cluster keeps the Job after its end
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) ttl: u32,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
}
