//! Processes of this machine as `/proc` shows them: who they are, whose children, and which belong to a pod.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};
use serde::{Deserialize, Serialize};

/// The parent of the kernel's own threads, which have no environment.
const KERNEL: i32 = 2;
/// How often an environment that reads as empty is looked at, and how long is waited in between.
const EXEC_LOOKS: usize = 5;
const EXEC: Duration = Duration::from_millis(10);
/// How long killed processes are waited for.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// A process for good: its number alone may be given to another one later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    pub(super) pid: i32,
    /// When it was started, in the kernel's ticks since boot.
    pub(super) ticks: u64,
    /// Which boot of the machine.
    pub(super) boot: String,
}

impl ProcessId {
    /// This process.
    pub(super) fn own() -> io::Result<Self> {
        let pid = getpid();
        Ok(Self { pid: pid.as_raw_pid(), ticks: Stat::read(pid)?.ticks, boot: boot()? })
    }

    /// A handle on the process, if it is still there (dead and not yet collected counts).
    pub(super) fn open(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(self.pid)?;
        // The handle is taken first: what it refers to cannot change after the comparison.
        let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        self.is(pid).then_some(handle)
    }

    /// Whether the machine has not been started anew since.
    pub(super) fn is_of_this_boot(&self) -> io::Result<bool> {
        Ok(boot()? == self.boot)
    }

    fn is(&self, pid: Pid) -> bool {
        boot().is_ok_and(|boot| boot == self.boot) && Stat::read(pid).is_ok_and(|stat| stat.ticks == self.ticks)
    }
}

/// Which boot of the machine this is.
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// What `/proc/<pid>/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    dead: bool,
    parent: i32,
    session: i32,
    ticks: u64,
}

impl Stat {
    fn read(pid: Pid) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{}/stat", pid.as_raw_pid()))?;
        Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "cannot read /proc/<pid>/stat"))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // The second field is the program's name, which may contain anything, brackets and blanks too.
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let fields: Vec<&str> = std::str::from_utf8(&text[end + 1..]).ok()?.split_ascii_whitespace().collect();
        Some(Self {
            dead: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

fn all() -> io::Result<Vec<(Pid, Stat)>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // One that ended meanwhile is none any more.
        if let Some(pid) = pid
            && let Ok(stat) = Stat::read(pid)
        {
            processes.push((pid, stat));
        }
    }
    Ok(processes)
}

/// All living descendants of this process.
pub(super) fn descendants() -> io::Result<Vec<Pid>> {
    let mut others = all()?;
    let mut found = vec![getpid()];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        others.retain(|(pid, stat)| {
            let child = stat.parent == parent.as_raw_pid();
            if child && !stat.dead {
                found.push(*pid);
            }
            !child
        });
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// Kills what a supervisor that is gone has left behind, and waits until it is no more.
///
/// `scratch` is the container's folder: what names a place in it in its environment is of that container, wherever it
/// went. What
/// has cleaned its environment is known by its session, which was the supervisor's.
pub(super) fn sweep(supervisor: &ProcessId, scratch: &Path) -> io::Result<()> {
    if boot()? != supervisor.boot {
        return Ok(());
    }
    let patience = Instant::now() + KILL_PATIENCE;
    loop {
        let left = left_behind(supervisor, scratch)?;
        if left.is_empty() {
            return Ok(());
        }
        for handle in left.iter().filter_map(|(pid, stat)| same(*pid, stat)) {
            // It may have ended by itself.
            let _ = rustix::process::pidfd_send_signal(&handle, Signal::KILL);
            await_end(&handle, Duration::from_millis(200))?;
        }
        if Instant::now() > patience {
            let pids: Vec<i32> = left.iter().map(|(pid, _)| pid.as_raw_pid()).collect();
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("processes {pids:?} do not end when killed")));
        }
    }
}

/// A handle on `pid` if it is still the process that was seen.
fn same(pid: Pid, seen: &Stat) -> Option<OwnedFd> {
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    Stat::read(pid).is_ok_and(|stat| stat.ticks == seen.ticks).then_some(handle)
}

