//! How Jobs end, and what is said of it.

use futures_util::StreamExt as _;
use gitfaas_core::run::JobState;
use gitfaas_server::cluster::Cluster as _;
use serde_json::json;

use super::support::{Bench, CONTAINER, PATIENCE, POD, failure, shell, until_told_to_end, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_seen_from_its_first_process_to_its_success() {
    let Some(mut bench) = Bench::open("a Job that succeeds").await else { return };
    let job = bench.apply(&shell("good", "echo hello; sleep 2")).await;
    let runs = bench.until(&job, |seen| seen.state == JobState::Running).await;
    assert_eq!((runs.attempts, runs.try_no.0), (1, 3));
    let end = bench.end_of(&job).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 1));
    assert_eq!(bench.logs(&job).await, [(1, "main".to_owned(), "hello\n".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_is_counted_and_its_log_is_kept() {
    let Some(mut bench) = Bench::open("three attempts").await else { return };
    let job = with(shell("thrice", "echo $HOSTNAME; exit 4"), "/backoffLimit", json!(2));
    let end = bench.run(&job).await;
    let (code, message, exit_code) = failure(&end);
    assert_eq!((code.as_str(), exit_code, end.attempts), ("BackoffLimitExceeded", Some(4), 3));
    assert_eq!(message, "attempt 3 of 3 ended with exit code 4");
    let logs = bench.logs(&end.job).await;
    assert_eq!(logs.iter().map(|(attempt, ..)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(logs.iter().all(|(_, container, text)| container == "main" && text.starts_with("thrice-")), "{logs:?}");
    assert_ne!(logs[0], logs[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_is_started_again_in_its_pod_makes_attempts() {
    let Some(mut bench) = Bench::open("restarts in place").await else { return };
    let job = shell("again", "echo here >> /kept/times; wc -l < /kept/times; test $(wc -l < /kept/times) = 3");
    let job = with(with(job, "/backoffLimit", json!(5)), &format!("{POD}/restartPolicy"), json!("OnFailure"));
    let job = with(job, &format!("{POD}/volumes"), json!([{"name": "kept", "emptyDir": {}}]));
    let job = with(job, &format!("{CONTAINER}/volumeMounts"), json!([{"name": "kept", "mountPath": "/kept"}]));
    let end = bench.run(&job).await;
    assert_eq!((&end.state, end.attempts), (&JobState::Succeeded, 3));
    let logs = bench.logs(&end.job).await;
    assert_eq!(logs.last(), Some(&(3, "main".to_owned(), "3\n".to_owned())), "{logs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_used_too_much_memory_is_told_so() {
    let Some(mut bench) = Bench::open("too much memory").await else { return };
    let limit = json!({"limits": {"memory": "16Mi"}});
    let job = with(shell("hungry", "tail /dev/zero"), &format!("{CONTAINER}/resources"), limit);
    let (code, message, exit_code) = failure(&bench.run(&job).await);
    assert_eq!(exit_code, Some(137));
    // A node can miss why the kernel killed it.
    let state = "--output=jsonpath={.items[0].status.containerStatuses[0].state.terminated.reason}";
    let said = bench.namespace.kubectl(&["get", "pods", "--selector=job-name=hungry", state]);
    let expected = match said.as_str() {
        "OOMKilled" => ("OOMKilled", "was killed because it used more memory than its limit (exit code 137)"),
        _ => (
            "BackoffLimitExceeded",
            "was killed (exit code 137): if nobody did that, it needed more memory than it may have",
        ),
    };
    assert_eq!((code.as_str(), message.as_str()), (expected.0, &*format!("attempt 1 of 1 {}", expected.1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_not_in_the_image_is_told() {
    let Some(mut bench) = Bench::open("a program that does not exist").await else { return };
    let job = with(shell("absent", ""), &format!("{CONTAINER}/command"), json!(["no-such-program"]));
    let (code, message, _) = failure(&bench.run(&job).await);
    assert_eq!(code, "BackoffLimitExceeded");
    assert!(message.starts_with("attempt 1 of 1 could not be started: "), "{message}");
    assert!(message.contains("no-such-program"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_container_that_failed_is_named_where_there_are_several() {
    let Some(mut bench) = Bench::open("an init container").await else { return };
    let mut job = shell("several", "echo main");
    let mut init = job["spec"]["template"]["spec"]["containers"][0].clone();
    init["name"] = json!("prepare");
    init["command"] = json!(["sh", "-c", "echo preparing; exit 7"]);
    job = with(job, &format!("{POD}/initContainers"), json!([init]));
    let end = bench.run(&job).await;
    let (_, message, exit_code) = failure(&end);
    assert_eq!(exit_code, Some(7));
    assert_eq!(message, "attempt 1 of 1 failed: container prepare ended with exit code 7");
    assert_eq!(bench.logs(&end.job).await, [(1, "prepare".to_owned(), "preparing\n".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_is_told_and_the_last_words_are_kept() {
    let Some(mut bench) = Bench::open("a deadline").await else { return };
    let job = with(shell("late", &until_told_to_end("first", "last")), "/activeDeadlineSeconds", json!(3600));
    let job = bench.apply(&job).await;
    bench.until(&job, |seen| seen.state == JobState::Running).await;
    bench.said(&job, "first").await;
    bench.namespace.kubectl(&["patch", "job", "late", "--patch", r#"{"spec": {"activeDeadlineSeconds": 1}}"#]);
    let end = bench.end_of(&job).await;
    let (code, message, _) = failure(&end);
    assert_eq!(code, "DeadlineExceeded");
    assert_eq!(message, "it was active for longer than its activeDeadlineSeconds, 1 s");
    assert_eq!(bench.logs(&end.job).await, [(1, "main".to_owned(), "first\nlast\n".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_somebody_deletes_is_interrupted() {
    let Some(mut bench) = Bench::open("a Job that is deleted").await else { return };
    let job = bench.apply(&shell("deleted", "sleep 1000")).await;
    bench.until(&job, |seen| seen.state == JobState::Running).await;
    bench.namespace.kubectl(&["delete", "job", "deleted", "--wait=false"]);
    let JobState::Interrupted { reason } = bench.end_of(&job).await.state else { panic!("{:?}", bench.seen) };
    assert_eq!(reason.code, "Deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_ended_is_gone_with_its_pods_and_leaves_its_logs() {
    let Some(mut bench) = Bench::open("a Job that is ended").await else { return };
    let job = bench.apply(&shell("ended", &until_told_to_end("first", "last"))).await;
    bench.until(&job, |seen| seen.state == JobState::Running).await;
    bench.said(&job, "first").await;
    bench.cluster.end(&job).await.expect("ended");
    let JobState::Interrupted { .. } = bench.end_of(&job).await.state else { panic!("{:?}", bench.seen) };
    bench.namespace.kubectl(&["wait", "--for=delete", "pod", "--selector=job-name=ended", "--timeout=60s"]);
    assert_eq!(bench.logs(&job).await, [(1, "main".to_owned(), "first\nlast\n".to_owned())]);
    bench.cluster.end(&job).await.expect("ended already");
    bench.cluster.release(&job).await.expect("released");
    assert_eq!(bench.logs(&job).await, [], "nobody asks for them any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_somebody_deletes_leaves_its_log() {
    let Some(mut bench) = Bench::open("a pod that is deleted").await else { return };
    let job = with(shell("pod", &until_told_to_end("first", "last")), "/backoffLimit", json!(3));
    let job = bench.apply(&job).await;
    bench.until(&job, |seen| seen.state == JobState::Running).await;
    bench.said(&job, "first").await;
    bench.namespace.kubectl(&["delete", "pod", "--selector=job-name=pod"]);
    bench.until(&job, |seen| seen.state == JobState::Running && seen.attempts == 2).await;
    let logs = bench.logs(&job).await;
    assert_eq!(logs[0], (1, "main".to_owned(), "first\nlast\n".to_owned()), "{logs:?}");
    let mut chunks = bench.cluster.follow_logs(&job).await.expect("a stream");
    let first = tokio::time::timeout(PATIENCE, chunks.next()).await.expect("in time").expect("a chunk");
    assert_eq!((first.attempt, &first.text[..]), (1, &b"first\nlast\n"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_with_a_fixed_name_is_told_of_each_run_that_applied_it() {
    let Some(mut bench) = Bench::open("a Job with a fixed name").await else { return };
    let script = "until test -e /go; do sleep 0.1; done; exit 6";
    let first = bench.apply_fixed(&shell("fixed", script), "one").await;
    let seen = bench.until(&first, |seen| seen.state == JobState::Running).await;
    assert_eq!((seen.try_no.0, seen.attempts), (1, 1), "though its pods carry no labels");
    bench.apply_fixed(&shell("fixed", script), "another").await;
    bench.until(&first, |seen| seen.state == JobState::Running && seen.try_no.0 == 2).await;
    bench.namespace.kubectl(&["exec", "job/fixed", "--", "sh", "-c", ": > /go"]);
    for try_no in [1, 2] {
        let end = bench.until(&first, |seen| seen.state.is_final() && seen.try_no.0 == try_no).await;
        assert_eq!(failure(&end).1, "attempt 1 of 1 ended with exit code 6");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_job_lives_as_long_as_its_template_says() {
    let Some(mut bench) = Bench::open("a released Job").await else { return };
    let end = bench.run(&with(shell("brief", "true"), "/ttlSecondsAfterFinished", json!(1))).await;
    assert_eq!(end.state, JobState::Succeeded);
    let ttl = ["get", "job", "brief", "--output=jsonpath={.spec.ttlSecondsAfterFinished}"];
    assert_eq!(bench.namespace.kubectl(&ttl), "86400");
    let told = bench.cluster.end_of(&end.job).await.expect("told").map(|(_, told)| told);
    assert_eq!(told.as_ref(), Some(&end), "who asks hears it too");
    bench.cluster.release(&end.job).await.expect("released");
    // No watch tells of it any more.
    let told = bench.cluster.end_of(&end.job).await.expect("told").map(|(_, told)| told);
    assert!(told.is_none_or(|told| told == end), "while it is there");
    bench.namespace.kubectl(&["wait", "--for=delete", "job/brief", "--timeout=60s"]);
    let mut bench = bench.reopen(|_| {}).await;
    assert_eq!(bench.synced().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_was_deleted_while_nobody_watched_is_not_told() {
    let Some(mut bench) = Bench::open("a Job that is deleted unseen").await else { return };
    let stays = bench.apply(&shell("stays", "sleep 1000")).await;
    let goes = bench.apply(&shell("goes", "sleep 1000")).await;
    bench.until(&goes, |seen| seen.state == JobState::Running).await;
    bench.until(&stays, |seen| seen.state == JobState::Running).await;
    let mut bench = bench.reopen(|namespace| drop(namespace.kubectl(&["delete", "job", "goes"]))).await;
    let told = bench.synced().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0].job, &told[0].state, told[0].attempts), (&stays, &JobState::Running, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_while_nobody_watched_is_told_with_why() {
    let Some(bench) = Bench::open("a Job that ends unseen").await else { return };
    let job = bench.apply(&shell("unseen", "exit 9")).await;
    let wait = ["wait", "--for=condition=failed", "job/unseen", "--timeout=60s"];
    let mut bench = bench.reopen(|namespace| drop(namespace.kubectl(&wait))).await;
    let told = bench.synced().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].job, job);
    assert_eq!(failure(&told[0]).1, "attempt 1 of 1 ended with exit code 9");
}
