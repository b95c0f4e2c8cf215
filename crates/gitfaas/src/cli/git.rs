//! The settings of a Git repository: where it is, what is followed in it, and what it takes to read it.
//!
//! Addresses and names stay as they were typed: what is wrong with one is said by who uses it, and never with a secret
//! that somebody put into it. Each secret is in a file, which is read again whenever it is needed.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::value;

/// A Git repository.
#[derive(Debug, Args)]
#[command(next_help_heading = "Git")]
#[expect(clippy::struct_field_names, reason = "the names of the flags, which begin so")]
#[command(group = ArgGroup::new("git-reference").args(["git_branch", "git_tag", "git_commit"]))]
pub(crate) struct GitArgs {
    /// The Git repository of functions: `https://HOST/PATH`, `ssh://USER@HOST/PATH` or `USER@HOST:PATH`
    #[arg(long, value_name = "URL", env = "GITFAAS_GIT_URL", hide_env_values = true, value_hint = ValueHint::Url)]
    pub(crate) git_url: Option<String>,
    /// The branch to follow [default: main]
    #[arg(long, value_name = "NAME", env = "GITFAAS_GIT_BRANCH")]
    pub(crate) git_branch: Option<String>,
    /// The tag to follow instead of a branch
    #[arg(long, value_name = "NAME", env = "GITFAAS_GIT_TAG")]
    pub(crate) git_tag: Option<String>,
    /// The commit to serve instead of following anything, by its full id
    #[arg(long, value_name = "ID", env = "GITFAAS_GIT_COMMIT")]
    pub(crate) git_commit: Option<String>,
    /// Who reads the repository [default: whom the URL names, else git]
    #[arg(long, value_name = "NAME", env = "GITFAAS_GIT_USER")]
    pub(crate) git_user: Option<String>,
    /// The file with the token or password of that user, for https
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_TOKEN_FILE", value_hint = ValueHint::FilePath)]
    pub(crate) git_token_file: Option<PathBuf>,
    /// The file with the certificates of the authorities that the server's certificate may be from, in PEM; no others
    /// are trusted then [default: those that this machine trusts]
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_CA_FILE", value_hint = ValueHint::FilePath)]
    pub(crate) git_ca_file: Option<PathBuf>,
    /// The file with a certificate to identify with, in PEM
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_CLIENT_CERT", value_hint = ValueHint::FilePath)]
    pub(crate) git_client_cert: Option<PathBuf>,
    /// The file with its private key, in PEM [default: the file of the certificate]
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_CLIENT_KEY", requires = "git_client_cert", value_hint = ValueHint::FilePath)]
    pub(crate) git_client_key: Option<PathBuf>,
    /// The proxy to go by for https, `http://[USER@]HOST:PORT` [default: what `HTTPS_PROXY` and `NO_PROXY` say]
    #[arg(long, value_name = "URL", env = "GITFAAS_GIT_PROXY", hide_env_values = true, value_hint = ValueHint::Url)]
    pub(crate) git_proxy: Option<String>,
    /// The file with the password of the proxy's user
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_PROXY_PASSWORD_FILE", requires = "git_proxy", value_hint = ValueHint::FilePath)]
    pub(crate) git_proxy_password_file: Option<PathBuf>,
    /// The file with the private key to identify with over ssh, in the format of OpenSSH or in PEM
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_SSH_KEY", value_hint = ValueHint::FilePath)]
    pub(crate) git_ssh_key: Option<PathBuf>,
    /// The file with the passphrase of that key
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_SSH_PASSPHRASE_FILE", requires = "git_ssh_key", value_hint = ValueHint::FilePath)]
    pub(crate) git_ssh_passphrase_file: Option<PathBuf>,
    /// The file with the host keys of the servers, as `known_hosts` of OpenSSH has them
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_KNOWN_HOSTS", value_hint = ValueHint::FilePath)]
    pub(crate) git_known_hosts: Option<PathBuf>,
    /// Whether the host key of a server has to be known; otherwise whoever can lead its name elsewhere can change the
    /// functions
    #[arg(long, value_name = "WORD", env = "GITFAAS_GIT_STRICT_HOST_KEYS", default_value = "yes")]
    pub(crate) git_strict_host_keys: YesNo,
    /// A file of those whom the commit has to be signed by; may be given several times. It is one of OpenSSH's
    /// allowed signers, of public keys of ssh, or of public keys of OpenPGP; a commit that nobody of them signed is not
    /// served [default: no signature is asked for]
    #[arg(long, value_name = "FILE", env = "GITFAAS_GIT_SIGNERS", value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub(crate) git_signers: Vec<PathBuf>,
    /// Whether a repository may be read by `http://`, without TLS, from another machine: who is on the way can read a
    /// token and change the functions
    #[arg(long, value_name = "WORD", env = "GITFAAS_GIT_PLAIN_HTTP", default_value = "no")]
    pub(crate) git_plain_http: YesNo,
    /// How long a server may send nothing
    #[arg(long, value_name = "TIME", env = "GITFAAS_GIT_STALL", default_value = "30s", value_parser = value::some_time)]
    pub(crate) git_stall: Duration,
    /// How long one look at the repository may take, with all that is fetched
    #[arg(long, value_name = "TIME", env = "GITFAAS_GIT_TIME", default_value = "10m", value_parser = value::some_time)]
    pub(crate) git_time: Duration,
    /// How many bytes one look may receive
    #[arg(long, value_name = "BYTES", env = "GITFAAS_GIT_MAX_SIZE", default_value_t = 1 << 30)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1 << 10..))]
    pub(crate) git_max_size: u64,
}

/// A word as in the Python gitfaas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    /// It is so
    Yes,
    /// It is not
    No,
}
