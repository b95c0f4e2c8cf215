//! What a Job's manifest asks for, and what comes of it.

use gitfaas_core::run::{JobState, ObjectKey};
use gitfaas_server::cluster::{ApplyError, Cluster};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{
    Bench, CONTAINER, POD, admitted, eventually, failure, lines, mark, own_time, owner, processes_with, shell,
    sleepers, with,
};

#[tokio::test]
async fn a_job_runs_and_what_it_wrote_is_its_log() {
    let mut bench = Bench::open().await;
    let end = bench.run(&shell("hello", "echo out; echo err >&2")).await;
    assert_eq!((end.state, end.attempts, end.try_no.0), (JobState::Succeeded, 1, 3));
    assert_eq!(bench.logs(&end.job).await, [(1, "out\nerr\n".to_owned())]);
    let part = &bench.cluster.logs(&end.job, 3).await.expect("logs")[0];
    assert_eq!((part.container.as_str(), &part.text[..], part.cut), ("main", &b"rr\n"[..], 5));
}

#[tokio::test]
async fn applying_the_same_again_starts_nothing() {
    let mut bench = Bench::open().await;
    let count = bench.file("count");
    let job = shell("once", &format!("echo ran >> {}", count.display()));
    let key = bench.run(&job).await.job;
    for _ in 0..3 {
        assert_eq!(bench.apply(&job).await, Ok(key.clone()));
    }
    bench.cluster.release(&key).await.expect("a release");
    assert_eq!(bench.apply(&job).await, Ok(key.clone()));
    let mut bench = bench.reopen().await;
    assert_eq!(bench.apply(&job).await, Ok(key));
    bench.run(&shell("another", "true")).await;
    assert_eq!(lines(&count), ["ran"]);
}

#[tokio::test]
async fn a_name_that_belongs_to_another_run_is_refused_for_good() {
    let bench = Bench::open().await;
    let job = shell("mine", "true");
    bench.apply(&job).await.expect("an applied job");
    let other = owner(&shell("other", "true"));
    let Err(ApplyError::Final { reason }) = bench.cluster.apply(other, &admitted(&job)).await else {
        panic!("somebody else's name was taken");
    };
    assert!(reason.message.contains("{{RANDOM}}") && reason.message.contains(owner(&job).run.as_str()), "{reason:?}");
}

#[tokio::test]
async fn a_released_name_is_free_after_its_time_to_live() {
    let mut bench = Bench::open().await;
    let other = owner(&shell("other", "true"));
    for (ttl, free) in [(0, true), (3600, false)] {
        let job = with(shell(&format!("ttl-{ttl}"), "true"), "/ttlSecondsAfterFinished", json!(ttl));
        let key = bench.run(&job).await.job;
        assert!(bench.cluster.apply(other, &admitted(&job)).await.is_err(), "its time began before the release");
        bench.cluster.release(&key).await.expect("a release");
        bench.cluster.release(&key).await.expect("a second release");
        assert_eq!(bench.cluster.apply(other, &admitted(&job)).await.is_ok(), free);
    }
}

#[tokio::test]
async fn a_release_takes_logs_and_folders_and_leaves_no_token() {
    let mut bench = Bench::open().await;
    let job = with(
        shell("secret", "echo $TOKEN"),
        &format!("{CONTAINER}/env"),
        json!([{"name": "TOKEN", "value": "tk-4711"}]),
    );
    let key = bench.run(&job).await.job;
    bench.cluster.release(&key).await.expect("a release");
    assert_eq!(bench.logs(&key).await, []);
    let mut folders = vec![bench.file("data")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                assert!(!std::fs::read_to_string(&entry).expect("text").contains("tk-4711"), "{}", entry.display());
            }
        }
    }
}

#[tokio::test]
async fn a_job_that_still_runs_is_released_when_it_ends() {
    let mut bench = Bench::open().await;
    let go = bench.file("go");
    let key = bench
        .apply(&shell("later", &format!("until [ -e {} ]; do sleep 0.02; done", go.display())))
        .await
        .expect("a job");
    bench.until(&key, |it| it.state == JobState::Running).await;
    bench.cluster.release(&key).await.expect("a release");
    std::fs::write(&go, "").expect("a file");
    assert_eq!(bench.end_of(&key).await.state, JobState::Succeeded);
    let live = bench.file("data/jobs/live");
    eventually("the release", || (live.read_dir().expect("a folder").count() == 0).then_some(())).await;
}

