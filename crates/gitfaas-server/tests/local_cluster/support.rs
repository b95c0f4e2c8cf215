//! A local cluster in a folder of its own, and what the tests ask of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use gitfaas_core::admission::{Admitted, PodPolicy, Policy, admit};
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::manifest::Manifest;
use gitfaas_core::retry::Backoff;
use gitfaas_core::run::machine::Observation;
use gitfaas_core::run::{JobState, ObjectKey};
use gitfaas_server::cluster::local::{LocalCluster, Settings, SupervisorCommand};
use gitfaas_server::cluster::{ApplyError, Cluster, ClusterEvent, Owner};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Far more than anything here takes; only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The last argument of this program, if its file name begins so: what it was called for.
pub(crate) fn called_for(prefix: &str) -> Option<PathBuf> {
    let last = PathBuf::from(std::env::args_os().next_back()?);
    let name = last.file_name()?.to_str()?.to_owned();
    (last.is_absolute() && name.starts_with(prefix)).then_some(last)
}

/// This program, as it calls the test `name` alone.
pub(crate) fn call(name: &str) -> SupervisorCommand {
    let args = ["--exact", name, "--nocapture", "--test-threads=1"];
    SupervisorCommand { program: std::env::current_exe().expect("this program"), args: args.map(Into::into).to_vec() }
}

pub(crate) fn settings(root: &Path) -> Settings {
    let functions = root.join("functions");
    std::fs::create_dir_all(&functions).expect("a folder");
    let path = std::env::var_os("PATH").and_then(|path| path.into_string().ok());
    Settings {
        supervisor: call("supervise"),
        backoff: Backoff { first: Duration::from_millis(20), most: Duration::from_millis(50) },
        ..Settings::new(root.join("data"), functions, "/nowhere/gitfaas".into(), path)
    }
}

/// A cluster, its folder, and what it told.
pub(crate) struct Bench {
    pub(crate) root: Arc<TempDir>,
    pub(crate) cluster: LocalCluster,
    events: BoxStream<'static, ClusterEvent>,
    pub(crate) seen: Vec<Observation>,
}

impl Bench {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        Self::open_in(Arc::new(root), change).await
    }

    pub(crate) async fn open_in(root: Arc<TempDir>, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(root.path());
        change(&mut settings);
        let cluster = LocalCluster::open(settings).await.expect("a cluster");
        let events = cluster.watch();
        Self { root, cluster, events, seen: Vec::new() }
    }

    /// The server goes, what runs stays; and the next one comes.
    pub(crate) async fn reopen(self) -> Self {
        self.cluster.stop(false, Duration::ZERO).await;
        let Self { root, cluster, .. } = self;
        drop(cluster);
        Self::open_in(root, |_| {}).await
    }

    /// The names of the Jobs that are there at the start.
    pub(crate) async fn known(&mut self) -> Vec<String> {
        let mut events = self.cluster.watch();
        let mut known = Vec::new();
        while let Some(ClusterEvent::Job { observation, .. }) = events.next().await {
            known.push(observation.job.name);
        }
        known
    }

    /// A file that functions may write to.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) async fn apply(&self, job: &Value) -> Result<ObjectKey, ApplyError> {
        self.cluster.apply(owner(job), &admitted(job)).await
    }

    /// Applies a Job and waits for its end.
    pub(crate) async fn run(&mut self, job: &Value) -> Observation {
        let key = self.apply(job).await.expect("an applied job");
        self.end_of(&key).await
    }

    pub(crate) async fn end_of(&mut self, job: &ObjectKey) -> Observation {
        self.until(job, |observation| observation.state.is_final()).await
    }

    /// Waits until a Job stands so.
    pub(crate) async fn until(&mut self, job: &ObjectKey, stands: impl Fn(&Observation) -> bool) -> Observation {
        if let Some(seen) = self.seen.iter().find(|seen| seen.job == *job && stands(seen)) {
            return seen.clone();
        }
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.next()).await;
            match event.unwrap_or_else(|_| panic!("{job} does not come to stand so: {:?}", self.seen)) {
                Some(ClusterEvent::Job { observation, .. }) => {
                    self.seen.push(observation.clone());
                    if observation.job == *job && stands(&observation) {
                        return observation;
                    }
                }
                Some(ClusterEvent::Synced) => {}
                None => panic!("the stream ended: {:?}", self.seen),
            }
        }
    }

    /// The logs of a Job, by attempt.
    pub(crate) async fn logs(&self, job: &ObjectKey) -> Vec<(u32, String)> {
        let parts = self.cluster.logs(job, 1 << 20).await.expect("logs");
        parts.into_iter().map(|part| (part.attempt, String::from_utf8_lossy(&part.text).into_owned())).collect()
    }
}

/// A run that is the named Job's own.
pub(crate) fn owner(job: &Value) -> Owner {
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let function = format!("{name}.yaml").parse().expect("a function");
    Owner { run: RunId::derive(RequestId::from_bytes([7; 16]), &function), try_no: Try(3) }
}

pub(crate) fn admitted(object: &Value) -> Admitted<Manifest> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let key = ObjectKey {
        api_version: text(&object["apiVersion"]).expect("an apiVersion"),
        kind: text(&object["kind"]).expect("a kind"),
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]).expect("a name"),
    };
    let manifest = Manifest { key, unique: true, json: object.to_string() };
    // Whose pods may do what is decided elsewhere: here they may do all that this machine can.
    admit(&Policy::default().with_pods(PodPolicy::Off), manifest).expect("an admitted manifest")
}

/// A Job that runs a shell script, in a cluster's usual dress.
pub(crate) fn shell(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "labels": {"team": "blue"}},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"team": "blue"}}, "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "robot", "nodeSelector": {"disk": "fast"},
            "containers": [{
                "name": "main", "image": "registry.example/shell:7", "command": ["sh", "-c", script],
                "resources": {"limits": {"memory": "64Mi"}}, "ports": [{"containerPort": 8080}],
            }],
        }}},
    })
}

/// The same with other fields in it: `pointer` is a JSON pointer below `spec`.
pub(crate) fn with(mut job: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = job.pointer_mut(&format!("/spec{parent}")).expect("its parent");
    parent.as_object_mut().expect("an object").insert(field.to_owned(), value);
    job
}

/// The pod's spec, for [`with`].
pub(crate) const POD: &str = "/template/spec";
/// The container, for [`with`].
pub(crate) const CONTAINER: &str = "/template/spec/containers/0";

pub(crate) fn failure(observation: &Observation) -> (String, String, Option<i32>) {
    match &observation.state {
        JobState::Failed { reason, exit_code } => (reason.code.clone(), reason.message.clone(), *exit_code),
        other => panic!("not failed: {other:?}"),
    }
}

/// Waits for what a process does.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The lines of a file; none when it is not there (yet).
pub(crate) fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Processes with this text in their environment.
pub(crate) fn processes_with(marker: &str) -> Vec<String> {
    processes("environ", marker)
}

/// Processes that sleep for so many seconds.
pub(crate) fn sleepers(seconds: &str) -> Vec<String> {
    processes("cmdline", &["sleep", seconds, ""].join("\0"))
}

/// A text that no process has but those of this test, in this run of it.
pub(crate) fn mark(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

/// A time to sleep, which nobody else sleeps.
pub(crate) fn own_time(number: u32) -> String {
    format!("{}.{}", 300 + number, std::process::id())
}

fn processes(file: &str, text: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    processes
        .filter(|process| {
            let content = std::fs::read(process.path().join(file)).unwrap_or_default();
            content.windows(text.len()).any(|window| window == text.as_bytes())
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}
