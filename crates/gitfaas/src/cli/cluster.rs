//! What runs manifests, and where it is: the settings of `serve` alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::value;

/// Which cluster a server has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// What runs manifests
    #[arg(long, value_name = "CLUSTER", env = "GITFAAS_CLUSTER", default_value = "kubernetes")]
    pub(crate) cluster: Cluster,
    /// Where the API server is
    #[command(flatten)]
    pub(crate) api_server: ApiServerArgs,
    /// The least time to live of a Job until its end is settled and its logs are kept; then its own
    /// `ttlSecondsAfterFinished` counts. It bounds how long a server may be away without losing sight of a Job
    #[arg(long, value_name = "TIME", env = "GITFAAS_TTL_FLOOR", default_value = "24h", value_parser = value::duration)]
    pub(crate) ttl_floor: Duration,
}

/// Where an API server is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ApiServerArgs {
    /// The kubeconfig file [default: `KUBECONFIG`, else the service account of the pod, else ~/.kube/config]
    #[arg(long, value_name = "FILE", env = "GITFAAS_KUBECONFIG", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", env = "GITFAAS_CONTEXT")]
    pub(crate) context: Option<String>,
    /// How long a call to the API server may take
    #[arg(long, value_name = "TIME", env = "GITFAAS_CLUSTER_TIMEOUT", default_value = "10s", value_parser = value::some_time)]
    pub(crate) cluster_timeout: Duration,
}

/// What runs manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cluster {
    /// A Kubernetes cluster
    Kubernetes,
    /// Processes of this machine
    Local,
}
