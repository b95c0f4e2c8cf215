//! `ConfigMap`s and Secrets as variables and files. Needs `bwrap`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gitfaas_core::run::JobState;
use gitfaas_server::cluster::Cluster;
use gitfaas_server::cluster::local::Settings;
use serde_json::{Value, json};

use crate::support::{Bench, CONTAINER, POD, eventually, failure, lines, shell, with};

const HERE: &str = "/objects-of-tests";

/// A cluster with a folder of objects.
async fn bench(files: &[(&str, &str)]) -> Bench {
    bench_with(files, |_| {}).await
}

async fn bench_with(files: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Bench {
    let root = std::sync::Arc::new(tempfile::tempdir().expect("a folder"));
    let folder = root.path().join("objects");
    fs::create_dir(&folder).expect("a folder");
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    Bench::open_in(root, |settings| {
        settings.objects = Some(folder);
        change(settings);
    })
    .await
}

/// The Job with one volume, mounted [`HERE`].
fn mounted(job: Value, mut volume: Value) -> Value {
    volume["name"] = json!("files");
    let mounts = json!([{"name": "files", "mountPath": HERE}]);
    with(with(job, &format!("{POD}/volumes"), json!([volume])), &format!("{CONTAINER}/volumeMounts"), mounts)
}

async fn output(bench: &mut Bench, job: &Value) -> String {
    let end = bench.run(job).await;
    assert_eq!(end.state, JobState::Succeeded, "{:?}", bench.logs(&end.job).await);
    bench.logs(&end.job).await.remove(0).1
}

#[tokio::test]
async fn a_secret_is_files_with_their_modes_that_go_with_the_pod() {
    let mut bench = bench(&[("secrets/db/password", "s3cret"), ("secrets/db/user", "ada")]).await;
    let volume = json!({"secret": {"secretName": "db", "defaultMode": 0o440}});
    let script = format!(
        "cd {HERE}; ls; cat user; wc -c < password; stat -c %a password; touch x 2>/dev/null || echo read-only"
    );
    let job = mounted(shell("files", &script), volume);
    assert_eq!(output(&mut bench, &job).await, "password\nuser\nada6\n400\nread-only\n");

    let items = json!({"secret": {"secretName": "db", "items": [{"key": "user", "path": "who/is it", "mode": 0o700}]}});
    let script = format!("cd {HERE}; find . -type f -exec stat -c '%n %a' {{}} +");
    assert_eq!(output(&mut bench, &mounted(shell("items", &script), items)).await, "./who/is it 700\n");
    assert!(holding(bench.file("data"), "s3cret").is_empty(), "the secret outlived its pod");
}

/// The files in a folder that hold this text, of those that are still there when they are read.
fn holding(folder: PathBuf, text: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).contains(text) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn while_it_runs_a_secret_is_where_nobody_else_can_read_it() {
    let mut bench = bench(&[("secrets/db/password", "s3cret")]).await;
    let go = bench.file("go");
    let script = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
    let job = mounted(shell("runs", &script), json!({"secret": {"secretName": "db"}}));
    let env = json!([{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]);
    let key = bench.apply(&with(job, &format!("{CONTAINER}/env"), env)).await.expect("a job");
    bench.until(&key, |it| it.state == JobState::Running).await;
    let found = holding(bench.file("data"), "s3cret");
    assert!(!found.is_empty());
    for path in found {
        for place in [path.as_path(), path.parent().expect("a parent")] {
            // What a container was told is gone as soon as it has heard it.
            let Ok(metadata) = fs::metadata(place) else { continue };
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", place.display());
        }
    }
    fs::write(go, "").expect("a file");
    bench.end_of(&key).await;
    assert!(holding(bench.file("data"), "s3cret").is_empty(), "the secret outlived its pod");
}

#[tokio::test]
async fn a_projected_volume_has_the_files_of_all_its_sources() {
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {mode: fast}\n";
    let mut bench = bench(&[("secrets/db/password", "s3cret"), ("app.yaml", manifest)]).await;
    let volume = json!({"projected": {"defaultMode": 420, "sources": [
        {"secret": {"name": "db", "items": [{"key": "password", "path": "db/password"}]}},
        {"configMap": {"name": "app"}},
        {"secret": {"name": "other", "optional": true}},
        {"downwardAPI": {"items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "memory", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory", "divisor": "1Mi"}},
        ]}},
    ]}});
    let script = format!("cd {HERE}; find * -type f | sort; cat db/password mode memory; echo; grep team labels");
    let text = output(&mut bench, &mounted(shell("projected", &script), volume)).await;
    assert_eq!(text, "db/password\nlabels\nmemory\nmode\ns3cretfast64\nteam=\"blue\"\n");
}

#[tokio::test]
async fn one_key_can_be_one_file_among_others() {
    let mut bench = bench(&[("configmaps/app/app.conf", "mode = fast")]).await;
    let place = bench.file("etc");
    fs::create_dir(&place).expect("a folder");
    fs::write(place.join("other.conf"), "").expect("a file");
    let job = mounted(
        shell("one", &format!("cd {}; ls; cat app.conf", place.display())),
        json!({"configMap": {"name": "app"}}),
    );
    let mounts = |sub_path: &str| json!([{"name": "files", "mountPath": place.join("app.conf"), "subPath": sub_path}]);
    let text = output(&mut bench, &with(job.clone(), &format!("{CONTAINER}/volumeMounts"), mounts("app.conf"))).await;
    assert_eq!(text, "app.conf\nother.conf\nmode = fast");
    assert!(!place.join("app.conf").exists());
    let mut other = with(job, &format!("{CONTAINER}/volumeMounts"), mounts("none"));
    other["metadata"]["name"] = json!("none");
    assert_eq!(failure(&bench.run(&other).await).0, "SubPath");
}