fn left_behind(supervisor: &ProcessId, scratch: &Path) -> io::Result<Vec<(Pid, Stat)>> {
    let processes = all()?;
    // While a stranger has the supervisor's number, no process of the supervisor's session can exist: the kernel gives
    // a number that names a session to nobody else. (The supervisor itself may be there, dead and not yet collected.)
    let stranger = |(pid, stat): &(Pid, Stat)| pid.as_raw_pid() == supervisor.pid && stat.ticks != supervisor.ticks;
    let session_is_ours = !processes.iter().any(stranger);
    let ours = processes.into_iter().filter(|(pid, stat)| {
        let in_session = session_is_ours && stat.session == supervisor.pid;
        let later = stat.ticks >= supervisor.ticks && !stat.dead && *pid != getpid() && stat.parent != KERNEL;
        later && (in_session || carries(*pid, scratch))
    });
    Ok(ours.collect())
}

fn carries(pid: Pid, scratch: &Path) -> bool {
    environment(pid).split(|byte| *byte == 0).any(|variable| {
        let value = variable.iter().position(|byte| *byte == b'=').map(|at| &variable[at + 1..]);
        value
            .and_then(|value| value.strip_prefix(scratch.as_os_str().as_bytes()))
            .is_some_and(|rest| rest.starts_with(b"/"))
    })
}

/// The environment that a process began with; empty for one that is none of ours.
///
/// While a program is being exchanged for another one (exec), it reads as empty for a moment: an empty one is looked at
/// again before it is believed.
fn environment(pid: Pid) -> Vec<u8> {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Vec::new() };
    for _ in 0..EXEC_LOOKS {
        // The environment of others' processes cannot be read: those are not ours.
        match fs::read(format!("/proc/{}/environ", pid.as_raw_pid())) {
            Ok(read) if read.is_empty() => {}
            read => return read.unwrap_or_default(),
        }
        if await_end(&handle, EXEC).unwrap_or(true) {
            break;
        }
    }
    Vec::new()
}

/// Waits until the process behind `handle` has ended: whether it has.
pub(super) fn await_end(handle: &OwnedFd, patience: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&patience)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Sends a signal to each of these; one that has ended needs none.
pub(super) fn signal_all(pids: &[Pid], signal: Signal) {
    for pid in pids {
        let _ = kill_process(*pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let text = b"12 (a) R 1 (b) S 7 12 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(Stat::parse(text), Some(Stat { dead: false, parent: 7, session: 9, ticks: 4711 }));
        assert_eq!(Stat::parse(b"12 (cut"), None);
    }

    #[test]
    fn a_number_that_was_given_to_another_process_is_not_taken_for_it() {
        let own = ProcessId::own().expect("this process");
        assert!(own.open().is_some());
        assert!(ProcessId { ticks: own.ticks + 1, ..own.clone() }.open().is_none());
        assert!(ProcessId { boot: "another".to_owned(), ..own }.open().is_none());
    }

    #[test]
    fn a_stranger_with_the_supervisors_number_is_spared() {
        let mut stranger = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("a process");
        let pid = Pid::from_child(&stranger);
        let number = pid.as_raw_pid();
        let ticks = Stat::read(pid).expect("its stat").ticks;
        // The supervisor had the number that now is the stranger's, and began before it.
        let gone = ProcessId { pid: number, ticks: ticks - 1, boot: boot().expect("a boot id") };
        sweep(&gone, Path::new("/nowhere/scratch")).expect("a sweep");
        assert!(stranger.try_wait().expect("its state").is_none(), "the stranger was killed");
        stranger.kill().expect("a signal");
        stranger.wait().expect("its end");
    }

    #[test]
    fn what_carries_the_scratch_folder_is_swept_and_nothing_of_an_earlier_boot() {
        let scratch = "/nowhere/pod-1";
        let mut left = Command::new("sleep")
            .arg("60")
            .env("TMPDIR", "/nowhere/pod-1/tmp")
            .stdin(Stdio::null())
            .spawn()
            .expect("a process");
        let ticks = Stat::read(Pid::from_child(&left)).expect("its stat").ticks;
        let mut gone = ProcessId { pid: i32::MAX, ticks, boot: "another".to_owned() };
        sweep(&gone, Path::new(scratch)).expect("a sweep");
        assert!(left.try_wait().expect("its state").is_none(), "killed for a supervisor of another boot");
        gone.boot = boot().expect("a boot id");
        sweep(&gone, Path::new(scratch)).expect("a sweep");
        assert_eq!(left.wait().expect("its end").code(), None);
    }
}
