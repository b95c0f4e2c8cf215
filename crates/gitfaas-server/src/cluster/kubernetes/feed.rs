//! A collection of objects, listed and then watched, for as long as somebody listens.
//!
//! The list comes in pages, the watch with bookmarks and in short stretches, so that a connection that died is noticed.
//! When the server has forgotten where a watch stood (`410 Gone`), everything is listed again. While the server cannot
//! be reached nothing is asked, and never more than once a second.

mod pages;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use http_body_util::BodyExt as _;
use kube::client::Body;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(super) use self::pages::list;
use self::pages::{PageMeta, Pages};
use super::calls::{Answer, CallError, Calls};
use super::circuit::chain;
use super::kinds::get;
use super::objects::Listed;
use super::refused::{shortened, unexpected};

/// How long the server is asked to let a watch last.
const STRETCH: Duration = Duration::from_mins(1);
/// How much longer one may last before it is given up.
const SPARE: Duration = Duration::from_secs(15);
/// The largest event of a watch, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// How much of what a server says is kept, in characters.
const WORDS: usize = 300;
/// The least time between two beginnings, and the first wait after a failure.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// After so many failures of a watch everything is listed again.
const FAILURES: u32 = 3;
/// The longest wait after failures that are the server's own, and between tries of what is forbidden.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What a collection tells.
#[derive(Debug)]
pub(super) enum Told<T> {
    /// A list begins: what it does not name before it is [complete](Self::Complete) does not exist.
    Begin,
    /// An object exists.
    Here(T),
    /// The list is complete.
    Complete,
    /// An object is new, or has changed.
    Changed(T),
    /// An object is gone; how it stood last.
    Gone(T),
    /// It may not be read.
    Forbidden,
}

/// Which objects.
#[derive(Debug, Clone)]
pub(super) struct Collection {
    /// `jobs`.
    pub(super) kind: &'static str,
    /// `/apis/batch/v1/jobs`.
    pub(super) path: String,
    /// `labelSelector` or `fieldSelector`, and what it selects.
    pub(super) selector: Option<(&'static str, String)>,
}

impl Collection {
    /// The objects of a kind in a namespace, or in all.
    pub(super) fn new(root: &str, kind: &'static str, namespace: Option<&str>) -> Self {
        let path = match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{kind}"),
            None => format!("{root}/{kind}"),
        };
        Self { kind, path, selector: None }
    }

    /// Those with these labels.
    pub(super) fn labelled(self, labels: impl Into<String>) -> Self {
        Self { selector: Some(("labelSelector", labels.into())), ..self }
    }

    /// Those with these fields.
    pub(super) fn with_fields(self, fields: impl Into<String>) -> Self {
        Self { selector: Some(("fieldSelector", fields.into())), ..self }
    }

    fn place(&self, options: &str) -> String {
        let Self { path, selector, .. } = self;
        match selector {
            Some((name, value)) => format!("{path}?{name}={}&{options}", encoded(value)),
            None => format!("{path}?{options}"),
        }
    }
}

fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// Why a list or a watch broke off.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Everything is to be listed again.
    Expired,
    /// The server said no.
    Refused(Answer),
    /// It did not answer.
    Failed(String),
    /// What it answered makes no sense.
    Unreadable(String),
    /// Nobody listens any more.
    Left,
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Trouble {
    fn of(answer: Answer) -> Self {
        if answer.status == StatusCode::GONE { Self::Expired } else { Self::Refused(answer) }
    }
}

/// One event of a watch.
#[derive(Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
enum Change<T> {
    Added(T),
    Modified(T),
    Deleted(T),
    Bookmark(Bookmark),
    Error(Refusal),
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: PageMeta,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Refusal {
    code: u16,
    message: String,
}

/// A collection that is followed.
pub(super) struct Feed<E, F> {
    calls: Calls,
    collection: Collection,
    sender: mpsc::Sender<E>,
    as_event: F,
    failures: u32,
}

impl<E: Send, F> Feed<E, F> {
    /// What is told is sent as `as_event` makes it.
    pub(super) fn new(calls: &Calls, collection: Collection, sender: mpsc::Sender<E>, as_event: F) -> Self {
        Self { calls: calls.clone(), collection, sender, as_event, failures: 0 }
    }

    /// Tells everything, until nobody listens.
    pub(super) async fn run<T: Listed>(mut self)
    where
        F: Fn(Told<T>) -> E + Send,
    {
        let mut version: Option<String> = None;
        loop {
            let begun = Instant::now();
            let trouble = match self.go_on::<T>(&mut version).await {
                // A stretch of a watch is over.
                Ok(()) => {
                    tokio::time::sleep_until(begun + LEAST_WAIT).await;
                    continue;
                }
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Left => return,
                Trouble::Expired => {
                    version = None;
                    tokio::time::sleep_until(begun + LEAST_WAIT).await;
                }
                trouble => {
                    self.wait_after::<T>(trouble).await;
                    // Where a watch stood may be what the server cannot go on from.
                    version = version.filter(|_| self.failures < FAILURES);
                    self.calls.circuit.closed().await;
                }
            }
        }
    }

    /// One list, or one stretch of a watch.
    async fn go_on<T: Listed>(&mut self, version: &mut Option<String>) -> Result<(), Trouble>
    where
        F: Fn(Told<T>) -> E + Send,
    {
        match version {
            None => *version = Some(self.list::<T>().await?),
            Some(version) => self.watch::<T>(version).await?,
        }
        self.failures = 0;
        Ok(())
    }

