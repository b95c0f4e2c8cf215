//! The settings of a server, as flags.
//!
//! A setting is a field here with its words, `#[arg(long, env = "GITFAAS_…")]` and a line where `commands/machine.rs`
//! hands it on. That is all: its key in the file of `--config` is the flag's name and is read by the flag's own rules
//! (`cli/file.rs`), and `gitfaas docs config > docs/configuration.md` writes its reference, which a test compares.
//! No secret is ever a setting: it would be seen in the list of processes.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum, ValueHint};
use gitfaas_core::url::BaseUrl;

use super::functions::PolicyArgs;
use super::{DataArgs, value};

/// What `dev` and `serve` have in common.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Where it keeps things
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// What functions may be
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// How they are run
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// What callers may do
    #[command(flatten)]
    pub(crate) http: Http,
    /// What is logged
    #[command(flatten)]
    pub(crate) logging: Logging,
}

/// How functions are run, and what is kept of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Runs")]
pub(crate) struct Runs {
    /// Config maps and secrets for functions on this machine: `configmaps/NAME/KEY` and `secrets/NAME/KEY` as files, or
    /// manifests [default: only those that functions apply]
    #[arg(long, value_name = "DIR", env = "GITFAAS_OBJECTS", value_hint = ValueHint::DirPath)]
    pub(crate) objects: Option<PathBuf>,
    /// How long a publish waits for the first apply of each function before it answers without its verdict
    #[arg(long, value_name = "TIME", env = "GITFAAS_APPLY_WAIT", default_value = "5s", value_parser = value::duration)]
    pub(crate) apply_wait: Duration,
    /// How many runs are handed to the cluster at once; further ones wait in the ledger
    #[arg(long, value_name = "NUMBER", env = "GITFAAS_DISPATCHES", default_value_t = 64)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pub(crate) dispatches: usize,
    /// How many runs of one topic may wait to be applied; what would have to wait beyond that is refused
    #[arg(long, value_name = "NUMBER", env = "GITFAAS_MAX_QUEUED_TOPIC", default_value_t = 100_000)]
    pub(crate) max_queued_topic: u64,
    /// The same for all topics together
    #[arg(long, value_name = "NUMBER", env = "GITFAAS_MAX_QUEUED", default_value_t = 1_000_000)]
    pub(crate) max_queued: u64,
    /// How many pods run at once on this machine; further ones wait in the order of their Jobs [default: four for
    /// each core, at least 16]
    #[arg(long, value_name = "NUMBER", env = "GITFAAS_MAX_LIVE")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pub(crate) max_live: Option<usize>,
    /// How long to wait before applying again what failed in passing; doubled with each failure
    #[arg(long, value_name = "TIME", env = "GITFAAS_RETRY_WAIT", default_value = "1s", value_parser = value::some_time)]
    pub(crate) retry_wait: Duration,
    /// The longest wait before applying again
    #[arg(long, value_name = "TIME", env = "GITFAAS_RETRY_WAIT_MOST", default_value = "1m", value_parser = value::some_time)]
    pub(crate) retry_wait_most: Duration,
    /// How long what fails in passing is tried again before it gives up; the time in which its topic is held, or the
    /// cluster cannot be reached, does not count
    #[arg(long, value_name = "TIME", env = "GITFAAS_MAX_AGE", default_value = "24h", value_parser = value::duration)]
    pub(crate) max_age: Duration,
    /// What becomes of a run of which nobody can tell how it ended
    #[arg(long, value_name = "WHAT", env = "GITFAAS_ON_UNKNOWN", default_value = "hold")]
    pub(crate) on_unknown: OnUnknown,
    /// How long a request is kept after its last run ended (`90m`, `48h`)
    #[arg(long, value_name = "TIME", env = "GITFAAS_RETENTION", default_value = "48h", value_parser = value::duration)]
    pub(crate) retention: Duration,
    /// The same for a request with a dead letter, where that is longer; an unknown run is kept until somebody decides
    #[arg(long, value_name = "TIME", env = "GITFAAS_DEAD_LETTER_RETENTION", default_value = "336h", value_parser = value::duration)]
    pub(crate) dead_letter_retention: Duration,
    /// How much of the log of each attempt is kept, in bytes counted from its end
    #[arg(long, value_name = "BYTES", env = "GITFAAS_LOG_TAIL", default_value_t = 1 << 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=64 << 20))]
    pub(crate) log_tail: u64,
}

/// What callers may send, and how slowly.
#[derive(Debug, Args)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct Http {
    /// Where functions reach this server [default: the address it listens on]
    #[arg(long, value_name = "URL", env = "GITFAAS_BASE_URL", value_hint = ValueHint::Url)]
    pub(crate) base_url: Option<BaseUrl>,
    /// The largest message and answer, in bytes
    #[arg(long, value_name = "BYTES", env = "GITFAAS_MAX_BODY", default_value_t = 1 << 20)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1 << 30))]
    pub(crate) max_body: usize,
    /// How long a body may send nothing, and how long it is read before `--min-body-rate` counts
    #[arg(long, value_name = "TIME", env = "GITFAAS_BODY_IDLE", default_value = "10s", value_parser = value::some_time)]
    pub(crate) body_idle: Duration,
    /// How many bytes a second a body has to bring, taken over all of it; 0 asks for none
    #[arg(long, value_name = "BYTES", env = "GITFAAS_MIN_BODY_RATE", default_value_t = 1 << 10)]
    pub(crate) min_body_rate: u64,
    /// How long a caller may take nothing of what is there for it to read
    #[arg(long, value_name = "TIME", env = "GITFAAS_ANSWER_IDLE", default_value = "30s", value_parser = value::some_time)]
    pub(crate) answer_idle: Duration,
    /// How many connections are served at once, and never more than half of the files that the server may have open;
    /// further ones wait
    #[arg(long, value_name = "NUMBER", env = "GITFAAS_MAX_CONNECTIONS", default_value_t = 10_000)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max_connections: usize,
    /// The largest head of an HTTP request, in bytes
    #[arg(long, value_name = "BYTES", env = "GITFAAS_MAX_HEAD", default_value_t = 64 << 10)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(8 << 10..=1 << 20))]
    pub(crate) max_head: usize,
    /// How long the head of an HTTP request may take, also on a connection that is kept open between requests
    #[arg(long, value_name = "TIME", env = "GITFAAS_HEAD_WAIT", default_value = "10s", value_parser = value::some_time)]
    pub(crate) head_wait: Duration,
    /// The longest time that a caller may ask an answer to wait for
    #[arg(long, value_name = "TIME", env = "GITFAAS_MAX_WAIT", default_value = "1m", value_parser = value::duration)]
    pub(crate) max_wait: Duration,
}

/// What is logged on stderr.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct Logging {
    /// What to log on stderr: a level, or `target=level` pairs [default: info; warn for `dev`]
    #[arg(long, value_name = "FILTER", env = "GITFAAS_LOG")]
    pub(crate) log: Option<String>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", env = "GITFAAS_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// What becomes of a run of which nobody can tell how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnUnknown {
    /// It is a dead letter, until somebody decides
    Hold,
    /// It is tried once more, three times at most: what it did may be done twice
    Rerun,
}

impl From<OnUnknown> for gitfaas_server::engine::OnUnknown {
    fn from(what: OnUnknown) -> Self {
        match what {
            OnUnknown::Hold => Self::Hold,
            OnUnknown::Rerun => Self::Rerun,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For programs: one object a line
    Json,
}
