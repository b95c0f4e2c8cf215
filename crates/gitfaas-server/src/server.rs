//! Starts everything in order and stops it in order.

mod connections;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::{Handle, Server};
use gitfaas_core::url::BaseUrl;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;

use self::connections::{Listener, Peer};
use crate::api::{self, Limits, WebhookSecrets};
use crate::engine::{Engine, EngineError, Parts, Reports, Settings};
use crate::telemetry::Metrics;
use crate::workers::Workers;

/// What a server is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where functions reach this server; `None` derives it from the address that is listened on.
    pub base_url: Option<BaseUrl>,
    /// The address of this machine by which others reach it, for a server that listens on all of them and is not told
    /// its `base_url`.
    pub own_address: Option<IpAddr>,
    /// What the engine is told; its `base_url` is set here.
    pub settings: Settings,
    /// What callers may send.
    pub limits: Limits,
    /// What deliveries of webhooks have to be signed with; `None` takes none.
    pub webhooks: Option<WebhookSecrets>,
    /// Whether a stop ends the functions that run (a developer's machine), or leaves them to be adopted.
    pub end_runs: bool,
    /// How long functions that are ended have to end by themselves.
    pub grace: Duration,
    /// How long the server serves on at its stop, not ready any more, until callers are sent to others.
    pub leave: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5000)),
            base_url: None,
            own_address: None,
            settings: Settings::default(),
            limits: Limits::default(),
            webhooks: None,
            end_runs: false,
            grace: Duration::from_secs(5),
            leave: Duration::ZERO,
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}{}", hint(.error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// What was served last cannot be loaded.
    #[error(transparent)]
    Restore(#[from] EngineError),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program (another gitfaas?) has it: choose another with --listen",
        _ => "",
    }
}

/// A server that runs.
pub struct RunningServer {
    /// Where it listens.
    pub addr: SocketAddr,
    engine: Arc<Engine>,
    parts: Parts,
    workers: Workers,
    handle: Handle<Peer>,
    http: JoinHandle<io::Result<()>>,
    end_runs: bool,
    grace: Duration,
    leave: Duration,
}

/// How long open connections have to finish once everything else has stopped.
const CONNECTIONS: Duration = Duration::from_secs(3);
/// How long the last of what the cluster told may take to be settled.
const SETTLING: Duration = Duration::from_secs(2);

/// Starts a server over its parts: serves what was served last at once, and refreshes from the source. What comes of each
/// refresh is told to `reports`.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: Config, parts: Parts, reports: Reports) -> Result<RunningServer, StartError> {
    let listen = |error| StartError::Listen { address: config.listen, error };
    let listener = TcpListener::bind(config.listen).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    let mut settings = config.settings;
    settings.base_url = match (config.base_url, config.own_address) {
        (Some(url), _) => url,
        (None, own) => {
            let url =
                reachable(own.filter(|_| addr.ip().is_unspecified()).map_or(addr, |own| (own, addr.port()).into()));
            if own.is_some() {
                tracing::warn!(server.url = %url, "functions are told to reach this server there, which only this process has: set --base-url to a name that lasts");
            }
            url
        }
    };
    let engine = Engine::new(settings, parts.clone(), Metrics::default());
    engine.renew_lease().await?;
    engine.restore().await?;
    if let Some(reports) = reports {
        engine.report_refreshes(reports);
    }
    let workers = Workers::start(&engine, parts.source.clone(), parts.cluster.clone());
    let handle = Handle::new();
    let limits = Limits {
        loopback_only: config.limits.loopback_only || addr.ip().is_loopback(),
        connections: connections::places(config.limits.connections),
        ..config.limits
    };
    let app = api::router(engine.clone(), limits, config.webhooks);
    let http = serve(listener, &handle, app, &limits).map_err(listen)?;
    tracing::info!(server.address = %addr, cluster = parts.cluster.describe(), source.location = parts.source.describe(), "serving");
    let Config { end_runs, grace, leave, .. } = config;
    Ok(RunningServer { addr, engine, parts, workers, handle, http, end_runs, grace, leave })
}

fn serve(
    listener: TcpListener,
    handle: &Handle<Peer>,
    app: axum::Router,
    limits: &Limits,
) -> io::Result<JoinHandle<io::Result<()>>> {
    // HTTP/1.1 alone: a server that waits to see whether HTTP/2 is spoken waits without limit, and the limits below
    // are those of HTTP/1.1.
    let mut server = Server::from_listener(Listener::new(listener, limits)?).http1_only().handle(handle.clone());
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes.max(8192));
    Ok(tokio::spawn(async move { server.serve(app.into_make_service()).await }))
}

/// The URL by which a process of this machine reaches a listener.
fn reachable(mut addr: SocketAddr) -> BaseUrl {
    if addr.ip().is_unspecified() {
        addr.set_ip(if addr.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    addr.into()
}

impl RunningServer {
    /// The engine, for callers in the same process.
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The URL by which it is reached from this machine.
    pub fn url(&self) -> String {
        reachable(self.addr).to_string()
    }

    /// Stops in order: callers are sent elsewhere, then no new publish, functions end (or are left) while their answers
    /// still get in, what the cluster told is settled, waits and connections end, the ledger closes.
    pub async fn stop(self) {
        self.engine.leave();
        tokio::time::sleep(self.leave).await;
        self.engine.drain();
        self.parts.cluster.stop(self.end_runs, self.grace).await;
        self.workers.stop(SETTLING).await;
        self.engine.finish().await;
        self.handle.graceful_shutdown(Some(CONNECTIONS));
        if let Ok(Err(error)) = self.http.await {
            tracing::warn!(%error, "the listener ended with an error");
        }
        self.parts.store.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_an_address_that_they_can_reach() {
        let url = |address: &str| reachable(address.parse().expect("an address")).to_string();
        assert_eq!(url("0.0.0.0:5000"), "http://127.0.0.1:5000");
        assert_eq!(url("[::]:81"), "http://[::1]:81");
        assert_eq!(url("127.0.0.1:8080"), "http://127.0.0.1:8080");
    }
}
