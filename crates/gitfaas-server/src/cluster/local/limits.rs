//! Limits of memory and processor time, where the machine lets this process divide its control group (cgroup v2).
//!
//! Each container that has a limit gets a group of its own, in one that is made beside the server's: so nothing is
//! changed about the server itself. Where that is not allowed (a login session, most containers), limits are not
//! enforced, which is logged once, and nothing is refused for it. Resource limits of processes (rlimits) are no way
//! out: they bound addresses, of which many runtimes reserve far more than they use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::spec::{Quantity, Resources};

const MOUNT: &str = "/sys/fs/cgroup";
/// The kernel's usual period of processor time, in microseconds; and the least it takes as a share of it.
const PERIOD: i128 = 100_000;
const LEAST: i128 = 1000;
const CONTROLLERS: [&str; 2] = ["memory", "cpu"];

/// The control group of this process, if there is one that could be divided.
pub(super) fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounted = Path::new(MOUNT).join("cgroup.controllers").exists();
    // One that begins outside of what this process sees cannot be found.
    (mounted && !own.is_empty() && !own.split('/').any(|part| part == "..")).then(|| Path::new(MOUNT).join(own))
}

/// What sets limits, tried out when it is first needed.
#[derive(Debug)]
pub(super) struct Limits {
    own: Option<PathBuf>,
    /// What sets the groups of this data folder apart.
    name: String,
    groups: OnceLock<Option<Groups>>,
}

/// The group that the containers' are in, and what can be limited there.
#[derive(Debug)]
struct Groups {
    path: PathBuf,
    memory: bool,
    cpu: bool,
}

/// A container's control group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    path: PathBuf,
    /// The one to go back to.
    server: PathBuf,
}

impl Limits {
    /// In the group beside `own`, for the cluster in `folder`.
    pub(super) fn new(own: Option<PathBuf>, folder: &Path) -> Self {
        let hash = Sha256::digest(folder.as_os_str().as_encoded_bytes());
        let name = format!("gitfaas-{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
        Self { own, name, groups: OnceLock::new() }
    }

    /// A group with these limits; `None` when there are none, or they cannot be enforced.
    pub(super) fn group(&self, name: &str, resources: &Resources) -> Option<Group> {
        // Zero stands for no limit, as in Kubernetes.
        let limit = |name| resources.limit(name).filter(|limit| *limit > Quantity::whole(0));
        let memory = limit("memory").map(|memory| memory.in_units_of(Quantity::whole(1)));
        let cpu = limit("cpu").map(|cpu| cpu.times(PERIOD).max(LEAST));
        if memory.is_none() && cpu.is_none() {
            return None;
        }
        let groups = self.groups.get_or_init(|| self.prepare()).as_ref()?;
        let group = Group { path: groups.path.join(name), server: self.own.clone()? };
        match group.make(memory.filter(|_| groups.memory), cpu.filter(|_| groups.cpu)) {
            Ok(()) => Some(group),
            Err(error) => {
                tracing::warn!(cgroup.path = %group.path.display(), %error, "the limits of a container cannot be set; it runs without");
                group.remove();
                None
            }
        }
    }

    /// Makes ready for the first container, and logs what cannot be had.
    fn prepare(&self) -> Option<Groups> {
        let made = match &self.own {
            Some(own) => prepare(own, &self.name),
            None => Err(io::Error::other("this process has no control group (cgroup v2) that it could divide")),
        };
        let not_enforced = |what: &str, why: &dyn std::fmt::Display| {
            tracing::warn!(%why, "limits of {what} are not enforced on this machine");
        };
        let groups = made.inspect_err(|error| not_enforced("memory and cpu", error)).ok()?;
        for (what, enforced) in [("memory", groups.memory), ("cpu", groups.cpu)] {
            if !enforced {
                not_enforced(what, &"its control group does not have them");
            }
        }
        Some(groups)
    }

    /// Removes what was made, unless containers still use it.
    pub(super) fn close(&self) {
        if let Some(Some(groups)) = self.groups.get() {
            let _ = fs::remove_dir(&groups.path);
        }
    }
}

/// Makes the group for those of the containers, and tries whether a process can be put into one.
fn prepare(own: &Path, name: &str) -> io::Result<Groups> {
    let in_place = |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let parent = own.parent().ok_or_else(|| io::Error::other("there is no control group above this process's own"))?;
    let path = parent.join(name);
    make_dir(&path).map_err(|error| in_place(&path, error))?;
    let turned_on = CONTROLLERS.map(|controller| {
        // Above it may be on already, and not be ours to turn on.
        let _ = fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}"));
        fs::write(path.join("cgroup.subtree_control"), format!("+{controller}"))
    });
    let [memory, cpu] = turned_on.each_ref().map(Result::is_ok);
    // What an earlier server's containers left; one that is in use resists.
    for left in fs::read_dir(&path)?.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        let _ = fs::remove_dir(left.path());
    }
    let ready = if memory || cpu { try_out(&path.join("probe")) } else { turned_on.into_iter().collect() };
    if let Err(error) = ready {
        let _ = fs::remove_dir(&path);
        return Err(in_place(&path, error));
    }
    Ok(Groups { path, memory, cpu })
}

