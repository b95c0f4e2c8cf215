//! A log as one JSON object for each line, however its bytes are cut on the way.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, once};
use futures_util::{Stream, StreamExt as _};

use crate::api::wire::LogLine;
use crate::cluster::LogChunk;

/// Bytes of a line in one object: a longer line comes in several.
const LONGEST: usize = 8 << 10;

/// The lines of `chunks`, as they come.
pub(super) fn objects(
    chunks: BoxStream<'static, LogChunk>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    let mut begun = Begun::default();
    let end = once(std::future::ready(None));
    chunks.map(Some).chain(end).map(move |chunk| {
        Ok(match chunk {
            Some(chunk) => begun.add(chunk),
            None => begun.rest(),
        }
        .into())
    })
}

/// What came of lines that are not whole yet, for each container of each attempt.
#[derive(Default)]
struct Begun(BTreeMap<(u32, String), BytesMut>);

impl Begun {
    /// The lines that are whole now.
    fn add(&mut self, chunk: LogChunk) -> Vec<u8> {
        let part = (chunk.attempt, chunk.container);
        let text = self.0.entry(part.clone()).or_default();
        text.extend_from_slice(&chunk.text);
        let mut written = Vec::new();
        loop {
            let end = text.iter().take(LONGEST + 1).position(|byte| *byte == b'\n');
            match end {
                Some(end) => {
                    let line = text.split_to(end + 1);
                    write(&mut written, &part, &line[..end], false);
                }
                None if text.len() > LONGEST => {
                    let piece = text.split_to(whole_characters(&text[..LONGEST]));
                    write(&mut written, &part, &piece, true);
                }
                None => return written,
            }
        }
    }

    /// Lines without an end, at the end of all.
    fn rest(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        for (part, text) in std::mem::take(&mut self.0) {
            if !text.is_empty() {
                write(&mut written, &part, &text, false);
            }
        }
        written
    }
}

/// How many of the bytes there are before a character that was cut.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    }
}

fn write(written: &mut Vec<u8>, part: &(u32, String), line: &[u8], more: bool) {
    let line = String::from_utf8_lossy(line).into_owned();
    let line = LogLine { attempt: part.0, container: part.1.clone(), line, more };
    // Numbers and text are always JSON, and memory takes all that is written.
    let _ = serde_json::to_writer(&mut *written, &line);
    written.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream::iter;

    async fn written(chunks: Vec<(&str, &[u8])>) -> Vec<LogLine> {
        let chunks: Vec<LogChunk> = chunks
            .into_iter()
            .map(|(container, text)| LogChunk {
                attempt: 1,
                container: container.to_owned(),
                text: Bytes::copy_from_slice(text),
            })
            .collect();
        let pieces: Vec<_> = objects(iter(chunks).boxed()).map(Result::unwrap_or_default).collect().await;
        let text = String::from_utf8(pieces.concat()).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
    }

    fn line(container: &str, line: &str, more: bool) -> LogLine {
        LogLine { attempt: 1, container: container.to_owned(), line: line.to_owned(), more }
    }

    #[tokio::test]
    async fn lines_are_whole_however_containers_take_turns() {
        let lines = written(vec![("a", b"one\ntw"), ("b", b"other\n"), ("a", b"o \xc3"), ("a", b"\xa9\n\nend")]).await;
        let expected = [("a", "one"), ("b", "other"), ("a", "two \u{e9}"), ("a", ""), ("a", "end")];
        assert_eq!(lines, expected.map(|(container, text)| line(container, text, false)));
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_comes_in_pieces() {
        let long = format!("{}\u{e9}rest\n", "x".repeat(LONGEST - 1));
        let lines = written(vec![("a", long.as_bytes()), ("a", b"\xff\n")]).await;
        let expected =
            [line("a", &"x".repeat(LONGEST - 1), true), line("a", "\u{e9}rest", false), line("a", "\u{fffd}", false)];
        assert_eq!(lines, expected);
    }
}
