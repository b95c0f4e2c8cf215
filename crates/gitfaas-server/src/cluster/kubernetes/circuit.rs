//! The circuit: while an API server cannot be reached it is asked once a second whether it is back, and nothing else.
//!
//! A layer around every request, watches too. It opens when a connection fails or a request times out and none went well
//! since it was sent, and when one after the other fails on the server's side; it closes when the server answers a
//! probe. It repeats nothing: who made a request is told that it failed.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use crate::clock::{Clock as _, SystemClock};
use crate::cluster::Reach;

/// The time between the beginnings of two probes.
const PROBE: Duration = Duration::from_secs(1);
/// How long a probe may take: a server that is paused holds it for so long.
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

/// How many answers in a row say that the server is unwell: one that fronts another (an aggregated API, a kubelet) can
/// be, while all others are well.
const UNWELL: u32 = 3;

/// Nothing was sent, as the server could not be reached lately.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the API server cannot be reached: {0}")]
pub(super) struct CircuitOpen(pub(super) String);

/// A request that may pass while the circuit is open.
#[derive(Debug, Clone, Copy)]
struct Probe;

/// What is known about the way to the server.
pub(super) struct Circuit {
    reach: watch::Sender<Reach>,
    begun: Instant,
    /// When a request last went well, in milliseconds after `begun`.
    went_well: AtomicU64,
    /// Answers since then that say that the server is unwell.
    unwell: AtomicU32,
}

impl Circuit {
    pub(super) fn new() -> Arc<Self> {
        let (reach, begun) = (watch::Sender::new(Reach::Up), Instant::now());
        Arc::new(Self { reach, begun, went_well: AtomicU64::new(0), unwell: AtomicU32::new(0) })
    }

    pub(super) fn reach(&self) -> watch::Receiver<Reach> {
        self.reach.subscribe()
    }

    /// Returns when requests may be sent.
    pub(super) async fn closed(&self) {
        // The circuit outlives the receiver.
        drop(self.reach().wait_for(|reach| *reach == Reach::Up).await);
    }

    /// Returns when the server cannot be reached.
    pub(super) async fn opened(&self) {
        drop(self.reach().wait_for(|reach| *reach != Reach::Up).await);
    }

    /// Why nothing may be sent now.
    fn open(&self) -> Option<CircuitOpen> {
        match &*self.reach.borrow() {
            Reach::Up => None,
            Reach::Down { why, .. } => Some(CircuitOpen(why.clone())),
        }
    }

    fn went_well(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.went_well.fetch_max(now, Ordering::Relaxed);
        self.unwell.store(0, Ordering::Relaxed);
    }

    /// A request that was begun at `sent` got no good answer: the server is in doubt unless another one did since.
    pub(super) fn doubt(&self, sent: Instant, why: impl Into<String>) {
        let sent = u64::try_from(sent.duration_since(self.begun).as_millis()).unwrap_or(u64::MAX);
        if self.went_well.load(Ordering::Relaxed) <= sent {
            self.fail(why);
        }
    }

    fn fail(&self, why: impl Into<String>) {
        let opened = self.reach.send_if_modified(|reach| {
            let closed = *reach == Reach::Up;
            if closed {
                *reach = Reach::Down { since: SystemClock.now(), why: why.into() };
            }
            closed
        });
        if opened && let Some(CircuitOpen(why)) = self.open() {
            tracing::warn!(why, "the API server cannot be reached; what is to be applied waits for it");
        }
    }

    fn close(&self) {
        self.went_well();
        if self.reach.send_if_modified(|reach| std::mem::replace(reach, Reach::Up) != Reach::Up) {
            tracing::info!("the API server can be reached again");
        }
    }

    /// Asks, while the circuit is open, whether the server is back; ends with the circuit.
    pub(super) async fn watch_over(circuit: Weak<Self>, client: Client) {
        loop {
            let Some(mut reach) = circuit.upgrade().map(|circuit| circuit.reach()) else { return };
            if reach.wait_for(|reach| *reach != Reach::Up).await.is_err() {
                return;
            }
            // The request that failed was the last try.
            tokio::time::sleep(PROBE).await;
            while *reach.borrow_and_update() != Reach::Up {
                let begun = Instant::now();
                let answered = tokio::time::timeout(PROBE_PATIENCE, client.send(probe())).await;
                let Some(circuit) = circuit.upgrade() else { return };
                if matches!(&answered, Ok(Ok(response)) if !response.status().is_server_error()) {
                    circuit.close();
                    break;
                }
                tokio::time::sleep_until(begun + PROBE).await;
            }
        }
    }
}

fn probe() -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static("/readyz");
    request.extensions_mut().insert(Probe);
    request
}

/// Puts a [`Circuit`] around a client.
pub(super) struct CircuitLayer(pub(super) Arc<Circuit>);

impl<S> Layer<S> for CircuitLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, circuit: Arc::clone(&self.0) }
    }
}

/// A client with a circuit around it.
pub(super) struct Guarded<S> {
    inner: S,
    circuit: Arc<Circuit>,
}

impl<S, B> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_probe = request.extensions().get::<Probe>().is_some();
        if !is_probe && let Some(open) = self.circuit.open() {
            return Box::pin(async { Err(open.into()) });
        }
        let (circuit, sent, answer) = (Arc::clone(&self.circuit), Instant::now(), self.inner.call(request));
        Box::pin(async move {
            match answer.await {
                Ok(response) => {
                    match response.status() {
                        status if !is_unwell(status) => circuit.went_well(),
                        status if circuit.unwell.fetch_add(1, Ordering::Relaxed) + 1 >= UNWELL => {
                            circuit.doubt(sent, format!("it answers {status}"));
                        }
                        _ => {}
                    }
                    Ok(response)
                }
                Err(error) => {
                    let error: BoxError = error.into();
                    circuit.doubt(sent, chain(&*error));
                    Err(error)
                }
            }
        })
    }
}

/// Whether this is the server's own trouble, not the request's. A 500 is what a webhook that fails makes of a request,
/// and a 429 a server that is well and busy.
fn is_unwell(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// An error with what caused it, as one sentence: the outermost says little.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
        source = error.source();
    }
    said
}

#[cfg(test)]
#[path = "circuit_tests.rs"]
mod tests;
