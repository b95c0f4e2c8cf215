//! What a local cluster is told at its start.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gitfaas_core::retry::Backoff;

use super::limits;
use crate::clock::{Clock, SystemClock};

/// The `PATH` of functions where the server has none.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a local cluster is told at its start.
#[derive(Clone)]
pub struct Settings {
    /// The data folder: everything of this cluster lies in `jobs` in it. Its path must be UTF-8.
    pub data: PathBuf,
    /// The folder that functions start in, and that a relative `workingDir` is in. Its path must be UTF-8.
    pub functions: PathBuf,
    /// The folder that `ConfigMap`s and Secrets are looked for in, see `objects`; `None` where the developer names none.
    pub objects: Option<PathBuf>,
    /// The namespace of what names none.
    pub namespace: String,
    /// How a supervisor is started.
    pub supervisor: SupervisorCommand,
    /// How many pods run at once, at least 1; further ones wait in the order of their Jobs.
    pub max_live: usize,
    /// The `PATH` of functions, where their manifest gives none: all they see of the server's environment.
    pub path: String,
    /// The program `bwrap`, which mounts volumes; `None` where there is none, or where it is not to be used.
    pub bubblewrap: Option<PathBuf>,
    /// The control group of this process (cgroup v2), as a folder: limits are enforced in groups beside it. `None` where
    /// there is none, or it is not to be used.
    pub control_group: Option<PathBuf>,
    /// The wait after each failed attempt of a Job; taken as it is, without jitter.
    pub backoff: Backoff,
    /// How long a released Job's name stays taken where its manifest does not say (`ttlSecondsAfterFinished`).
    pub ttl: Duration,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// A program that calls [`run`](super::supervisor::run) with its last argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments before the attempt's folder.
    pub args: Vec<OsString>,
}

impl Settings {
    /// The usual ones: `gitfaas` is the path of the program itself, `path` the server's own `PATH`.
    pub fn new(data: PathBuf, functions: PathBuf, gitfaas: PathBuf, path: Option<String>) -> Self {
        let path = path.filter(|path| !path.is_empty()).unwrap_or_else(|| USUAL_PATH.to_owned());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            data,
            functions,
            objects: None,
            namespace: "default".to_owned(),
            supervisor: SupervisorCommand { program: gitfaas, args: vec!["supervise".into()] },
            max_live: cores.saturating_mul(4).max(16),
            bubblewrap: find_program("bwrap", &path, Path::new("/")),
            path,
            control_group: limits::own_group(),
            // Kubernetes' own.
            backoff: Backoff { first: Duration::from_secs(10), most: Duration::from_mins(6) },
            ttl: Duration::from_hours(24),
            clock: Arc::new(SystemClock),
        }
    }
}

/// The program of this name on `path`, as a shell finds it; `dir` is where relative places of the path are.
pub(super) fn find_program(name: &str, path: &str, dir: &Path) -> Option<PathBuf> {
    std::env::split_paths(path).map(|place| dir.join(place).join(name)).find(|program| is_program(program))
}

/// Whether there is a file that somebody may execute.
pub(super) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
