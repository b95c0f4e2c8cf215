//! A server in this process: what `dev`, `serve` and `demo` start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use gitfaas_core::admission::{Namespaces, Policy};
use gitfaas_core::retry::Backoff;
use gitfaas_server::api::Limits;
use gitfaas_server::clock::SystemClock;
use gitfaas_server::cluster::Cluster;
use gitfaas_server::cluster::kubernetes::{self, Kubernetes, Scope, Where};
use gitfaas_server::cluster::local::{self, LocalCluster};
use gitfaas_server::engine::{Parts, Reports, Settings};
use gitfaas_server::server::{self, Config, RunningServer};
use gitfaas_server::source::Source;
use gitfaas_server::store::Room;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::functions;
use super::ledger::{self, Ledger};
use crate::cli::{self, LogFormat};
use crate::exit::Usage;

/// The program that runs now, also after another one was installed in its place.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What a server works with.
pub(super) struct Place {
    /// All that it has to remember is in this folder.
    pub(super) data: PathBuf,
    /// Where functions on this machine are started.
    pub(super) functions: PathBuf,
    /// What runs manifests.
    pub(super) cluster: Runner,
    /// Where the ledger is.
    pub(super) ledger: Ledger,
}

/// What runs manifests.
pub(super) enum Runner {
    /// A cluster.
    Kubernetes(Box<Kubernetes>),
    /// This machine.
    Local(Local),
}

/// What a server may use of this machine to run manifests.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// The folder of `ConfigMap`s and Secrets, if there is one.
    pub(super) objects: Option<PathBuf>,
    /// The namespace of what names none; `None` leaves that to the cluster.
    pub(super) namespace: Option<String>,
    /// How many pods run at once; `None` leaves that to the number of cores.
    pub(super) max_live: Option<usize>,
}

/// Starts a server for the functions of `source`; each refresh of the source is told to `reports`.
///
/// # Errors
/// When the data folder is another server's, the address is taken, and the like.
pub(super) async fn start(
    source: Arc<dyn Source>,
    place: Place,
    config: Config,
    reports: Reports,
) -> anyhow::Result<RunningServer> {
    let parts = parts(source, place).await?;
    Ok(server::start(config, parts, reports).await?)
}

/// What the arguments say about running manifests on this machine.
pub(super) fn local(arguments: &cli::Settings) -> Runner {
    Runner::Local(Local {
        objects: arguments.runs.objects.clone(),
        namespace: Some(arguments.policy.namespace().to_owned()),
        max_live: arguments.runs.max_live,
    })
}

/// The cluster that the arguments name, and where functions may be in it: in the server's own namespace, unless they say
/// otherwise.
pub(super) async fn kubernetes(
    api_server: &cli::ApiServerArgs,
    policy: &cli::PolicyArgs,
    ttl_floor: Duration,
) -> anyhow::Result<(Kubernetes, Namespaces)> {
    let place = Where { kubeconfig: api_server.kubeconfig.clone(), context: api_server.context.clone() };
    let given = policy.namespaces.as_deref().unwrap_or_default();
    let scope = match functions::within("", given) {
        Namespaces::Any => Scope::All,
        Namespaces::Only(names) => Scope::Only(names.into_iter().filter(|name| !name.is_empty()).collect()),
    };
    let settings = kubernetes::Settings {
        place,
        namespace: policy.namespace.clone(),
        scope,
        timeout: api_server.cluster_timeout,
        ttl_floor,
    };
    let found = Kubernetes::connect(settings).await?;
    let namespaces = functions::within(found.namespace(), given);
    Ok((found, namespaces))
}

/// What the arguments say about a server that leaves the functions that run when it stops; `namespace` is its own.
pub(super) fn config(listen: SocketAddr, arguments: &cli::Settings, namespace: &str, policy: Policy) -> Config {
    let cli::Settings { runs, http, .. } = arguments;
    let settings = Settings {
        namespace: namespace.to_owned(),
        policy,
        apply_wait: runs.apply_wait,
        dispatches: runs.dispatches,
        room: Room { per_topic: runs.max_queued_topic, in_all: runs.max_queued },
        backoff: Backoff { first: runs.retry_wait, most: runs.retry_wait_most.max(runs.retry_wait) },
        max_age: runs.max_age,
        on_unknown: runs.on_unknown.into(),
        log_tail: runs.log_tail,
        retention: runs.retention,
        dead_letter_retention: runs.dead_letter_retention,
        ..Settings::default()
    };
    let limits = Limits {
        body: http.max_body,
        body_idle: http.body_idle,
        body_rate: http.min_body_rate,
        answer_idle: http.answer_idle,
        connections: http.max_connections,
        head: http.head_wait,
        head_bytes: http.max_head,
        wait: http.max_wait,
        ..Limits::default()
    };
    Config { listen, base_url: http.base_url.clone(), settings, limits, ..Config::default() }
}

