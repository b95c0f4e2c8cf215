//! A server in this process, on this machine: what `dev`, `serve` and `demo` start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use gitfaas_server::api::Limits;
use gitfaas_server::clock::SystemClock;
use gitfaas_server::cluster::local::{self, LocalCluster};
use gitfaas_server::engine::{Parts, Settings};
use gitfaas_server::server::{self, Config, RunningServer};
use gitfaas_server::source::directory::DirectorySource;
use gitfaas_server::store::embedded::EmbeddedStore;
use gitfaas_server::workers::Reports;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::functions;
use crate::cli::{self, LogFormat};
use crate::exit::Usage;

/// The program that runs now, also after another one was installed in its place.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Starts a server for the functions of `source`, with all it has to remember in the folder `data` and the `ConfigMap`s
/// and Secrets of the folder `objects`; each refresh of the source is told to `reports`.
///
/// # Errors
/// When the data folder is another server's, the address is taken, and the like.
pub(super) async fn start(
    source: Arc<DirectorySource>,
    data: &Path,
    objects: Option<&Path>,
    config: Config,
    reports: Reports,
) -> anyhow::Result<RunningServer> {
    let parts = parts(source, data, objects).await?;
    Ok(server::start(config, parts, reports).await?)
}

/// What the arguments say about a server; `end_runs` is whether its stop ends the functions that run.
pub(super) fn config(listen: SocketAddr, arguments: &cli::Settings, end_runs: bool) -> anyhow::Result<Config> {
    let policy = functions::policy(&arguments.policy)?;
    Ok(Config {
        listen,
        base_url: arguments.base_url.clone(),
        settings: Settings { policy, retention: arguments.retention, ..Settings::default() },
        limits: Limits { body: arguments.max_body, ..Limits::default() },
        end_runs,
        ..Config::default()
    })
}

/// What the server works with: the source, and a ledger and a cluster in the data folder.
async fn parts(source: Arc<DirectorySource>, data: &Path, objects: Option<&Path>) -> anyhow::Result<Parts> {
    let store = tokio::task::spawn_blocking({
        let data = data.to_owned();
        move || EmbeddedStore::open(&data)
    })
    .await??;
    let path = std::env::var_os("PATH").and_then(|path| path.into_string().ok());
    let settings = local::Settings::new(data.to_owned(), source.root().to_owned(), OWN_PROGRAM.into(), path);
    let settings = local::Settings { objects: objects.map(Path::to_owned), ..settings };
    let cluster = LocalCluster::open(settings).await?;
    Ok(Parts { source, store: Arc::new(store), cluster: Arc::new(cluster), clock: Arc::new(SystemClock) })
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
    let filter = EnvFilter::builder().parse(filter).map_err(|error| Usage(format!("--log: {error}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match format {
        LogFormat::Json => lines.json().try_init(),
        LogFormat::Text => {
            lines.with_ansi(anstream::stderr().current_choice() != anstream::ColorChoice::Never).try_init()
        }
    };
    begun.map_err(|error| anyhow::anyhow!("cannot log: {error}"))
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
