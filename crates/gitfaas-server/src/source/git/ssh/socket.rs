//! The TCP connection below ssh: remembers how the other side introduced itself, and can be cut off from outside.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::SshAddress;
use super::guard::Notes;
use crate::source::{Fault, SourceError};

/// A connection that ends when it is cut, whatever the other side does.
pub(super) struct Socket {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    notes: Notes,
}

impl Socket {
    /// Finds the server by its name and connects to the first of its addresses that answers.
    pub(super) async fn to(
        address: SshAddress<'_>,
        deadline: Instant,
        cut: CancellationToken,
        notes: Notes,
    ) -> Result<Self, SourceError> {
        let unreachable = |why: String| {
            SourceError::new(Fault::Unreachable, format!("cannot reach the ssh server {}: {why}", address.place()))
        };
        let found = tokio::time::timeout_at(deadline, tokio::net::lookup_host((address.host, address.port))).await;
        let found: Vec<_> = found
            .map_err(|_| unreachable("nobody says in time which address its name has".to_owned()))?
            .map_err(|error| unreachable(format!("no address is known for its name: {error}")))?
            .collect();
        let mut why = "its name has no address".to_owned();
        for (left, target) in (1u32..=found.len().try_into().unwrap_or(u32::MAX)).rev().zip(found) {
            // Each gets its share, so that one that swallows everything does not take the time of the others.
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            match tokio::time::timeout(share, TcpStream::connect(target)).await {
                Ok(Ok(stream)) => {
                    // Git asks and waits, with little at a time: held back, it would wait for nothing.
                    drop(stream.set_nodelay(true));
                    return Ok(Self { stream, cut: Box::pin(cut.cancelled_owned()), notes });
                }
                Ok(Err(error)) => why = format!("{target}: {error}"),
                Err(_) => why = format!("{target}: no answer"),
            }
        }
        Err(unreachable(why))
    }

    fn poll_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.notes.hear(buffer.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
