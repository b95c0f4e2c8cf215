//! What a server says first, kept from look to look.
//!
//! In the newer protocol that is what the server can do, and nothing of what it has: asking for it each time would
//! double what a look costs that finds nothing new. In the older one it is the references themselves, which are never
//! kept, and neither is what another place says that the server sent to. What is kept is forgotten when a look fails, and
//! after a while.

use std::io::{self, BufRead as _, Cursor, Read as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::exchange::Came;

/// How long one is kept: a server that learned something is asked what, now and then.
const KEPT: Duration = Duration::from_hours(1);
/// The largest one that is kept, in bytes; they have some hundred.
const MOST: u64 = 64 * 1024;
/// The line by which the newer protocol begins, within the first bytes.
const NEWER: &[u8] = b"000eversion 2\n";
const BEGINNING: usize = 64;

/// What the server of one source said first.
#[derive(Default)]
pub(in crate::source::git) struct Greeting(Mutex<State>);

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    // Whether the look that goes on was answered by it.
    recalled: bool,
}

#[derive(Clone)]
struct Kept {
    since: Instant,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Greeting {
    /// What was said, if that is known.
    pub(super) fn recall(&self) -> Option<Came> {
        let mut state = self.lock();
        let kept = state.kept.clone().filter(|kept| kept.since.elapsed() < KEPT);
        state.recalled = kept.is_some();
        kept.map(|kept| (kept.head, Box::new(Cursor::new(kept.body)) as _))
    }

    /// Keeps what is said now, if it may be kept, and hands it on.
    ///
    /// # Errors
    /// When it ends before its end.
    pub(super) fn keep(&self, (head, mut rest): Came) -> io::Result<Came> {
        let mut body = Vec::new();
        rest.by_ref().take(BEGINNING as u64).read_to_end(&mut body)?;
        let is_newer = body.windows(NEWER.len()).any(|line| line == NEWER);
        if is_newer {
            rest.by_ref().take(MOST).read_to_end(&mut body)?;
        }
        if is_newer && rest.fill_buf()?.is_empty() {
            let kept = Kept { since: Instant::now(), head: head.clone(), body: body.clone() };
            self.lock().kept = Some(kept);
        }
        Ok((head, Box::new(Cursor::new(body).chain(rest))))
    }

    /// Forgets what was said. Returns whether the last look relied on it: one that asks anew may succeed.
    pub(in crate::source::git) fn forget(&self) -> bool {
        std::mem::take(&mut *self.lock()).recalled
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &[u8] = b"001e# service=git-upload-pack\n0000000eversion 2\n0013ls-refs=unborn\n0000";
    const OLD: &[u8] = b"001e# service=git-upload-pack\n00000155d15ea5e0 HEAD\0multi_ack\n0000";

    fn said(body: &[u8]) -> Came {
        (b"content-type: x\n".to_vec(), Box::new(Cursor::new(body.to_vec())))
    }

    fn read((_, mut body): Came) -> Vec<u8> {
        let mut read = Vec::new();
        body.read_to_end(&mut read).expect("read");
        read
    }

    #[test]
    fn what_a_server_can_do_is_kept_and_what_it_has_is_not() {
        let greeting = Greeting::default();
        assert!(greeting.recall().is_none());
        assert_eq!(read(greeting.keep(said(OLD)).expect("handed on")), OLD);
        assert!(greeting.recall().is_none());
        assert_eq!(read(greeting.keep(said(NEW)).expect("handed on")), NEW);
        assert_eq!(read(greeting.recall().expect("kept")), NEW);
    }

    #[test]
    fn what_is_too_long_is_handed_on_whole_and_not_kept() {
        let greeting = Greeting::default();
        let long = [NEW, &vec![b'x'; 1 << 20]].concat();
        assert_eq!(read(greeting.keep(said(&long)).expect("handed on")), long);
        assert!(greeting.recall().is_none());
    }

    #[test]
    fn who_relied_on_it_is_known_when_it_is_forgotten() {
        let greeting = Greeting::default();
        greeting.keep(said(NEW)).expect("handed on");
        assert!(!greeting.forget(), "it was said in that look");
        greeting.keep(said(NEW)).expect("handed on");
        assert!(greeting.recall().is_some());
        assert!(greeting.forget());
        assert!(greeting.recall().is_none() && !greeting.forget());
    }
}
