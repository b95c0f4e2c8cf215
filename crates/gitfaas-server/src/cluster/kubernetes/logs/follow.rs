//! Logs as they are written, from their first bytes until the Job is over.
//!
//! The Job and its pods are watched meanwhile, so that each start is read as soon as there is one. When a connection
//! breaks, the log is read from its beginning again, and what was seen of it is left out.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Buf as _;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http_body_util::BodyExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::super::calls::Calls;
use super::super::feed::{Collection, Feed, Told};
use super::super::objects::{Job, Pod};
use super::super::rescue::Rescue;
use super::super::watch::pods_of;
use super::reading::{Opened, without_trouble};
use super::starts::{Start, StartId, by_id, starts};
use super::{Place, Reading, pods};
use crate::cluster::LogChunk;

/// Pieces that wait for who reads.
const WAITING: usize = 4;
/// How long a log may have ended before its container is said to have.
const NEWS: Duration = Duration::from_secs(3);
/// The wait before a log that broke off is read again.
const AGAIN: Duration = Duration::from_secs(1);

/// Follows the logs of a Job.
pub(in super::super) fn follow(
    calls: &Calls,
    rescue: &Rescue,
    place: &Place,
    job: &Job,
    stopping: &CancellationToken,
) -> BoxStream<'static, LogChunk> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let follower = Follower {
        calls: calls.clone(),
        place: place.clone(),
        uid: job.metadata.uid.clone(),
        is_over: job.is_over(),
        pods: HashMap::new(),
        known: watch::Sender::new(HashMap::new()),
        begun: HashSet::new(),
        sender: sender.clone(),
        tasks: JoinSet::new(),
    };
    let (rescue, job, stopping) = (rescue.clone(), job.clone(), stopping.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = follower.run(&rescue, &job) => {}
            () = stopping.cancelled() => {}
            () = sender.closed() => {}
        }
    });
    ReceiverStream::new(receiver).boxed()
}

struct Follower {
    calls: Calls,
    place: Place,
    uid: Box<str>,
    is_over: bool,
    pods: HashMap<Box<str>, Pod>,
    /// The starts that can be read, for those that read them.
    known: watch::Sender<HashMap<StartId, Start>>,
    begun: HashSet<StartId>,
    sender: mpsc::Sender<LogChunk>,
    /// What reads logs; it ends with the follower.
    tasks: JoinSet<()>,
}

enum Input {
    Job(Told<Job>),
    Pod(Told<Pod>),
}

impl Follower {
    async fn run(mut self, rescue: &Rescue, job: &Job) {
        self.tell_rescued(rescue, job).await;
        let (sender, mut inputs) = mpsc::channel(WAITING);
        let mut feeds = JoinSet::new();
        let namespace = Some(self.place.namespace.as_str());
        let job = Collection::new("/apis/batch/v1", "jobs", namespace)
            .with_fields(format!("metadata.name={}", self.place.job));
        feeds.spawn(Feed::new(&self.calls, job, sender.clone(), Input::Job).run::<Job>());
        let pods = pods_of(&self.place.job, namespace);
        feeds.spawn(Feed::new(&self.calls, pods, sender, Input::Pod).run::<Pod>());
        let mut listed = false;
        while !self.is_over {
            let Some(input) = inputs.recv().await else { return };
            match input {
                Input::Job(told) => self.take_job(told, &mut listed),
                Input::Pod(told) => self.take_pod(told),
            }
        }
        drop(feeds);
        self.finish().await;
    }

    /// What was kept of pods that are gone comes first.
    async fn tell_rescued(&mut self, rescue: &Rescue, job: &Job) {
        let mut texts = HashMap::new();
        for (pod, kept) in rescue.of(&self.place, Some(job), None).await {
            self.pods.insert(pod.metadata.uid.clone(), pod);
            texts.extend(kept);
        }
        let pods: Vec<Pod> = self.pods.values().cloned().collect();
        for start in starts(&pods) {
            let Some((text, cut)) = texts.remove(&start.id) else { continue };
            let (attempt, container) = (start.attempt, start.container.to_string());
            if cut > 0 {
                let text = format!("[{cut} bytes of the log were dropped here]\n").into();
                drop(self.sender.send(LogChunk { attempt, container: container.clone(), text }).await);
            }
            drop(self.sender.send(LogChunk { attempt, container, text }).await);
            self.begun.insert(start.id);
        }
    }

    fn take_job(&mut self, told: Told<Job>, listed: &mut bool) {
        match told {
            Told::Begin => *listed = false,
            Told::Here(job) | Told::Changed(job) => {
                let is_it = job.metadata.uid == self.uid;
                *listed |= is_it;
                self.is_over |= !is_it || job.is_over();
            }
            Told::Complete => self.is_over |= !*listed,
            Told::Gone(_) => self.is_over = true,
            Told::Forbidden => {}
        }
    }