#[tokio::test]
async fn a_config_map_that_a_function_applied_is_found_by_its_job() {
    let mut bench = Bench::open().await;
    let job = mounted(shell("applied", &format!("cat {HERE}/mode")), json!({"configMap": {"name": "own"}}));
    let key = bench.apply(&job).await.expect("a job");
    let waiting = bench.until(&key, |it| matches!(&it.state, JobState::Pending { reason: Some(_) })).await;
    let JobState::Pending { reason: Some(reason) } = waiting.state else { panic!("{waiting:?}") };
    assert_eq!(reason.code, "CreateContainerConfigError");
    assert!(reason.message.contains("there is no ConfigMap own") && reason.message.contains("--objects"), "{reason:?}");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"mode": "fast"}});
    bench.cluster.apply(crate::support::owner(&job), &crate::support::admitted(&map)).await.expect("an applied object");
    let end = bench.end_of(&key).await;
    assert_eq!((end.state, end.attempts), (JobState::Succeeded, 1));
    assert_eq!(bench.logs(&key).await, [(1, "fast".to_owned())]);
}

#[tokio::test]
async fn an_applied_object_is_found_in_the_jobs_own_namespace_alone() {
    let mut bench = Bench::open_with(|settings| settings.namespace = "team".to_owned()).await;
    let map = |name: &str, namespace: Option<&str>| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"FROM": name}});
    for object in [map("bare", None), map("spelled", Some("team")), map("other", Some("default"))] {
        bench.apply(&object).await.expect("an applied object");
    }
    for (job, object, namespace) in
        [("a", "bare", Some("team")), ("b", "spelled", None), ("c", "bare", None), ("d", "other", Some("default"))]
    {
        let from = json!([{"configMapRef": {"name": object}}]);
        let mut job = with(shell(job, "echo $FROM"), &format!("{CONTAINER}/envFrom"), from);
        job["metadata"]["namespace"] = json!(namespace);
        assert_eq!(output(&mut bench, &job).await, format!("{object}\n"));
    }
    let from = json!([{"configMapRef": {"name": "other"}}]);
    let key = bench.apply(&with(shell("e", "true"), &format!("{CONTAINER}/envFrom"), from)).await.expect("a job");
    bench.until(&key, |it| matches!(&it.state, JobState::Pending { reason: Some(_) })).await;
}

#[tokio::test]
async fn a_job_waits_for_a_missing_secret_and_starts_when_it_is_there() {
    let mut bench = bench(&[]).await;
    let env = json!([{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]);
    let key =
        bench.apply(&with(shell("waits", "echo $PASSWORD"), &format!("{CONTAINER}/env"), env)).await.expect("a job");
    let waiting = bench.until(&key, |it| matches!(&it.state, JobState::Pending { reason: Some(_) })).await;
    assert_eq!(waiting.attempts, 0);
    let folder = bench.file("objects/secrets/db");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("password"), "s3cret").expect("a file");
    assert_eq!(bench.end_of(&key).await.state, JobState::Succeeded);
    assert_eq!(bench.logs(&key).await, [(1, "s3cret\n".to_owned())]);
}

#[tokio::test]
async fn more_pods_than_slots_look_for_what_they_lack_with_a_pause() {
    let mut bench = bench_with(&[], |settings| settings.max_live = 2).await;
    let job = mounted(shell("lacks", &format!("cat {HERE}/mode")), json!({"configMap": {"name": "app"}}));
    let job = with(with(job, "/completions", json!(3)), "/parallelism", json!(3));
    let key = bench.apply(&job).await.expect("a job");
    let data = bench.file("data");
    let first = eventually("a try", || last_try(&data)).await;
    let next = eventually("another try", || last_try(&data).filter(|at| *at != first)).await;
    let pause = next.duration_since(first).expect("a later time");
    // Somewhat less than it is, as the times of files are not so exact.
    assert!(pause > Duration::from_millis(1900), "it was tried again after {pause:?}");
    let folder = bench.file("objects/configmaps/app");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("mode"), "fast").expect("a file");
    assert_eq!(bench.end_of(&key).await.state, JobState::Succeeded);
    assert_eq!(bench.logs(&key).await, [1, 2, 3].map(|attempt| (attempt, "fast".to_owned())));
}

#[tokio::test]
async fn a_pod_that_lacks_something_leaves_its_slot_to_the_next_one() {
    let mut bench = bench_with(&[], |settings| settings.max_live = 1).await;
    let began = bench.file("began");
    let init = json!([{"name": "init", "command": ["sh", "-c", format!("echo init >> {}", began.display())]}]);
    let env = json!([{"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "mode"}}}]);
    let job = with(with(shell("leaves", "echo $MODE"), "/completions", json!(2)), "/parallelism", json!(2));
    let job = with(with(job, &format!("{CONTAINER}/env"), env), &format!("{POD}/initContainers"), init);
    let key = bench.apply(&job).await.expect("a job");
    eventually("the start of both pods", || (lines(&began).len() == 2).then_some(())).await;
    let folder = bench.file("objects/configmaps/app");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("mode"), "fast").expect("a file");
    assert_eq!(bench.end_of(&key).await.state, JobState::Succeeded);
    assert_eq!(lines(&began).len(), 2);
}

/// When the files of a pod were last brought: they are begun anew by each try to start one.
fn last_try(folder: &Path) -> Option<SystemTime> {
    let (mut folders, mut found) = (vec![folder.to_owned()], None);
    while let Some(folder) = folders.pop() {
        // What is looked at may be in the middle of a try.
        for path in folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()) {
            match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
                Ok(at) if path.ends_with("volume-0") => found = found.max(Some(at)),
                _ => folders.push(path),
            }
        }
    }
    found
}
