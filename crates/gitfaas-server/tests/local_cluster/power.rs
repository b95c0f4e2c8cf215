//! Servers and supervisors that are killed, and files that are not as they were left.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gitfaas_core::run::JobState;
use gitfaas_server::cluster::Cluster;
use gitfaas_server::cluster::local::LocalCluster;
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    Bench, CONTAINER, admitted, call, eventually, failure, lines, mark, own_time, owner, processes_with, settings,
    shell, sleepers, with,
};

const JOBS: usize = 80;
const ROUNDS: usize = 8;

/// The server that is killed: applies the Jobs one after the other, in as many lives as it takes.
pub(crate) fn serve(folder: &Path) {
    let root = folder.parent().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let cluster = Arc::new(LocalCluster::open(settings(root)).await.expect("a cluster"));
        // Two at a time, so that much of it is still to do when the first ones end.
        let lives = (0..2).map(|first| {
            let (cluster, root) = (Arc::clone(&cluster), root.to_owned());
            tokio::spawn(async move {
                for number in (first..JOBS).step_by(2) {
                    let job = counting(&root, number);
                    let key = cluster.apply(owner(&job), &admitted(&job)).await.expect("an applied job");
                    note(&root, &key.name);
                }
            })
        });
        for life in lives.collect::<Vec<_>>() {
            life.await.expect("a task");
        }
        std::future::pending::<()>().await;
    });
}

/// Notes that a Job was acknowledged.
fn note(root: &Path, name: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(root.join("acknowledged")).expect("a file");
    file.write_all(format!("{name}\n").as_bytes()).expect("a write");
}

/// What the containers of a Job write, each once.
fn counts(number: usize) -> Vec<String> {
    let parts: &[&str] = match number % 4 {
        2 => &["-0", "-1", "-2"],
        3 => &["-init", "-a", "-b"],
        _ => &[""],
    };
    parts.iter().map(|part| format!("count-{number}{part}")).collect()
}

/// How many pods a Job has.
fn pods(number: usize) -> u32 {
    if number % 4 == 2 { 3 } else { 1 }
}

/// A Job of one container, of several pods, or of several containers.
fn counting(root: &Path, number: usize) -> Value {
    let count = root.join("count");
    let script = |part: &str| format!("echo count-{number}{part} >> {}; sleep 0.05", count.display());
    let name = format!("count-{number}");
    match number % 4 {
        2 => {
            let job = with(shell(&name, &script("-$JOB_COMPLETION_INDEX")), "/completions", json!(3));
            with(with(job, "/completionMode", json!("Indexed")), "/parallelism", json!(2))
        }
        3 => {
            let container = |part: &str| json!({"name": part, "command": ["sh", "-c", script(&format!("-{part}"))]});
            let job = with(shell(&name, ""), "/template/spec/initContainers", json!([container("init")]));
            with(job, "/template/spec/containers", json!([container("a"), container("b")]))
        }
        _ => shell(&name, &script("")),
    }
}

