//! The verbs of gitfaas over its four seams: publish, render, dispatch, observe, cancel, redrive, replay, respond, refresh,
//! expire, query.
//!
//! The engine knows the traits, not what is behind them, and nothing of HTTP. Each verb has a file; what may follow
//! what is decided in the core.

mod access;
mod apply;
mod caller;
mod cancel;
mod changes;
mod dispatch;
mod ended;
mod error;
mod expire;
mod follow;
mod following;
mod gate;
mod hold;
mod hub;
mod ids;
mod lease;
mod observe;
mod publish;
mod query;
mod reach;
mod redrive;
mod refresh;
mod render;
mod replay;
mod respond;
mod roster;
mod waiting;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use gitfaas_core::admission::Policy;
use gitfaas_core::catalog::Catalog;
use gitfaas_core::gate::Gate;
use gitfaas_core::id::RunId;
use gitfaas_core::retry::Backoff;
use gitfaas_core::run::{Mark, ObjectKey};
use gitfaas_core::topic::TopicName;
use gitfaas_core::url::BaseUrl;
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::access::Forbidden;
pub use self::caller::Caller;
pub use self::cancel::Cancelled;
pub use self::dispatch::Recovered;
pub use self::error::{EngineError, ErrorCode};
pub(crate) use self::follow::after_cut;
pub use self::following::{SourceFailure, SourceStatus};
pub use self::hub::{Hub, Subscription};
pub use self::lease::Standing;
pub use self::publish::{PublishOptions, Published};
pub use self::query::Tree;
pub(crate) use self::reach::changed as reach_changed;
pub use self::redrive::{At, Bulk};
pub use self::refresh::{CONFIG_FILES, ReadSource, Refresh, Refreshed, Reports, inspect_source, read_source};
pub use self::render::Rendered;
pub use self::respond::Answer;
pub use self::roster::WorkerStatus;
pub use self::waiting::Waiting;

use self::hold::Held;
use self::ids::Ids;
use self::roster::Roster;
use crate::clock::Clock;
use crate::cluster::{Cluster, Reach};
use crate::source::Source;
use crate::store::{Room, Store};
use crate::telemetry::Metrics;

/// How many ended Jobs have their logs kept, or are let go, at once.
const TURNS: usize = 16;

/// What becomes of a run of which nobody can tell how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// It is a dead letter that waits for somebody to decide.
    Hold,
    /// It is tried once more, [so often](gitfaas_core::run::machine::MOST_RERUNS) at most: what it did may be done twice.
    Rerun,
}

/// What the engine is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where functions reach this server: `{{GITFAAS_URL}}`.
    pub base_url: BaseUrl,
    /// The namespace of manifests that name none: `{{NAMESPACE}}`.
    pub namespace: String,
    /// Which manifests are admitted.
    pub policy: Policy,
    /// How this server is called in marks and logs.
    pub holder: String,
    /// How long a publish waits for the first apply of each function before it answers without its verdict.
    pub apply_wait: Duration,
    /// How many runs are applied at once; further ones wait in the ledger.
    pub dispatches: usize,
    /// How many runs may be queued before a publish that would have to wait is refused.
    pub room: Room,
    /// How long what fails in passing is tried again before it gives up. Only the time counts in which it could be tried:
    /// not that of a topic that is held, nor that in which the cluster cannot be reached.
    pub max_age: Duration,
    /// What becomes of a run of which nobody can tell how it ended.
    pub on_unknown: OnUnknown,
    /// How long to wait before applying again after a passing failure.
    pub backoff: Backoff,
    /// Bytes of log kept for each container of each attempt, counted from the end.
    pub log_tail: u64,
    /// How long a request is kept after the last of its runs finished.
    pub retention: Duration,
    /// The same for a request with a dead letter; one that is `unknown` is kept until somebody decides.
    pub dead_letter_retention: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: BaseUrl::default(),
            namespace: "default".to_owned(),
            policy: Policy::default(),
            holder: "gitfaas".to_owned(),
            apply_wait: Duration::from_secs(5),
            dispatches: 64,
            max_age: Duration::from_hours(24),
            on_unknown: OnUnknown::Hold,
            room: Room { per_topic: 100_000, in_all: 1_000_000 },
            backoff: Backoff { first: Duration::from_secs(1), most: Duration::from_mins(1) },
            log_tail: 1024 * 1024,
            retention: Duration::from_hours(48),
            dead_letter_retention: Duration::from_hours(14 * 24),
        }
    }
}

