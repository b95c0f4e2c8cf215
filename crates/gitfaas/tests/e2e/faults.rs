//! An API server that fails now and then, by a proxy that fails for it. Whatever it does, the end is the same: one Job for
//! each run, and each run as its Job.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{
    End, Fault, Faults, Namespace, Passed, Publishing, RETRY_AFTER, Server, Witness, all_applied, all_over, eventually,
    is_released, phases, run_of, still,
};

const PUBLISHES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_come_too_late_double_nothing() {
    same_end(Fault::Slow).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_api_server_is_asked_again_when_it_says() {
    let Some(passed) = same_end(Fault::Busy).await else { return };
    let is_post = |passed: &&Passed| passed.what.starts_with("POST") && passed.what.contains("/jobs ");
    let posts: Vec<_> = passed.iter().filter(is_post).collect();
    for first in posts.iter().filter(|passed| passed.fault.is_some()) {
        let again =
            posts.iter().find(|passed| passed.what == first.what && passed.fault.is_none()).expect("another try");
        let waited = again.at - first.at;
        assert!(waited >= Duration::from_secs(RETRY_AFTER), "{}: {waited:?}", first.what);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_fails_is_asked_again() {
    same_end(Fault::Broken).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_fails_after_it_did_it_doubles_nothing() {
    same_end(Fault::BrokenAfter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_reset_before_a_request_is_read_lose_nothing() {
    same_end(Fault::ResetBefore).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_reset_in_place_of_an_answer_double_nothing() {
    same_end(Fault::ResetAfter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_whose_beginning_is_gone_begin_anew() {
    same_end(Fault::Gone).await;
}

/// Publishes through the fault, ends the Jobs in both ways, and expects of each run what became of its only Job; what
/// passed meanwhile.
async fn same_end(fault: Fault) -> Option<Vec<Passed>> {
    let namespace = Namespace::new(&format!("an API server that is {fault:?}")).await?;
    let faults = Faults::before(&namespace.api, fault).await;
    let witness = Witness::of(&namespace).await;
    let namespace = namespace.through(&faults.kubeconfig);
    let repository = still("");
    let mut command = namespace.command(repository.path(), 0);
    command.args(["--cluster-timeout", "2s"]);
    let server = Server::launch(command, namespace.data()).ready().await;
    let requests = Publishing::begin(&server, PUBLISHES, Duration::from_millis(1)).acknowledged().await;
    all_applied(&server).await;

    let mut truth = BTreeMap::new();
    for (number, job) in namespace.jobs().await.iter().enumerate() {
        let (end, phase) = if number % 2 == 0 { (End::Complete, "succeeded") } else { (End::Failed, "failed") };
        namespace.end_job(job, end).await;
        truth.insert(run_of(job).to_owned(), phase.to_owned());
    }
    all_over(&server).await;
    assert_eq!(phases(&server, &requests).await, truth);
    assert_eq!(truth.len(), PUBLISHES);
    for (run, uids) in witness.jobs() {
        assert_eq!(uids.len(), 1, "Jobs of {run}");
        assert!(truth.contains_key(&run), "a Job of a run that nobody asked for: {run}");
    }
    eventually("each Job is released", async || namespace.jobs().await.iter().all(is_released).then_some(())).await;
    let passed = faults.passed();
    println!(
        "{fault:?}: {} of {} requests",
        passed.iter().filter(|passed| passed.fault.is_some()).count(),
        passed.len()
    );
    Some(passed)
}
