//! Programs of this machine: where they are, and a process that ends with who started it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to say what is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked for what cannot be waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Where a program is: on the PATH, or where Debian puts those that serve.
pub fn find(program: &str) -> Option<PathBuf> {
    let known = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&known).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Whether all of these are there. Where one is missing it is said that `what` is left out, which is a failure with
/// `GITFAAS_TEST_ALL=1`.
pub fn are_there(what: &str, programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    let all = std::env::var_os("GITFAAS_TEST_ALL").is_some_and(|all| all == "1");
    assert!(!all, "GITFAAS_TEST_ALL=1 is set, and {what} would be left out for want of {}", missing.join(" and "));
    say(&format!("left out: {what}, for want of {}", missing.join(" and ")));
    false
}

#[expect(clippy::print_stderr, reason = "who runs the tests has to see what they left out")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// Runs a program, and gives what it printed; `None` when it fails.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().expect("the program runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs a program that has to succeed, and gives what it printed.
pub fn output(command: &mut Command) -> String {
    let ran = command.stdin(Stdio::null()).output();
    assert!(ran.is_ok(), "{command:?}: {ran:?}");
    let output = ran.expect("checked");
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// What `look` finds, once it finds something; fails with `what` when it never does.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(LOOK);
    }
}

/// A program that runs, and what it has said so far on both of its outputs. Killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    said: Arc<Said>,
}

#[derive(Debug, Default)]
struct Said {
    lines: Mutex<Spoken>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Spoken {
    lines: Vec<String>,
    ended: bool,
}

impl Process {
    /// Starts a program in a folder.
    pub fn start<A: AsRef<OsStr>>(program: &Path, folder: &Path, arguments: &[A]) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let said = Arc::<Said>::default();
        let (listener, voice) = (said.clone(), child.stdout.take().expect("its output is a pipe"));
        std::thread::spawn(move || listener.listen(voice));
        Self { child, said }
    }

    /// Waits until it has said a line with each of these in it, and fails with all it said when it does not.
    pub fn says(&self, parts: &[&str]) {
        self.says_times(parts, 1);
    }

    /// Waits until it has said so many lines with each of these in them.
    pub fn says_times(&self, parts: &[&str], times: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut spoken = self.said.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let is_said = |spoken: &Spoken| {
            let all = |line: &&String| parts.iter().all(|part| line.contains(part));
            spoken.lines.iter().filter(all).count() >= times
        };
        while !is_said(&spoken) {
            let left = deadline.saturating_duration_since(Instant::now());
            let all = || spoken.lines.join("\n");
            assert!(!spoken.ended, "it ended and never said {parts:?}; it said:\n{}", all());
            assert!(!left.is_zero(), "it has not said {parts:?} in {PATIENCE:?}; it said:\n{}", all());
            spoken = self.said.more.wait_timeout(spoken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("it has a number");
        kill_process(pid, signal).expect("it is ours");
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Said {
    fn listen(&self, voice: impl Read) {
        for line in BufReader::new(voice).lines() {
            let Ok(line) = line else { break };
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).lines.push(line);
            self.more.notify_all();
        }
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.more.notify_all();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
