//! Volumes at their mount paths. Needs `bwrap`.

use std::path::Path;

use gitfaas_core::run::JobState;
use serde_json::{Value, json};

use crate::support::{Bench, CONTAINER, POD, failure, shell, with};

fn mounted(job: Value, mounts: Value) -> Value {
    let claim = json!({"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}});
    let volumes = json!([{"name": "scratch", "emptyDir": {}}, {"name": "disk", "ephemeral": claim}]);
    with(with(job, &format!("{POD}/volumes"), volumes), &format!("{CONTAINER}/volumeMounts"), mounts)
}

#[tokio::test]
async fn a_volume_is_at_its_place_for_the_function_alone() {
    let mut bench = Bench::open().await;
    let script =
        "echo text > /mnt/disk-of-tests/a/file; cat /var/scratch-of-tests/sub/a/file; ls /mnt/disk-of-tests; pwd";
    let mounts = json!([
        {"name": "disk", "mountPath": "/mnt/disk-of-tests/"},
        {"name": "disk", "mountPath": "/mnt/disk-of-tests/a", "subPath": "sub/a"},
        {"name": "disk", "mountPath": "/var/scratch-of-tests", "readOnly": true},
    ]);
    let job =
        with(mounted(shell("disk", script), mounts), &format!("{CONTAINER}/workingDir"), json!("/mnt/disk-of-tests"));
    let end = bench.run(&job).await;
    let log = bench.logs(&end.job).await;
    assert_eq!((end.state, log[0].1.as_str()), (JobState::Succeeded, "text\na\nsub\n/mnt/disk-of-tests\n"));
    for path in ["/mnt/disk-of-tests", "/var/scratch-of-tests"] {
        assert!(!Path::new(path).exists(), "{path} was made on the machine");
    }
    let work = bench.file("data/jobs/work").read_dir().expect("a folder").next().expect("a job").expect("a job").path();
    assert!(!work.join("pod-1").exists(), "the volume outlived its pod");
}

#[tokio::test]
async fn a_new_pod_has_new_volumes_and_a_restarted_container_its_old_ones() {
    let mut bench = Bench::open().await;
    let mounts = json!([{"name": "scratch", "mountPath": "/scratch-of-tests"}]);
    let script = "echo x >> /scratch-of-tests/seen; [ $(wc -l < /scratch-of-tests/seen) = 3 ]";
    for (policy, attempts, ends_well) in [("Never", 4, false), ("OnFailure", 3, true)] {
        let job = with(mounted(shell(&policy.to_lowercase(), script), mounts.clone()), "/backoffLimit", json!(3));
        let end = bench.run(&with(job, &format!("{POD}/restartPolicy"), json!(policy))).await;
        assert_eq!((end.attempts, end.state == JobState::Succeeded), (attempts, ends_well), "{policy}");
    }
}

#[tokio::test]
async fn ends_are_told_through_the_mounts() {
    let mut bench = Bench::open().await;
    let mounts = json!([{"name": "scratch", "mountPath": "/scratch-of-tests"}]);
    let end = bench.run(&mounted(shell("code", "exit 6"), mounts.clone())).await;
    assert_eq!(failure(&end).2, Some(6));
    let script = "trap 'echo bye; exit 4' TERM; while :; do sleep 0.05; done";
    let polite = with(mounted(shell("polite", script), mounts.clone()), "/activeDeadlineSeconds", json!(1));
    let end = bench.run(&polite).await;
    assert_eq!((failure(&end).0.as_str(), failure(&end).2), ("DeadlineExceeded", Some(4)));
    assert!(bench.logs(&end.job).await[0].1.ends_with("bye\n"));
    let command = mounted(with(shell("none", ""), &format!("{CONTAINER}/command"), json!(["no-such-program"])), mounts);
    assert!(failure(&bench.run(&command).await).1.contains("the command `no-such-program` was not found"));
}

#[tokio::test]
async fn without_bubblewrap_only_jobs_with_mounts_fail() {
    let mut bench = Bench::open_with(|settings| settings.bubblewrap = None).await;
    let mounts = json!([{"name": "scratch", "mountPath": "/scratch-of-tests"}]);
    let (code, message, _) = failure(&bench.run(&mounted(shell("mounts", "true"), mounts)).await);
    assert_eq!(code, "UnsupportedLocally");
    assert!(message.contains("apt install bubblewrap"), "{message}");
    assert_eq!(bench.run(&mounted(shell("none", "true"), json!([]))).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_volume_above_the_functions_own_folders_does_not_hide_them() {
    let mut bench = Bench::open().await;
    let above = bench.root.path().canonicalize().expect("a folder");
    std::fs::write(bench.file("functions/handler"), "here").expect("a file");
    let mounts = json!([{"name": "scratch", "mountPath": above}]);
    let script = format!("cat handler && touch $HOME/a $TMPDIR/b && ls -d {}/*", above.display());
    let end = bench.run(&mounted(shell("above", &script), mounts)).await;
    let log = &bench.logs(&end.job).await[0].1;
    assert_eq!(*log, format!("here{0}/data\n{0}/functions\n", above.display()));
    assert_eq!(end.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_link_that_leads_out_of_a_volume_is_not_followed() {
    let mut bench = Bench::open().await;
    let mounts = json!([
        {"name": "scratch", "mountPath": "/scratch-of-tests"},
        {"name": "scratch", "mountPath": "/inner-of-tests", "subPath": "inner"},
    ]);
    let script = "cd /scratch-of-tests; rmdir inner; mv link inner || ln -s /etc link; exit 1";
    let job = with(mounted(shell("link", script), mounts), "/backoffLimit", json!(5));
    let end = bench.run(&with(job, &format!("{POD}/restartPolicy"), json!("OnFailure"))).await;
    let (code, message, _) = failure(&end);
    assert_eq!(code, "SubPath", "{message}");
}
