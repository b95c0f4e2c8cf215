//! One start of a container on disk: what is to be run, that it was started, how it ended, and whether its supervisor lives.
//!
//! Its folder holds `lock`, which its supervisor holds for as long as it lives; `run.json`, written by the server, and
//! removed when it was read; and `started.json` and `exit.json`, written by the supervisor. Who holds the lock decides
//! alone: so at any instant of a crash exactly one of the answers of [`look`] is true, and only [`Look::Fresh`] may be
//! started.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::disk;
use super::limits::Group;
use super::processes::ProcessId;

const LOCK: &str = "lock";
const PLAN: &str = "run.json";
const STARTED: &str = "started.json";
const EXIT: &str = "exit.json";
/// What a supervisor says when it cannot do its work.
pub(super) const COMPLAINT: &str = "supervisor.err";

/// What a supervisor is to run. It may hold the run's token, and what Secrets hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    /// What is started; `None` when it was not found.
    pub(super) program: Option<PathBuf>,
    /// What it is told its own name is.
    pub(super) arg0: String,
    pub(super) args: Vec<String>,
    /// The whole environment.
    pub(super) env: Vec<(String, String)>,
    pub(super) dir: PathBuf,
    /// Whether the program is a guard around the function, which ends with it and is not to be told to end.
    pub(super) guarded: bool,
    /// Where its limits are enforced, if they are.
    pub(super) group: Option<Group>,
    pub(super) grace_ms: u64,
    pub(super) deadline: Option<Deadline>,
}

/// When an attempt is to be ended, and for whose sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deadline {
    pub(super) at: Timestamp,
    /// The Job's own, which ends the Job; otherwise the pod's.
    pub(super) of_job: bool,
}

/// That an attempt was started: by which supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) supervisor: ProcessId,
    pub(super) at: Timestamp,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exit {
    pub(super) how: How,
    /// Whether a process of it was killed because it used more memory than its limit.
    #[serde(default)]
    pub(super) out_of_memory: bool,
    /// Whether it had been told to end.
    pub(super) asked: Option<Asked>,
    pub(super) at: Timestamp,
}

impl Exit {
    /// Whether that was because it used more memory than its limit; a process that went on without one that was killed
    /// ended by itself.
    pub(super) fn was_killed_for_memory(&self) -> bool {
        self.out_of_memory && self.how.code() == Some(128 + rustix::process::Signal::KILL.as_raw())
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum How {
    Code(i32),
    Signal(i32),
    /// It could not be started, and why.
    NotStarted(String),
}

impl How {
    /// As a shell tells it.
    pub(super) fn code(&self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(*code),
            Self::Signal(signal) => Some(128 + signal),
            Self::NotStarted(_) => None,
        }
    }
}

/// Why an attempt was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Asked {
    /// The server or the machine stops.
    Stop,
    JobDeadline,
    PodDeadline,
}

/// How an attempt stands.
#[derive(Debug)]
pub(super) enum Look {
    /// Its supervisor lives.
    Alive,
    /// It ended and that was written down.
    Ended(Exit),
    /// It was started and its supervisor is gone without a word: the machine stopped, or somebody killed it.
    Lost(Started),
    /// It was never started, and cannot be while this lock is held.
    Fresh(File),
}

/// Looks at the attempt in `dir`, which exists.
pub(super) fn look(dir: &Path) -> io::Result<Look> {
    let lock =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(dir.join(LOCK))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Look::Alive),
        Err(error) => return Err(error.into()),
    }
    // Read after the lock was got: nobody writes any more.
    if let Some(exit) = disk::read(&dir.join(EXIT))? {
        return Ok(Look::Ended(exit));
    }
    Ok(match started(dir)? {
        Some(started) => Look::Lost(started),
        None => Look::Fresh(lock),
    })
}

/// Whether `file` is the lock of the attempt in `dir`, and held by who has this file.
pub(super) fn holds_lock(dir: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (own, there) = (file.metadata()?, std::fs::metadata(dir.join(LOCK))?);
    let same = (own.dev(), own.ino()) == (there.dev(), there.ino());
    Ok(same && flock(file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// Writes down what is to be run. Not durably: a server that starts anew writes it again.
pub(super) fn write_plan(dir: &Path, plan: &Plan) -> io::Result<()> {
    let file = disk::private_file(&dir.join(PLAN))?;
    serde_json::to_writer(io::BufWriter::new(file), plan)?;
    Ok(())
}

/// Reads what is to be run.
pub(super) fn plan(dir: &Path) -> io::Result<Option<Plan>> {
    disk::read(&dir.join(PLAN))
}

/// Removes what is to be run: who starts it knows it by now.
pub(super) fn remove_plan(dir: &Path) -> io::Result<()> {
    disk::remove(&dir.join(PLAN))
}

/// Reads by whom it was started.
pub(super) fn started(dir: &Path) -> io::Result<Option<Started>> {
    disk::read(&dir.join(STARTED))
}

/// Writes down durably that it is started.
pub(super) fn write_started(dir: &Path, started: &Started) -> io::Result<()> {
    disk::replace(&dir.join(STARTED), started)
}

/// Writes down durably how it ended.
pub(super) fn write_exit(dir: &Path, exit: &Exit) -> io::Result<()> {
    disk::replace(&dir.join(EXIT), exit)
}
