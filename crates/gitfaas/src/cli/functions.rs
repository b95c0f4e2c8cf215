//! What commands about topics and functions take: `topics`, `lint`, `render`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use gitfaas_core::admission::PodPolicy;
use gitfaas_core::topic::TopicName;

use super::requests::MessageArgs;
use super::{ApiServerArgs, ConfigFile, Output, ServerAddress, value};

/// What decides whether files are right: the same for a server, `lint` and `render`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Functions")]
pub(crate) struct PolicyArgs {
    /// The config file in the directory
    #[arg(long, value_name = "PATH", env = "GITFAAS_CONFIG_PATH", default_value = "config.json")]
    pub(crate) config_path: String,
    /// A kind that functions may not create; may be given several times, and several may be parted by commas or
    /// blanks. It replaces the built-in list; an empty text bans nothing
    #[arg(long, value_name = "KINDS", env = "GITFAAS_BANNED_KINDS")]
    pub(crate) banned_kinds: Option<Vec<String>>,
    /// The namespace of what names none, and of `{{NAMESPACE}}` [default: that of the pod or of the kubeconfig's
    /// context; without a cluster, `default`]
    #[arg(long, value_name = "NAME", env = "GITFAAS_NAMESPACE", value_parser = value::namespace)]
    pub(crate) namespace: Option<String>,
    /// A namespace that functions may name beside the server's own; may be given several times, and several may be
    /// parted by commas or blanks; an empty text allows none, `*` every one [default: none in a Kubernetes cluster, every
    /// one without]
    #[arg(long, value_name = "NAMES", env = "GITFAAS_NAMESPACES")]
    pub(crate) namespaces: Option<Vec<String>>,
    /// What the pods of functions may do, by the Pod Security Standards of Kubernetes; at `baseline` and `restricted`
    /// they also have no service account but `default`
    #[arg(long, value_name = "LEVEL", env = "GITFAAS_POD_POLICY", default_value_t, value_parser = pod_policy())]
    pub(crate) pod_policy: PodPolicy,
}

impl PolicyArgs {
    /// The namespace of what names none, where no cluster knows better.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}

fn pod_policy() -> impl TypedValueParser<Value = PodPolicy> {
    PossibleValuesParser::new(PodPolicy::ALL.map(PodPolicy::as_str)).try_map(|word| word.parse::<PodPolicy>())
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

/// `gitfaas pause` and `gitfaas resume`.
#[derive(Debug, Args)]
pub(crate) struct OneTopic {
    /// The topic
    pub(crate) topic: TopicName,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to ask
    #[command(flatten)]
    pub(crate) address: ServerAddress,
}

const LINT: &str = "With --server a parameter is tried with its default, else with the first of its choices or something \
that its declaration allows, one that is not declared with 1, and the message is {}. Nothing is made in the cluster.";

/// `gitfaas lint`.
#[derive(Debug, Args)]
#[command(after_long_help = LINT)]
pub(crate) struct Lint {
    /// The settings of the server they are meant for
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The directory of functions
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Ask the API server of a cluster too: it is sent each object for a dry run, made with sample values
    #[arg(long)]
    pub(crate) server: bool,
    /// The API server
    #[command(flatten)]
    pub(crate) api_server: ApiServerArgs,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// What the files are checked against
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

const DIFF: &str = "Topics and the functions that listen on them are compared, and the templates by their hashes; what \
changed inside of a template is shown against another directory (--with). It ends with 1 when anything differs.";

/// `gitfaas diff`.
#[derive(Debug, Args)]
#[command(after_long_help = DIFF)]
pub(crate) struct Diff {
    /// The directory of functions
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Compare with this directory instead of a server
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) with: Option<PathBuf>,
    /// The config file in the directory
    #[arg(long, value_name = "PATH", env = "GITFAAS_CONFIG_PATH", default_value = "config.json")]
    pub(crate) config_path: String,
    /// How the output looks
    #[command(flatten)]
    pub(crate) output: Output,
    /// The server that serves
    #[command(flatten)]
    pub(crate) address: ServerAddress,
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
    /// The settings of the server that it is meant for
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The directory of functions
    #[arg(long, default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// What would be published
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    /// How objects are written
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "yaml")]
    pub(crate) format: ManifestFormat,
    /// What the files are checked against
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}
