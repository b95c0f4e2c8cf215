//! What the tests on a cluster stand on: a namespace, the real server in it, and the API server's own word.

mod api;
mod faults;
mod given;
mod namespace;
mod own;
mod still;
mod way;
mod witness;

// Shared with the tests that need no cluster, which use more of it.
#[path = "../it/support/machine.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod machine;
#[path = "../it/support/repository.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod repository;
#[path = "../it/support/server.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod server;
#[path = "../it/support/wait.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod wait;

use std::time::Duration;

use serde_json::Value;

pub(crate) use self::api::Api;
pub(crate) use self::faults::{Fault, Faults, Passed, RETRY_AFTER};
pub(crate) use self::given::{idle_job, python_image, shell_image, variable};
pub(crate) use self::machine::{checkout, http, leave_out, program};
pub(crate) use self::namespace::Namespace;
pub(crate) use self::own::OwnCluster;
pub(crate) use self::repository::Repository;
pub(crate) use self::server::Server;
pub(crate) use self::still::{
    End, Publishing, all_applied, all_over, has_ended, is_released, name_of, phases, reaches_cluster, run_of, runs_in,
    still,
};
pub(crate) use self::wait::within;
pub(crate) use self::way::Way;
pub(crate) use self::witness::Witness;

/// How long a condition may take to come true on a cluster whose machine has other work. Only waited out when a test
/// fails.
const DEADLINE: Duration = Duration::from_mins(2);

/// Waits until `condition` gives something; fails with `what` when it never does.
pub(crate) async fn eventually<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    within(DEADLINE, what, condition).await
}

/// The Role that the documents give gitfaas, which has its name.
pub(crate) fn documented_role() -> String {
    let page = std::fs::read_to_string(checkout("docs/kubernetes.md")).expect("the page");
    page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a role").to_owned()
}

/// The request once all of its runs have ended.
pub(crate) async fn ended(server: &Server, request: &str) -> Value {
    eventually("the runs end", async || {
        let view = server.get(&format!("/api/v1/requests/{request}?wait=5")).await.json();
        let runs = view["runs"].as_array()?;
        runs.iter().all(|run| run.get("finishedAt").is_some()).then_some(view)
    })
    .await
}