/// Who may move processes between groups depends on more than rights of files; only doing it tells.
fn try_out(probe: &Path) -> io::Result<()> {
    make_dir(probe)?;
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let moved = fs::write(probe.join("cgroup.procs"), child.id().to_string());
    // It ends with its input.
    drop(child.stdin.take());
    child.wait()?;
    let _ = fs::remove_dir(probe);
    moved
}

fn make_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

impl Group {
    fn make(&self, memory: Option<i128>, cpu: Option<i128>) -> io::Result<()> {
        make_dir(&self.path)?;
        if let Some(bytes) = memory {
            fs::write(self.path.join("memory.max"), bytes.to_string())?;
            // Not every kernel has these: without swap, and with all of the container ended at once, as in a cluster.
            let _ = fs::write(self.path.join("memory.swap.max"), "0");
            let _ = fs::write(self.path.join("memory.oom.group"), "1");
        }
        if let Some(share) = cpu {
            fs::write(self.path.join("cpu.max"), format!("{share} {PERIOD}"))?;
        }
        Ok(())
    }

    /// Puts this process into the group, and so all that it starts from now on.
    pub(super) fn enter(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), "0")
    }

    /// Takes this process out again: its own memory is not the container's.
    pub(super) fn leave(&self) -> io::Result<()> {
        fs::write(self.server.join("cgroup.procs"), "0")
            // Better no limit than one that ends who is to tell of it.
            .inspect_err(|_| drop(fs::write(self.path.join("memory.max"), "max")))
    }

    /// Whether a process of it was killed for want of memory.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
    }

    /// Removes the group, once nothing is in it.
    pub(super) fn remove(&self) {
        // What resists is removed by the next server.
        let _ = fs::remove_dir(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::spec::Spec;
    use super::*;

    fn resources(limits: &serde_json::Value) -> Resources {
        let job = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "command": ["true"], "resources": {"limits": limits}}]}}}});
        Spec::read(&job.to_string()).expect("a spec").containers.remove(0).resources
    }

    /// A folder in the place of the kernel's: what is written is a file in it.
    fn limits(folder: &Path) -> Limits {
        let own = folder.join("session/server");
        fs::create_dir_all(&own).expect("a folder");
        Limits::new(Some(own), Path::new("/data"))
    }

    #[test]
    fn limits_are_written_as_the_kernel_takes_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = limits(folder.path());
        let group = limits.group("one", &resources(&json!({"memory": "64Mi", "cpu": "1500m"}))).expect("a group");
        let read = |file: &str| fs::read_to_string(group.path.join(file)).unwrap_or_default();
        assert_eq!((read("memory.max"), read("cpu.max")), ("67108864".to_owned(), "150000 100000".to_owned()));
        assert_eq!((read("memory.swap.max"), read("memory.oom.group")), ("0".to_owned(), "1".to_owned()));
        assert_eq!(group.path.parent().and_then(Path::parent), Some(folder.path().join("session").as_path()));
        let group = limits.group("two", &resources(&json!({"cpu": "1m"}))).expect("a group");
        assert_eq!(fs::read_to_string(group.path.join("cpu.max")).expect("a file"), "1000 100000");
        assert!(!group.path.join("memory.max").exists());
    }

    #[test]
    fn what_the_kernel_killed_for_want_of_memory_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let group = limits(folder.path()).group("one", &resources(&json!({"memory": 1}))).expect("a group");
        assert!(!group.ran_out_of_memory());
        for (events, ran_out) in [("low 0\noom 3\noom_kill 0\n", false), ("oom_kill 2\noom_group_kill 1\n", true)] {
            fs::write(group.path.join("memory.events"), events).expect("a file");
            assert_eq!(group.ran_out_of_memory(), ran_out, "{events}");
        }
    }

    #[test]
    fn where_there_is_no_group_there_are_no_limits() {
        let memory = resources(&json!({"memory": "64Mi"}));
        assert_eq!(Limits::new(None, Path::new("/data")).group("one", &memory), None);
        let folder = tempfile::tempdir().expect("a folder");
        let missing = Limits::new(Some(folder.path().join("none/server")), Path::new("/data"));
        assert_eq!(missing.group("one", &memory), None);
        assert_eq!(limits(folder.path()).group("one", &resources(&json!({"example.com/gpu": 1}))), None);
    }
}
