//! The cluster's folder: which file holds what, and the records of Jobs.
//!
//! ```text
//! jobs/lock               held by the one server that uses this folder
//! jobs/live/X.json        a Job that has not been released: made exclusively, durably, never changed
//! jobs/live/X.end         how it ended
//! jobs/released/X.json    that it was: so that the same try is not started again
//! jobs/objects/X.json     any other object, as it was last applied
//! jobs/live/X.ending      that it is to end so, once what lives of it has been ended
//! jobs/work/X/attempt-…   a start of a container, see `start` and `attempt`
//! jobs/work/X/pod-N       a pod: its volumes, and in `cK` the folders of its container K
//! ```
//! Folders are for their owner only: manifests may hold run tokens.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use gitfaas_core::id::{RunId, Try};
use gitfaas_core::run::{JobState, ObjectKey};
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::disk;
use super::names::FileName;
use super::spec::Spec;
use super::start::Start;
use crate::cluster::Owner;

/// A Job as it was applied.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) key: ObjectKey,
    pub(super) run: RunId,
    #[serde(rename = "try")]
    pub(super) try_no: Try,
    pub(super) created_at: Timestamp,
    /// The whole object as JSON. It may hold the run's token.
    pub(super) object: String,
}

impl Record {
    pub(super) fn owner(&self) -> Owner {
        Owner { run: self.run, try_no: self.try_no }
    }
}

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) state: JobState,
    pub(super) attempts: u32,
    pub(super) at: Timestamp,
}

/// How a Job is to end, once what lives of it has been ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ending {
    pub(super) state: JobState,
}

/// What stays of a Job after its release: no manifest, no logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Released {
    pub(super) key: ObjectKey,
    pub(super) run: RunId,
    #[serde(rename = "try")]
    pub(super) try_no: Try,
    /// Until then nobody else may use its name.
    pub(super) name_free_at: Timestamp,
    /// Until then the same try is not started again.
    pub(super) forget_at: Timestamp,
}

/// An object that is no Job, as it was last applied: recorded, not run.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) key: ObjectKey,
    pub(super) run: RunId,
    #[serde(rename = "try")]
    pub(super) try_no: Try,
    pub(super) applied_at: Timestamp,
    /// When it is forgotten: one that belongs to a single run, which the ledger knows. `None`: it stays.
    pub(super) forget_at: Option<Timestamp>,
    pub(super) json: String,
}

impl Object {
    fn is_over(&self, now: Timestamp) -> bool {
        self.forget_at.is_some_and(|at| at <= now)
    }
}

impl Released {
    pub(super) fn owner(&self) -> Owner {
        Owner { run: self.run, try_no: self.try_no }
    }
}

