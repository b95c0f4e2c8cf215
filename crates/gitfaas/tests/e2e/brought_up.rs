//! The cluster itself, as `scripts/cluster` brings it up: what the other tests rely on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use crate::support::{Namespace, OwnCluster, eventually, leave_out, shell_image, variable};

/// Answers one request, and then no more.
fn answers_once(listener: TcpListener, body: &'static str) {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let head = BufReader::new(stream.try_clone().expect("the stream")).lines();
        assert!(head.map_while(Result::ok).any(|line| line.is_empty()), "a whole head");
        stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{body}").as_bytes()).expect("written");
    });
}

#[tokio::test]
async fn pods_reach_this_machine_and_their_logs_can_be_read() {
    let Some(namespace) = Namespace::new("pods that reach this machine").await else { return };
    let Some(host) = variable("GITFAAS_E2E_HOST") else {
        return leave_out("pods that reach this machine", "the address at which they do (GITFAAS_E2E_HOST)");
    };
    let listener = TcpListener::bind((host, 0)).expect("an address of this machine");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    answers_once(listener, "harbour");
    namespace.apply(&format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{name: caller}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: main, image: '{}', command: [wget, -qO-, '{url}']}}]
",
        shell_image()
    ));
    eventually("the Job succeeds", async || {
        let job = namespace.get("batch/v1", "jobs", "caller").await?;
        (job["status"]["succeeded"] == 1).then_some(())
    })
    .await;
    assert_eq!(namespace.kubectl(&["logs", "job/caller"]), "harbour");
}

#[tokio::test]
async fn a_stopped_api_server_is_as_it_was_when_it_is_started_again() {
    let Some(cluster) = OwnCluster::up("a stopped API server", &[]) else { return };
    let api = cluster.api().await;
    let kept = json!({ "metadata": { "name": "kept" }, "data": { "what": "harbour" } });
    api.post("/api/v1/namespaces/default/configmaps", &kept).await;
    cluster.stop("apiserver");
    cluster.start("apiserver");
    let found = api.get("/api/v1/namespaces/default/configmaps/kept").await.expect("it is still there");
    assert_eq!(found["data"]["what"], "harbour");
}

#[tokio::test]
async fn a_cluster_ends_without_a_trace_also_when_its_api_server_is_paused() {
    let Some(cluster) = OwnCluster::up("the end of a cluster", &[]) else { return };
    let (pid, run) = (cluster.pid("apiserver"), cluster.run());
    // It points to nothing once the process has ended, also before anybody has asked how.
    let process = format!("/proc/{}/exe", pid.as_raw_nonzero());
    let settings = std::fs::read_to_string(run.join("settings")).expect("settings");
    let link = settings.split("LINK=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
    let link = format!("/sys/class/net/{link}");
    assert!(Path::new(&process).exists() && Path::new(&link).exists(), "{process} {link}");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("paused");
    drop(cluster);
    assert!(!Path::new(&process).exists() && !Path::new(&link).exists() && !run.exists(), "{process} {link}");
}
