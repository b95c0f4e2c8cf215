//! What `gitfaas dead-letters` takes.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use gitfaas_core::id::RunId;
use gitfaas_core::topic::{FunctionName, TopicName};

use super::{Output, ServerAddress};

/// `gitfaas dead-letters`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List the runs that gave up and that nobody has decided about, the newest first
    List(DeadLetterList),
    /// Try runs once more
    Redrive(Redrive),
    /// Give runs up for good: they are listed no more, and forgotten after the ordinary retention
    Purge(Purge),
}

/// Which functions make a run or a request once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum At {
    /// Those that it was accepted with, as they were recorded
    Recorded,
    /// Those that are served now
    Head,
}

impl At {
    /// The word of the query.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Head => "head",
        }
    }
}

/// What chooses dead letters.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeadLetterFilter {
    /// Only those of this topic
    #[arg(long)]
    pub(crate) topic: Option<TopicName>,
    /// Only those of this function
    #[arg(long)]
    pub(crate) function: Option<FunctionName>,
    /// Only those with this code of the reason (`BackoffLimitExceeded`, …)
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Option<String>,
}

/// `gitfaas dead-letters list`.
#[derive(Debug, Args)]
pub(crate) struct DeadLetterList {
    /// Which
    #[command(flatten)]
    pub(crate) filter: DeadLetterFilter,
    /// Only those behind this place, as the end of the previous page names it
    #[arg(long, value_name = "PLACE")]
    pub(crate) before: Option<String>,
    /// How many to show at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// Which dead letters are meant: these runs, or what the filters choose, or all. Nobody means all by leaving something
/// out.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("which").args(["runs", "topic", "function", "reason", "all"]).required(true).multiple(true)))]
pub(crate) struct Which {
    /// The runs
    #[arg(value_name = "RUN", conflicts_with_all = ["topic", "function", "reason", "all"])]
    pub(crate) runs: Vec<RunId>,
    /// Which
    #[command(flatten)]
    pub(crate) filter: DeadLetterFilter,
    /// All of them
    #[arg(long, conflicts_with_all = ["topic", "function", "reason"])]
    pub(crate) all: bool,
}

/// `gitfaas dead-letters redrive`.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// Which
    #[command(flatten)]
    pub(crate) which: Which,
    /// With which functions
    #[arg(long, value_name = "WHICH", default_value = "recorded")]
    pub(crate) at: At,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// `gitfaas dead-letters purge`.
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// Which
    #[command(flatten)]
    pub(crate) which: Which,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}
