//! Connections: how many there are at once, and how long one may leave unread what it is sent.
//!
//! What arrives, and how slowly, is bounded where it is read: heads by `hyper`, bodies in `api/body.rs`. Here is the
//! other direction. A caller that reads nothing holds one place, what the kernel keeps for it ([`UNSENT`]), one buffer
//! of `hyper` and what its stream has ready, and loses all of that when its patience is over.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Once;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::{AddrListener, Address};
use rustix::process::{Resource, getrlimit};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use crate::api::Limits;

/// Bytes that the kernel keeps of what a caller does not read. Without a bound it is megabytes, and who reads slowly
/// makes room so rarely that it looks like not reading at all.
const UNSENT: u32 = 128 * 1024;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(SocketAddr);

impl Address for Peer {
    type Stream = Connection;
    type Listener = Listener;
}

/// Takes connections for as long as there are places; whoever comes then waits in the kernel's queue.
pub(super) struct Listener {
    socket: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
    full: Once,
}

impl Listener {
    /// Over a socket that listens and does not block.
    ///
    /// # Errors
    /// When there is no runtime to wait in.
    pub(super) fn new(listener: std::net::TcpListener, limits: &Limits) -> io::Result<Self> {
        Ok(Self::over(TcpListener::from_std(listener)?, limits))
    }

    fn over(listener: TcpListener, limits: &Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
        Self { socket: listener, places, patience: limits.answer_idle, full: Once::new() }
    }

    async fn place(&self) -> io::Result<OwnedSemaphorePermit> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        self.full.call_once(|| {
            tracing::warn!(
                "every place for a connection is taken: who comes now waits for one; see --max-connections, and how many files the process may have open"
            );
        });
        self.places.clone().acquire_owned().await.map_err(io::Error::other)
    }
}

/// As many places as were asked for, but for half of the files that the process may have open at most: whoever follows
/// a log has a file open too, and so have the ledger and what runs.
pub(super) fn places(asked: usize) -> usize {
    let files =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let places = asked.min(files / 2).clamp(1, Semaphore::MAX_PERMITS);
    if places < asked {
        tracing::info!(places, files, "fewer connections than --max-connections, for want of files (ulimit -n)");
    }
    places
}

impl AddrListener<Connection, Peer> for Listener {
    async fn bind_to(peer: Peer) -> io::Result<Self> {
        Ok(Self::over(TcpListener::bind(peer.0).await?, &Limits::default()))
    }

    async fn accept_stream(&self) -> io::Result<(Connection, Peer)> {
        let place = self.place().await?;
        let (stream, address) = self.socket.accept().await?;
        // A kernel that does not know it keeps more; that is no reason to answer nobody.
        if let Err(error) = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT) {
            tracing::debug!(%error, "cannot bound what the kernel keeps for a caller");
        }
        Ok((Connection::new(stream, self.patience, reset, Some(place)), Peer(address)))
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        self.socket.local_addr().map(Peer)
    }
}

/// Makes the end of a connection the end of what the kernel keeps for it too: it would go on offering that to a peer
/// that takes nothing.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "cannot have the kernel forget a caller at once");
    }
}

/// A connection that ends with [`io::ErrorKind::TimedOut`] when its peer takes nothing for `patience` of what is there
/// for it. One to which nothing is sent may be silent.
pub(super) struct Connection<S = TcpStream> {
    stream: S,
    patience: Duration,
    /// Runs while there is something for the peer that it does not take.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Told when the patience is over.
    given_up: fn(&S),
    /// Given back with the connection.
    _place: Option<OwnedSemaphorePermit>,
}

impl<S> Connection<S> {
    const fn new(stream: S, patience: Duration, given_up: fn(&S), place: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, patience, stalled: None, given_up, _place: place }
    }

    fn within_patience<T>(&mut self, context: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        (self.given_up)(&self.stream);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within_patience(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.within_patience(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(7);

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_of_what_is_there_is_left() {
        let (_peer, stream) = duplex(16);
        let mut connection = Connection::new(stream, PATIENCE, |_| (), None);
        let began = Instant::now();
        let error = connection.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_little_in_time_gets_everything_however_long_it_takes() {
        let (mut peer, stream) = duplex(16);
        let mut connection = Connection::new(stream, PATIENCE, |_| (), None);
        let began = Instant::now();
        let writing = tokio::spawn(async move {
            connection.write_all(&[7; 64]).await?;
            connection.shutdown().await
        });
        let mut read = Vec::new();
        loop {
            sleep(Duration::from_secs(6)).await;
            if peer.read_buf(&mut (&mut read).limit(8)).await.expect("read") == 0 {
                break;
            }
        }
        writing.await.expect("ended").expect("written");
        assert_eq!(read, [7; 64]);
        assert!(began.elapsed() > 2 * PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not_held_against_who_was_sent_nothing() {
        let (mut peer, stream) = duplex(16);
        let mut connection = Connection::new(stream, PATIENCE, |_| (), None);
        for _ in 0..3 {
            sleep(10 * PATIENCE).await;
            connection.write_all(&[1; 16]).await.expect("there is room");
            peer.read_exact(&mut [0; 16]).await.expect("read");
        }
    }
}
