//! What the local cluster itself remembers: the records of its Jobs and objects in the data folder, read without it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::audit::{Made, Start};

/// Every Job and object that there ever was. Two of one run have two names.
pub(crate) fn made(data: &Path) -> BTreeSet<Made> {
    let folders = ["live", "released", "objects"].map(|folder| data.join("jobs").join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let paths = files.map(|file| file.expect("a file").path());
    let records = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    records
        .map(|path| {
            let record: Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("a record");
            let run = record["run"].as_str().expect("a run").to_owned();
            Made { run, uid: path.file_name().expect("a name").to_string_lossy().into_owned() }
        })
        .collect()
}

/// What functions wrote when they started: `RUN PID` on a line of its own.
pub(crate) fn starts(file: &Path) -> Vec<Start> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let words = text.lines().map(|line| line.split_once(' ').unwrap_or_else(|| panic!("a torn line: {line}")));
    words.map(|(run, pid)| Start { run: run.to_owned(), pid: pid.to_owned() }).collect()
}