    async fn list<T: Listed>(&mut self) -> Result<String, Trouble>
    where
        F: Fn(Told<T>) -> E + Send,
    {
        let collection = self.collection.clone();
        let mut pages = Pages::new(&collection);
        let mut begun = false;
        while let Some(page) = pages.next::<T>(&self.calls).await? {
            // What may not be listed does not begin.
            if !std::mem::replace(&mut begun, true) {
                self.send(Told::Begin).await?;
            }
            for mut object in page {
                object.meta().resource_version = Box::default();
                self.send(Told::Here(object)).await?;
            }
        }
        self.send(Told::Complete).await?;
        Ok(pages.version)
    }

    async fn watch<T: Listed>(&mut self, version: &mut String) -> Result<(), Trouble>
    where
        F: Fn(Told<T>) -> E + Send,
    {
        let ends = Instant::now() + STRETCH + SPARE;
        let mut body = self.open(version).await?;
        let circuit = Arc::clone(&self.calls.circuit);
        let mut waiting = BytesMut::new();
        loop {
            let frame = tokio::select! {
                frame = tokio::time::timeout_at(ends, body.frame()) => frame,
                // What was sent over this connection may never come.
                () = circuit.opened() => return Ok(()),
            };
            // Ended, broken off, or silent for too long: it goes on where it stood.
            let Ok(Some(Ok(frame))) = frame else { return Ok(()) };
            let Ok(data) = frame.into_data() else { continue };
            let searched = waiting.len();
            waiting.extend_from_slice(&data);
            let mut from = searched;
            while let Some(end) = waiting[from..].iter().position(|byte| *byte == b'\n') {
                let line = waiting.split_to(from + end + 1);
                from = 0;
                self.take::<T>(&line, version).await?;
                self.failures = 0;
            }
            if waiting.len() > LARGEST {
                return Err(Trouble::Unreadable(format!("an event of a watch is larger than {LARGEST} bytes")));
            }
        }
    }

    async fn open(&self, version: &str) -> Result<Body, Trouble> {
        let seconds = STRETCH.as_secs();
        let options =
            format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={}", encoded(version));
        let mut request = get(&self.collection.place(&options)).map(Body::from);
        // Compressed, events would be held back until there are enough of them.
        request.headers_mut().insert(http::header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity"));
        let response = self.calls.open(request).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        Err(Trouble::of(self.calls.read(response).await?))
    }

    async fn take<T: Listed>(&mut self, line: &[u8], version: &mut String) -> Result<(), Trouble>
    where
        F: Fn(Told<T>) -> E + Send,
    {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let change: Change<T> = serde_json::from_slice(line).map_err(|error| {
            Trouble::Unreadable(format!("an event of a watch is not understood: {}", chain(&error)))
        })?;
        let (told, mut object): (fn(T) -> Told<T>, T) = match change {
            Change::Added(object) | Change::Modified(object) => (Told::Changed, object),
            Change::Deleted(object) => (Told::Gone, object),
            Change::Bookmark(bookmark) => {
                *version = bookmark.metadata.resource_version;
                return Ok(());
            }
            Change::Error(Refusal { code: 410, .. }) => return Err(Trouble::Expired),
            Change::Error(refusal) => return Err(Trouble::Unreadable(shortened(&refusal.message, WORDS))),
        };
        let meta = object.meta();
        let now = std::mem::take(&mut meta.resource_version);
        self.send(told(object)).await?;
        if !now.is_empty() {
            *version = now.into();
        }
        Ok(())
    }

    async fn send<T: Listed>(&self, told: Told<T>) -> Result<(), Trouble>
    where
        F: Fn(Told<T>) -> E + Send,
    {
        self.sender.send((self.as_event)(told)).await.map_err(|_| Trouble::Left)
    }

    /// Waits before it is tried again; says so when it begins.
    async fn wait_after<T: Listed>(&mut self, trouble: Trouble)
    where
        F: Fn(Told<T>) -> E + Send,
    {
        let kind = self.collection.kind;
        let (first, own) = (self.failures == 0, LEAST_WAIT.saturating_mul(2_u32.saturating_pow(self.failures)));
        let wait = match trouble {
            Trouble::Refused(answer) => {
                self.failures = self.failures.saturating_add(1);
                self.refused::<T>(&answer, first).await;
                own.min(LONGEST_WAIT).max(answer.retry_after.unwrap_or_default())
            }
            Trouble::Unreadable(why) => {
                self.failures = self.failures.saturating_add(1);
                if first {
                    tracing::warn!(kind, why, "a watch is tried again");
                }
                own.min(LONGEST_WAIT)
            }
            // That the server cannot be reached is said elsewhere.
            Trouble::Failed(why) => {
                tracing::debug!(kind, why, "a watch broke off");
                LEAST_WAIT
            }
            Trouble::Expired | Trouble::Left => LEAST_WAIT,
        };
        tokio::time::sleep(wait).await;
    }

    async fn refused<T: Listed>(&self, answer: &Answer, first: bool)
    where
        F: Fn(Told<T>) -> E + Send,
    {
        let kind = self.collection.kind;
        let error = unexpected(&format!("watch {kind}"), answer);
        if matches!(answer.status, StatusCode::FORBIDDEN) {
            if first {
                let path = &self.collection.path;
                tracing::warn!(kind, path, %error, "gitfaas needs the right to list and watch these");
            }
            // Whether anybody listens is found out with the next list.
            drop(self.send(Told::Forbidden).await);
        } else if first {
            tracing::warn!(kind, %error, "a watch is tried again");
        }
    }
}
