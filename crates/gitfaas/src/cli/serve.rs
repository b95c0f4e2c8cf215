//! What `demo`, `dev` and `serve` take, and the settings of a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use gitfaas_core::url::BaseUrl;

use super::functions::PolicyArgs;
use super::value;

/// `gitfaas demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave it serving at the end, to look around
    #[arg(long)]
    pub(crate) keep: bool,
    /// Put the pipeline's files here, to look at and change; a folder that has them is used as it is [default: a
    /// temporary folder]
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// Where to keep requests, runs and logs [default: a temporary folder]
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
}

/// `gitfaas dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The directory of functions
    #[arg(default_value = ".", env = "GITFAAS_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT", value_parser = value::listen, env = "GITFAAS_LISTEN", default_value = "127.0.0.1:5000")]
    pub(crate) listen: SocketAddr,
    /// What it serves, and how
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// `gitfaas serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The directory of functions
    #[arg(long, env = "GITFAAS_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT", value_parser = value::listen, env = "GITFAAS_LISTEN", default_value = "0.0.0.0:5000")]
    pub(crate) listen: SocketAddr,
    /// What it serves, and how
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// What `dev` and `serve` have in common.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Where to keep requests, runs and logs [default: a folder for this directory in ~/.local/state/gitfaas]
    #[arg(long, value_name = "DIR", env = "GITFAAS_DATA", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// Config maps and secrets for functions on this machine: `configmaps/NAME/KEY` and `secrets/NAME/KEY` as files, or
    /// manifests [default: only those that functions apply]
    #[arg(long, value_name = "DIR", env = "GITFAAS_OBJECTS", value_hint = ValueHint::DirPath)]
    pub(crate) objects: Option<PathBuf>,
    /// The config file in the directory
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// The largest message and answer, in bytes
    #[arg(long, value_name = "BYTES", env = "GITFAAS_MAX_BODY", default_value_t = 1 << 20)]
    #[arg(value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1 << 30))]
    pub(crate) max_body: usize,
    /// Where functions reach this server [default: the address it listens on]
    #[arg(long, value_name = "URL", env = "GITFAAS_BASE_URL", value_hint = ValueHint::Url)]
    pub(crate) base_url: Option<BaseUrl>,
    /// How long a request is kept after its last run ended (`90m`, `48h`)
    #[arg(long, value_name = "TIME", env = "GITFAAS_RETENTION", default_value = "48h", value_parser = value::duration)]
    pub(crate) retention: Duration,
    /// What to log on stderr: a level, or `target=level` pairs [default: info; warn for `dev`]
    #[arg(long, value_name = "FILTER", env = "GITFAAS_LOG")]
    pub(crate) log: Option<String>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", env = "GITFAAS_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For programs: one object a line
    Json,
}
