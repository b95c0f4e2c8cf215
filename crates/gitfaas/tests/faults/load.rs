//! Publishers that go on through everything: each sends one message after the other to a server that is up, and notes what
//! it is told.
//!
//! Every other one names its messages by an `Idempotency-Key` and sends each again until it is acknowledged, perhaps to
//! another server. The others send each once: what got no answer, or 5xx, was perhaps accepted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::chance::Chance;
use crate::notes::Notes;

/// How long a publisher waits before it asks a server again that did not take its message.
const PAUSE: Duration = Duration::from_millis(20);

/// What is published.
pub(crate) struct Plan {
    /// How many publish at once.
    pub(crate) publishers: u64,
    /// Topics by how often they are published to.
    pub(crate) topics: &'static [(u64, &'static str)],
    /// How long a publisher waits for an answer.
    pub(crate) patience: Duration,
    /// How long a publisher pauses after a message that was accepted.
    pub(crate) pause: Duration,
}

/// A server that is up, and how often one was said to be: one that was started again is another.
type Up = (String, u64);

/// Publishers at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    up: watch::Sender<Vec<Up>>,
    publishers: Vec<JoinHandle<()>>,
}

struct Shared {
    plan: Plan,
    notes: Notes,
    over: AtomicBool,
    acknowledged: AtomicU64,
    /// By where they were sent.
    unanswered: Mutex<BTreeMap<String, u64>>,
}

impl Load {
    /// Begins; nothing is sent before a server is up.
    pub(crate) fn begin(plan: Plan, notes: Notes, mut chance: Chance) -> Self {
        // It may be installed already, by another test of this process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(plan.patience).build().expect("a client");
        let up = watch::Sender::new(Vec::new());
        let (over, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared = Arc::new(Shared { plan, notes, over, acknowledged, unanswered: Mutex::default() });
        let publishers = (0..shared.plan.publishers).map(|number| {
            let chance = Chance::new(chance.among(0..u64::MAX));
            let (http, up, shared) = (http.clone(), up.subscribe(), Arc::clone(&shared));
            tokio::spawn(Publisher { number, http, up, shared, chance, down: None }.publish())
        });
        Self { publishers: publishers.collect(), shared, up }
    }

    /// Says which servers are up now, after one was started or ended.
    pub(crate) fn servers_are(&self, urls: impl IntoIterator<Item = String>) {
        static TIMES: AtomicU64 = AtomicU64::new(0);
        let time = TIMES.fetch_add(1, Ordering::Relaxed);
        self.up.send_replace(urls.into_iter().map(|url| (url, time)).collect());
    }

    /// What publishers note.
    pub(crate) fn notes(&self) -> &Notes {
        &self.shared.notes
    }

    /// How many messages were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// How often no answer came, or one that leaves open what became of the message.
    pub(crate) fn unanswered(&self) -> u64 {
        self.shared.unanswered().values().sum()
    }

    /// The same of one server.
    pub(crate) fn unanswered_by(&self, url: &str) -> u64 {
        self.shared.unanswered().get(url).copied().unwrap_or(0)
    }

    /// Lets each publisher end what it is at, which needs a server that is up.
    pub(crate) async fn end(&mut self) -> &Notes {
        self.shared.over.store(true, Ordering::Relaxed);
        for publisher in self.publishers.drain(..) {
            publisher.await.expect("a publisher that was answered as documented");
        }
        &self.shared.notes
    }
}

impl Shared {
    fn unanswered(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Publisher {
    number: u64,
    http: reqwest::Client,
    up: watch::Receiver<Vec<Up>>,
    shared: Arc<Shared>,
    chance: Chance,
    /// Where nobody listened.
    down: Option<Up>,
}

/// What came of a message that was sent.
enum Sent {
    /// It is accepted as this request.
    Accepted(String),
    /// It was not taken.
    Refused,
    /// Nobody listens there.
    Nowhere,
    /// It may have been accepted.
    Perhaps,
}

impl Publisher {
    async fn publish(mut self) {
        let mut sent = 0;
        while !self.shared.over.load(Ordering::Relaxed) {
            let topic = self.chance.pick(self.shared.plan.topics);
            self.deliver(&format!("{}-{sent}", self.number), topic).await;
            tokio::time::sleep(self.shared.plan.pause).await;
            sent += 1;
        }
    }

    /// Sends a message until it is known what became of it, or never will be.
    async fn deliver(&mut self, message: &str, topic: &str) {
        let named = self.number.is_multiple_of(2);
        loop {
            let server = self.server().await;
            let sent = self.shared.notes.now();
            match self.send(&server.0, message, topic, named).await {
                Sent::Accepted(request) => {
                    self.shared.notes.acknowledged(message, topic, &request, sent);
                    self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Sent::Refused => tokio::time::sleep(PAUSE).await,
                Sent::Nowhere => self.down = Some(server),
                Sent::Perhaps => {
                    *self.shared.unanswered().entry(server.0).or_default() += 1;
                    if !named {
                        return self.shared.notes.perhaps(message, topic);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// One of the servers that are up, as soon as there is one.
    async fn server(&mut self) -> Up {
        let down = self.down.clone();
        let listens = |server: &&Up| Some(*server) != down.as_ref();
        let up = self.up.wait_for(|up| up.iter().any(|server| listens(&server))).await.expect("the load goes on");
        let up: Vec<&Up> = up.iter().filter(listens).collect();
        let chosen = self.chance.among(0..u64::try_from(up.len()).expect("a number"));
        up[usize::try_from(chosen).expect("a number")].clone()
    }

    async fn send(&self, server: &str, message: &str, topic: &str, named: bool) -> Sent {
        let mut post = self.http.post(format!("{server}/publish/{topic}")).body(message.to_owned());
        if named {
            post = post.header("idempotency-key", message);
        }
        let answer = match post.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Sent::Nowhere,
            Err(_) => return Sent::Perhaps,
        };
        match answer.status() {
            StatusCode::TOO_MANY_REQUESTS => Sent::Refused,
            status if status.is_server_error() => Sent::Perhaps,
            status => {
                let Ok(body) = answer.bytes().await else { return Sent::Perhaps };
                let receipt: Value = serde_json::from_slice(&body).unwrap_or_default();
                let request = receipt["requestUid"].as_str().filter(|_| status.is_success());
                let said = String::from_utf8_lossy(&body);
                Sent::Accepted(request.unwrap_or_else(|| panic!("{status} for {message}: {said}")).to_owned())
            }
        }
    }
}
