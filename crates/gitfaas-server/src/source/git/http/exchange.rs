//! One request and its answer, for code that writes the one and reads the other as if both were files.
//!
//! What is written is gathered, since it is little, and sent when the answer is first read.

use std::io::{self, BufRead, Cursor, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Incoming;
use crate::source::SourceError;

/// The most that is sent in one request, in bytes: what is wanted and what is there are a few lines.
const MOST: usize = 1 << 20;

/// What came: its headers as lines, and its body.
pub(super) type Came = (Vec<u8>, Incoming);

type Send = Box<dyn FnOnce(Vec<u8>) -> Result<Came, SourceError> + std::marker::Send>;

enum State {
    Asking(Vec<u8>, Send),
    Answered { head: Option<Vec<u8>>, body: Option<Incoming> },
    Failed(SourceError),
    Over,
}

/// A request that may not have been sent yet.
#[derive(Clone)]
struct Exchange(Arc<Mutex<State>>);

impl Exchange {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state once it has been sent.
    fn answered(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if matches!(*state, State::Asking(..)) {
            let State::Asking(body, send) = std::mem::replace(&mut *state, State::Over) else { return Ok(state) };
            *state = match send(body) {
                Ok((head, body)) => State::Answered { head: Some(head), body: Some(body) },
                Err(error) => State::Failed(error),
            };
        }
        match &*state {
            State::Failed(error) => Err(io::Error::other(error.clone())),
            _ => Ok(state),
        }
    }
}

/// A request that is sent by `send` when its answer is read.
pub(super) fn asking(send: Send) -> (Question, Head, Body) {
    parts(State::Asking(Vec::new(), send))
}

/// An answer that is there.
pub(super) fn answered((head, body): Came) -> (Head, Body) {
    let (_, head, body) = parts(State::Answered { head: Some(head), body: Some(body) });
    (head, body)
}

fn parts(state: State) -> (Question, Head, Body) {
    let exchange = Exchange(Arc::new(Mutex::new(state)));
    let head = Head { exchange: exchange.clone(), lines: None };
    let body = Body { exchange: exchange.clone(), came: None };
    (Question(exchange), head, body)
}

/// Where the request's body is written to.
pub(in crate::source::git) struct Question(Exchange);

impl Write for Question {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.0.state() {
            State::Asking(body, _) if body.len() + bytes.len() <= MOST => {
                body.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            State::Asking(..) => Err(io::Error::other("a request of more than 1 MiB")),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The headers of the answer, as lines.
pub(in crate::source::git) struct Head {
    exchange: Exchange,
    lines: Option<Cursor<Vec<u8>>>,
}

impl BufRead for Head {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.lines.is_none() {
            let mut state = self.exchange.answered()?;
            if let State::Answered { head, .. } = &mut *state {
                self.lines = Some(Cursor::new(head.take().unwrap_or_default()));
            }
        }
        self.lines.as_mut().map_or(Ok(&[]), BufRead::fill_buf)
    }

    fn consume(&mut self, amount: usize) {
        if let Some(lines) = &mut self.lines {
            lines.consume(amount);
        }
    }
}

/// The body of the answer.
pub(in crate::source::git) struct Body {
    exchange: Exchange,
    came: Option<Incoming>,
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.came.is_none() {
            let mut state = self.exchange.answered()?;
            if let State::Answered { body, .. } = &mut *state {
                self.came = body.take();
            }
        }
        self.came.as_mut().map_or(Ok(&[]), BufRead::fill_buf)
    }

    fn consume(&mut self, amount: usize) {
        if let Some(came) = &mut self.came {
            came.consume(amount);
        }
    }
}

macro_rules! read_by_buffer {
    ($name:ident) => {
        impl Read for $name {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let read = self.fill_buf()?.read(buffer)?;
                self.consume(read);
                Ok(read)
            }
        }
    };
}

read_by_buffer!(Head);
read_by_buffer!(Body);
