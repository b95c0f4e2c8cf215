//! A cluster that a test leads: what is asked of it, in which order, and what it answers.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use gitfaas_core::admission::Admitted;
use gitfaas_core::id::RunId;
use gitfaas_core::manifest::Manifest;
use gitfaas_core::run::machine::Observation;
use gitfaas_core::run::{ObjectKey, Reason};
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::cluster::{ApplyError, Cluster, ClusterError, ClusterEvent, Denied, LogChunk, LogPart, Need, Owner, Reach};

/// The cluster.
pub(crate) struct Scripted {
    asked: watch::Sender<Vec<RunId>>,
    /// A permit for each call that may be answered.
    gate: Semaphore,
    reach: watch::Sender<Reach>,
    answers: Mutex<VecDeque<ApplyError>>,
    objects: Mutex<BTreeSet<ObjectKey>>,
    lookups: Mutex<Result<(), ClusterError>>,
    ends: Mutex<Vec<(RunId, Observation)>>,
}

impl Scripted {
    /// One that makes what it is asked for at once.
    pub(crate) fn willing() -> Self {
        Self {
            asked: watch::Sender::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            reach: watch::Sender::new(Reach::Up),
            answers: Mutex::default(),
            objects: Mutex::default(),
            lookups: Mutex::new(Ok(())),
            ends: Mutex::default(),
        }
    }

    /// One that hangs until it is let.
    pub(crate) fn hanging() -> Self {
        Self { gate: Semaphore::new(0), ..Self::willing() }
    }

    /// Lets so many calls be answered.
    pub(crate) fn let_go(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    /// Whose objects it was asked to make, in the order of asking, once there are so many.
    pub(crate) async fn asked(&self, number: usize) -> Vec<RunId> {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| asked.len() >= number).await.expect("it is there").clone()
    }

    /// How often it was asked so far.
    pub(crate) fn times(&self) -> usize {
        self.asked.borrow().len()
    }

    /// Cannot be reached from now on, or can again.
    pub(crate) fn reached(&self, up: bool) {
        if up {
            self.reach.send_replace(Reach::Up);
        } else {
            self.cut_off_at(Timestamp::UNIX_EPOCH);
        }
    }

    /// Cannot be reached, since then.
    pub(crate) fn cut_off_at(&self, since: Timestamp) {
        self.reach.send_replace(Reach::Down { since, why: "it is a test".to_owned() });
    }

    /// Fails so, in this order, before it makes anything again.
    pub(crate) fn fails(&self, errors: impl IntoIterator<Item = ApplyError>) {
        self.answers.lock().expect("not poisoned").extend(errors);
    }

    /// Whether it says what exists.
    pub(crate) fn tells(&self, tells: bool) {
        let silence = ClusterError { message: "it does not say".to_owned() };
        *self.lookups.lock().expect("not poisoned") = if tells { Ok(()) } else { Err(silence) };
    }

    /// Has an object no more.
    pub(crate) fn loses(&self, object: &ObjectKey) {
        assert!(self.objects.lock().expect("not poisoned").remove(object));
    }

    /// A Job of this run is over, of which it tells when it is asked.
    pub(crate) fn ended(&self, run: RunId, end: Observation) {
        self.ends.lock().expect("not poisoned").push((run, end));
    }

    /// Has an object that nobody asked for, as far as is known.
    pub(crate) fn has(&self, object: ObjectKey) {
        self.objects.lock().expect("not poisoned").insert(object);
    }
}

/// A failure that may pass, under this code.
pub(crate) fn passing(code: &str) -> ApplyError {
    ApplyError::Passing { reason: Reason::new(code, "it may pass"), retry_after: None }
}

#[async_trait]
impl Cluster for Scripted {
    fn describe(&self) -> String {
        "a test".to_owned()
    }

    fn reach(&self) -> watch::Receiver<Reach> {
        self.reach.subscribe()
    }

    async fn apply(&self, owner: Owner, manifest: &Admitted<Manifest>) -> Result<ObjectKey, ApplyError> {
        self.asked.send_modify(|asked| asked.push(owner.run));
        self.gate.acquire().await.expect("open").forget();
        if let Some(error) = self.answers.lock().expect("not poisoned").pop_front() {
            return Err(error);
        }
        self.objects.lock().expect("not poisoned").insert(manifest.key.clone());
        Ok(manifest.key.clone())
    }

    fn watch(&self) -> BoxStream<'static, ClusterEvent> {
        stream::pending().boxed()
    }

    fn keeps(&self) -> Duration {
        Duration::from_hours(24)
    }

    async fn exists(&self, job: &ObjectKey) -> Result<bool, ClusterError> {
        self.lookups.lock().expect("not poisoned").clone()?;
        Ok(self.objects.lock().expect("not poisoned").contains(job))
    }

    async fn end_of(&self, job: &ObjectKey) -> Result<Option<(RunId, Observation)>, ClusterError> {
        Ok(self.ends.lock().expect("not poisoned").iter().find(|(_, end)| end.job == *job).cloned())
    }

    async fn logs(&self, _job: &ObjectKey, _tail: u64) -> Result<Vec<LogPart>, ClusterError> {
        Ok(Vec::new())
    }

    async fn follow_logs(&self, _job: &ObjectKey) -> Result<BoxStream<'static, LogChunk>, ClusterError> {
        Ok(stream::empty().boxed())
    }

    async fn end(&self, _job: &ObjectKey) -> Result<(), ClusterError> {
        Ok(())
    }

    async fn release(&self, _job: &ObjectKey) -> Result<(), ClusterError> {
        Ok(())
    }

    async fn access(&self, _needs: &[Need]) -> Result<Vec<Denied>, ClusterError> {
        Ok(Vec::new())
    }

    async fn stop(&self, _end_runs: bool, _grace: Duration) {}
}
