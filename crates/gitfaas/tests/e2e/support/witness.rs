//! A witness that has nothing to do with gitfaas: it watches the Jobs of a namespace and notes each one that ever was
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::Namespace;

type Seen = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

/// The witness, for as long as it is kept.
pub(crate) struct Witness {
    looking: tokio::task::JoinHandle<()>,
    seen: Seen,
}

impl Witness {
    /// Looks from now on.
    pub(crate) async fn of(namespace: &Namespace) -> Self {
        let place = format!("/apis/batch/v1/namespaces/{}/jobs", namespace.name);
        let list = namespace.api.get(&place).await.expect("a list");
        let since = list["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
        let (client, seen) = (namespace.api.asking_once().await, Seen::default());
        Self { looking: tokio::spawn(look(client, place, since, seen.clone())), seen }
    }

    /// Each run of which there ever was a Job, with the uids of all of its Jobs.
    pub(crate) fn jobs(&self) -> BTreeMap<String, BTreeSet<String>> {
        // Who asks was told nothing if it could not be watched.
        assert!(!self.looking.is_finished(), "the witness cannot look any more");
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// Watches on and on. A server ends a watch whenever it likes, and the next one goes on where it stood, so that nothing is
/// missed.
async fn look(client: kube::Client, place: String, mut since: String, seen: Seen) {
    loop {
        let request = http::Request::get(format!("{place}?watch=1&resourceVersion={since}"));
        let answer = client.send(request.body(Body::empty()).expect("a request")).await.expect("an answer");
        assert!(answer.status().is_success(), "a watch from {since}: {}", answer.status());
        let mut body = answer.into_body();
        let mut waiting = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            waiting.extend_from_slice(&frame.into_data().unwrap_or_default());
            while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = waiting.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).expect("an event");
                assert_ne!(event["type"], "ERROR", "{event}");
                let metadata = &event["object"]["metadata"];
                let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                since = word(&metadata["resourceVersion"]);
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let run = word(&metadata["labels"]["gitfaas.io/run"]);
                seen.entry(run).or_default().insert(word(&metadata["uid"]));
            }
        }
    }
}
