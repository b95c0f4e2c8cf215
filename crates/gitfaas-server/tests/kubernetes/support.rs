//! A namespace of a test's own, the cluster under test in it, and what the tests ask of both.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use gitfaas_core::admission::{Admitted, PodPolicy, Policy, admit};
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::manifest::Manifest;
use gitfaas_core::run::machine::Observation;
use gitfaas_core::run::{JobState, ObjectKey, Reason};
use gitfaas_server::cluster::kubernetes::{Kubernetes, Scope, Settings, Where};
use gitfaas_server::cluster::{Cluster as _, ClusterEvent, LogPart, Owner};
use serde_json::{Value, json};

/// Far more than anything here takes; only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

static MADE: AtomicU32 = AtomicU32::new(0);

/// A cluster, a namespace in it, and what was told.
pub(crate) struct Bench {
    pub(crate) cluster: Kubernetes,
    pub(crate) namespace: Namespace,
    events: BoxStream<'static, ClusterEvent>,
    pub(crate) seen: Vec<Observation>,
}

/// A namespace, which goes with the test.
pub(crate) struct Namespace {
    name: String,
    kubeconfig: PathBuf,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig);
        // Where the API server is gone, so is the namespace.
        let _ = kubectl.args(["delete", "namespace", &self.name, "--wait=false"]).output();
    }
}

impl Namespace {
    /// Runs `kubectl` in this namespace; it has to succeed.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        kubectl(&self.kubeconfig, &[&["--namespace", &self.name], args].concat(), "")
    }

    /// Applies manifests to this namespace, as somebody else than gitfaas.
    pub(crate) fn apply(&self, manifest: &Value) {
        kubectl(&self.kubeconfig, &["--namespace", &self.name, "apply", "-f", "-"], &manifest.to_string());
    }
}

