//! The logs of a Job's attempts, as far as they still exist.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::sleep;

use super::attempt::{self, Look};
use super::drive::blocking;
use super::jobs::Shared;
use super::log;
use super::names::FileName;
use crate::cluster::{LogChunk, LogPart};

/// How often a log that is being followed is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The most bytes of one piece.
const PIECE: u64 = 64 * 1024;

impl Shared {
    /// The last `tail` bytes of each attempt. Blocks.
    pub(super) fn log_parts(&self, job: &FileName, tail: u64) -> io::Result<Vec<LogPart>> {
        let mut parts = Vec::new();
        for attempt in self.folder.attempts(job)? {
            let dir = self.folder.attempt(job, attempt);
            // One that was not started has written nothing, and may not even say what it is to be.
            if attempt::started(&dir)?.is_some() {
                let (cut, text) = log::tail(&dir, tail)?;
                parts.push(LogPart {
                    attempt,
                    container: container(&dir).unwrap_or_default(),
                    text: Bytes::from(text),
                    cut,
                });
            }
        }
        Ok(parts)
    }

    /// The log from its first byte to the end of the Job.
    pub(super) fn follow(self: Arc<Self>, job: FileName) -> BoxStream<'static, LogChunk> {
        let place = Some(Place { shared: self, job, attempt: 1, offset: 0 });
        stream::unfold(place, |place| async {
            let mut place = place?;
            loop {
                let reader = place.clone();
                match blocking(move || reader.look()).await {
                    Ok(Found::Text { chunk, offset }) => {
                        place.offset = offset;
                        return Some((chunk, Some(place)));
                    }
                    Ok(Found::NextAttempt) => (place.attempt, place.offset) = (place.attempt + 1, 0),
                    Ok(Found::Nothing) => sleep(LOOK_AGAIN).await,
                    Ok(Found::End) => return None,
                    Err(error) => {
                        let text = format!("\n[the rest of the log cannot be read: {error}]\n");
                        let chunk = LogChunk { attempt: place.attempt, container: String::new(), text: text.into() };
                        return Some((chunk, None));
                    }
                }
            }
        })
        .boxed()
    }
}

/// How far a log has been followed.
#[derive(Clone)]
struct Place {
    shared: Arc<Shared>,
    job: FileName,
    attempt: u32,
    offset: u64,
}

/// What follows in a log.
enum Found {
    Text { chunk: LogChunk, offset: u64 },
    NextAttempt,
    Nothing,
    End,
}

impl Place {
    fn look(&self) -> io::Result<Found> {
        // Asked in this order, so that what was written before an end is read before it is believed.
        let over = self.shared.job(&self.job).is_none_or(|job| job.standing().state.is_final());
        let left = self.shared.stopping();
        let attempts = self.shared.folder.attempts(&self.job)?;
        let more = attempts.last().is_some_and(|last| *last > self.attempt);
        let dir = self.shared.folder.attempt(&self.job, self.attempt);
        if attempts.contains(&self.attempt) && attempt::started(&dir)?.is_some() {
            let ended = more || over || matches!(attempt::look(&dir)?, Look::Ended(_));
            // Its container is read first: without it, text of a folder that is just being removed would look like
            // another container's. Who follows gets that text from the ledger.
            if let Some(container) = container(&dir) {
                let (begins, text) = log::read_from(&dir, self.offset, PIECE)?;
                if !text.is_empty() {
                    return Ok(self.text(container, begins, text));
                }
            }
            if ended && !over {
                return Ok(Found::NextAttempt);
            }
        }
        Ok(match (more, over || left) {
            (true, _) => Found::NextAttempt,
            (false, true) => Found::End,
            (false, false) => Found::Nothing,
        })
    }

    fn text(&self, container: String, begins: u64, mut text: Vec<u8>) -> Found {
        let offset = begins + text.len() as u64;
        if begins > self.offset {
            let note = format!("\n[{} bytes of the log were dropped here]\n", begins - self.offset);
            text.splice(0..0, note.into_bytes());
        }
        let chunk = LogChunk { attempt: self.attempt, container, text: Bytes::from(text) };
        Found::Text { chunk, offset }
    }
}

/// None when it was not written down before a power loss, or the folder is gone.
fn container(dir: &std::path::Path) -> Option<String> {
    attempt::plan(dir).ok().flatten().map(|plan| plan.container)
}
