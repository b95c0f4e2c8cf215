//! One look at a repository elsewhere: its bounds, and why it failed.
//!
//! Git is spoken by code that blocks, over connections that do not. A look stands between them: it bounds how long
//! nothing may come and how much may come, can be called off, and keeps the first thing that went wrong, which what
//! speaks Git would only hand on as one of its own errors.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::source::{Fault, SourceError};

/// What a look may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long nothing may come: for a connection, the head of an answer, and each piece of it.
    pub stall: Duration,
    /// How long all of it may take.
    pub time: Duration,
    /// How many bytes may be received.
    pub size: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), time: Duration::from_mins(10), size: 1 << 30 }
    }
}

/// One look.
pub(super) struct Look {
    pub(super) bounds: Bounds,
    /// Where it looks, as shown.
    pub(super) place: String,
    runtime: Handle,
    received: AtomicU64,
    // Both of all looks that follow one another: who calls one off does not know of the others.
    called_off: Arc<AtomicBool>,
    ended: CancellationToken,
    failure: Mutex<Option<SourceError>>,
}

impl Look {
    /// A look from the runtime that calls.
    pub(super) fn new(place: String, bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            place,
            runtime: Handle::current(),
            received: AtomicU64::new(0),
            called_off: Arc::default(),
            ended: CancellationToken::new(),
            failure: Mutex::default(),
        })
    }

    /// Another look within what is left of the bounds.
    pub(super) fn again(&self) -> Arc<Self> {
        let received = self.received.load(Ordering::Relaxed).into();
        let (place, runtime) = (self.place.clone(), self.runtime.clone());
        let (called_off, ended) = (self.called_off.clone(), self.ended.clone());
        Arc::new(Self { bounds: self.bounds, place, runtime, received, called_off, ended, failure: Mutex::default() })
    }

    /// Waits for `work` on a thread that may block, at most as long as nothing may come, and not once it is called off.
    pub(super) fn wait<T>(&self, what: &str, work: impl Future<Output = T>) -> Result<T, SourceError> {
        self.wait_at_most(self.bounds.stall, what, work)
    }

    /// The same for `work` that has another bound.
    pub(super) fn wait_at_most<T>(
        &self,
        bound: Duration,
        what: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, SourceError> {
        let work = self.ended.run_until_cancelled(work);
        // The timer is of the runtime, so it is made there.
        let done = self.runtime.block_on(async { tokio::time::timeout(bound, work).await });
        let message = match done {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => format!("{}: it took longer than {:?}", self.place, self.bounds.time),
            Err(_) => format!("{}: {what} for {bound:?}", self.place),
        };
        Err(self.fail(SourceError::new(Fault::Stalled, message)))
    }

    /// Waits for `work`, which has a bound of its own, on a thread that may block.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// That a connection is of no further use.
    fn broken(&self, error: &io::Error) -> io::Error {
        let failure = if error.kind() == io::ErrorKind::TimedOut {
            SourceError::new(Fault::Stalled, format!("{}: {error}", self.place))
        } else {
            let message = format!("{}: the connection ended before everything was there: {error}", self.place);
            SourceError::new(Fault::Interrupted, message)
        };
        io::Error::other(self.fail(failure))
    }

    /// Keeps why it failed, unless something failed before, and hands it back.
    pub(super) fn fail(&self, error: SourceError) -> SourceError {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error).clone()
    }

    /// What went wrong first.
    pub(super) fn failure(&self) -> Option<SourceError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets it end soon, whatever it does.
    pub(super) fn call_off(&self) {
        self.called_off.store(true, Ordering::Relaxed);
        self.ended.cancel();
    }

    /// Becomes true when it is to end.
    pub(super) fn called_off(&self) -> &AtomicBool {
        &self.called_off
    }

    fn receive(&self, bytes: usize) -> Result<(), SourceError> {
        let before = self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        if before.saturating_add(bytes as u64) > self.bounds.size {
            let message = format!(
                "{}: more than {} bytes came; --git-max-size allows more, and a repository of its own for functions needs less",
                self.place, self.bounds.size
            );
            return Err(self.fail(SourceError::new(Fault::TooLarge, message)));
        }
        Ok(())
    }
}

