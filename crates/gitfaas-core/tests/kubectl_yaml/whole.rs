//! Whole manifests as people write them: the files of `manifests`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::{comparable, compare, gitfaas, has_kubectl, kubectl};

/// The kinds that make pods, and the list.
const WORKLOADS: [&str; 10] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "List",
    "Pod",
    "PodTemplate",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

/// What readers of YAML differ about, as it is written in at least one file.
const HABITS: [&str; 20] = [
    "defaultMode: 0644\n",
    ": 0777\n",
    ": 0o444",
    ": 0x10\n",
    ": yes\n",
    ": y\n",
    ": No\n",
    ": off\n",
    ": 1_000\n",
    ": 1:30\n",
    ": 1e9}",
    ": ~\n",
    "<<: *",
    "<<: [*",
    ": &",
    "- >\n",
    "- >-\n",
    "- |\n",
    ": 2026-01-31\n",
    "\n---\n",
];

/// Every file with its name.
fn manifests() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl_yaml/manifests");
    let files = fs::read_dir(folder).expect("the folder of manifests").map(|file| file.expect("a file").path());
    let mut files: Vec<(String, String)> = files
        .map(|file| {
            let text = fs::read_to_string(&file).expect("a text");
            (file.file_name().expect("a name").to_string_lossy().into_owned(), text)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_manifests_have_every_workload_and_what_people_really_write() {
    let manifests = manifests();
    assert!(manifests.len() >= 60, "there are only {} manifests", manifests.len());
    let lines = manifests.iter().flat_map(|(_, text)| text.lines());
    let kinds: BTreeSet<&str> = lines.filter_map(|line| line.strip_prefix("kind: ")).map(str::trim_end).collect();
    let missing: Vec<&str> = WORKLOADS.into_iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "no manifest is a {missing:?}");
    let written = |habit: &&str| manifests.iter().any(|(_, text)| text.contains(habit));
    let missing: Vec<&str> = HABITS.into_iter().filter(|habit| !written(habit)).collect();
    assert!(missing.is_empty(), "no manifest writes {missing:?}");
}

#[test]
fn whole_manifests_mean_what_kubectl_takes_them_for() {
    let manifests = manifests();
    let refused = manifests.iter().filter_map(|(name, text)| Some((name, gitfaas(text.as_bytes()).err()?)));
    assert_eq!(refused.collect::<Vec<_>>(), [], "these are all right");
    if !has_kubectl() {
        return;
    }
    // `kubectl` takes its time to start, so it gets all files at once; what differs is then looked at alone.
    let all: Vec<&str> = manifests.iter().map(|(_, text)| text.as_str()).collect();
    let theirs = kubectl(all.join("\n---\n").as_bytes()).unwrap_or_default();
    let ours = manifests.iter().flat_map(|(_, text)| gitfaas(text.as_bytes()).expect("a template"));
    if theirs.into_iter().map(comparable).eq(ours.map(comparable)) {
        return;
    }
    let differences: Vec<String> = all.into_iter().filter_map(compare).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    unreachable!("as documents of one file they differ, and on their own they do not");
}
