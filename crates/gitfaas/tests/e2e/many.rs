//! Many Jobs at once: what they cost to watch, and that a restart finds them all.
//!
//! `GITFAAS_E2E_JOBS` makes it more.

use std::time::Instant;

use futures_util::StreamExt as _;

use crate::support::{
    End, Namespace, OwnCluster, Server, Way, all_applied, all_over, eventually, phases, runs_in, still, variable,
};

const CLIENTS: usize = 16;
/// The most that a watched Job may cost, in bytes. Most of what is measured is what the list of all left to the allocator,
/// in a build that is not optimised.
const MOST: u64 = 64 * 1024;
/// The most connections to the API server, however much there is to do.
const CONNECTIONS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_jobs_cost_little_memory_and_a_restart_finds_them_all() {
    let Some(cluster) = OwnCluster::up("thousands of Jobs", &[]) else { return };
    let number = variable("GITFAAS_E2E_JOBS").and_then(|number| number.parse().ok()).unwrap_or(2000);
    let way = Way::to(&cluster.api().await).await;
    let namespace = Namespace::on(cluster.api().await).through(&way.kubeconfig);
    let repository = still("");
    let server = namespace.serve(repository.path()).await;
    let idle = resident(&server);
    let begun = Instant::now();
    let requests = publish(&server, number).await;
    all_applied(&server).await;
    let (applied, published) = (begun.elapsed(), resident(&server));
    drop(server);

    let server = namespace.serve(repository.path()).await;
    // What the watch tells of one Job comes after its first list of all.
    let job = namespace.jobs().await.into_iter().next().expect("a Job");
    namespace.end_job(&job, End::Complete).await;
    eventually("the end is seen", async || (runs_in(&server, &["succeeded"]).await == 1).then_some(())).await;
    let watched = resident(&server);
    drop(server);

    namespace.end_jobs(End::Complete).await;
    let server = namespace.serve(repository.path()).await;
    let begun = Instant::now();
    all_over(&server).await;
    let found = begun.elapsed();
    let unlike = phases(&server, &requests).await.into_iter().filter(|(_, phase)| phase != "succeeded");
    assert_eq!(unlike.collect::<Vec<_>>(), []);

    let each = |resident: u64| resident.saturating_sub(idle) * 1024 / u64::try_from(number).expect("a number");
    println!("{number} Jobs applied within {applied:?}; {number} ends found after a restart within {found:?}");
    println!(
        "resident: {idle} KiB idle; {published} KiB after the publishes, {} bytes for each; {watched} KiB after a restart that \
         watches them, {} bytes for each",
        each(published),
        each(watched)
    );
    println!("at most {} connections at once", way.most_connections());
    assert!(each(watched) < MOST, "{} bytes for each Job that is watched", each(watched));
    assert!(way.most_connections() < CONNECTIONS, "{} connections at once", way.most_connections());
}

async fn publish(server: &Server, number: usize) -> Vec<String> {
    futures_util::stream::iter(0..number).map(|_| server.publish("t", "x")).buffer_unordered(CLIENTS).collect().await
}

/// What the server has in memory of its own, in KiB: without what of the program is there because it ran.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