/// What comes from elsewhere, within the bounds of a look, for code that blocks.
pub(super) struct Received<R> {
    inner: R,
    look: Arc<Look>,
}

impl<R> Received<R> {
    pub(super) const fn new(inner: R, look: Arc<Look>) -> Self {
        Self { inner, look }
    }
}

impl<R: AsyncRead + Unpin> Read for Received<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.look.called_off.load(Ordering::Relaxed) {
            return Err(io::Error::other("called off"));
        }
        let read = self.look.wait("nothing came", self.inner.read(buffer)).map_err(io::Error::other)?;
        let bytes = read.map_err(|error| self.look.broken(&error))?;
        self.look.receive(bytes).map_err(io::Error::other)?;
        Ok(bytes)
    }
}

/// What goes elsewhere, within the bounds of a look, from code that blocks.
pub(super) struct Sent<W> {
    inner: W,
    look: Arc<Look>,
}

impl<W> Sent<W> {
    pub(super) const fn new(inner: W, look: Arc<Look>) -> Self {
        Self { inner, look }
    }
}

impl<W: AsyncWrite + Unpin> Write for Sent<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.look.wait("nothing was taken", self.inner.write(bytes)).map_err(io::Error::other)?;
        written.map_err(|error| self.look.broken(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.look.wait("nothing was taken", self.inner.flush()).map_err(io::Error::other)?;
        flushed.map_err(|error| self.look.broken(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bounds: Bounds, sent: &'static [u8]) -> (io::Result<usize>, Option<SourceError>) {
        let look = Look::new("birds".to_owned(), bounds);
        let (mut theirs, ours) = tokio::io::duplex(1024);
        theirs.write_all(sent).await.expect("sent");
        let mut received = Received::new(ours, look.clone());
        let read = tokio::task::spawn_blocking(move || received.read(&mut [0; 64])).await.expect("read");
        drop(theirs);
        (read, look.failure())
    }

    #[tokio::test]
    async fn what_stalls_is_told_apart_from_what_is_too_much() {
        let brief = Bounds { stall: Duration::from_millis(1), ..Bounds::default() };
        let (stalled, why) = read(brief, b"").await;
        assert!(stalled.is_err());
        assert_eq!(why.map(|why| why.fault), Some(Fault::Stalled));
        let small = Bounds { size: 3, ..Bounds::default() };
        let (large, why) = read(small, b"four").await;
        assert!(large.is_err());
        assert_eq!(why.map(|why| why.fault), Some(Fault::TooLarge));
        assert_eq!(read(small, b"few").await.0.expect("read"), 3);
    }

    #[tokio::test]
    async fn who_calls_a_look_off_ends_what_waits_in_it_and_in_those_that_follow() {
        let patient = Bounds { stall: Duration::from_hours(1), ..Bounds::default() };
        let look = Look::new("birds".to_owned(), patient);
        let again = look.again();
        let waiting = tokio::task::spawn_blocking(move || {
            again.wait("nothing came", std::future::pending::<()>()).map_err(|why| why.fault)
        });
        look.call_off();
        let ended = tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it ends").expect("no panic");
        assert_eq!(ended, Err(Fault::Stalled));
        assert!(look.again().called_off().load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn the_first_failure_is_the_one_that_is_told() {
        let look = Look::new("birds".to_owned(), Bounds::default());
        look.fail(SourceError::new(Fault::Unauthorized, "no"));
        look.fail(SourceError::new(Fault::Interrupted, "ended"));
        assert_eq!(look.failure().map(|why| why.fault), Some(Fault::Unauthorized));
    }
}
