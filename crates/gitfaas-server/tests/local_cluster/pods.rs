//! Pods of several containers, and Jobs of several pods.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gitfaas_core::run::JobState;
use gitfaas_server::cluster::Cluster;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Bench, POD, eventually, failure, lines, mark, processes_with, shell, with};

fn container(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "registry.example/shell:7", "command": ["sh", "-c", script]})
}

/// A Job with these containers, the first ones before the others.
fn pod(name: &str, init: &[Value], containers: &[Value]) -> Value {
    let job = with(shell(name, ""), &format!("{POD}/initContainers"), json!(init));
    with(job, &format!("{POD}/containers"), json!(containers))
}

/// The logs of a Job by container.
async fn logs(bench: &Bench, job: &gitfaas_core::run::ObjectKey) -> Vec<(u32, String, String)> {
    let parts = bench.cluster.logs(job, 1 << 20).await.expect("logs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    parts.into_iter().map(|part| (part.attempt, part.container.clone(), text(&part.text))).collect()
}

#[tokio::test]
async fn containers_that_go_first_leave_their_work_to_the_others_which_run_at_once() {
    let mut bench = Bench::open().await;
    let place = |name: &str| bench.file(name).display().to_string();
    let (order, left, right) = (place("order"), place("left"), place("right"));
    // Each of the two waits for the other: they end only if both run.
    let meets = |name: &str, own: &str, other: &str| {
        container(
            name,
            &format!("touch {own}; until [ -e {other} ]; do sleep 0.02; done; echo {name} >> {order}; echo {name} met"),
        )
    };
    let job = pod(
        "meeting",
        &[
            container("first", &format!("sleep 0.1; echo first >> {order}; echo made")),
            container("second", &format!("echo second >> {order}")),
        ],
        &[meets("left", &left, &right), meets("right", &right, &left)],
    );
    let end = bench.run(&job).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 1));
    let seen = lines(&bench.file("order"));
    assert_eq!(seen[..2], ["first", "second"]);
    assert_eq!(seen.len(), 4);
    let mut logs = logs(&bench, &end.job).await;
    assert_eq!(logs[..2], [(1, "first".to_owned(), "made\n".to_owned()), (1, "second".to_owned(), String::new())]);
    logs.sort();
    assert_eq!(logs[1], (1, "left".to_owned(), "left met\n".to_owned()));
    assert_eq!(logs[2], (1, "right".to_owned(), "right met\n".to_owned()));
}

#[tokio::test]
async fn containers_share_volumes_and_nothing_else() {
    let mut bench = Bench::open().await;
    let mount = json!([{"name": "shared", "mountPath": "/shared-of-tests"}]);
    let mut init = container("init", "touch $HOME/own; echo hello > /shared-of-tests/greeting; echo $HOSTNAME");
    let mut main = container("main", "ls -A $HOME; cat /shared-of-tests/greeting; echo $HOSTNAME");
    (init["volumeMounts"], main["volumeMounts"]) = (mount.clone(), mount);
    let job =
        with(pod("shares", &[init], &[main]), &format!("{POD}/volumes"), json!([{"name": "shared", "emptyDir": {}}]));
    let end = bench.run(&job).await;
    let logs = logs(&bench, &end.job).await;
    assert_eq!(end.state, JobState::Succeeded, "{logs:?}");
    assert_eq!(logs[1].2, format!("hello\n{}", logs[0].2), "the same pod has one host name");
}

#[tokio::test]
async fn a_sidecar_serves_the_others_and_goes_with_them() {
    let mut bench = Bench::open().await;
    let (mark, ready, served) = (mark("sidecar"), bench.file("ready"), bench.file("served"));
    let serve = format!("trap 'echo bye; exit 0' TERM; touch {}; while :; do sleep 0.02; done", ready.display());
    let mut sidecar = container("proxy", &serve);
    (sidecar["restartPolicy"], sidecar["env"]) = (json!("Always"), json!([{"name": "MARK", "value": mark}]));
    let waits = |name: &str| {
        let script =
            format!("until [ -e {} ]; do sleep 0.02; done; echo {name} >> {}", ready.display(), served.display());
        container(name, &script)
    };
    let end = bench.run(&pod("served", &[sidecar, waits("fetch")], &[waits("main")])).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 1));
    assert_eq!(lines(&served), ["fetch", "main"]);
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    let log = logs(&bench, &end.job).await.remove(0);
    assert!(log.1 == "proxy" && log.2.ends_with("bye\n"), "{log:?}");
}

