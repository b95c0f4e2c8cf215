//! Many Jobs at once: what they cost to watch, and that a restart finds them all.
//!
//! `GITFAAS_E2E_JOBS` makes it more.

use std::time::Instant;

use futures_util::StreamExt as _;

use crate::support::{
    End, Namespace, OwnCluster, Repository, Server, Way, all_applied, all_over, eventually, has_ended, phases, runs_in,
    still, variable,
};

const CLIENTS: usize = 16;
/// With how many the others are compared: a server that watches any has more in memory than one that watches none.
const FEW: usize = 100;
/// The most that a watched Job may cost, in bytes. Most of it is what the list of all of them left to the allocator, in a
/// build that is not optimised.
const MOST: u64 = 24 * 1024;
/// The most connections to the API server, however much there is to do.
const CONNECTIONS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_jobs_cost_little_memory_and_a_restart_finds_them_all() {
    let Some(cluster) = OwnCluster::up("thousands of Jobs", &[]) else { return };
    let number = variable("GITFAAS_E2E_JOBS").and_then(|number| number.parse().ok()).unwrap_or(2000);
    let way = Way::to(&cluster.api().await).await;
    let namespace = Namespace::on(cluster.api().await).through(&way.kubeconfig);
    let repository = still("");
    let mut requests = publish(&namespace, &repository, FEW).await;
    let few = watching(&namespace, &repository).await;
    let begun = Instant::now();
    requests.extend(publish(&namespace, &repository, number - FEW).await);
    let applied = begun.elapsed();
    let many = watching(&namespace, &repository).await;

    namespace.end_jobs(End::Complete).await;
    let server = namespace.serve(repository.path()).await;
    let begun = Instant::now();
    all_over(&server).await;
    let found = begun.elapsed();
    let unlike = phases(&server, &requests).await.into_iter().filter(|(_, phase)| phase != "succeeded");
    assert_eq!(unlike.collect::<Vec<_>>(), []);

    let each = many.saturating_sub(few) * 1024 / u64::try_from(number - FEW).expect("a number");
    println!("{number} Jobs applied within {applied:?}; their ends found after a restart within {found:?}");
    println!("watching {FEW}: {few} KiB; watching {number}: {many} KiB, so {each} bytes for each Job");
    println!("at most {} connections at once", way.most_connections());
    assert!(each < MOST, "{each} bytes for each Job that is watched");
    assert!(way.most_connections() < CONNECTIONS, "{} connections at once", way.most_connections());
}

/// Publishes to a server that ends when there are Jobs.
async fn publish(namespace: &Namespace, repository: &Repository, number: usize) -> Vec<String> {
    let server = namespace.serve(repository.path()).await;
    let publishes = futures_util::stream::iter(0..number).map(|_| server.publish("t", "x"));
    let requests = publishes.buffer_unordered(CLIENTS).collect().await;
    all_applied(&server).await;
    requests
}

/// What a server has in memory that was started to watch the Jobs there are.
async fn watching(namespace: &Namespace, repository: &Repository) -> u64 {
    let server = namespace.serve(repository.path()).await;
    let before = runs_in(&server, &["succeeded"]).await;
    // What the watch tells of one Job comes after its first list of all.
    let jobs = namespace.jobs().await;
    let job = jobs.iter().find(|job| !has_ended(job)).expect("a Job");
    namespace.end_job(job, End::Complete).await;
    eventually("the end is seen", async || (runs_in(&server, &["succeeded"]).await > before).then_some(())).await;
    resident(&server)
}

/// What the server has in memory of its own, in KiB: without what of the program is there because it ran.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
