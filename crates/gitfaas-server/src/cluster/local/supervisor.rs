//! The small process around each attempt: it starts the function, keeps its log, ends it in time, and writes down how
//! it ended, whether or not the server still lives.
//!
//! The server calls it as `gitfaas supervise <attempt's folder>`, with the attempt's lock as standard input. It knows
//! nothing of Jobs: whether there is to be another attempt is the server's to say. SIGTERM tells it to end the
//! function within its grace, SIGUSR1 to kill it now.

mod container;

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use super::attempt::{self, Exit, Plan, Started};
use super::limits::Group;
use super::log::{LogWriter, SEGMENT};
use super::processes::ProcessId;
use crate::clock::{Clock, SystemClock};
use container::{Container, Signals};

/// How long to wait before an end that could not be written down is written again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Supervises the attempt in `dir` to its end; the exit code of the process.
///
/// What goes wrong is said on standard error, which the server keeps beside the attempt.
pub fn run(dir: &Path) -> u8 {
    match supervise(dir) {
        Ok(()) => 0,
        Err(error) => {
            // Nobody is left to be told that this could not be written.
            let _ = writeln!(io::stderr(), "cannot supervise {}: {error}", dir.display());
            1
        }
    }
}

fn supervise(dir: &Path) -> io::Result<()> {
    let lock = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?);
    if !attempt::holds_lock(dir, &lock)? {
        return Err(io::Error::other("standard input is not the attempt's lock; gitfaas calls this itself"));
    }
    if attempt::started(dir)?.is_some() {
        return Err(io::Error::other("the attempt was started before"));
    }
    let plan = attempt::plan(dir)?.ok_or_else(|| io::Error::other("there is nothing to run"))?;
    leave_server()?;
    let signals = Signals::listen()?;
    let clock = SystemClock;
    let started = Started { supervisor: ProcessId::own()?, at: clock.now() };
    // From here on the attempt counts, whatever happens: a start that nobody wrote down could be made twice.
    attempt::write_started(dir, &started)?;
    // What it was told may be secret, and is not needed again. The server removes at the end what resists now.
    let _ = attempt::remove_plan(dir);
    let exit = supervised(dir, &plan, &signals, &clock)?;
    write_exit(dir, &exit, &signals)
}

/// Writes the end down, however long a full disk makes that last: as long as the lock is held, nothing is lost.
fn write_exit(dir: &Path, exit: &Exit, signals: &Signals) -> io::Result<()> {
    loop {
        match attempt::write_exit(dir, exit) {
            // The folder is gone, and with it everybody who would read this.
            Err(error) if signals.killed() || error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(_) => signals.sleep(WRITE_AGAIN)?,
            Ok(()) => return Ok(()),
        }
    }
}

/// Takes this process out of the server's reach (its terminal, its death), and what will be orphaned below into its own.
fn leave_server() -> io::Result<()> {
    match rustix::process::setsid() {
        // Who leads a session already needs no new one.
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

fn supervised(dir: &Path, plan: &Plan, signals: &Signals, clock: &dyn Clock) -> io::Result<Exit> {
    let mut log = LogWriter::create(dir, SEGMENT)?;
    let limited = plan.group.as_ref().filter(|group| match group.enter() {
        Ok(()) => true,
        Err(error) => {
            // A full disk must not keep it from running.
            let _ = log.write(format!("[its limits are not enforced: {error}]\n").as_bytes());
            false
        }
    });
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    let started = Container::start(plan, OwnedFd::from(writer));
    if let Some(Err(error)) = limited.map(Group::leave) {
        let _ = log.write(format!("[its limit of memory is not enforced: {error}]\n").as_bytes());
    }
    let (how, asked) = match started {
        Ok(pid) => Container::new(plan, pid, reader, log, clock).wait(signals)?,
        Err(how) => (how, None),
    };
    let out_of_memory = limited.is_some_and(Group::ran_out_of_memory);
    if let Some(group) = &plan.group {
        group.remove();
    }
    Ok(Exit { how, out_of_memory, asked, at: clock.now() })
}