#[tokio::test]
async fn nothing_of_the_servers_environment_is_seen() {
    let mut bench = Bench::open_with(|settings| settings.path = "/usr/bin:/bin".to_owned()).await;
    let env = json!([{"name": "A", "value": "one"}, {"name": "B", "value": "$(A) $(C) $$(A)"}, {"name": "A", "value": "two"}]);
    let job = with(shell("env", "exec env"), &format!("{CONTAINER}/env"), env);
    let key = bench.run(&job).await.job;
    let text = &bench.logs(&key).await[0].1;
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    // The last two are the shell's own.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    assert_eq!(names, ["A", "B", "HOME", "HOSTNAME", "PATH", "TMPDIR"]);
    for line in ["A=two", "B=one $(C) $(A)", "PATH=/usr/bin:/bin"] {
        assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("HOSTNAME=env-"), "{text}");
}

#[tokio::test]
async fn references_in_arguments_are_replaced_and_the_input_is_empty() {
    let mut bench = Bench::open().await;
    let job =
        with(shell("args", ""), &format!("{CONTAINER}/command"), json!(["sh", "-c", "cat; pwd; echo \"$@\"", "name"]));
    let job = with(job, &format!("{CONTAINER}/args"), json!(["$(WORD)", "$$(WORD)", "a b"]));
    let job = with(job, &format!("{CONTAINER}/env"), json!([{"name": "WORD", "value": "value"}]));
    let key = bench.run(&job).await.job;
    let functions = bench.file("functions").canonicalize().expect("a folder");
    assert_eq!(bench.logs(&key).await[0].1, format!("{}\nvalue $(WORD) a b\n", functions.display()));
}

#[tokio::test]
async fn each_retry_is_a_new_pod_and_every_attempt_keeps_its_log() {
    let mut bench = Bench::open().await;
    let script = "echo $HOSTNAME; ls -A $HOME; touch $HOME/left; echo bad luck; exit 7";
    let end = bench.run(&with(shell("thrice", script), "/backoffLimit", json!(2))).await;
    let (code, message, exit_code) = failure(&end);
    assert_eq!((code.as_str(), exit_code, end.attempts), ("BackoffLimitExceeded", Some(7), 3));
    assert!(
        message.starts_with("attempt 3 of 3 ended with exit code 7: ") && message.ends_with("bad luck"),
        "{message}"
    );
    let logs = bench.logs(&end.job).await;
    assert_eq!(logs.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(logs.iter().all(|(_, text)| !text.contains("left")), "{logs:?}");
    let mut pods: Vec<&str> = logs.iter().filter_map(|(_, text)| text.lines().next()).collect();
    pods.sort_unstable();
    pods.dedup();
    assert_eq!(pods.len(), 3);
    let waited = bench.seen.iter().any(|seen| matches!(&seen.state, JobState::Pending { reason: Some(reason) } if reason.code == "BackOff" && reason.message.contains("exit code 7")));
    assert!(waited, "{:?}", bench.seen);
}

#[tokio::test]
async fn a_restarted_container_finds_its_folders_as_it_left_them() {
    let mut bench = Bench::open().await;
    let script = "echo $HOSTNAME >> $HOME/seen; test $(wc -l < $HOME/seen) -ge 3 && uniq -c $HOME/seen";
    let job = with(
        with(shell("again", script), "/backoffLimit", json!(4)),
        &format!("{POD}/restartPolicy"),
        json!("OnFailure"),
    );
    let end = bench.run(&job).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 3));
    let log = &bench.logs(&end.job).await[2].1;
    assert!(log.trim_start().starts_with("3 again-"), "{log}");
}

#[tokio::test]
async fn a_signal_is_told_as_a_shell_tells_it() {
    let mut bench = Bench::open().await;
    let (_, message, exit_code) = failure(&bench.run(&shell("killed", "kill -9 $$$$")).await);
    assert_eq!(exit_code, Some(137));
    assert!(message.contains("signal 9"), "{message}");
}

#[rstest]
#[case::found_nowhere(json!(["no-such-program"]), "the command `no-such-program` was not found")]
#[case::not_at_its_place(json!(["/nowhere/program"]), "the command `/nowhere/program` was not found")]
#[case::no_program(json!(["/etc/passwd"]), "`/etc/passwd` cannot be started")]
#[case::impossible(json!(["sh", "-c", "a\u{0}b"]), "cannot be started")]
#[tokio::test]
async fn a_command_that_cannot_be_started_is_a_failed_attempt(#[case] command: Value, #[case] words: &str) {
    let mut bench = Bench::open().await;
    let job = with(with(shell("lost", ""), &format!("{CONTAINER}/command"), command), "/backoffLimit", json!(1));
    let end = bench.run(&job).await;
    let (code, message, exit_code) = failure(&end);
    assert_eq!((code.as_str(), exit_code, end.attempts), ("BackoffLimitExceeded", None, 2));
    assert!(message.contains(words), "{message}");
}

