//! The promise, by force: kill -9 at random in the middle of publishes, again and again, and count the Jobs.
//!
//! They are counted by a witness that has nothing to do with gitfaas and looks from the beginning. While gitfaas is down,
//! Jobs end whose time to live is a second.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::StatusCode;

use crate::support::{
    End, Namespace, Repository, Server, Witness, all_applied, all_over, eventually, http, is_released, phases, still,
};

const ROUNDS: usize = 20;
/// How many publishes are acknowledged in all, at least.
const PUBLISHES: usize = 1000;
const CLIENTS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_acknowledged_run_has_one_job_ever_across_kills() {
    let Some(namespace) = Namespace::new("kills on a cluster").await else { return };
    let repository = still("  ttlSecondsAfterFinished: 1\n");
    let witness = Witness::of(&namespace).await;
    let random = std::collections::hash_map::RandomState::new();
    let (mut acknowledged, mut shares, mut ended_while_down) = (Vec::new(), Vec::new(), 0);
    let mut port = 0;
    for round in 0..ROUNDS {
        // From 25 to 75, and all that is left in the last round.
        let share = 25 + usize::try_from(random.hash_one(round) % 51).expect("a number");
        let left = PUBLISHES.saturating_sub(acknowledged.len());
        let share = if round + 1 == ROUNDS { left.max(share) } else { share };
        let mut server = serve(&namespace, &repository, port).await;
        port = server.port();
        acknowledged.extend(publish_and_kill(&mut server, share).await);
        shares.push(share);
        if round % 2 == 0 {
            ended_while_down += namespace.end_jobs(End::Complete).await;
        }
    }
    let server = serve(&namespace, &repository, port).await;
    all_applied(&server).await;
    let ended_at_last = namespace.end_jobs(End::Complete).await;
    all_over(&server).await;

    let (runs, jobs) = (phases(&server, &acknowledged).await, witness.jobs());
    let unlike: Vec<_> = runs.iter().filter(|(_, phase)| *phase != "succeeded").collect();
    let lost: Vec<_> = runs.keys().filter(|run| !jobs.contains_key(*run)).collect();
    let twice: Vec<_> = jobs.iter().filter(|(_, uids)| uids.len() > 1).collect();
    assert!(
        unlike.is_empty() && lost.is_empty() && twice.is_empty(),
        "not true {unlike:?}, lost {lost:?}, twice {twice:?}"
    );
    assert!(acknowledged.len() >= PUBLISHES && ended_while_down > ROUNDS, "{ended_while_down}");
    // Then their own time to live counts, at the pace of the cluster.
    eventually("each Job is let go", async || namespace.jobs().await.iter().all(is_released).then_some(())).await;
    eventually("Jobs are collected", async || (namespace.jobs().await.len() < jobs.len()).then_some(())).await;
    println!(
        "killed after {shares:?} answers; {} acknowledged, {} Jobs, {ended_while_down} ended while gitfaas was down, \
         {ended_at_last} later; 0 lost, 0 twice",
        acknowledged.len(),
        jobs.len()
    );
}

async fn serve(namespace: &Namespace, repository: &Repository, port: u16) -> Server {
    Server::launch(namespace.command(repository.path(), port), namespace.data()).ready().await
}

/// Publishes from all clients at once, kills the server when `share` publishes are acknowledged, and gives what was.
async fn publish_and_kill(server: &mut Server, share: usize) -> Vec<String> {
    let answered = Arc::new(AtomicUsize::new(0));
    let http = http();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (http, url, answered) = (http.clone(), format!("{}/publish/t", server.url), answered.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                while let Ok(reply) = http.post(&url).body("x").send().await {
                    assert_eq!(reply.status(), StatusCode::ACCEPTED);
                    let Ok(receipt) = reply.json::<serde_json::Value>().await else { break };
                    acknowledged.push(receipt["requestUid"].as_str().expect("an id").to_owned());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                acknowledged
            })
        })
        .collect();
    eventually("enough publishes are through", async || (answered.load(Ordering::Relaxed) >= share).then_some(()))
        .await;
    server.kill();
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.extend(client.await.expect("a client"));
    }
    acknowledged
}