/// The cluster's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder in the data folder, where it is not there yet.
    pub(super) fn make(data: &Path) -> io::Result<Self> {
        disk::private_dir(data)?;
        // Absolute, because supervisors and functions start elsewhere.
        let root = data.canonicalize()?.join("jobs");
        let folder = Self { root };
        for part in ["live", "released", "objects", "work"] {
            let part = folder.root.join(part);
            if !part.is_dir() {
                disk::private_dir(&part)?;
                disk::sync_dir_of(&part)?;
                disk::sync_dir_of(&folder.root)?;
            }
        }
        Ok(folder)
    }

    /// Locks the folder for this server; `None` while another one has it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let lock = disk::private_file(&self.root.join("lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(lock)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    pub(super) fn record(&self, job: &FileName) -> PathBuf {
        self.root.join("live").join(format!("{job}.json"))
    }

    pub(super) fn end(&self, job: &FileName) -> PathBuf {
        self.root.join("live").join(format!("{job}.end"))
    }

    pub(super) fn ending(&self, job: &FileName) -> PathBuf {
        self.root.join("live").join(format!("{job}.ending"))
    }

    pub(super) fn released(&self, job: &FileName) -> PathBuf {
        self.root.join("released").join(format!("{job}.json"))
    }

    pub(super) fn object(&self, object: &FileName) -> PathBuf {
        self.root.join("objects").join(format!("{object}.json"))
    }

    pub(super) fn work(&self, job: &FileName) -> PathBuf {
        self.root.join("work").join(job.as_str())
    }

    pub(super) fn start(&self, job: &FileName, start: &Start) -> PathBuf {
        self.work(job).join(start.to_string())
    }

    pub(super) fn pod(&self, job: &FileName, pod: u32) -> PathBuf {
        self.work(job).join(format!("pod-{pod}"))
    }

    /// What is a container's own: by its number, as a path that names a socket may have 107 bytes.
    pub(super) fn container(&self, job: &FileName, spec: &Spec, start: &Start) -> PathBuf {
        let mut all = spec.init.iter().chain(&spec.containers);
        let number = all.position(|container| container.name == start.container).unwrap_or(usize::MAX);
        self.pod(job, start.pod).join(format!("c{number}"))
    }

    /// The starts of a Job that have a folder, in the order of their attempts.
    pub(super) fn starts(&self, job: &FileName) -> io::Result<Vec<Start>> {
        let mut starts: Vec<Start> = names(&self.work(job))?.iter().filter_map(|name| Start::read(name)).collect();
        starts.sort_unstable();
        Ok(starts)
    }

    /// The pods of a Job that have a folder.
    pub(super) fn pods(&self, job: &FileName) -> io::Result<Vec<u32>> {
        let names = names(&self.work(job))?;
        Ok(names.iter().filter_map(|name| name.strip_prefix("pod-")?.parse().ok()).collect())
    }

    /// Removes what was being written when a server died. Nothing may be writing.
    pub(super) fn clear_unfinished(&self) -> io::Result<()> {
        for part in ["live", "released", "objects"] {
            for path in entries(&self.root.join(part))? {
                let name = path.file_name().and_then(|name| name.to_str());
                if name.is_some_and(|name| name.starts_with(disk::UNFINISHED)) {
                    disk::remove(&path)?;
                }
            }
        }
        Ok(())
    }

    /// The Jobs that have a record, and the files in their folder that are none of ours.
    pub(super) fn jobs(&self) -> io::Result<(Vec<FileName>, Vec<PathBuf>)> {
        let (mut jobs, mut foreign) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(self.root.join("live"))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match name.strip_suffix(".json").map(FileName::read) {
                Some(Some(job)) => jobs.push(job),
                _ if name
                    .strip_suffix(".end")
                    .or_else(|| name.strip_suffix(".ending"))
                    .and_then(FileName::read)
                    .is_some() =>
                {
                    if !path.with_extension("json").exists() {
                        disk::remove(&path)?;
                    }
                }
                _ => foreign.push(path),
            }
        }
        Ok((jobs, foreign))
    }

    /// Makes the records that there are survive a power loss.
    pub(super) fn sync_jobs(&self) -> io::Result<()> {
        File::open(self.root.join("live"))?.sync_all()
    }

    /// Removes what nobody asks for any more: released Jobs and other objects whose time is over.
    pub(super) fn tidy(&self, now: Timestamp) -> io::Result<()> {
        for path in entries(&self.root.join("released"))? {
            // One that cannot be read is left for people to see.
            if disk::read::<Released>(&path).is_ok_and(|released| released.is_some_and(|it| it.forget_at <= now)) {
                disk::remove(&path)?;
            }
        }
        for path in entries(&self.root.join("objects"))? {
            if disk::read::<Object>(&path).is_ok_and(|object| object.is_some_and(|it| it.is_over(now))) {
                disk::remove(&path)?;
            }
        }
        Ok(())
    }

    /// The Jobs that have folders and no record.
    pub(super) fn abandoned(&self) -> io::Result<Vec<FileName>> {
        let work = entries(&self.root.join("work"))?.into_iter();
        let jobs = work.filter_map(|path| path.file_name().and_then(|name| name.to_str()).and_then(FileName::read));
        Ok(jobs.filter(|job| !self.record(job).exists()).collect())
    }
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// The names in a folder that are text; none when it is not there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}