#[tokio::test]
async fn a_container_that_fails_first_keeps_the_others_from_starting_and_is_named() {
    let mut bench = Bench::open().await;
    let started = bench.file("started");
    let job = pod(
        "fails",
        &[container("fetch", "echo no network; exit 3")],
        &[container("main", &format!("touch {}", started.display()))],
    );
    let end = bench.run(&with(job, "/backoffLimit", json!(1))).await;
    let (code, message, exit_code) = failure(&end);
    assert_eq!((code.as_str(), exit_code, end.attempts), ("BackoffLimitExceeded", Some(3), 2));
    assert_eq!(message, "attempt 2 of 2 failed: container fetch ended with exit code 3: no network");
    assert!(!started.exists());
}

#[tokio::test]
async fn only_what_failed_is_started_again_in_its_pod() {
    let mut bench = Bench::open().await;
    let (steady, count) = (bench.file("steady"), bench.file("count"));
    let flaky = format!("echo $HOSTNAME >> {count}; [ $(wc -l < {count}) = 3 ]", count = count.display());
    let steadily = format!(
        "echo x >> {}; until [ -e {}.done ]; do sleep 0.02; [ $(wc -l < {}) = 3 ] && exit 0; done",
        steady.display(),
        steady.display(),
        count.display()
    );
    let job = pod("flaky", &[], &[container("steady", &steadily), container("flaky", &flaky)]);
    let job = with(with(job, &format!("{POD}/restartPolicy"), json!("OnFailure")), "/backoffLimit", json!(5));
    let end = bench.run(&job).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 3));
    assert_eq!(lines(&steady), ["x"]);
    let mut pods = lines(&count);
    pods.dedup();
    assert_eq!(pods.len(), 1);
    let attempts: Vec<(u32, String)> =
        logs(&bench, &end.job).await.into_iter().map(|(attempt, name, _)| (attempt, name)).collect();
    assert_eq!(attempts.len(), 4);
    assert!(attempts.ends_with(&[(2, "flaky".to_owned()), (3, "flaky".to_owned())]), "{attempts:?}");
}

#[tokio::test]
async fn a_job_has_as_many_pods_as_it_asks_for_and_no_more_at_once() {
    let mut bench = Bench::open().await;
    let (running, seen) = (bench.file("running"), bench.file("seen"));
    fs::create_dir(&running).expect("a folder");
    let script = format!(
        "mkdir {running}/$$$$; ls {running} | wc -l >> {seen}; sleep 0.05; rmdir {running}/$$$$",
        running = running.display(),
        seen = seen.display()
    );
    let job = with(with(shell("many", &script), "/completions", json!(9)), "/parallelism", json!(3));
    let end = bench.run(&job).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 9));
    let counts: Vec<u32> = lines(&seen).iter().filter_map(|line| line.trim().parse().ok()).collect();
    assert_eq!(counts.len(), 9);
    assert!(counts.iter().all(|count| *count <= 3) && counts.contains(&3), "{counts:?}");
}

#[tokio::test]
async fn each_pod_is_told_its_number_and_a_number_that_failed_is_tried_again() {
    let mut bench = Bench::open().await;
    let failed = bench.file("failed");
    let script = format!(
        "echo $JOB_COMPLETION_INDEX $HOSTNAME $OWN; ! [ $JOB_COMPLETION_INDEX = 1 ] || ! mkdir {}",
        failed.display()
    );
    let field = "metadata.annotations['batch.kubernetes.io/job-completion-index']";
    let env = json!([{"name": "OWN", "valueFrom": {"fieldRef": {"fieldPath": field}}}]);
    let job = with(shell("numbers", &script), "/completions", json!(3));
    let job = with(with(job, "/completionMode", json!("Indexed")), "/parallelism", json!(3));
    let job = with(with(job, "/backoffLimit", json!(2)), &format!("{}/env", crate::support::CONTAINER), env);
    let end = bench.run(&job).await;
    let logs = logs(&bench, &end.job).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 4), "{logs:?}");
    let texts: Vec<&str> = logs.iter().filter_map(|(_, _, text)| text.lines().next()).collect();
    assert_eq!(texts, ["0 numbers-0 0", "1 numbers-1 1", "2 numbers-2 2", "1 numbers-1 1"]);
}