fn kubectl(kubeconfig: &Path, args: &[&str], stdin: &str) -> String {
    let mut kubectl = Command::new("kubectl");
    kubectl.arg("--kubeconfig").arg(kubeconfig).args(args);
    let piped = kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("kubectl");
    child.stdin.take().expect("piped").write_all(stdin.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The kubeconfig of the cluster for tests; without one, the test is left out.
fn given(what: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::vars().find(|(known, value)| known == name && !value.is_empty());
    let asked = variable("GITFAAS_E2E").map(|(_, value)| value).unwrap_or_default();
    if asked == "1"
        && let Some((_, kubeconfig)) = variable("KUBECONFIG")
    {
        return Some(kubeconfig.into());
    }
    if asked != "later" {
        let all = variable("GITFAAS_TEST_ALL").is_some_and(|(_, value)| value == "1");
        assert!(!all, "{what} needs a cluster (GITFAAS_E2E=1 and KUBECONFIG)");
        println!("left out: {what}, for want of a cluster (GITFAAS_E2E=1 and KUBECONFIG)");
    }
    None
}

impl Bench {
    /// A cluster that is watched; `None` where the test is left out.
    pub(crate) async fn open(what: &str) -> Option<Self> {
        let kubeconfig = given(what)?;
        // It may be installed already, by another test of this process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let name = format!("gitfaas-test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        kubectl(&kubeconfig, &["create", "namespace", &name], "");
        let namespace = Namespace { name, kubeconfig };
        let cluster = connect(&namespace).await;
        let events = cluster.watch();
        Some(Self { cluster, namespace, events, seen: Vec::new() })
    }

    /// The server goes, and `meanwhile` happens; and the next one comes.
    pub(crate) async fn reopen(self, meanwhile: impl FnOnce(&Namespace)) -> Self {
        let Self { cluster, namespace, .. } = self;
        cluster.stop(false, Duration::ZERO).await;
        drop(cluster);
        meanwhile(&namespace);
        let cluster = connect(&namespace).await;
        let events = cluster.watch();
        Self { cluster, namespace, events, seen: Vec::new() }
    }

    pub(crate) async fn apply(&self, job: &Value) -> ObjectKey {
        self.cluster.apply(owner(job), &admitted(job)).await.expect("an applied Job")
    }

    /// Applies a Job with a name of its own, for one run or for another.
    pub(crate) async fn apply_fixed(&self, job: &Value, run: &str) -> ObjectKey {
        let owner =
            Owner { try_no: Try(if run == "one" { 1 } else { 2 }), ..owner(&json!({"metadata": {"name": run}})) };
        let mut job = job.clone();
        job["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "gitfaas"});
        job["metadata"]["annotations"] =
            json!({"gitfaas.io/run": owner.run.to_string(), "gitfaas.io/try": owner.try_no.to_string()});
        self.cluster.apply(owner, &admit_all(&job, false)).await.expect("an applied Job")
    }

    /// Applies a Job and waits for its end.
    pub(crate) async fn run(&mut self, job: &Value) -> Observation {
        let key = self.apply(job).await;
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

    /// Applies a Job and waits until it is said what it waits for.
    pub(crate) async fn waits_for(&mut self, job: &Value, code: &str) -> Reason {
        let key = self.apply(job).await;
        let told = self.until(&key, |observation| reason(&observation.state).is_some_and(|found| found.code == code));
        reason(&told.await.state).expect("a reason").clone()
    }

    /// What is told until everything that existed has been.
    pub(crate) async fn synced(&mut self) -> Vec<Observation> {
        let mut told = Vec::new();
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.next()).await.expect("an event");
            match event.expect("a stream that goes on") {
                ClusterEvent::Job { observation, .. } => told.push(observation),
                ClusterEvent::Synced => return told,
            }
        }
    }

    pub(crate) async fn parts(&self, job: &ObjectKey) -> Vec<LogPart> {
        self.cluster.logs(job, 1 << 20).await.expect("logs")
    }

    /// Waits until a Job's function has written this.
    pub(crate) async fn said(&self, job: &ObjectKey, text: &str) {
        let mut chunks = self.cluster.follow_logs(job).await.expect("a stream");
        let mut said = String::new();
        while !said.contains(text) {
            let chunk = tokio::time::timeout(PATIENCE, chunks.next()).await.expect("in time").expect("a chunk");
            said.push_str(&String::from_utf8_lossy(&chunk.text));
        }
    }

    /// The logs of a Job: attempt, container and text.
    pub(crate) async fn logs(&self, job: &ObjectKey) -> Vec<(u32, String, String)> {
        let text = |part: &LogPart| String::from_utf8_lossy(&part.text).into_owned();
        self.parts(job).await.iter().map(|part| (part.attempt, part.container.clone(), text(part))).collect()
    }
}

async fn connect(namespace: &Namespace) -> Kubernetes {
    let settings = Settings {
        place: Where { kubeconfig: Some(namespace.kubeconfig.clone()), context: None },
        namespace: Some(namespace.name.clone()),
        scope: Scope::Only(BTreeSet::new()),
        ..Settings::default()
    };
    Kubernetes::connect(settings).await.expect("a cluster")
}

/// Why a Job waits.
pub(crate) fn reason(state: &JobState) -> Option<&Reason> {
    match state {
        JobState::Pending { reason } => reason.as_ref(),
        _ => None,
    }
}

pub(crate) fn failure(observation: &Observation) -> (String, String, Option<i32>) {
    match &observation.state {
        JobState::Failed { reason, exit_code } => (reason.code.clone(), reason.message.clone(), *exit_code),
        other => panic!("not failed: {other:?}"),
    }
}

/// A run that is the named Job's own.
pub(crate) fn owner(job: &Value) -> Owner {
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let function = format!("{name}.yaml").parse().expect("a function");
    Owner { run: RunId::derive(RequestId::from_bytes([7; 16]), &function), try_no: Try(3) }
}

/// As the engine renders what is unique to a run: with the labels that name it.
fn admitted(job: &Value) -> Admitted<Manifest> {
    let Owner { run, try_no } = owner(job);
    let labels = json!({
        "app.kubernetes.io/managed-by": "gitfaas",
        "gitfaas.io/run": run.to_string(),
        "gitfaas.io/try": try_no.to_string(),
    });
    let mut job = job.clone();
    job["metadata"]["labels"] = labels.clone();
    job["spec"]["template"]["metadata"]["labels"] = labels;
    admit_all(&job, true)
}

fn admit_all(job: &Value, unique: bool) -> Admitted<Manifest> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let key = ObjectKey {
        api_version: text(&job["apiVersion"]).expect("an apiVersion"),
        kind: text(&job["kind"]).expect("a kind"),
        namespace: None,
        name: text(&job["metadata"]["name"]).expect("a name"),
    };
    let manifest = Manifest { key, unique, json: job.to_string() };
    admit(&Policy::default().with_pods(PodPolicy::Off), manifest).expect("an admitted manifest")
}

/// A Job that runs a shell script once.
pub(crate) fn shell(name: &str, script: &str) -> Value {
    let image = std::env::vars().find(|(name, value)| name == "GITFAAS_E2E_SHELL_IMAGE" && !value.is_empty());
    let image = image.map_or_else(|| "localhost/busybox:1".to_owned(), |(_, image)| image);
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"metadata": {}, "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 10,
            "containers": [{
                "name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
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

/// A script that says `first`, and `last` a while after it is told to end.
pub(crate) fn until_told_to_end(first: &str, last: &str) -> String {
    format!("trap 'sleep 2; echo {last}; exit 3' TERM; echo {first}; while true; do sleep 0.1; done")
}
