//! A function's processes: started, listened to, ended, and none left behind.

use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use super::super::attempt::{Asked, How, Plan};
use super::super::log::LogWriter;
use super::super::processes::{descendants, signal_all};
use crate::clock::Clock;

/// How long what a function left running behind it has to end before it is killed.
const LEFTOVER_GRACE: Duration = Duration::from_secs(1);
/// How often what has to be killed is looked for again: it may have been forking.
const KILL_AGAIN: Duration = Duration::from_millis(50);
/// Signals that are waited for need no time-out; this one only bounds what can go unnoticed.
const IDLE: Duration = Duration::from_hours(1);

/// The signals that this process has been sent.
pub(super) struct Signals {
    end: Arc<AtomicBool>,
    kill: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let (wake, waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let signals = Self { end: Arc::default(), kill: Arc::default(), wake };
        for (signal, flag) in [
            (Signal::TERM, Some(&signals.end)),
            (Signal::INT, Some(&signals.end)),
            (Signal::USR1, Some(&signals.kill)),
            (Signal::CHILD, None),
        ] {
            if let Some(flag) = flag {
                signal_hook::flag::register(signal.as_raw(), Arc::clone(flag))?;
            }
            signal_hook::low_level::pipe::register(signal.as_raw(), waker.try_clone()?)?;
        }
        Ok(signals)
    }

    /// Whether this process has been told that it is no longer waited for.
    pub(super) fn killed(&self) -> bool {
        self.kill.load(Ordering::SeqCst)
    }

    /// Sleeps until a signal comes, at most so long.
    pub(super) fn sleep(&self, most: Duration) -> io::Result<()> {
        self.sleep_with(None, most)
    }

    fn sleep_with(&self, output: Option<&PipeReader>, most: Duration) -> io::Result<()> {
        let most = Timespec::try_from(most).map_err(io::Error::other)?;
        let mut wanted = vec![PollFd::new(&self.wake, PollFlags::IN)];
        wanted.extend(output.map(|output| PollFd::new(output, PollFlags::IN)));
        match poll(&mut wanted, Some(&most)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.clear();
        Ok(())
    }

    fn clear(&self) {
        let mut bytes = [0; 64];
        while (&self.wake).read(&mut bytes).is_ok_and(|read| read == bytes.len()) {}
    }
}

/// One function's processes, and what is known of them.
pub(super) struct Container<'a> {
    plan: &'a Plan,
    main: Pid,
    output: Option<PipeReader>,
    log: LogWriter,
    /// Counted by a clock that nobody sets.
    deadline: Option<Instant>,
    /// How the main process ended.
    ended: Option<How>,
    asked: Option<Asked>,
    /// When patience is over; known once ending has begun.
    kill_at: Option<Instant>,
}