#[tokio::test]
async fn a_server_that_is_killed_again_and_again_starts_each_job_exactly_once() {
    let root = Arc::new(tempfile::tempdir().expect("a folder"));
    let server = call("serve");
    for round in 1..=ROUNDS {
        let mut child = Command::new(&server.program)
            .args(&server.args)
            .arg(root.path().join(format!("server-{round}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("a server");
        // Killed in the midst of applying, starting and ending, after a little more each time.
        let mut chance = [0; 1];
        getrandom::fill(&mut chance).expect("randomness");
        let all = (0..JOBS).flat_map(counts).count();
        let progress = all * round / (ROUNDS + 2) + usize::from(chance[0] % 5);
        let count = root.path().join("count");
        eventually("progress", || (lines(&count).len() >= progress.min(all)).then_some(())).await;
        child.kill().expect("a signal");
        child.wait().expect("its end");
    }
    let acknowledged = lines(&root.path().join("acknowledged"));
    let mut bench = Bench::open_in(Arc::clone(&root), |_| {}).await;
    let known = bench.known().await;
    for name in &acknowledged {
        assert!(known.contains(name), "{name} was acknowledged and is lost");
    }
    assert!(!acknowledged.is_empty());
    for number in 0..JOBS {
        let end = bench.run(&counting(root.path(), number)).await;
        assert_eq!((end.state, end.attempts), (JobState::Succeeded, pods(number)), "{}", end.job);
    }
    let mut counted = lines(&root.path().join("count"));
    counted.sort_unstable();
    let mut wanted: Vec<String> = (0..JOBS).flat_map(counts).collect();
    wanted.sort_unstable();
    assert_eq!(counted, wanted);
}

/// Kills the supervisor of the first attempt of the only Job.
async fn kill_supervisor(bench: &Bench) {
    kill_process(supervisor(bench).await, Signal::KILL).expect("a signal");
}

/// The supervisor of the first attempt of the only Job.
async fn supervisor(bench: &Bench) -> Pid {
    let work = bench.file("data/jobs/work");
    let pid = eventually("a supervisor", || {
        let job = work.read_dir().ok()?.next()?.ok()?.path();
        let started = fs::read(job.join("attempt-1.1.0.main/started.json")).ok()?;
        let started: Value = serde_json::from_slice(&started).ok()?;
        i32::try_from(started["supervisor"]["pid"].as_i64()?).ok()
    })
    .await;
    Pid::from_raw(pid).expect("a pid")
}

#[tokio::test]
async fn a_supervisor_whose_folder_is_gone_ends_with_its_function() {
    let bench = Bench::open().await;
    let go = bench.file("go");
    let script = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
    bench.apply(&shell("forgotten", &script)).await.expect("a job");
    let pid = supervisor(&bench).await;
    bench.cluster.stop(false, Duration::ZERO).await;
    fs::remove_dir_all(bench.file("data/jobs")).expect("removed");
    fs::write(&go, "").expect("a file");
    // It may stay as a dead child of this process, which started it.
    let stat = format!("/proc/{}/stat", pid.as_raw_pid());
    let ended = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    eventually("its end", || ended().then_some(())).await;
}

#[rstest]
#[case::while_the_server_looks(false, 2)]
#[case::while_there_is_no_server(true, 3)]
#[tokio::test]
async fn a_supervisor_that_is_killed_is_a_lost_attempt_and_leaves_no_process(
    #[case] reopened: bool,
    #[case] number: u32,
) {
    let (mark, time) = (mark(&format!("lost-{number}")), own_time(number));
    let mut bench = Bench::open().await;
    let count = bench.file("count");
    // What leaves the session is still known by its environment, what cleans its environment by its session.
    let script = format!(
        "echo x >> {count}; [ $(wc -l < {count}) -gt 1 ] && exit 0; setsid sleep 300 & env -i sleep {time} & wait",
        count = count.display()
    );
    let job = with(shell("lost", &script), "/backoffLimit", json!(1));
    let key = bench
        .apply(&with(job, &format!("{CONTAINER}/env"), json!([{"name": "MARK", "value": mark}])))
        .await
        .expect("a job");
    eventually("the start", || (lines(&count).len() == 1).then_some(())).await;
    eventually("its processes", || (processes_with(&mark).len() >= 2).then_some(())).await;
    eventually("the clean one", || (sleepers(&time).len() == 1).then_some(())).await;
    if reopened {
        bench.cluster.stop(false, Duration::ZERO).await;
        kill_supervisor(&bench).await;
        bench = bench.reopen().await;
    } else {
        kill_supervisor(&bench).await;
    }
    let end = bench.end_of(&key).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 2));
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    assert_eq!(sleepers(&time), Vec::<String>::new());
}

#[tokio::test]
async fn the_last_attempt_that_is_lost_is_interrupted_not_failed() {
    let mut bench = Bench::open().await;
    let key = bench.apply(&shell("cut", "sleep 300")).await.expect("a job");
    kill_supervisor(&bench).await;
    let end = bench.end_of(&key).await;
    assert!(matches!(&end.state, JobState::Interrupted { reason } if reason.code == "Lost"), "{end:?}");
}

#[tokio::test]
async fn an_attempt_of_an_earlier_boot_is_lost_and_nobody_is_killed_for_it() {
    let mut bench = Bench::open().await;
    let key = bench.apply(&with(shell("reboot", "exit 9"), "/backoffLimit", json!(0))).await.expect("a job");
    bench.end_of(&key).await;
    bench.cluster.stop(false, Duration::ZERO).await;
    // As if the machine had stopped while it ran, and its number now were this program's.
    let work = bench.file("data/jobs/work").read_dir().expect("a folder").next().expect("a job").expect("a job").path();
    fs::remove_file(work.join("attempt-1.1.0.main/exit.json")).expect("a removal");
    let supervisor = json!({"pid": std::process::id(), "ticks": 1, "boot": "an earlier one"});
    let started = json!({"supervisor": supervisor, "at": "2026-01-02T03:04:05Z"});
    fs::write(work.join("attempt-1.1.0.main/started.json"), started.to_string()).expect("a write");
    for end in bench.file("data/jobs/live").read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if end.extension().is_some_and(|extension| extension == "end") {
            fs::remove_file(end).expect("a removal");
        }
    }
    let mut bench = bench.reopen().await;
    let end = bench.end_of(&key).await;
    assert!(matches!(end.state, JobState::Interrupted { .. }), "{end:?}");
}

