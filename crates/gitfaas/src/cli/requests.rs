//! What commands about messages and what became of them take: `publish`, `get`, `list`, `response`, `logs`,
//! `cancel`.

use std::time::Duration;

use clap::{ArgGroup, Args};
use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::run::Phase;
use gitfaas_core::topic::TopicName;

use super::dead_letters::At;
use super::value::{self, Data};
use super::{Output, ServerAddress};

/// What is published.
#[derive(Debug, Clone, Args)]
pub(crate) struct MessageArgs {
    /// The message: `@FILE`, `-` for what stands on stdin, or the text itself
    // Not by the name of its field: the setting `data` is the data folder, and what `render` reads from a file of settings
    // goes by ids.
    #[arg(id = "message", short = 'd', long = "data", value_name = "@FILE|-|TEXT", value_parser = value::data, allow_hyphen_values = true)]
    pub(crate) data: Option<Data>,
    /// A query parameter for the templates; may be given several times
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = value::param)]
    pub(crate) params: Vec<(String, String)>,
    /// The content type [default: application/json for what parses as JSON, text/plain for other text,
    /// application/octet-stream for the rest]
    #[arg(short = 'H', long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
}

/// `gitfaas publish`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("waiting").args(["wait", "follow"]).multiple(true)))]
pub(crate) struct Publish {
    /// The topic to publish to
    pub(crate) topic: TopicName,
    /// What to publish
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    /// What makes this message the same one as before: published again under the same key it is not accepted again
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Wait until all runs have ended, and print their answers
    #[arg(long)]
    pub(crate) wait: bool,
    /// Print logs as they come, of what the runs publish in turn as well, until all of it has ended
    #[arg(long)]
    pub(crate) follow: bool,
    /// How long --wait and --follow last at most (`90`, `90s`, `5m`, `1h30m`)
    #[arg(long, value_name = "TIME", value_parser = value::duration, requires = "waiting")]
    pub(crate) timeout: Option<Duration>,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to publish
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// `gitfaas get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The request's id, as `publish` printed it
    #[arg(value_name = "REQUEST")]
    pub(crate) request: RequestId,
    /// Name the runs in the tree, for `gitfaas logs`
    #[arg(long)]
    pub(crate) ids: bool,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// `gitfaas list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only requests of this topic
    #[arg(long)]
    pub(crate) topic: Option<TopicName>,
    /// Only requests in this phase
    #[arg(long)]
    pub(crate) phase: Option<Phase>,
    /// Only requests before this place, as the end of the previous page names it
    #[arg(long, value_name = "PLACE")]
    pub(crate) before: Option<String>,
    /// How many to show at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// `gitfaas response`.
#[derive(Debug, Args)]
pub(crate) struct Response {
    /// The request's id, as `publish` printed it
    #[arg(value_name = "REQUEST")]
    pub(crate) request: RequestId,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// What `gitfaas logs` takes: a run, or a request with one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunOrRequest {
    /// A run.
    Run(RunId),
    /// A request.
    Request(RequestId),
}

/// `gitfaas logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The run's id, or the id of a request with one run
    #[arg(value_name = "RUN", value_parser = value::run_or_request)]
    pub(crate) run: RunOrRequest,
    /// Go on as more is written, until the run ends
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How the output looks; as JSON, one object for each line
    #[command(flatten)]
    pub(crate) output: Output,
    /// Which try of a run that was redriven, from 1 [default: the present one]
    #[arg(long = "try", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "follow")]
    pub(crate) try_no: Option<u32>,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// `gitfaas replay`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("waiting").args(["wait", "follow"]).multiple(true)))]
pub(crate) struct Replay {
    /// The request's id, as `publish` printed it
    #[arg(value_name = "REQUEST")]
    pub(crate) request: RequestId,
    /// With which functions
    #[arg(long, value_name = "WHICH", default_value = "recorded")]
    pub(crate) at: At,
    /// Wait until all runs have ended, and print their answers
    #[arg(long)]
    pub(crate) wait: bool,
    /// Print logs as they come, of what the runs publish in turn as well, until all of it has ended
    #[arg(long)]
    pub(crate) follow: bool,
    /// How long --wait and --follow last at most (`90`, `90s`, `5m`, `1h30m`)
    #[arg(long, value_name = "TIME", value_parser = value::duration, requires = "waiting")]
    pub(crate) timeout: Option<Duration>,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// `gitfaas cancel`.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The request's id, as `publish` printed it
    #[arg(value_name = "REQUEST")]
    pub(crate) request: RequestId,
    /// Also cancel what its runs published, and so on
    #[arg(long)]
    pub(crate) descendants: bool,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}