/// What the server works with: the source, the ledger, and the cluster.
async fn parts(source: Arc<dyn Source>, place: Place) -> anyhow::Result<Parts> {
    let alone = matches!(place.cluster, Runner::Local(_));
    let store = ledger::open(place.ledger, place.data.clone(), alone).await?;
    let cluster: Arc<dyn Cluster> = match place.cluster {
        Runner::Kubernetes(cluster) => Arc::new(*cluster),
        Runner::Local(local) => Arc::new(open(local, place.data, &place.functions).await?),
    };
    Ok(Parts { source, store, cluster, clock: Arc::new(SystemClock) })
}

async fn open(local: Local, data: PathBuf, functions: &Path) -> anyhow::Result<LocalCluster> {
    let path = std::env::var_os("PATH").and_then(|path| path.into_string().ok());
    let usual = local::Settings::new(data, functions.to_owned(), OWN_PROGRAM.into(), path);
    let settings = local::Settings {
        objects: local.objects,
        namespace: local.namespace.unwrap_or(usual.namespace),
        max_live: local.max_live.unwrap_or(usual.max_live),
        ..usual
    };
    Ok(LocalCluster::open(settings).await?)
}

/// The data folder: the one that was asked for, or one that belongs to the directory of functions.
pub(super) fn data_folder(asked: Option<&Path>, functions: &Path) -> anyhow::Result<PathBuf> {
    if let Some(asked) = asked {
        return std::path::absolute(asked).with_context(|| format!("cannot tell where {} is", asked.display()));
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| Usage("there is no HOME to keep data in: say where with --data".to_owned()))?;
    Ok(state.join("gitfaas").join(folder_name(functions)))
}

/// A name of its own for each directory: what people know it by, and a hash of where it is.
fn folder_name(functions: &Path) -> String {
    let name = functions.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy());
    let hash = Sha256::digest(functions.as_os_str().as_encoded_bytes());
    let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    format!("{name}-{hash:08x}")
}

/// Sends what the server logs to stderr, in the form that was asked for.
pub(super) fn log(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = self::filter(filter).map_err(|why| Usage(format!("--log: {why}")))?;
    // It calls each answer that is no success an error; what becomes of one is said where it is handled.
    let filter = filter.add_directive("kube_client::client::builder=off".parse()?);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match format {
        LogFormat::Json => lines.json().try_init(),
        LogFormat::Text => {
            lines.with_ansi(anstream::stderr().current_choice() != anstream::ColorChoice::Never).try_init()
        }
    };
    begun.map_err(|error| anyhow::anyhow!("cannot log: {error}"))
}

/// What is logged. A word that is neither a level nor a pair would be taken for a target, and silence all others.
fn filter(asked: &str) -> Result<EnvFilter, String> {
    let strange = asked.split(',').find(|part| !part.contains('=') && part.trim().parse::<LevelFilter>().is_err());
    match strange {
        None => EnvFilter::builder().parse(asked).map_err(|error| error.to_string()),
        Some(part) => {
            Err(format!("`{part}` is no level: off, error, warn, info, debug or trace, or `target=level` for a part"))
        }
    }
}

/// Ctrl-C and SIGTERM: both ask for an orderly stop.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// From now on neither ends the process by itself.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    /// Returns at the next of them.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Stops the server in order; who asks a second time does not want to wait for that.
    pub(super) async fn orderly(&mut self, server: RunningServer) {
        tokio::select! {
            () = server.stop() => {}
            () = self.asked() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_would_silence_the_log_is_refused() {
        for asked in ["info", "DEBUG", "off", "warn,gitfaas_server::store=debug", "kube=error, info"] {
            assert!(filter(asked).is_ok(), "{asked}");
        }
        for asked in ["verbose", "info,gitfaas_server", "kube=loud"] {
            assert!(filter(asked).is_err(), "{asked}");
        }
        assert!(filter("verbose").is_err_and(|why| why.contains("`verbose` is no level: off, error, warn")));
    }

    #[test]
    fn each_directory_has_a_data_folder_of_its_own() {
        let one = folder_name(Path::new("/home/ada/functions"));
        assert!(one.starts_with("functions-") && one.len() == "functions-".len() + 8, "{one}");
        assert_eq!(one, folder_name(Path::new("/home/ada/functions")));
        assert_ne!(one, folder_name(Path::new("/home/eve/functions")));
        assert!(folder_name(Path::new("/")).starts_with("root-"));
    }

    #[test]
    fn the_data_folder_that_was_asked_for_is_taken() {
        let data = data_folder(Some(Path::new("/var/state")), Path::new("/functions")).expect("a folder");
        assert_eq!(data, Path::new("/var/state"));
    }
}
