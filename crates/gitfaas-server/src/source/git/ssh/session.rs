//! A running command: what it prints and what it reads as a stream of bytes, and how it ended.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use russh::client::{Handle, Msg};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::DropGuard;

use super::guard::{Ending, Guard, Notes};
use super::shown;

/// How much is kept of what a command says beside what it prints, in bytes.
const SAID: usize = 4096;

/// How long the other side may take to hear that we leave.
const LEAVE: Duration = Duration::from_secs(1);

/// The line to the server that a command is spoken with over.
pub(super) struct Line {
    pub(super) handle: Handle<Guard>,
    pub(super) place: String,
    pub(super) stall: Duration,
    pub(super) notes: Notes,
    pub(super) cut: DropGuard,
}

/// A command that runs on the server. Reading gives what it prints, and ends when the command has ended; that the
/// connection ended before is an error. Writing is what it reads, and shutting down is the end of that. Both fail when
/// nothing moves for the time of `stall`. Dropping it ends the command's connection.
pub(in crate::source::git) struct Session {
    printed: ChannelReadHalf,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    // Of what it printed, what nobody has read yet.
    unread: Bytes,
    has_ended: bool,
    waiting_to_read: Patience,
    waiting_to_write: Patience,
    remote: Remote,
    line: Option<Line>,
    place: String,
    notes: Notes,
}

/// What is known of the command beside what it prints; can be asked when the session is elsewhere.
#[derive(Debug, Clone, Default)]
pub(in crate::source::git) struct Remote(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    error: Vec<u8>,
    status: Option<u32>,
}

impl Remote {
    /// What it said as errors so far: the first 4 KiB, in one line, with control characters escaped,
    /// and `…` when there was more.
    pub(in crate::source::git) fn stderr(&self) -> String {
        shown(&self.lock().error, SAID)
    }

    /// What it ended with, once it has; nothing when a signal ended it.
    pub(in crate::source::git) fn exit_status(&self) -> Option<u32> {
        self.lock().status
    }

    /// Keeps what it says as errors, as long as there is room.
    pub(super) fn hear(&self, error: &[u8]) {
        let mut said = self.lock();
        // One more than is shown, so that it shows when something is missing.
        let room = (SAID + 1).saturating_sub(said.error.len());
        said.error.extend(error.iter().take(room));
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    pub(super) fn new(
        (printed, input): (ChannelReadHalf, ChannelWriteHalf<Msg>),
        first: Option<Bytes>,
        remote: Remote,
        line: Line,
    ) -> Self {
        Self {
            printed,
            input: Box::pin(input.make_writer()),
            unread: first.unwrap_or_default(),
            has_ended: false,
            waiting_to_read: Patience::new(line.stall),
            waiting_to_write: Patience::new(line.stall),
            remote,
            place: line.place.clone(),
            notes: line.notes.clone(),
            line: Some(line),
        }
    }

    /// What is known of the command beside what it prints.
    pub(in crate::source::git) fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Why nothing comes any more although the command has not ended.
    fn lost(&self) -> io::Error {
        let why = match self.notes.ending() {
            Some(Ending::Said(words)) => format!("it ended the connection: {words}"),
            Some(Ending::Lost) | None => "the connection ended in the middle".to_owned(),
        };
        io::Error::new(io::ErrorKind::UnexpectedEof, format!("the ssh server {}: {why}", self.place))
    }

    /// What came of giving the command something, and an error when it does not take it.
    fn poll_taken<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Poll::Ready(taken) = polled {
            self.waiting_to_write.renew();
            return Poll::Ready(taken.map_err(|_| self.lost()));
        }
        ready!(self.waiting_to_write.poll_end(context));
        Poll::Ready(Err(self.stalled("it took nothing")))
    }

    fn stalled(&self, what: &str) -> io::Error {
        let stall = self.waiting_to_read.most;
        io::Error::new(io::ErrorKind::TimedOut, format!("the ssh server {}: {what} for {stall:?}", self.place))
    }
}

/// Ends when nothing moves for some time.
struct Patience {
    most: Duration,
    // While something is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    const fn new(most: Duration) -> Self {
        Self { most, waiting: None }
    }

    /// Something moved.
    fn renew(&mut self) {
        self.waiting = None;
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let most = self.most;
        self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(most))).as_mut().poll(context)
    }
}

impl AsyncRead for Session {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() && !self.has_ended {
            let Poll::Ready(message) = pin!(self.printed.wait()).poll(context) else {
                ready!(self.waiting_to_read.poll_end(context));
                return Poll::Ready(Err(self.stalled("nothing came from it")));
            };
            self.waiting_to_read.renew();
            match message {
                Some(ChannelMsg::Data { data }) => self.unread = data,
                Some(ChannelMsg::ExtendedData { data, .. }) => self.remote.hear(&data),
                Some(ChannelMsg::ExitStatus { exit_status }) => self.remote.lock().status = Some(exit_status),
                // Not with the end of what it prints: how it ended comes after that.
                Some(ChannelMsg::Close) => self.has_ended = true,
                Some(_) => {}
                None => return Poll::Ready(Err(self.lost())),
            }
        }
        let part = self.unread.len().min(buffer.remaining());
        buffer.put_slice(self.unread.get(..part).unwrap_or_default());
        self.unread.advance(part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Session {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let polled = self.input.as_mut().poll_write(context, bytes);
        self.poll_taken(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.input.as_mut().poll_shutdown(context);
        self.poll_taken(polled, context)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Without a runtime there is nothing that could still be running.
        let (Some(line), Ok(runtime)) = (self.line.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            let Line { handle, cut, .. } = line;
            let leave = async {
                if handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
                    // How it ends is of no interest any more.
                    drop(handle.await);
                }
            };
            // Whether it is heard or not, nothing is left of the connection afterwards.
            drop(tokio::time::timeout(LEAVE, leave).await);
            drop(cut);
        });
    }
}