#[tokio::test]
async fn when_a_job_gives_up_its_other_pods_are_ended() {
    let mut bench = Bench::open().await;
    let (mark, waits) = (mark("given-up"), bench.file("waits"));
    let script = format!(
        "[ $JOB_COMPLETION_INDEX = 1 ] || {{ touch {}; exec sleep 300; }}; until [ -e {} ]; do sleep 0.02; done; exit 6",
        waits.display(),
        waits.display()
    );
    let job = with(with(shell("gives-up", &script), "/completions", json!(2)), "/parallelism", json!(2));
    let job = with(job, "/completionMode", json!("Indexed"));
    let job = with(job, &format!("{}/env", crate::support::CONTAINER), json!([{"name": "MARK", "value": mark}]));
    let end = bench.run(&job).await;
    let (code, message, exit_code) = failure(&end);
    assert_eq!((code.as_str(), exit_code), ("BackoffLimitExceeded", Some(6)));
    assert!(message.starts_with("attempt 2 of 2 (index 1) ended with exit code 6"), "{message}");
    assert_eq!(processes_with(&mark), Vec::<String>::new());
}

#[tokio::test]
async fn one_that_cannot_run_here_ends_the_others_of_its_pod() {
    let mut bench = Bench::open().await;
    let mark = mark("no-place");
    let mut lives = container("lives", "sleep 300");
    lives["env"] = json!([{"name": "MARK", "value": mark}]);
    let mut lost = container("lost", "true");
    lost["workingDir"] = json!("/nowhere/at/all");
    let (code, message, _) = failure(&bench.run(&pod("no-place", &[], &[lives, lost])).await);
    assert_eq!(code, "WorkingDirMissing", "{message}");
    assert_eq!(processes_with(&mark), Vec::<String>::new());
}

#[tokio::test]
async fn pods_of_one_job_share_the_slots_with_other_jobs() {
    let mut bench = Bench::open_with(|settings| settings.max_live = 2).await;
    let (go, seen, other) = (bench.file("go"), bench.file("seen"), bench.file("other"));
    // The later pods end only when the other Job has had its turn: it must not wait for the last of them.
    let script = format!(
        "echo x >> {}; wanted={}; [ $JOB_COMPLETION_INDEX -lt 2 ] || wanted={}; until [ -e $wanted ]; do sleep 0.02; done",
        seen.display(),
        go.display(),
        other.display()
    );
    let many = with(with(shell("many", &script), "/completions", json!(6)), "/parallelism", json!(6));
    let many = bench.apply(&with(many, "/completionMode", json!("Indexed"))).await.expect("a job");
    eventually("the start of two", || (lines(&seen).len() == 2).then_some(())).await;
    let one = bench.apply(&shell("one", &format!("touch {}", other.display()))).await.expect("a job");
    bench.until(&one, |it| matches!(&it.state, JobState::Pending { reason: Some(_) })).await;
    fs::write(&go, "").expect("a file");
    for key in [&one, &many] {
        assert_eq!(bench.end_of(key).await.state, JobState::Succeeded);
    }
    assert_eq!(lines(&seen).len(), 6);
}

#[tokio::test]
async fn logs_of_containers_that_run_at_once_are_followed_at_once() {
    let mut bench = Bench::open().await;
    let go = bench.file("go");
    let waits = format!("echo waiting; until [ -e {} ]; do sleep 0.02; done; echo done", go.display());
    let key = bench.apply(&pod("talk", &[], &[container("a", &waits), container("b", &waits)])).await.expect("a job");
    let mut chunks = bench.cluster.follow_logs(&key).await.expect("a stream");
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < 2 {
        let chunk =
            tokio::time::timeout(crate::support::PATIENCE, chunks.next()).await.expect("in time").expect("a chunk");
        assert_eq!((&chunk.text[..], chunk.attempt), (&b"waiting\n"[..], 1));
        heard.insert(chunk.container);
    }
    fs::write(go, "").expect("a file");
    let rest: Vec<_> = chunks.map(|chunk| (chunk.container, chunk.text)).collect().await;
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert!(rest.iter().all(|(_, text)| &text[..] == b"done\n"));
    bench.end_of(&key).await;
}

