//! Watches our Jobs, their pods and what the cluster warns of, and tells how the Jobs stand.
//!
//! Feeds bring in what the server says ([`super::feed`]), one task remembers it and says what is news ([`cache`]).

mod cache;
mod entry;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use gitfaas_core::run::ObjectKey;
use http::StatusCode;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use self::cache::{Cache, Input, Look, Output};
use super::apply::job_path;
use super::calls::Calls;
use super::feed::{self, Collection, Feed, Told, Trouble};
use super::kinds::get;
use super::objects::{Job, Listed, Pod, Warning};
use super::rescue::Rescue;
use super::{Kubernetes, Scope, lifetime};
use crate::cluster::ClusterEvent;

/// Events that wait for who watches, and for the task that remembers.
const WAITING: usize = 256;
/// Jobs whose pods are read at once.
const LOOKS: usize = 8;
/// The wait before pods are asked for again that could not be read.
const AGAIN: Duration = Duration::from_secs(1);
/// How often Jobs are looked after of which the watch does not tell all.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Begins to watch.
pub(super) fn watch(kubernetes: &Kubernetes) -> BoxStream<'static, ClusterEvent> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let places = places(&kubernetes.settings.scope, &kubernetes.namespace);
    let watcher = Watcher {
        calls: kubernetes.calls.clone(),
        cache: Cache::new(places.len()),
        sender,
        tasks: JoinSet::new(),
        turns: Arc::new(Semaphore::new(LOOKS)),
        rescue: kubernetes.rescue.clone(),
    };
    tokio::spawn(watcher.run(places, kubernetes.stopping.clone()));
    ReceiverStream::new(receiver).boxed()
}

/// The namespaces that are watched; `None` for all.
pub(super) fn places(scope: &Scope, own: &str) -> Vec<Option<String>> {
    match scope {
        Scope::All => vec![None],
        Scope::Only(names) => {
            let names: BTreeSet<&str> = names.iter().map(String::as_str).chain([own]).collect();
            names.into_iter().map(|name| Some(name.to_owned())).collect()
        }
    }
}

struct Watcher {
    calls: Calls,
    cache: Cache,
    sender: mpsc::Sender<ClusterEvent>,
    /// What reads from the server; it ends with the watcher.
    tasks: JoinSet<()>,
    turns: Arc<Semaphore>,
    rescue: Rescue,
}

impl Watcher {
    async fn run(mut self, places: Vec<Option<String>>, stopping: CancellationToken) {
        let left = self.sender.clone();
        tokio::select! {
            () = self.tell(places) => {}
            () = stopping.cancelled() => {}
            () = left.closed() => {}
        }
    }

