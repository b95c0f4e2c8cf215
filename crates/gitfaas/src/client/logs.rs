//! Logs as they come: bytes cut into lines.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

use super::Error;

/// A line longer than this is handed out in pieces.
const MAX_LINE: usize = 64 << 10;

/// The lines of a log that may still be growing.
#[derive(Debug)]
pub(crate) struct LogLines {
    server: String,
    response: Option<Response>,
    buffer: LineBuffer,
}

impl LogLines {
    pub(super) fn new(server: &str, response: Response) -> Self {
        Self { server: server.to_owned(), response: Some(response), buffer: LineBuffer::default() }
    }

    /// The next line with its line break, if it has one; `None` at the end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(line) = self.buffer.line() {
                return Ok(Some(line));
            }
            let Some(response) = &mut self.response else { return Ok(self.buffer.rest()) };
            match response.chunk().await.map_err(|error| Error::of_transport(&self.server, &error))? {
                Some(chunk) => self.buffer.push(&chunk),
                None => self.response = None,
            }
        }
    }
}

/// Bytes that have come, and how many of them are known to hold no line break.
#[derive(Debug, Default)]
struct LineBuffer {
    bytes: BytesMut,
    searched: usize,
}

impl LineBuffer {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
    }

    fn line(&mut self) -> Option<Bytes> {
        let end = match self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') {
            Some(place) => (self.searched + place + 1).min(MAX_LINE),
            None if self.bytes.len() >= MAX_LINE => MAX_LINE,
            None => {
                self.searched = self.bytes.len();
                return None;
            }
        };
        self.searched = 0;
        Some(self.bytes.split_to(end).freeze())
    }

    fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        (!self.bytes.is_empty()).then(|| self.bytes.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_whatever_the_chunks() {
        let text = b"one\n\ntwo \xc3\xa9\nrest";
        for size in 1..text.len() {
            let mut buffer = LineBuffer::default();
            let mut lines = Vec::new();
            for chunk in text.chunks(size) {
                buffer.push(chunk);
                lines.extend(std::iter::from_fn(|| buffer.line()));
            }
            lines.extend(buffer.rest());
            assert_eq!(lines, [&b"one\n"[..], b"\n", b"two \xc3\xa9\n", b"rest"], "{size}");
        }
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut buffer = LineBuffer::default();
        buffer.push(&vec![b'x'; MAX_LINE + 5]);
        assert_eq!(buffer.line().map(|line| line.len()), Some(MAX_LINE));
        assert_eq!(buffer.line(), None);
        assert_eq!(buffer.rest().map(|line| line.len()), Some(5));
        assert_eq!(buffer.rest(), None);
    }
}
