//! The promise, by force: kill -9 in the middle of publishes, again and again, and count.
//!
//! The functions themselves count: each appends its run id to a file, once for each start. `GITFAAS_KILL_ROUNDS` and
//! `GITFAAS_KILL_PUBLISHES` make it longer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::StatusCode;

use crate::support::{Repository, Server, eventually, http};

const CLIENTS: usize = 32;

fn setting(name: &str, default: usize) -> usize {
    std::env::vars().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_message_is_lost_or_started_twice_across_kills() {
    let rounds = setting("GITFAAS_KILL_ROUNDS", 3);
    let publishes = setting("GITFAAS_KILL_PUBLISHES", 150);
    // `exec` keeps it to one process a run; O_APPEND makes each line whole.
    let repository = Repository::shell("t", "echo $RUN_ID >> starts");
    let mut server = Server::serve(repository.path()).await;
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        acknowledged.extend(publish_and_kill(&mut server, publishes, round).await);
        server.kill_and_restart("serve", repository.path()).await;
    }
    assert!(acknowledged.len() >= rounds, "only {} publishes were acknowledged", acknowledged.len());

    let mut left = left_to_do(&server).await;
    while left > 0 {
        // However many there are, and however slow the machine is: as long as some finish, it is not stuck.
        left = eventually("one more run finishes", async || Some(left_to_do(&server).await).filter(|now| *now < left))
            .await;
    }
    let mut runs = Vec::new();
    for request in &acknowledged {
        let view = server.finished(request).await;
        assert_eq!(view["phase"], "succeeded", "{view:#}");
        runs.push(view["runs"][0]["id"].as_str().expect("an id").to_owned());
    }
    let mut starts: BTreeMap<String, usize> = BTreeMap::new();
    for line in repository.lines("starts") {
        *starts.entry(line).or_default() += 1;
    }
    let lost: Vec<_> = runs.iter().filter(|run| !starts.contains_key(*run)).collect();
    let twice: Vec<_> = starts.iter().filter(|(_, number)| **number > 1).collect();
    assert!(lost.is_empty() && twice.is_empty(), "lost {lost:?}, started twice {twice:?}");
    println!("{rounds} kills, {} acknowledged, {} started, 0 lost, 0 twice", acknowledged.len(), starts.len());
}

/// How many runs have not finished.
async fn left_to_do(server: &Server) -> u64 {
    let metrics = server.get("/metrics").await.text();
    let phases =
        ["queued", "applying", "pending", "running"].map(|phase| format!("gitfaas_runs{{phase=\"{phase}\"}} "));
    let numbers = phases.iter().map(|phase| metrics.lines().find_map(|line| line.strip_prefix(phase.as_str())));
    numbers.map(|number| number.and_then(|number| number.parse::<u64>().ok()).expect("a number")).sum()
}

/// Publishes from all clients at once and kills the server when a share of them is through, another one each round.
async fn publish_and_kill(server: &mut Server, publishes: usize, round: usize) -> Vec<String> {
    let (sent, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let http = http();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (http, url) = (http.clone(), format!("{}/publish/t", server.url));
            let (sent, answered) = (sent.clone(), answered.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                while sent.fetch_add(1, Ordering::Relaxed) < publishes {
                    let Ok(reply) = http.post(&url).body("x").send().await else { break };
                    assert_eq!(reply.status(), StatusCode::ACCEPTED);
                    let Ok(receipt) = reply.json::<serde_json::Value>().await else { break };
                    acknowledged.push(receipt["requestUid"].as_str().expect("an id").to_owned());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                acknowledged
            })
        })
        .collect();
    // A quarter, a half, three quarters of the way: with every client in the middle of something.
    let share = publishes * (1 + round % 3) / 4;
    eventually("a share of the publishes is through", async || {
        (answered.load(Ordering::Relaxed) >= share).then_some(())
    })
    .await;
    server.kill();
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.extend(client.await.expect("a client"));
    }
    acknowledged
}