    async fn tell(&mut self, places: Vec<Option<String>>) {
        let (inputs, mut told) = mpsc::channel(WAITING);
        for (place, namespace) in places.into_iter().enumerate() {
            self.follow(place, namespace.as_deref(), &inputs);
        }
        let mut again = tokio::time::interval(LOOK_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let output = tokio::select! {
                input = told.recv() => match input {
                    // A Job can have come and gone unseen, and only who knows what was applied can miss it.
                    Some(Input::Jobs(_, Told::Begin)) if self.cache.is_synced() => return,
                    Some(input) => self.cache.take(input),
                    None => return,
                },
                _ = again.tick() => self.cache.overlooked(),
            };
            while self.tasks.try_join_next().is_some() {}
            let Output { events, look, check, ending, orphaned } = output;
            for pod in &ending {
                self.rescue.begin(pod);
            }
            for job in orphaned {
                self.rescue_all(job);
            }
            for look in look {
                self.look(look, inputs.clone());
            }
            for check in check {
                self.check(check, inputs.clone());
            }
            for event in events {
                if self.sender.send(event).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Follows everything in a place. Pods are told after their Jobs, and warnings after both.
    fn follow(&mut self, place: usize, namespace: Option<&str>, inputs: &mpsc::Sender<Input>) {
        let ours = format!("app.kubernetes.io/managed-by=gitfaas,!{}", lifetime::RELEASED);
        let jobs = Collection::new("/apis/batch/v1", "jobs", namespace).labelled(ours);
        let pods = Collection::new("/api/v1", "pods", namespace).labelled("gitfaas.io/run");
        let warnings = Collection::new("/api/v1", "events", namespace).with_fields("type=Warning");
        let jobs_are_listed = self.feed::<Job>(jobs, inputs, None, move |told| Input::Jobs(place, told));
        let pods_are_listed =
            self.feed::<Pod>(pods, inputs, Some(jobs_are_listed), move |told| Input::Pods(place, told));
        self.feed::<Warning>(warnings, inputs, Some(pods_are_listed), Input::Warnings);
    }

    /// Begins after another feed has been listed; gives what says that this one has.
    fn feed<T: Listed>(
        &mut self,
        collection: Collection,
        inputs: &mpsc::Sender<Input>,
        after: Option<CancellationToken>,
        input: impl Fn(Told<T>) -> Input + Send + Sync + 'static,
    ) -> CancellationToken {
        let listed = CancellationToken::new();
        let is_listed = listed.clone();
        let as_event = move |told: Told<T>| {
            if matches!(told, Told::Complete | Told::Forbidden) {
                is_listed.cancel();
            }
            input(told)
        };
        let feed = Feed::new(&self.calls, collection, inputs.clone(), as_event);
        self.tasks.spawn(async move {
            if let Some(after) = after {
                after.cancelled().await;
            }
            feed.run::<T>().await;
        });
        listed
    }

    /// Reads the logs of what is left of a Job that is gone.
    fn rescue_all(&mut self, job: ObjectKey) {
        let (calls, rescue) = (self.calls.clone(), self.rescue.clone());
        self.tasks.spawn(async move {
            let pods: Result<Vec<Pod>, _> = feed::list(&calls, &pods_of(&job.name, job.namespace.as_deref())).await;
            for pod in pods.iter().flatten() {
                rescue.begin(pod);
            }
        });
    }

    /// Reads the pods of a Job.
    fn look(&mut self, look: Look, inputs: mpsc::Sender<Input>) {
        let (calls, turns) = (self.calls.clone(), Arc::clone(&self.turns));
        self.tasks.spawn(async move {
            let Ok(_turn) = turns.acquire().await else { return };
            let pods = match feed::list(&calls, &pods_of(&look.job.name, look.job.namespace.as_deref())).await {
                Ok(pods) => Some(pods),
                // There is nothing to wait for.
                Err(Trouble::Refused(answer)) if answer.status.is_client_error() => Some(Vec::new()),
                Err(_) => {
                    tokio::time::sleep(AGAIN).await;
                    calls.circuit.closed().await;
                    None
                }
            };
            drop(inputs.send(Input::Looked(look.uid, pods)).await);
        });
    }

    /// Reads a Job, however long the server takes to say whether it exists.
    fn check(&mut self, check: Look, inputs: mpsc::Sender<Input>) {
        let (calls, turns) = (self.calls.clone(), Arc::clone(&self.turns));
        self.tasks.spawn(async move {
            let place = job_path(&check.job, "");
            let found = loop {
                let turn = turns.acquire().await;
                let answer = calls.call(get(&place)).await;
                drop(turn);
                match answer {
                    Ok(answer) if answer.status == StatusCode::NOT_FOUND => break None,
                    Ok(answer) if answer.status.is_success() => {
                        if let Ok(job) = answer.read::<Job>() {
                            // Another one may have the name by now.
                            break Some(job).filter(|job| job.metadata.uid == check.uid);
                        }
                    }
                    _ => {}
                }
                tokio::time::sleep(LOOK_AGAIN).await;
                calls.circuit.closed().await;
            };
            drop(inputs.send(Input::Checked(check.uid, found)).await);
        });
    }
}

/// The pods of a Job.
pub(super) fn pods_of(job: &str, namespace: Option<&str>) -> Collection {
    Collection::new("/api/v1", "pods", namespace).labelled(format!("job-name={job}"))
}