#[tokio::test]
async fn a_working_folder_that_is_none_is_told() {
    let mut bench = Bench::open().await;
    let job = with(shell("where", "true"), &format!("{CONTAINER}/workingDir"), json!("/nowhere/at/all"));
    let (code, message, _) = failure(&bench.run(&job).await);
    assert_eq!(code, "WorkingDirMissing");
    assert!(message.contains("/nowhere/at/all"), "{message}");
    std::fs::create_dir(bench.file("functions/sub")).expect("a folder");
    let job = with(shell("there", "basename $(pwd)"), &format!("{CONTAINER}/workingDir"), json!("sub"));
    let key = bench.run(&job).await.job;
    assert_eq!(bench.logs(&key).await[0].1, "sub\n");
}

#[tokio::test]
async fn a_deadline_asks_first_and_then_kills() {
    let mut bench = Bench::open().await;
    let polite = with(
        shell("polite", "trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done"),
        "/activeDeadlineSeconds",
        json!(1),
    );
    let end = bench.run(&with(polite, "/backoffLimit", json!(5))).await;
    let (code, message, exit_code) = failure(&end);
    assert_eq!((code.as_str(), exit_code, end.attempts), ("DeadlineExceeded", Some(3), 1));
    assert!(message.contains("1 s"), "{message}");
    let log = &bench.logs(&end.job).await[0].1;
    assert!(log.ends_with("bye\n"), "{log}");

    let deaf = with(shell("deaf", "trap '' TERM; while :; do sleep 0.05; done"), "/activeDeadlineSeconds", json!(1));
    let end = bench.run(&with(deaf, &format!("{POD}/terminationGracePeriodSeconds"), json!(1))).await;
    assert_eq!((failure(&end).0.as_str(), failure(&end).2), ("DeadlineExceeded", Some(137)));
}

#[tokio::test]
async fn a_pods_deadline_ends_the_attempt_and_not_the_job() {
    let mut bench = Bench::open().await;
    let slow = with(shell("slow", "sleep 60"), &format!("{POD}/activeDeadlineSeconds"), json!(1));
    let end = bench.run(&with(slow, "/backoffLimit", json!(1))).await;
    assert_eq!((failure(&end).0.as_str(), end.attempts), ("DeadlineExceeded", 2));
}

#[tokio::test]
async fn nothing_is_left_of_a_function_that_ended() {
    let mut bench = Bench::open().await;
    let (mark, time) = (mark("left-behind"), own_time(1));
    let script =
        format!("sleep 300 & setsid sleep 300 & (trap '' TERM; sleep 300) & env -i setsid -f sleep {time}; echo done");
    let env = json!([{"name": "MARK", "value": mark}]);
    let end = bench.run(&with(shell("parent", &script), &format!("{CONTAINER}/env"), env)).await;
    assert_eq!(end.state, JobState::Succeeded);
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    assert_eq!(sleepers(&time), Vec::<String>::new());
}

#[tokio::test]
async fn jobs_beyond_the_slots_wait_their_turn_and_say_so() {
    let mut bench = Bench::open_with(|settings| settings.max_live = 1).await;
    let (order, go) = (bench.file("order"), bench.file("go"));
    let mut keys: Vec<ObjectKey> = Vec::new();
    for name in ["first", "second", "third"] {
        let script = format!("until [ -e {} ]; do sleep 0.02; done; echo {name} >> {}", go.display(), order.display());
        keys.push(bench.apply(&shell(name, &script)).await.expect("a job"));
    }
    bench.until(&keys[0], |it| it.state == JobState::Running).await;
    bench
        .until(
            &keys[2],
            |it| matches!(&it.state, JobState::Pending { reason: Some(reason) } if reason.code == "WaitingForSlot"),
        )
        .await;
    std::fs::write(&go, "").expect("a file");
    for key in &keys {
        assert_eq!(bench.end_of(key).await.state, JobState::Succeeded);
    }
    assert_eq!(lines(&order), ["first", "second", "third"]);
}

#[tokio::test]
async fn other_kinds_are_recorded_and_not_run() {
    let bench = Bench::open().await;
    for kind in ["ConfigMap", "Deployment", "Pod"] {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "thing"}, "data": {"k": "v"}});
        let key = bench.apply(&object).await.expect("an applied object");
        assert_eq!((key.kind.as_str(), key.name.as_str()), (kind, "thing"));
    }
    assert_eq!(bench.file("data/jobs/objects").read_dir().expect("a folder").count(), 3);
    assert_eq!(bench.file("data/jobs/live").read_dir().expect("a folder").count(), 0);
}

