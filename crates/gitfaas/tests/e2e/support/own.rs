//! A cluster of a test's own, without a node: for those that stop its API server, or break it.

use std::path::PathBuf;
use std::process::Command;

use super::{Api, checkout, leave_out, variable};

/// A cluster that ends with the test.
pub(crate) struct OwnCluster {
    // `up` wants to make its folder itself.
    folder: tempfile::TempDir,
}

impl OwnCluster {
    /// Brings one up, with these variables for `scripts/cluster`; where that is not possible, `what` is left out.
    pub(crate) fn up(what: &str, settings: &[(&str, &str)]) -> Option<Self> {
        if variable("GITFAAS_E2E").as_deref() == Some("later") {
            return None;
        }
        let debian = std::path::Path::new("/usr/bin/apt-get").exists();
        if !debian || !rustix::process::geteuid().is_root() {
            leave_out(what, "root on Debian");
            return None;
        }
        let own = Self { folder: tempfile::tempdir().expect("a folder") };
        own.cluster("up", &[], settings);
        Some(own)
    }

    /// Its API server.
    pub(crate) async fn api(&self) -> Api {
        Api::connect(&self.run().join("kubeconfig")).await
    }

    /// Stops a part: `apiserver`, `etcd`, `controllers`.
    pub(crate) fn stop(&self, part: &str) {
        self.cluster("stop", &[part], &[]);
    }

    /// Starts it again over the same data, and returns when it is ready.
    pub(crate) fn start(&self, part: &str) {
        self.cluster("start", &[part], &[]);
    }

    /// Makes etcd forget everything but the present: who asks for changes since an earlier time is told that it is gone.
    pub(crate) fn compact(&self) {
        let revision = self.etcd("maintenance/status", "{}");
        let revision = revision["header"]["revision"].as_str().expect("a revision");
        self.etcd("kv/compaction", &format!(r#"{{"revision": "{revision}", "physical": true}}"#));
    }

    /// Asks etcd, which is reached from inside only.
    fn etcd(&self, what: &str, body: &str) -> serde_json::Value {
        let machine = self.pid("machine").as_raw_nonzero().to_string();
        let url = format!("http://127.0.0.1:2379/v3/{what}");
        let mut curl = Command::new("nsenter");
        curl.args([
            "--target",
            &machine,
            "--net",
            "curl",
            "--fail",
            "--silent",
            "--noproxy",
            "*",
            "--data",
            body,
            &url,
        ]);
        let output = curl.output().expect("nsenter");
        assert!(output.status.success(), "etcd: {what}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The process of a part, for signals.
    pub(crate) fn pid(&self, part: &str) -> rustix::process::Pid {
        let number = std::fs::read_to_string(self.run().join(format!("{part}.pid"))).expect("a pid file");
        let number = number.trim().parse().expect("a number");
        rustix::process::Pid::from_raw(number).expect("a process")
    }

    /// Where everything of it is.
    pub(crate) fn run(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    fn cluster(&self, verb: &str, parts: &[&str], settings: &[(&str, &str)]) {
        let mut command = Command::new(checkout("scripts/cluster"));
        command.arg(verb).arg(self.run()).args(parts).envs(settings.iter().copied());
        let output = command.output().expect("bash");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "cluster {verb}: {}\n{said}", String::from_utf8_lossy(&output.stdout));
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        // What it could not end is told by the test of the cluster itself.
        let _ = Command::new(checkout("scripts/cluster")).arg("down").arg(self.run()).output();
    }
}
