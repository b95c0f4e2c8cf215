//! A witness that has nothing to do with gitfaas: `kubectl` watches the Jobs of a namespace and notes each one that ever
//! was there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Namespace, eventually, idle_job};

/// What it prints of a Job whenever that changes.
const LINE: &str = r#"jsonpath={.metadata.uid}{" "}{.metadata.labels.gitfaas\.io/run}{"\n"}"#;
/// The witness, for as long as it is kept.
pub(crate) struct Witness {
    kubectl: Child,
    seen: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>,
}

impl Witness {
    /// Begins to look, and returns when it does.
    pub(crate) async fn of(namespace: &Namespace) -> Self {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(&namespace.api.kubeconfig).args(["--namespace", &namespace.name]);
        kubectl.args(["get", "jobs", "--watch", "--output", LINE]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut kubectl = kubectl.spawn().expect("kubectl");
        let lines = BufReader::new(kubectl.stdout.take().expect("piped")).lines();
        let witness = Self { kubectl, seen: Arc::default() };
        let seen = witness.seen.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Some((uid, run)) = line.split_once(' ') else { continue };
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.entry(run.to_owned()).or_default().insert(uid.to_owned());
            }
        });
        // A Job of nobody shows that it looks.
        namespace.apply(&idle_job("sign"));
        eventually("the witness sees a Job", async || witness.all().contains_key("").then_some(())).await;
        namespace.kubectl(&["delete", "job", "sign"]);
        witness
    }

    /// Each run of which there ever was a Job, with the uids of all of its Jobs.
    pub(crate) fn jobs(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut jobs = self.all();
        jobs.remove("");
        jobs
    }

    fn all(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        drop(self.kubectl.kill());
        drop(self.kubectl.wait());
    }
}