    fn take_pod(&mut self, told: Told<Pod>) {
        match told {
            Told::Here(pod) | Told::Changed(pod) => {
                if pod.metadata.job().is_some_and(|(_, job)| *job == *self.uid) {
                    self.pods.insert(pod.metadata.uid.clone(), pod);
                }
            }
            // Kept, so that attempts go on to be counted from the first.
            Told::Gone(pod) => {
                self.pods.entry(pod.metadata.uid.clone()).and_modify(|known| *known = pod);
            }
            Told::Begin | Told::Complete | Told::Forbidden => {}
        }
        self.begin();
    }

    /// Begins to read what has been started since.
    fn begin(&mut self) {
        let pods: Vec<Pod> = self.pods.values().cloned().collect();
        let starts = by_id(&pods);
        let mut new: Vec<&Start> = starts.values().filter(|start| self.begun.insert(start.id.clone())).collect();
        new.sort_by_key(|start| start.attempt);
        for start in new {
            let reader = Reader {
                calls: self.calls.clone(),
                place: self.place.clone(),
                start: start.clone(),
                known: self.known.subscribe(),
                sender: self.sender.clone(),
                seen: 0,
            };
            self.tasks.spawn(reader.run());
        }
        self.known.send_replace(starts);
        while self.tasks.try_join_next().is_some() {}
    }

    /// The Job is over: what was started of it to the very end is read to its end.
    async fn finish(mut self) {
        loop {
            match pods(&self.calls, &self.place, None).await {
                Ok(pods) => {
                    for pod in pods {
                        self.take_pod(Told::Changed(pod));
                    }
                }
                Err(error) => tracing::debug!(%error, "the last pods of a Job are not known"),
            }
            let ended = tokio::time::timeout(AGAIN, async { while self.tasks.join_next().await.is_some() {} }).await;
            if ended.is_ok() {
                return;
            }
        }
    }
}

/// Reads one log to its end.
struct Reader {
    calls: Calls,
    place: Place,
    start: Start,
    known: watch::Receiver<HashMap<StartId, Start>>,
    sender: mpsc::Sender<LogChunk>,
    /// Bytes that were passed on.
    seen: u64,
}

/// How reading came to its end.
enum Ended {
    /// With the log, as far as it was written.
    Here,
    /// There is none (any more).
    Gone,
    /// It broke off.
    Broken,
    /// Nobody listens any more.
    Left,
}

impl Reader {
    async fn run(mut self) {
        loop {
            // Another container may have its place by now.
            let known = self.known.borrow_and_update().get(&self.start.id).cloned();
            let Some(known) = known else { return };
            let (attempt, runs) = (self.start.attempt, known.runs);
            self.start = Start { attempt, ..known };
            match self.read().await {
                Ended::Gone | Ended::Left => return,
                Ended::Here if !runs || !self.still_runs().await => return,
                // A server that stopped can end a log in good order.
                Ended::Here => {}
                Ended::Broken => {
                    tokio::time::sleep(AGAIN).await;
                    self.calls.circuit.closed().await;
                }
            }
        }
    }

    /// Whether the container is still said to run a while after its log has ended.
    async fn still_runs(&mut self) -> bool {
        let id = self.start.id.clone();
        let ended = self.known.wait_for(|known| known.get(&id).is_none_or(|start| !start.runs));
        tokio::time::timeout(NEWS, ended).await.is_err()
    }

    async fn read(&mut self) -> Ended {
        let reading = Reading {
            calls: &self.calls,
            namespace: &self.place.namespace,
            start: &self.start,
            follow: self.start.runs,
        };
        let mut body = match reading.open().await {
            Ok(Opened::Body(body)) => body,
            Ok(Opened::Nothing | Opened::Forbidden(_)) => return Ended::Gone,
            Ok(Opened::Away(error)) | Err(error) => {
                tracing::debug!(%error, "a log that is followed broke off");
                return Ended::Broken;
            }
        };
        let mut skip = self.seen;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Ended::Broken };
            let Ok(mut text) = frame.into_data() else { continue };
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(text.len());
            text.advance(known);
            skip -= known as u64;
            let text = without_trouble(text);
            if text.is_empty() {
                continue;
            }
            self.seen += text.len() as u64;
            let chunk = LogChunk { attempt: self.start.attempt, container: self.start.container.to_string(), text };
            if self.sender.send(chunk).await.is_err() {
                return Ended::Left;
            }
        }
        Ended::Here
    }
}
