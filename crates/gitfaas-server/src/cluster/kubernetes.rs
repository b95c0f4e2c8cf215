//! Kubernetes as a cluster, from v1.20 to today's.
//!
//! What belongs to one run is created, everything else is applied on the server's side (`apply`). A watch of our Jobs,
//! their pods and what the cluster warns of tells how they stand. Nothing is kept here that a restart would lose: names
//! and labels say which run and try an object is of.
//!
//! No call is repeated here, and none lasts for ever: the engine says what is tried again and when, and while the server
//! cannot be reached nothing but one probe a second is sent (`circuit`).

mod access;
mod apply;
mod calls;
mod circuit;
mod connect;
mod dry_run;
mod facts;
mod feed;
mod kinds;
mod lifetime;
mod logs;
mod objects;
mod ports;
mod refused;
mod rescue;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use gitfaas_core::admission::Admitted;
use gitfaas_core::id::RunId;
use gitfaas_core::manifest::Manifest;
use gitfaas_core::run::ObjectKey;
use gitfaas_core::run::machine::Observation;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::access::Access;
use self::apply::{Applying, Existing, job_path, write};
use self::calls::{Answer, Calls};
pub use self::connect::{ConnectError, Where};
pub use self::dry_run::DryRun;
use self::facts::{PodFacts, Pods};
use self::kinds::{Kinds, get};
use self::objects::Job;
use self::refused::unexpected;
use self::rescue::Rescue;
use super::{ApplyError, Cluster, ClusterError, ClusterEvent, Denied, LogChunk, LogPart, Need, Owner, Reach};

/// Which namespaces are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every one: this needs the right to look into all of them.
    All,
    /// These, beside the server's own.
    Only(BTreeSet<String>),
}

/// What a cluster is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API server is.
    pub place: Where,
    /// The namespace of what names none; `None` for that of the service account or of the context.
    pub namespace: Option<String>,
    /// Where functions may be.
    pub scope: Scope,
    /// How long a call may take.
    pub timeout: Duration,
    /// The least time to live of a Job that is not settled.
    pub ttl_floor: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            place: Where::default(),
            namespace: None,
            scope: Scope::Only(BTreeSet::new()),
            timeout: Duration::from_secs(10),
            ttl_floor: Duration::from_hours(24),
        }
    }
}

/// A Kubernetes cluster.
pub struct Kubernetes {
    settings: Settings,
    calls: Calls,
    kinds: Kinds,
    rescue: Rescue,
    /// Since when the logs of Jobs are asked for in vain.
    in_vain: Mutex<HashMap<ObjectKey, Instant>>,
    url: String,
    namespace: String,
    stopping: CancellationToken,
}

impl Kubernetes {
    /// Finds the cluster. It is not asked anything yet: a server starts, and takes messages, while it is down.
    ///
    /// # Errors
    /// When there is no kubeconfig and no service account, or they cannot be read.
    pub async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        let found = connect::find(&settings.place, settings.timeout).await?;
        let stopping = CancellationToken::new();
        Ok(Self {
            rescue: Rescue::new(&found.calls, &stopping),
            in_vain: Mutex::default(),
            namespace: settings.namespace.clone().unwrap_or(found.namespace),
            settings,
            calls: found.calls,
            kinds: Kinds::default(),
            url: found.url,
            stopping,
        })
    }

    /// The namespace of what names none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The address of this machine that the API server sees, and by which pods probably reach it.
    pub fn own_address(&self) -> Option<IpAddr> {
        let url: http::Uri = self.url.parse().ok()?;
        let host = url.host()?.trim_matches(['[', ']']);
        let server = (host, url.port_u16().unwrap_or(443)).to_socket_addrs().ok()?.next()?;
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // Sends nothing: the kernel says which way it would go.
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(server).ok()?;
        Some(socket.local_addr().ok()?.ip())
    }

    /// Where a Job is, in full.
    fn placed(&self, job: &ObjectKey) -> logs::Place {
        let namespace = job.namespace.clone().unwrap_or_else(|| self.namespace.clone());
        logs::Place { namespace, job: job.name.clone() }
    }

    /// A way to hear what the server would say of objects, without making them.
    ///
    /// # Errors
    /// When it does not answer, or is too old to be asked.
    pub async fn dry_run(&self) -> Result<DryRun<'_>, ClusterError> {
        DryRun::over(&self.calls, &self.kinds, &self.namespace).await
    }

    fn in_vain(&self) -> MutexGuard<'_, HashMap<ObjectKey, Instant>> {
        self.in_vain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn job(&self, job: &ObjectKey) -> Result<Option<Answer>, ClusterError> {
        let answer = self.calls.call(get(&job_path(job, &self.namespace))).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            _ => Err(unexpected("read the Job", &answer)),
        }
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