#[tokio::test]
async fn a_damaged_record_stays_where_it_is_and_stops_nobody() {
    let mut bench = Bench::open().await;
    let (bad, good) = (shell("bad", "true"), shell("good", "true"));
    let key = bench.run(&bad).await.job;
    bench.run(&good).await;
    bench.cluster.stop(false, Duration::ZERO).await;
    let live = bench.file("data/jobs/live");
    let record = live.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    let record = record.into_iter().find(|path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        name.starts_with("bad.") && name.ends_with(".json")
    });
    let record = record.expect("the record");
    let whole = fs::read(&record).expect("a record");
    fs::write(&record, &whole[..whole.len() / 2]).expect("a write");
    fs::write(live.join("notes.txt"), "not ours").expect("a write");
    fs::copy(&record, live.join("x.00000000000000000000.json")).expect("a copy");

    let mut bench = bench.reopen().await;
    assert_eq!(bench.run(&good).await.state, JobState::Succeeded);
    assert_eq!(bench.run(&shell("new", "true")).await.state, JobState::Succeeded);
    assert!(bench.seen.iter().all(|seen| seen.job != key), "{:?}", bench.seen);
    let refused = bench.apply(&bad).await.expect_err("a damaged record");
    assert!(refused.to_string().contains("damaged"), "{refused}");
    assert!(record.exists() && live.join("notes.txt").exists());
}

#[tokio::test]
async fn a_supervisor_that_cannot_be_started_is_told_in_words() {
    let mut bench = Bench::open_with(|settings| {
        settings.supervisor.program = "/bin/sh".into();
        settings.supervisor.args = ["-c", "echo no supervisor today >&2"].map(Into::into).to_vec();
    })
    .await;
    let (code, message, _) = failure(&bench.run(&shell("never", "true")).await);
    assert_eq!(code, "SupervisorFailed");
    assert!(message.contains("no supervisor today"), "{message}");
}

#[tokio::test]
async fn two_servers_never_use_one_data_folder() {
    let bench = Bench::open().await;
    let Err(error) = LocalCluster::open(settings(bench.root.path())).await else { panic!("both have it") };
    assert!(error.message.contains("another server uses this data folder"), "{error}");
}

#[tokio::test]
async fn what_a_server_was_writing_or_removing_when_it_died_is_cleared() {
    let bench = Bench::open().await;
    bench.cluster.stop(false, Duration::ZERO).await;
    let unfinished = bench.file("data/jobs/live/~x.00000000000000000000.json-7-1");
    let abandoned = bench.file("data/jobs/work/x.00000000000000000000/attempt-1.1.0.main");
    fs::write(&unfinished, "{\"key\"").expect("a write");
    fs::create_dir_all(&abandoned).expect("a folder");
    let _bench = bench.reopen().await;
    assert!(!unfinished.exists());
    eventually("the removal", || (!abandoned.exists()).then_some(())).await;
}

