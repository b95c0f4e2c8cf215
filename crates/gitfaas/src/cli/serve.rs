//! What `demo`, `dev` and `serve` take.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::cluster::ClusterArgs;
use super::following::Following;
use super::git::GitArgs;
use super::settings::Settings;
use super::store::StoreArgs;
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
    /// How long functions have to end by themselves when the server is stopped
    #[arg(long, value_name = "TIME", value_parser = value::duration, env = "GITFAAS_GRACE", default_value = "5s")]
    pub(crate) grace: Duration,
    /// What it serves, and how
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// `gitfaas serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The directory of functions, in place of a Git repository
    #[arg(long, env = "GITFAAS_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// The Git repository of functions
    #[command(flatten)]
    pub(crate) git: GitArgs,
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT", value_parser = value::listen, env = "GITFAAS_LISTEN", default_value = "0.0.0.0:5000")]
    pub(crate) listen: SocketAddr,
    /// How long it serves on when it is stopped, telling that it is not ready, until callers are sent to another server
    #[arg(long, value_name = "TIME", value_parser = value::duration, env = "GITFAAS_LEAVE_WAIT", default_value = "0s")]
    pub(crate) leave_wait: Duration,
    /// How it keeps up with its source
    #[command(flatten)]
    pub(crate) following: Following,
    /// Where functions run
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where its ledger is
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// What it serves, and how
    #[command(flatten)]
    pub(crate) settings: Settings,
}
