//! A namespace of a test's own, and the server in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::{Api, Server, leave_out, program, variable};

static MADE: AtomicU32 = AtomicU32::new(0);

/// A namespace, which goes with the test.
pub(crate) struct Namespace {
    pub(crate) name: String,
    pub(crate) api: Api,
    /// By which the server reaches the cluster.
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
}

impl Namespace {
    /// A namespace on the cluster that was given for tests; without one, `what` is left out.
    pub(crate) async fn new(what: &str) -> Option<Self> {
        let asked = variable("GITFAAS_E2E").unwrap_or_default();
        let Some(kubeconfig) = variable("KUBECONFIG").filter(|_| asked == "1") else {
            if asked != "later" {
                leave_out(what, "a cluster (GITFAAS_E2E=1 and KUBECONFIG)");
            }
            return None;
        };
        Some(Self::on(Api::connect(Path::new(&kubeconfig)).await))
    }

    /// A namespace on this cluster.
    pub(crate) fn on(api: Api) -> Self {
        let name = format!("gitfaas-e2e-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        api.kubectl(&["create", "namespace", &name]);
        Self { name, kubeconfig: api.kubeconfig.clone(), api, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The same, with a server that reaches the cluster by this kubeconfig.
    pub(crate) fn through(mut self, kubeconfig: &Path) -> Self {
        kubeconfig.clone_into(&mut self.kubeconfig);
        self
    }

    /// `gitfaas serve` for this namespace over a folder, ready.
    pub(crate) async fn serve(&self, functions: &Path) -> Server {
        Server::launch(self.command(functions, 0), self.data()).ready().await
    }

    /// The same with the rights that `account` has, and more arguments.
    pub(crate) async fn serve_as(&self, account: &Api, functions: &Path, args: &[&str]) -> Server {
        let mut command = self.command_by(&account.kubeconfig, functions, 0);
        command.args(args);
        Server::launch(command, self.data()).ready().await
    }

    /// The command that starts it; for those who start it more than once, or want to change something about it.
    pub(crate) fn command(&self, functions: &Path, port: u16) -> Command {
        self.command_by(&self.kubeconfig, functions, port)
    }

    fn command_by(&self, kubeconfig: &Path, functions: &Path, port: u16) -> Command {
        // Pods have to reach it, where there are any.
        let host = variable("GITFAAS_E2E_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
        let mut command = Command::new(program());
        command.arg("serve").arg("--dir").arg(functions).arg("--data").arg(self.data());
        command.args(["--listen", &format!("{host}:{port}"), "--cluster", "kubernetes", "--namespace", &self.name]);
        command.args(["--log", "warn"]).arg("--kubeconfig").arg(kubeconfig);
        command
    }

    /// Where the server of this namespace keeps things.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs `kubectl` in this namespace and gives what it printed.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.api.kubectl(&[&["--namespace", &self.name], args].concat())
    }

    /// Applies manifests to this namespace, as somebody else than gitfaas.
    pub(crate) fn apply(&self, manifests: &str) {
        self.api.kubectl_with(&["--namespace", &self.name, "apply", "-f", "-"], manifests);
    }

    /// The API server for a new service account of this namespace, which has no rights yet.
    pub(crate) async fn account(&self, name: &str) -> Api {
        self.kubectl(&["create", "serviceaccount", name]);
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{name}/token", self.name);
        let token = self.api.post(&path, &request).await["status"]["token"].as_str().expect("a token").to_owned();
        self.api.as_bearer(&token, &self.folder.path().join(name)).await
    }

    /// Lets a service account do what a role says.
    pub(crate) fn bind(&self, role: &str, account: &str) {
        let account = format!("--serviceaccount={}:{account}", self.name);
        self.kubectl(&["create", "rolebinding", role, &format!("--role={role}"), &account]);
    }

    /// What there is of a kind: `list("batch/v1", "jobs")`.
    pub(crate) async fn list(&self, version: &str, plural: &str) -> Vec<Value> {
        let list = self.api.get(&self.path(version, plural)).await.unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// One of them, if it exists.
    pub(crate) async fn get(&self, version: &str, plural: &str, name: &str) -> Option<Value> {
        self.api.get(&format!("{}/{name}", self.path(version, plural))).await
    }

    fn path(&self, version: &str, plural: &str) -> String {
        let root = if version.contains('/') { "apis" } else { "api" };
        format!("/{root}/{version}/namespaces/{}/{plural}", self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(&self.api.kubeconfig);
        // Where the API server is gone, so is the namespace.
        let _ = kubectl.args(["delete", "namespace", &self.name, "--wait=false", "--request-timeout=5s"]).output();
    }
}
