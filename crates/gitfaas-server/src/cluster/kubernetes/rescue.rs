//! The logs of pods that are about to go, kept in memory until they are asked for.
//!
//! A pod that is deleted takes its logs with it: when a run is cancelled, when a deadline is over, when a node is drained
//! or somebody deletes it. So from the moment a pod is told to end its logs are read to their end. They are kept until
//! their Job is released, for an hour at most, and of all together so many bytes. A server that stops loses them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use super::logs::{Place, Reading, Start, StartId, starts};
use super::objects::{Job, Pod};
use crate::cluster::ClusterError;

/// Pods whose logs are read at once. Others wait for their turn, and may be gone by then.
const AT_ONCE: usize = 128;
/// The most bytes that are kept of each start: as many as of other logs by default.
const TAIL: u64 = 1024 * 1024;
/// The most bytes that are kept of all.
const MOST: usize = 64 * 1024 * 1024;
/// How often a log is tried to be read, and the wait in between.
const TRIES: u32 = 5;
const AGAIN: Duration = Duration::from_secs(1);
/// How long logs are kept that nobody asks for, and how long a pod may take to end.
const KEPT: Duration = Duration::from_hours(1);

/// What was kept of a log: its last bytes, and how many came before them.
pub(super) type Text = (Bytes, u64);

/// All that is kept.
#[derive(Clone)]
pub(super) struct Rescue {
    calls: Calls,
    kept: Arc<Mutex<Kept>>,
    turns: Arc<Semaphore>,
    stopping: CancellationToken,
}

#[derive(Default)]
struct Kept {
    /// The oldest first.
    pods: VecDeque<Rescued>,
}

/// A pod whose logs are read, or were.
struct Rescued {
    place: Place,
    pod: Pod,
    texts: HashMap<StartId, Text>,
    is_done: watch::Sender<bool>,
    task: AbortHandle,
}

impl Drop for Rescued {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Rescued {
    fn size(&self) -> usize {
        self.texts.values().map(|(text, _)| text.len()).sum()
    }

    fn is_of(&self, place: &Place, job: Option<&Job>) -> bool {
        let uid = self.pod.metadata.job().map(|(_, uid)| uid);
        self.place == *place && job.is_none_or(|job| uid == Some(&job.metadata.uid))
    }
}

impl Rescue {
    /// Nothing is read any more once it is `stopping`.
    pub(super) fn new(calls: &Calls, stopping: &CancellationToken) -> Self {
        let (kept, turns) = (Arc::default(), Arc::new(Semaphore::new(AT_ONCE)));
        Self { calls: calls.clone(), kept, turns, stopping: stopping.clone() }
    }

    /// Reads the logs of a pod that is told to end, or is about to be; once, however often it is asked to.
    pub(super) fn begin(&self, pod: &Pod) {
        let Some((job, _)) = pod.metadata.job() else { return };
        let place = Place { namespace: pod.metadata.namespace.to_string(), job: job.to_owned() };
        let uid = pod.metadata.uid.clone();
        let mut kept = self.lock();
        if !pod.was_started() || kept.pods.iter().any(|known| known.pod.metadata.uid == uid) {
            return;
        }
        let (rescue, placed, read) = (self.clone(), place.clone(), pod.clone());
        let task = tokio::spawn(async move {
            let stopping = rescue.stopping.clone();
            stopping.run_until_cancelled(rescue.read(placed, read)).await;
        });
        let (texts, is_done, task) = (HashMap::new(), watch::Sender::new(false), task.abort_handle());
        kept.pods.push_back(Rescued { place, pod: pod.clone(), texts, is_done, task });
    }

    async fn read(self, place: Place, pod: Pod) {
        let deadline = Instant::now() + KEPT;
        let Ok(turn) = self.turns.acquire().await else { return };
        let starts = starts(std::slice::from_ref(&pod));
        join_all(starts.iter().map(|start| self.read_start(&place, start, deadline))).await;
        drop(turn);
        let uid = &pod.metadata.uid;
        if let Some(rescued) = self.lock().pods.iter().find(|known| known.pod.metadata.uid == *uid) {
            rescued.is_done.send_replace(true);
        }
        tokio::time::sleep_until(deadline).await;
        self.lock().pods.retain(|known| known.pod.metadata.uid != *uid);
    }

    async fn read_start(&self, place: &Place, start: &Start, deadline: Instant) {
        // What breaks off is read again from its beginning, while the pod is still there.
        for left in (0..TRIES).rev() {
            match self.try_to_read(place, start, deadline).await {
                Err(error) if left == 0 => {
                    tracing::warn!(job = place.job, pod = &*start.pod, %error, "the log of a pod that ends is lost");
                }
                Err(_) => {
                    tokio::time::sleep(AGAIN).await;
                    self.calls.circuit.closed().await;
                }
                Ok(()) => return,
            }
        }
    }

    async fn try_to_read(&self, place: &Place, start: &Start, deadline: Instant) -> Result<(), ClusterError> {
        let reading = Reading { calls: &self.calls, namespace: &place.namespace, start, follow: start.runs };
        if let Some(text) = reading.tail(TAIL, deadline).await.map_err(ClusterError::from)? {
            self.lock().put(start, text);
        }
        Ok(())
    }

    /// What is kept of the pods of a Job. Those that are still being read are waited for until the deadline, where there
    /// is one.
    pub(super) async fn of(
        &self,
        place: &Place,
        job: Option<&Job>,
        deadline: Option<Instant>,
    ) -> Vec<(Pod, HashMap<StartId, Text>)> {
        if let Some(deadline) = deadline {
            let read: Vec<_> = self.lock().of(place, job).map(|rescued| rescued.is_done.subscribe()).collect();
            for mut is_done in read {
                // One that is forgotten meanwhile is not waited for.
                drop(tokio::time::timeout_at(deadline, is_done.wait_for(|done| *done)).await);
            }
        }
        self.lock().of(place, job).map(|rescued| (rescued.pod.clone(), rescued.texts.clone())).collect()
    }

    /// Nobody will ask for the logs of this Job any more.
    pub(super) fn forget(&self, place: &Place) {
        self.lock().pods.retain(|known| known.place != *place);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn of<'a>(&'a self, place: &'a Place, job: Option<&'a Job>) -> impl Iterator<Item = &'a Rescued> {
        self.pods.iter().filter(move |rescued| rescued.is_of(place, job))
    }

    fn put(&mut self, start: &Start, text: Text) {
        if let Some(rescued) = self.pods.iter_mut().find(|rescued| start.is_of(&rescued.pod)) {
            rescued.texts.insert(start.id.clone(), text);
        }
        let mut size: usize = self.pods.iter().map(Rescued::size).sum();
        // The oldest go first; one that is still being read keeps its place.
        for rescued in &mut self.pods {
            if size <= MOST {
                return;
            }
            size -= rescued.size();
            rescued.texts.clear();
        }
    }
}
