//! What can be typed: the tree of commands and their arguments.
//!
//! Only shapes are checked here. The bearer token is no argument, because any user of a machine can read the
//! arguments of its processes: it comes from the environment alone.

mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};
use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::run::Phase;
use gitfaas_core::topic::TopicName;
use gitfaas_core::url::BaseUrl;

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
    Dev(Dev),
    /// Serve the functions of a directory
    Serve(Serve),
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
    /// List topics with their functions, or show one
    Topics(Topics),
    /// Check the functions of a directory; needs no server
    Lint(Lint),
    /// Print what a message would create; needs no server
    Render(Render),
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
    /// For programs: what the server said
    Json,
}

/// `-o`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// How the output looks
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,
}

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

/// What decides whether files are right: the same for a server, `lint` and `render`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PolicyArgs {
    /// The config file in the directory
    #[arg(long, value_name = "PATH", env = "GITFAAS_CONFIG_PATH", default_value = "config.json")]
    pub(crate) config_path: String,
    /// A kind that functions may not create; may be given several times, and several may be parted by commas or
    /// blanks. It replaces the built-in list; an empty text bans nothing
    #[arg(long, value_name = "KINDS", env = "GITFAAS_BANNED_KINDS")]
    pub(crate) banned_kinds: Option<Vec<String>>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For programs: one object a line
    Json,
}

/// What is published.
#[derive(Debug, Clone, Args)]
pub(crate) struct MessageArgs {
    /// The message: `@FILE`, `-` for what stands on stdin, or the text itself
    #[arg(short, long, value_name = "@FILE|-|TEXT", value_parser = value::data, allow_hyphen_values = true)]
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
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// `gitfaas topics`.
#[derive(Debug, Args)]
pub(crate) struct Topics {
    /// The topic to show
    pub(crate) topic: Option<TopicName>,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

/// `gitfaas lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The directory of functions
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// What the files are checked against
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How `render` writes objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ManifestFormat {
    /// Documents parted by `---`
    Yaml,
    /// One object, or a `List` of several
    Json,
}

/// `gitfaas render`.
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// The topic that the message would be published to
    pub(crate) topic: TopicName,
    /// The directory of functions
    #[arg(long, default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// What would be published
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    /// What the files are checked against
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// How objects are written
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "yaml")]
    pub(crate) format: ManifestFormat,
}

#[cfg(test)]
mod tests;