impl<'a> Container<'a> {
    /// Starts the main process, in its own process group, with `output` as standard output and error.
    pub(super) fn start(plan: &Plan, output: OwnedFd) -> Result<Pid, How> {
        let refused = |error: &dyn std::fmt::Display| {
            How::NotStarted(format!("`{}` cannot be started in {}: {error}", plan.arg0, plan.dir.display()))
        };
        let Some(program) = &plan.program else {
            return Err(How::NotStarted(format!("the command `{}` was not found", plan.arg0)));
        };
        let errors = output.try_clone().map_err(|error| refused(&error))?;
        let child = Command::new(program)
            .arg0(&plan.arg0)
            .args(&plan.args)
            .env_clear()
            .envs(plan.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&plan.dir)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| refused(&error))?;
        Ok(Pid::from_child(&child))
    }

    /// What was started as `main`.
    pub(super) fn new(plan: &'a Plan, main: Pid, output: PipeReader, log: LogWriter, clock: &dyn Clock) -> Self {
        let left = plan.deadline.map(|deadline| Duration::try_from(deadline.at - clock.now()).unwrap_or_default());
        Self {
            plan,
            main,
            output: Some(output),
            log,
            deadline: left.and_then(|left| Instant::now().checked_add(left)),
            ended: None,
            asked: None,
            kill_at: None,
        }
    }

    /// Waits for the end of all of them.
    pub(super) fn wait(mut self, signals: &Signals) -> io::Result<(How, Option<Asked>)> {
        while self.reap()? {
            self.read_output()?;
            self.hurry(signals)?;
            self.sleep(signals)?;
        }
        // Nobody is left who could write: what is in the pipe is all.
        while self.read_output()? {}
        self.log.sync()?;
        Ok((self.ended.unwrap_or(How::Signal(Signal::KILL.as_raw())), self.asked))
    }

    /// Collects what has ended: whether anything is left.
    fn reap(&mut self) -> io::Result<bool> {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.main => self.main_ended(status),
                Ok(None) => return Ok(true),
                Err(rustix::io::Errno::CHILD) => return Ok(false),
                // Somebody else's child that was left to this process; or a signal came.
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The container is over when its main process is.
    fn main_ended(&mut self, status: WaitStatus) {
        self.ended = Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => How::Code(code),
            (None, Some(signal)) => How::Signal(signal),
            (None, None) => return,
        });
        self.kill_at = Some(Instant::now() + LEFTOVER_GRACE);
    }

    /// Begins or speeds up the end, where it is time to.
    fn hurry(&mut self, signals: &Signals) -> io::Result<()> {
        let now = Instant::now();
        let killing = signals.killed() || self.kill_at.is_some_and(|at| at <= now);
        if self.ended.is_some() {
            // Said again at each look: what was forked meanwhile has not heard it yet.
            signal_all(&descendants()?, if killing { Signal::KILL } else { Signal::TERM });
            return Ok(());
        }
        if self.asked.is_none() {
            let deadline = self.plan.deadline.filter(|_| self.deadline.is_some_and(|at| at <= now));
            match deadline {
                Some(deadline) if deadline.of_job => self.end(Asked::JobDeadline)?,
                Some(_) => self.end(Asked::PodDeadline)?,
                None if killing || signals.end.load(Ordering::SeqCst) => self.end(Asked::Stop)?,
                None => {}
            }
        }
        if killing {
            signal_all(&descendants()?, Signal::KILL);
        }
        Ok(())
    }

    fn end(&mut self, asked: Asked) -> io::Result<()> {
        self.asked = Some(asked);
        self.kill_at = Instant::now().checked_add(Duration::from_millis(self.plan.grace_ms));
        let mut told = descendants()?;
        // A guard that is told ends at once, and takes the function with it before its time.
        told.retain(|pid| !(self.plan.guarded && *pid == self.main));
        signal_all(&told, Signal::TERM);
        Ok(())
    }

    /// Sleeps until something happens or is due.
    fn sleep(&mut self, signals: &Signals) -> io::Result<()> {
        let now = Instant::now();
        let deadline = self.deadline.filter(|_| self.asked.is_none() && self.ended.is_none());
        let mut due = deadline.map_or(IDLE, |at| at.saturating_duration_since(now));
        if let Some(kill_at) = self.kill_at {
            due = due.min(kill_at.saturating_duration_since(now).max(KILL_AGAIN));
        }
        if self.ended.is_some() || signals.killed() {
            due = due.min(KILL_AGAIN);
        }
        signals.sleep_with(self.output.as_ref(), due)
    }

    /// Moves what was written into the log: whether there may be more.
    fn read_output(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16 * 1024];
        let Some(output) = &mut self.output else { return Ok(false) };
        match output.read(&mut bytes) {
            Ok(0) => self.output = None,
            Ok(read) => {
                // A full disk must not end what runs: the log then has a gap, and the function goes on.
                let _ = self.log.write(&bytes[..read]);
                return Ok(true);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(false)
    }
}