#[tokio::test]
async fn a_pod_of_an_earlier_boot_is_not_gone_on_with() {
    let bench = Bench::open().await;
    let (order, go) = (bench.file("order"), bench.file("go"));
    let script = format!("echo $HOSTNAME >> {}; until [ -e {} ]; do sleep 0.02; done", order.display(), go.display());
    let init = json!([{"name": "init", "command": ["sh", "-c", script]}]);
    let job = shell("reboot", &format!("echo $HOSTNAME >> {}", order.display()));
    let key = bench.apply(&with(job, "/template/spec/initContainers", init)).await.expect("a job");
    eventually("the start", || (lines(&order).len() == 1).then_some(())).await;
    bench.cluster.stop(false, Duration::ZERO).await;
    fs::write(&go, "").expect("a file");
    let work = bench.file("data/jobs/work").read_dir().expect("a folder").next().expect("a job").expect("a job").path();
    let first = work.join("attempt-1.1.0.init");
    eventually("the end", || first.join("exit.json").exists().then_some(())).await;
    // As if the machine had stopped before the next container was started: what the first one wrote may be torn.
    let supervisor = json!({"pid": std::process::id(), "ticks": 1, "boot": "an earlier one"});
    let started = json!({"supervisor": supervisor, "at": "2026-01-02T03:04:05Z"});
    fs::write(first.join("started.json"), started.to_string()).expect("a write");
    let mut bench = bench.reopen().await;
    let end = bench.end_of(&key).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 2));
    let pods = lines(&order);
    assert!(pods.len() == 3 && pods[0] != pods[1] && pods[1] == pods[2], "{pods:?}");
}

#[tokio::test]
async fn what_a_container_was_told_is_gone_when_it_runs() {
    let mut bench = Bench::open().await;
    let go = bench.file("go");
    let script = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
    let key = bench.apply(&shell("told", &script)).await.expect("a job");
    bench.until(&key, |seen| seen.state == JobState::Running).await;
    let work = bench.file("data/jobs/work").read_dir().expect("a folder").next().expect("a job").expect("a job").path();
    eventually("its removal", || (!work.join("attempt-1.1.0.main/run.json").exists()).then_some(())).await;
    fs::write(go, "").expect("a file");
    bench.end_of(&key).await;
}

/// The record of a Job among those of a cluster.
fn record_of(bench: &Bench, name: &str) -> std::path::PathBuf {
    let live = bench.file("data/jobs/live").read_dir().expect("a folder");
    let mut records = live.map(|entry| entry.expect("an entry").path());
    let record = records.find(|path| {
        let file = path.file_name().expect("a name").to_string_lossy();
        file.starts_with(&format!("{name}.")) && file.ends_with(".json")
    });
    record.expect("the record")
}

#[tokio::test]
async fn a_job_whose_record_the_disk_took_without_saying_so_is_started_when_applied_again() {
    let job = shell("doubt", "true");
    let elsewhere = Bench::open().await;
    elsewhere.apply(&job).await.expect("a job");
    let record = record_of(&elsewhere, "doubt");
    let mut bench = Bench::open().await;
    // As after an fsync that failed: the file is there, and nobody was told that it is.
    fs::copy(&record, bench.file("data/jobs/live").join(record.file_name().expect("a name"))).expect("a copy");
    assert_eq!(bench.run(&job).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_supervisor_that_cannot_be_started_for_a_while_fails_no_job() {
    let root = Arc::new(tempfile::tempdir().expect("a folder"));
    let ready = root.path().join("ready");
    let mut bench = Bench::open_in(root, |settings| {
        let real = settings.supervisor.clone();
        let (program, args) = (real.program.display(), real.args.join(std::ffi::OsStr::new(" ")));
        let script = format!("[ -e {} ] && exec {program} {} $0; exit 1", ready.display(), args.display());
        settings.supervisor.program = "/bin/sh".into();
        settings.supervisor.args = ["-c".into(), script.into()].to_vec();
        settings.backoff.first = Duration::from_secs(1);
        settings.backoff.most = Duration::from_secs(9);
    })
    .await;
    let key = bench.apply(&shell("later", "true")).await.expect("a job");
    let waits = |state: &JobState| matches!(state, JobState::Pending { reason: Some(_) });
    bench.until(&key, |seen| waits(&seen.state) || seen.state.is_final()).await;
    fs::write(bench.file("ready"), "").expect("a file");
    let end = bench.end_of(&key).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 1));
}
