//! Where a ledger is: the settings of `serve`, and of what looks at its ledger.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use gitfaas_server::store::redis::{PREFIX, check_prefix};

/// What keeps requests, runs and logs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreArgs {
    /// `embedded`: a file in the data folder, for one server; or a Redis that several servers share:
    /// `redis://HOST:PORT/DATABASE`, `rediss://…` over TLS, `redis+sentinel://HOST:PORT,HOST:PORT/NAME`
    // Read where it is used: what clap refuses it repeats, and people put passwords into URLs.
    #[arg(long, value_name = "STORE", env = "GITFAAS_STORE", hide_env_values = true, default_value = "embedded")]
    pub(crate) store: String,
    /// Who asks the Redis [default: its user `default`]
    #[arg(long, value_name = "NAME", env = "GITFAAS_REDIS_USER")]
    pub(crate) redis_user: Option<String>,
    /// A file with the password of the Redis
    #[arg(long, value_name = "FILE", env = "GITFAAS_REDIS_PASSWORD_FILE", value_hint = ValueHint::FilePath)]
    pub(crate) redis_password_file: Option<PathBuf>,
    /// A file with the password of the Sentinels
    #[arg(long, value_name = "FILE", env = "GITFAAS_SENTINEL_PASSWORD_FILE", value_hint = ValueHint::FilePath)]
    pub(crate) sentinel_password_file: Option<PathBuf>,
    /// A file with the certificates of authorities, as PEM, that may sign for the Redis [default: those of this machine]
    #[arg(long, value_name = "FILE", env = "GITFAAS_REDIS_CA_FILE", value_hint = ValueHint::FilePath)]
    pub(crate) redis_ca_file: Option<PathBuf>,
    /// What the names of all keys in the Redis begin with: the same for servers that share a ledger, and for no others
    #[arg(long, value_name = "PREFIX", env = "GITFAAS_REDIS_PREFIX", default_value = PREFIX, value_parser = prefix)]
    pub(crate) redis_prefix: String,
}

fn prefix(text: &str) -> Result<String, String> {
    check_prefix(text).map(|()| text.to_owned())
}
