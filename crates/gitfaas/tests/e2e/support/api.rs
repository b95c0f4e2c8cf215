//! The API server, asked as its administrator: what it says counts, not what gitfaas says of it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

/// An API server.
pub(crate) struct Api {
    pub(crate) kubeconfig: PathBuf,
    client: kube::Client,
}

impl Api {
    /// The one of a kubeconfig's current context.
    pub(crate) async fn connect(kubeconfig: &Path) -> Self {
        // It may be installed already, by another test of this process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { kubeconfig: kubeconfig.to_owned(), client: client(kubeconfig, true).await }
    }

    /// A client of its own, which asks once.
    pub(crate) async fn asking_once(&self) -> kube::Client {
        client(&self.kubeconfig, false).await
    }

    /// The same API server for who has this token; its kubeconfig is written to `file`.
    pub(crate) async fn as_bearer(&self, token: &str, file: &Path) -> Self {
        std::fs::copy(&self.kubeconfig, file).expect("copied");
        let account = Self { kubeconfig: file.to_owned(), client: self.client.clone() };
        account.kubectl(&["config", "set-credentials", "account", &format!("--token={token}")]);
        account.kubectl(&["config", "set-context", "--current", "--user=account"]);
        Self::connect(file).await
    }

    /// What there is at a path: an object or a list. `None` where there is nothing.
    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let request = http::Request::get(path).body(Vec::new()).expect("a request");
        self.found("GET", path, request).await
    }

    /// Posts JSON to a path, and gives what was made of it.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = http::Request::post(path).header("content-type", "application/json");
        let request = request.body(body.to_string().into_bytes()).expect("a request");
        self.client.request(request).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Changes what there is at a path by a merge patch. `None` where there is nothing.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Option<Value> {
        let request = http::Request::patch(path).header("content-type", "application/merge-patch+json");
        let request = request.body(body.to_string().into_bytes()).expect("a request");
        self.found("PATCH", path, request).await
    }

    /// Deletes what there is at a path. `None` where there is nothing.
    pub(crate) async fn delete(&self, path: &str) -> Option<Value> {
        let request = http::Request::delete(path).body(Vec::new()).expect("a request");
        self.found("DELETE", path, request).await
    }

    async fn found(&self, verb: &str, path: &str, request: http::Request<Vec<u8>>) -> Option<Value> {
        match self.client.request(request).await {
            Ok(found) => Some(found),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("{verb} {path}: {error}"),
        }
    }

    /// Runs `kubectl` and gives what it printed; it has to succeed.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.kubectl_with(args, "")
    }

    /// The same, with something on its stdin.
    pub(crate) fn kubectl_with(&self, args: &[&str], stdin: &str) -> String {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        let piped = kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("kubectl");
        child.stdin.take().expect("piped").write_all(stdin.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("ended");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

async fn client(kubeconfig: &Path, asks_again: bool) -> kube::Client {
    let read = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let mut config = config.expect("a usable kubeconfig");
    config.default_retry = asks_again;
    kube::Client::try_from(config).expect("a client")
}
