//! A source that a test leads: what a look finds there, how often it is looked at, and when a look may go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gitfaas_core::topic::FunctionName;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::{FUNCTION, config};
use crate::source::{Commit, Fault, Snapshot, Source, SourceError};

/// What is found there: a commit with this number, or an error.
type Found = Result<u32, SourceError>;

/// The source.
pub(crate) struct Scripted {
    found: Mutex<Found>,
    poll: Option<Duration>,
    looks: watch::Sender<Vec<Instant>>,
    /// A permit for each look that may go on.
    gate: Option<Semaphore>,
    reads: Arc<watch::Sender<u32>>,
}

impl Scripted {
    /// One with this commit, which answers at once.
    pub(crate) fn with(found: Found, poll: Option<Duration>) -> Arc<Self> {
        Arc::new(Self::new(found, poll, None))
    }

    /// One whose looks go on when they are let.
    pub(crate) fn gated(number: u32) -> Arc<Self> {
        Arc::new(Self::new(Ok(number), None, Some(Semaphore::new(0))))
    }

    fn new(found: Found, poll: Option<Duration>, gate: Option<Semaphore>) -> Self {
        Self { found: Mutex::new(found), poll, looks: watch::Sender::default(), gate, reads: Arc::default() }
    }

    pub(crate) fn push(&self, found: Found) {
        *self.found.lock().expect("not poisoned") = found;
    }

    /// Lets so many looks go on.
    pub(crate) fn let_go(&self, looks: usize) {
        self.gate.as_ref().expect("gated").add_permits(looks);
    }

    /// When each look began, once there are so many.
    pub(crate) async fn looks(&self, number: usize) -> Vec<Instant> {
        let mut looks = self.looks.subscribe();
        looks.wait_for(|looks| looks.len() >= number).await.expect("it is there").clone()
    }

    /// How many looks began so far.
    pub(crate) fn looked(&self) -> usize {
        self.looks.borrow().len()
    }

    /// How many files were read so far.
    pub(crate) fn reads(&self) -> u32 {
        *self.reads.borrow()
    }
}

pub(crate) fn throttled(wait: Option<Duration>) -> SourceError {
    SourceError::new(Fault::Throttled, "it asks to wait").retry_after(wait)
}

pub(crate) fn unauthorized() -> SourceError {
    SourceError::new(Fault::Unauthorized, "the token is not accepted")
}

#[async_trait]
impl Source for Scripted {
    fn describe(&self) -> String {
        "https://git.example/functions.git".to_owned()
    }

    fn config_path(&self) -> &'static str {
        "config.json"
    }

    fn reference(&self) -> Option<&'static str> {
        Some("refs/heads/main")
    }

    fn poll_every(&self) -> Option<Duration> {
        self.poll
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError> {
        let found = self.found.lock().expect("not poisoned").clone();
        self.looks.send_modify(|looks| looks.push(Instant::now()));
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("open").forget();
        }
        let (number, reads) = (found?, self.reads.clone());
        Ok(Box::new(State { number, reads }))
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }
}

struct State {
    number: u32,
    reads: Arc<watch::Sender<u32>>,
}

#[async_trait]
impl Snapshot for State {
    async fn read(&self, path: &FunctionName, _max: u64) -> Result<Bytes, String> {
        self.reads.send_modify(|reads| *reads += 1);
        match path.as_str() {
            "config.json" if self.number == 666 => Ok("{".into()),
            "config.json" => Ok(config("").into()),
            "said.yaml" => Ok(FUNCTION.replace("SCRIPT", &format!("echo {}", self.number)).into()),
            _ => Err("does not exist".to_owned()),
        }
    }

    fn revision(&self, _files: &BTreeMap<FunctionName, Result<Bytes, String>>) -> String {
        format!("main@sha1:{}", self.number)
    }

    fn commit(&self) -> Option<Commit> {
        let subject = format!("Push {}", self.number);
        Some(Commit { id: self.number.to_string(), author: "Ada".to_owned(), time: None, subject, signer: None })
    }
}