/// What the engine works with.
#[derive(Clone)]
pub struct Parts {
    /// Where functions come from.
    pub source: Arc<dyn Source>,
    /// The durable ledger.
    pub store: Arc<dyn Store>,
    /// What runs manifests.
    pub cluster: Arc<dyn Cluster>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The engine. One a process; shared behind an [`Arc`].
pub struct Engine {
    settings: Settings,
    parts: Parts,
    reach: watch::Receiver<Reach>,
    // Swapped whole by a refresh and read without a lock by a publish. None until a first catalog is there.
    catalog: ArcSwap<Option<Catalog>>,
    // What the cluster would refuse of it, as far as it was asked.
    access: ArcSwap<access::Findings>,
    // Woken when something else is served than the cluster was asked about.
    unchecked: Notify,
    // What the store has; swapped whole, and read without a lock by a publish.
    gates: ArcSwap<BTreeMap<TopicName, Gate>>,
    reading_gates: tokio::sync::Mutex<()>,
    source_status: Mutex<SourceStatus>,
    refreshing: refresh::Turns,
    // Woken when somebody said that the source has changed.
    pushed: Notify,
    // What others said of the source, and whether it was read since.
    news: changes::News,
    hub: Arc<Hub>,
    lease: lease::Holding,
    ids: Ids,
    slots: Arc<Semaphore>,
    // For what is done about ended Jobs. After a restart thousands may have ended, and logs are in memory while they are
    // brought to the store.
    turns: Semaphore,
    // A run that the ledger has as being applied, and that is not here, was left by a crash or an error.
    applying: Held<RunId>,
    // The same while it is being accepted, when nobody knows yet whether it is marked or queued: who takes what is queued
    // must not pass it by, and so be out of order.
    accepting: Held<RunId>,
    capturing: Held<RunId>,
    // Jobs that wait to be let go: the cluster may tell of them again meanwhile.
    releasing: Held<(RunId, ObjectKey)>,
    // Whether the next look asks for a slot also where none seems to be free; set with each look for what was left.
    claim_slots: AtomicBool,
    // Woken when a run was queued that may be due before the dispatcher's next look.
    queued: Notify,
    // Changes when the ledger may have lost its last moments.
    forgot: watch::Sender<()>,
    leaving: CancellationToken,
    draining: CancellationToken,
    stopping: CancellationToken,
    tasks: TaskTracker,
    metrics: Metrics,
    roster: Roster,
}

impl Engine {
    /// An engine over these parts. It does nothing by itself: `workers` do, and callers.
    pub fn new(settings: Settings, parts: Parts, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(settings.dispatches)),
            turns: Semaphore::new(TURNS),
            settings,
            reach: parts.cluster.reach(),
            parts,
            catalog: ArcSwap::from_pointee(None),
            access: ArcSwap::default(),
            unchecked: Notify::new(),
            gates: ArcSwap::default(),
            reading_gates: tokio::sync::Mutex::default(),
            source_status: Mutex::default(),
            refreshing: refresh::Turns::default(),
            pushed: Notify::new(),
            hub: Arc::default(),
            lease: lease::Holding::default(),
            ids: Ids::default(),
            applying: Held::default(),
            accepting: Held::default(),
            capturing: Held::default(),
            releasing: Held::default(),
            news: changes::News::default(),
            claim_slots: AtomicBool::default(),
            queued: Notify::new(),
            forgot: watch::Sender::new(()),
            leaving: CancellationToken::new(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            metrics,
            roster: Roster::default(),
        })
    }

    /// What it was told at its start.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it counts.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is served now; `None` inside while nothing ever was.
    pub fn catalog(&self) -> Arc<Option<Catalog>> {
        self.catalog.load_full()
    }

    /// Where functions come from: to be asked what it is, and read by [`refresh`](Self::refresh) alone.
    pub fn source(&self) -> &dyn Source {
        &*self.parts.source
    }

    /// What runs manifests, for people.
    pub fn cluster(&self) -> String {
        self.parts.cluster.describe()
    }

    /// Subscribes to changes of a request.
    pub fn subscribe(&self, request: gitfaas_core::id::RequestId) -> Subscription {
        self.hub.subscribe(request)
    }

    /// How many wait for changes of requests.
    pub fn waiting(&self) -> usize {
        self.hub.waiting()
    }

    /// Ends when the server stops: long polls and streams end with it.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Whether it can serve: a catalog is loaded and the store answers.
    ///
    /// # Errors
    /// What is missing.
    pub async fn ready(&self) -> Result<(), EngineError> {
        if self.is_leaving() || self.draining.is_cancelled() {
            return Err(EngineError::new(ErrorCode::Stopping, "the server is about to stop"));
        }
        self.parts.store.ready().await?;
        if self.catalog.load().is_none() {
            return Err(self.no_catalog());
        }
        Ok(())
    }

    /// The step before an orderly stop: everything goes on, but whoever asks whether it is ready hears that it is not,
    /// so that callers are sent to other servers.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    /// Whether [`leave`](Self::leave) was called.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// What was acknowledged and has been lost, in words, as long as nobody has said that it is known.
    pub async fn loss(&self) -> Option<String> {
        self.parts.store.loss().await
    }

    /// The first step of an orderly stop: no publish is accepted and nothing new is dispatched, while functions that
    /// run still get their answers in.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Whether [`drain`](Self::drain) was called; a future that ends then.
    pub const fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// The last step of an orderly stop: ends waits and streams, and returns when nothing is being done any more.
    pub async fn finish(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How long it is until `time`; nothing when it is past.
    pub fn until(&self, time: Timestamp) -> Duration {
        Duration::try_from(time.duration_since(self.now())).unwrap_or_default()
    }

    fn mark(&self) -> Mark {
        Mark { holder: self.settings.holder.clone(), epoch: self.parts.store.epoch(), at: self.now() }
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    fn no_catalog(&self) -> EngineError {
        let status = self.source_status();
        let why = match (&status.last_error, status.config_problems.first()) {
            (Some(error), _) => format!("no functions have been loaded yet: {}", error.message),
            (None, Some(problem)) => format!("no functions have been loaded yet: {problem}"),
            (None, None) => "no functions have been loaded yet; try again in a moment".to_owned(),
        };
        EngineError::new(ErrorCode::NoCatalog, why)
    }
}

/// A number from 0 to 1 from the machine's randomness.
pub(crate) fn jitter() -> f64 {
    let drawn = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(drawn) / f64::from(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