#[async_trait]
impl Cluster for Kubernetes {
    fn describe(&self) -> String {
        format!("Kubernetes at {}, namespace {}", self.url, self.namespace)
    }

    fn reach(&self) -> Receiver<Reach> {
        self.calls.circuit.reach()
    }

    async fn apply(&self, owner: Owner, manifest: &Admitted<Manifest>) -> Result<ObjectKey, ApplyError> {
        let Self { calls, kinds, namespace, settings, .. } = self;
        Applying { calls, kinds, namespace, ttl_floor: settings.ttl_floor }.apply(owner, manifest).await
    }

    fn watch(&self) -> BoxStream<'static, ClusterEvent> {
        watch::watch(self)
    }

    fn keeps(&self) -> Duration {
        self.settings.ttl_floor
    }

    fn in_full(&self, job: &ObjectKey) -> ObjectKey {
        ObjectKey { namespace: Some(self.placed(job).namespace), ..job.clone() }
    }

    async fn exists(&self, job: &ObjectKey) -> Result<bool, ClusterError> {
        Ok(self.job(job).await?.is_some())
    }

    async fn end_of(&self, job: &ObjectKey) -> Result<Option<(RunId, Observation)>, ClusterError> {
        let Some(answer) = self.job(job).await? else { return Ok(None) };
        let found: Job = answer.read()?;
        let Some(Owner { run, try_no }) = found.metadata.owner().filter(|_| found.is_over()) else { return Ok(None) };
        let mut pods = Pods::default();
        for pod in logs::pods(&self.calls, &self.placed(job), Some(&found)).await? {
            pods.put(PodFacts::of(&pod));
        }
        let (state, attempts) = facts::of(&found, &pods, None);
        Ok(Some((run, Observation { try_no, job: found.key(), state, attempts })))
    }

    async fn logs(&self, job: &ObjectKey, tail: u64) -> Result<Vec<LogPart>, ClusterError> {
        let tried = self.in_vain().get(job).map(Instant::elapsed).unwrap_or_default();
        let found = self.job(job).await?.map(|answer| answer.read()).transpose()?;
        let read = logs::read(&self.calls, &self.rescue, &self.placed(job), found.as_ref(), tail, tried).await;
        match &read {
            Ok(_) => drop(self.in_vain().remove(job)),
            Err(_) => drop(self.in_vain().entry(job.clone()).or_insert_with(Instant::now)),
        }
        read
    }

    async fn follow_logs(&self, job: &ObjectKey) -> Result<BoxStream<'static, LogChunk>, ClusterError> {
        let Some(answer) = self.job(job).await? else { return Ok(futures_util::stream::empty().boxed()) };
        Ok(logs::follow(&self.calls, &self.rescue, &self.placed(job), &answer.read()?, &self.stopping))
    }

    /// Deletes the Job; it stays until its pods are gone.
    async fn end(&self, job: &ObjectKey) -> Result<(), ClusterError> {
        let Some(answer) = self.job(job).await? else { return Ok(()) };
        let existing: Existing = answer.read()?;
        if !existing.is_ours() {
            return Ok(());
        }
        // Its last words, from before they can be lost. Without them it is to end all the same.
        let pods = logs::pods(&self.calls, &self.placed(job), Some(&answer.read()?)).await;
        for pod in pods.iter().flatten() {
            self.rescue.begin(pod);
        }
        let options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": existing.metadata.uid},
        });
        let place = job_path(job, &self.namespace);
        let answer = self.calls.call(write(Method::DELETE, &place, "application/json", options.to_string())).await?;
        match answer.status {
            // Another Job has the name by now, or none.
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(unexpected("delete the Job", &answer)),
        }
    }

    async fn release(&self, job: &ObjectKey) -> Result<(), ClusterError> {
        self.rescue.forget(&self.placed(job));
        let Some(answer) = self.job(job).await? else { return Ok(()) };
        // What has a name of its own was made with its own time to live.
        if !answer.read::<Existing>()?.is_unique() {
            return Ok(());
        }
        let patch = lifetime::released(&answer.read()?);
        let place = job_path(job, &self.namespace);
        let answer =
            self.calls.call(write(Method::PATCH, &place, "application/merge-patch+json", patch.to_string())).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(unexpected("release the Job", &answer)),
        }
    }

    async fn access(&self, needs: &[Need]) -> Result<Vec<Denied>, ClusterError> {
        let Self { calls, kinds, namespace, settings, .. } = self;
        Access { calls, kinds, namespace, scope: &settings.scope }.denied(needs).await
    }

    /// What runs goes on: it is found again at the next start.
    async fn stop(&self, _end_runs: bool, _grace: Duration) {
        self.stopping.cancel();
    }
}
