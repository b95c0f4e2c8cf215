//! Ends that nobody told gitfaas of: while it was down, or while its watch was broken. Each run ends in a phase that is
//! true.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    End, Fault, Faults, Namespace, OwnCluster, Publishing, Repository, Server, Way, all_applied, eventually, name_of,
    phases, run_of, still,
};

/// Within which a server that is back has to know how all of its runs stand.
const BACK: Duration = Duration::from_secs(10);
/// How many runs of each kind.
const EACH: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_deleted_by_hand_are_told_at_once() {
    let Some(namespace) = Namespace::new("Jobs that are deleted by hand").await else { return };
    let repository = still("");
    let server = serve(&namespace, &repository).await;
    let requests = publish(&server).await;
    let truth = change(&namespace, "interrupted").await;
    until_true(&server, &requests, &truth, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_while_gitfaas_was_down_is_known_when_it_is_back() {
    let Some(namespace) = Namespace::new("Jobs that end while gitfaas is down").await else { return };
    let repository = still("");
    let mut server = serve(&namespace, &repository).await;
    let requests = publish(&server).await;
    server.kill();
    drop(server);
    let truth = change(&namespace, "unknown").await;
    let server = serve(&namespace, &repository).await;
    until_true(&server, &requests, &truth, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_behind_an_api_server_that_forgot_it_is_known_when_it_is_back() {
    let Some(cluster) = OwnCluster::up("an API server that is restarted over a compacted etcd", &[]) else { return };
    let way = Way::to(&cluster.api().await).await;
    let namespace = Namespace::on(cluster.api().await).through(&way.kubeconfig);
    let repository = still("");
    let server = serve(&namespace, &repository).await;
    let requests = publish(&server).await;
    way.close();
    let truth = change(&namespace, "unknown").await;
    cluster.stop("apiserver");
    cluster.compact();
    cluster.start("apiserver");
    way.open();
    until_true(&server, &requests, &truth, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_came_and_went_unseen_is_missed() {
    let Some(namespace) = Namespace::new("Jobs that come and go unseen").await else { return };
    let faults = Faults::before(&namespace.api, Fault::Blind).await;
    let namespace = namespace.through(&faults.kubeconfig);
    let repository = still("");
    let mut command = namespace.command(repository.path(), 0);
    // A watch that says nothing is given that long to begin.
    command.args(["--cluster-timeout", "5m"]);
    let server = Server::launch(command, namespace.data()).ready().await;
    let is_watched = async || faults.passed().iter().any(|passed| passed.what.starts_with("WATCH")).then_some(());
    eventually("the server watches", is_watched).await;
    let requests = publish(&server).await;
    let truth = change(&namespace, "unknown").await;
    faults.see();
    until_true(&server, &requests, &truth, Instant::now()).await;
}

async fn serve(namespace: &Namespace, repository: &Repository) -> Server {
    namespace.serve(repository.path()).await
}

/// Publishes, and returns when there are Jobs.
async fn publish(server: &Server) -> Vec<String> {
    let requests = Publishing::begin(server, 4 * EACH, Duration::from_millis(1)).acknowledged().await;
    all_applied(server).await;
    requests
}

/// Ends Jobs in each way, and leaves some as they are; which phase is then true of which run.
async fn change(namespace: &Namespace, deleted: &'static str) -> BTreeMap<String, String> {
    let mut truth = BTreeMap::new();
    for (number, job) in namespace.jobs().await.iter().enumerate() {
        let phase = end(namespace, job, number % 4).await.unwrap_or(deleted);
        truth.insert(run_of(job).to_owned(), phase.to_owned());
    }
    assert_eq!(truth.len(), 4 * EACH);
    truth
}

/// The phase that is true then; `None` for what was deleted, where that depends on who saw it.
async fn end(namespace: &Namespace, job: &Value, way: usize) -> Option<&'static str> {
    match way {
        0 => {
            namespace.delete_job(job).await;
            let gone = async || namespace.get("batch/v1", "jobs", name_of(job)).await.is_none().then_some(());
            eventually("the Job is gone", gone).await;
            None
        }
        1 => {
            namespace.end_job(job, End::Complete).await;
            Some("succeeded")
        }
        2 => {
            namespace.end_job(job, End::Failed).await;
            Some("failed")
        }
        _ => Some("pending"),
    }
}

async fn until_true(server: &Server, requests: &[String], truth: &BTreeMap<String, String>, back: Instant) {
    eventually("each run is in its true phase", async || (phases(server, requests).await == *truth).then_some(()))
        .await;
    let known = back.elapsed();
    println!("{} runs in their true phase within {known:?}", truth.len());
    assert!(known < BACK, "{known:?}");
}