#[tokio::test]
async fn a_malformed_job_is_refused_for_good_with_the_place() {
    let bench = Bench::open().await;
    let job = with(shell("bad", "true"), &format!("{CONTAINER}/command"), json!(["sh", 7]));
    let Err(ApplyError::Final { reason }) = bench.apply(&job).await else { panic!("taken") };
    assert!(reason.message.starts_with("spec.template.spec.containers[0].command[1]: invalid type"), "{reason:?}");
    assert_eq!(bench.file("data/jobs/live").read_dir().expect("a folder").count(), 0);
}

#[tokio::test]
async fn what_this_machine_cannot_do_is_the_reason_in_words() {
    let mut bench = Bench::open().await;
    let volume = json!([{"name": "v", "projected": {"sources": []}}, {"name": "w", "nfs": {"server": "s"}}]);
    let end = bench.run(&with(shell("wish", "true"), &format!("{POD}/volumes"), volume)).await;
    let (code, message, _) = failure(&end);
    assert_eq!((code.as_str(), end.attempts), ("UnsupportedLocally", 0));
    assert!(message.contains("volumes[1].nfs"), "{message}");
}

#[tokio::test]
async fn what_is_killed_in_its_control_group_for_want_of_memory_is_told_so() {
    let root = std::sync::Arc::new(tempfile::tempdir().expect("a folder"));
    // A folder in the place of the kernel's, and a function that does what the kernel would.
    let session = root.path().join("session");
    std::fs::create_dir_all(session.join("server")).expect("a folder");
    let own = session.join("server");
    let mut bench = Bench::open_in(root, |settings| settings.control_group = Some(own)).await;
    let script = format!(
        "cd {}/gitfaas-*/greedy.*; cat memory.max; echo; echo oom_kill 1 > memory.events; kill -9 $$$$",
        session.display()
    );
    let end = bench.run(&shell("greedy", &script)).await;
    let (code, message, exit_code) = failure(&end);
    assert_eq!((code.as_str(), exit_code), ("OOMKilled", Some(137)));
    assert!(message.contains("used more memory than its limit"), "{message}");
    assert_eq!(bench.logs(&end.job).await[0].1, format!("{}\n", 64 << 20));
}

#[tokio::test]
async fn a_limit_that_cannot_be_enforced_harms_nobody() {
    let mut bench = Bench::open_with(|settings| settings.control_group = None).await;
    let job = with(
        shell("small", "echo fine"),
        &format!("{CONTAINER}/resources"),
        json!({"limits": {"memory": "1Ki", "cpu": "1m"}}),
    );
    assert_eq!(bench.run(&job).await.state, JobState::Succeeded);
    let elsewhere = bench.file("none/server");
    let mut bench = Bench::open_with(|settings| settings.control_group = Some(elsewhere)).await;
    assert_eq!(bench.run(&job).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_log_is_followed_over_all_attempts_to_the_end() {
    use futures_util::StreamExt as _;
    let mut bench = Bench::open().await;
    let job = with(shell("talker", "echo one; sleep 0.2; echo two; exit 1"), "/backoffLimit", json!(1));
    let key = bench.apply(&job).await.expect("a job");
    let chunks: Vec<_> = bench.cluster.follow_logs(&key).await.expect("a stream").collect().await;
    let text = |attempt| -> String {
        let own = chunks.iter().filter(|chunk| chunk.attempt == attempt);
        own.map(|chunk| String::from_utf8_lossy(&chunk.text).into_owned()).collect()
    };
    assert_eq!([text(1), text(2)], ["one\ntwo\n", "one\ntwo\n"]);
    assert_eq!(chunks[0].container, "main");
    bench.end_of(&key).await;
}

#[tokio::test]
async fn a_function_that_writes_without_end_does_not_fill_the_disk() {
    let mut bench = Bench::open().await;
    let key = bench.run(&shell("flood", "head -c 60000000 /dev/zero | tr '\\0' x; echo last")).await.job;
    let part = bench.cluster.logs(&key, 1000).await.expect("logs").remove(0);
    assert!(part.text.ends_with(b"xlast\n") && part.text.len() == 1000);
    assert_eq!(part.cut, 60_000_005 - 1000);
    let kept: usize = bench.cluster.logs(&key, u64::MAX).await.expect("logs")[0].text.len();
    assert!((8 << 20..=16 << 20).contains(&kept), "{kept} bytes are kept");
}
