//! Asks the cluster, after each refresh, what it would refuse of what is served.

use std::sync::Arc;

use crate::cluster::{Cluster, Reach};
use crate::engine::Engine;

/// How often it is asked in vain while it can be reached; then again after the next refresh.
const MOST_FAILURES: u32 = 5;

pub(super) async fn run(engine: Arc<Engine>, cluster: Arc<dyn Cluster>) {
    let mut reach = cluster.reach();
    loop {
        engine.access_asked().await;
        let mut failures = 0;
        while failures < MOST_FAILURES {
            // An end of the way to the cluster is one of the server.
            let reachable = reach.wait_for(|reach| *reach == Reach::Up).await.is_ok();
            let Err(error) = engine.check_access().await else {
                engine.worker_succeeded("inspector", None);
                break;
            };
            failures += u32::from(reachable && *reach.borrow() == Reach::Up);
            super::wait_after(&engine, failures.max(1), "inspector", &error).await;
        }
    }
}