#[tokio::test]
async fn a_pod_goes_on_where_it_was_when_the_server_comes_back() {
    let bench = Bench::open().await;
    let (order, go) = (bench.file("order"), bench.file("go"));
    let says = |name: &str| container(name, &format!("echo {name} >> {}", order.display()));
    let first = container(
        "first",
        &format!("echo first >> {}; until [ -e {} ]; do sleep 0.02; done", order.display(), go.display()),
    );
    let key =
        bench.apply(&pod("resumes", &[first, says("second")], &[says("main"), says("other")])).await.expect("a job");
    eventually("the start", || (lines(&order).len() == 1).then_some(())).await;
    bench.cluster.stop(false, Duration::ZERO).await;
    // It ends while there is no server: what comes after it waits for the next one.
    fs::write(&go, "").expect("a file");
    let mut bench = bench.reopen().await;
    let end = bench.end_of(&key).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 1));
    let mut seen = lines(&order);
    seen[2..].sort_unstable();
    assert_eq!(seen, ["first", "second", "main", "other"]);
}

#[tokio::test]
async fn one_container_whose_supervisor_is_killed_leaves_its_neighbour_alone() {
    let mut bench = Bench::open().await;
    let (go, both) = (bench.file("go"), bench.file("both"));
    let (lost, kept) = (mark("neighbour-lost"), mark("neighbour-kept"));
    let waits = |name: &str, mark: &str| {
        let mut container = container(
            name,
            &format!(
                "echo {name} >> {}; until [ -e {} ]; do sleep 0.02; done; echo ended",
                both.display(),
                go.display()
            ),
        );
        container["env"] = json!([{"name": "MARK", "value": mark}]);
        container
    };
    let key = bench.apply(&pod("neighbours", &[], &[waits("lost", &lost), waits("kept", &kept)])).await.expect("a job");
    eventually("the start of both", || (lines(&both).len() == 2).then_some(())).await;
    let work = bench.file("data/jobs/work").read_dir().expect("a folder").next().expect("a job").expect("a job").path();
    let started: Value =
        serde_json::from_slice(&fs::read(work.join("attempt-1.1.0.lost/started.json")).expect("a file")).expect("JSON");
    let pid = started["supervisor"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::KILL).expect("a signal");
    eventually("the end of its processes", || processes_with(&lost).is_empty().then_some(())).await;
    assert!(!processes_with(&kept).is_empty(), "the neighbour was killed");
    fs::write(go, "").expect("a file");
    let end = bench.end_of(&key).await;
    assert!(
        matches!(&end.state, JobState::Interrupted { reason } if reason.code == "Lost" && reason.message.contains("container lost")),
        "{end:?}"
    );
    let logs = logs(&bench, &key).await;
    assert!(logs.contains(&(1, "kept".to_owned(), "ended\n".to_owned())), "{logs:?}");
}

#[tokio::test]
async fn all_pods_of_a_job_are_ended_when_the_server_stops() {
    let bench = Bench::open().await;
    let (mark, seen) = (mark("all-stopped"), bench.file("seen"));
    let script = format!("echo x >> {}; sleep 300", seen.display());
    let job = with(with(shell("stops", &script), "/completions", json!(3)), "/parallelism", json!(3));
    let job = with(job, &format!("{}/env", crate::support::CONTAINER), json!([{"name": "MARK", "value": mark}]));
    let key = bench.apply(&job).await.expect("a job");
    eventually("the start of all", || (lines(&seen).len() == 3).then_some(())).await;
    let mut bench = bench;
    bench.cluster.stop(true, Duration::from_secs(20)).await;
    assert!(matches!(bench.end_of(&key).await.state, JobState::Interrupted { reason } if reason.code == "Stopped"));
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    let bench = Bench::open_in(Arc::clone(&bench.root), |_| {}).await;
    assert_eq!(lines(&bench.file("seen")).len(), 3);
}

#[tokio::test]
async fn a_deadline_ends_all_pods_of_a_job() {
    let mut bench = Bench::open().await;
    let job = with(with(shell("timed", "sleep 300"), "/completions", json!(2)), "/parallelism", json!(2));
    let end = bench.run(&with(job, "/activeDeadlineSeconds", json!(1))).await;
    assert_eq!((failure(&end).0.as_str(), end.attempts), ("DeadlineExceeded", 2));
}
