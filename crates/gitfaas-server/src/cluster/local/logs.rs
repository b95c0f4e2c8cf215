//! The logs of a Job's containers, as far as they still exist.

use std::collections::{HashMap, HashSet};
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
use super::start::Start;
use crate::cluster::{LogChunk, LogPart};

/// How often logs that are being followed are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The most bytes of one piece. Who follows and does not read has a few of them in memory.
const PIECE: u64 = 16 * 1024;

impl Shared {
    /// The last `tail` bytes of each start. Blocks.
    pub(super) fn log_parts(&self, job: &FileName, tail: u64) -> io::Result<Vec<LogPart>> {
        let mut parts = Vec::new();
        for start in self.in_order(job)? {
            let (cut, text) = log::tail(&self.folder.start(job, &start), tail)?;
            parts.push(LogPart { attempt: start.attempt, container: start.container, text: Bytes::from(text), cut });
        }
        Ok(parts)
    }

    /// What was started of a Job: by attempt, and within one in the order in which it began. What was not started has
    /// written nothing.
    fn in_order(&self, job: &FileName) -> io::Result<Vec<Start>> {
        let mut begun = Vec::new();
        for start in self.folder.starts(job)? {
            if let Some(started) = attempt::started(&self.folder.start(job, &start))? {
                begun.push((start.attempt, started.at, start));
            }
        }
        begun.sort();
        Ok(begun.into_iter().map(|(_, _, start)| start).collect())
    }

    /// The logs from their first bytes to the end of the Job; of what runs at once, as it is written.
    pub(super) fn follow(self: Arc<Self>, job: FileName) -> BoxStream<'static, LogChunk> {
        let place = Place { shared: self, job, offsets: HashMap::new(), read: HashSet::new() };
        stream::unfold(Some(place), |place| async {
            let mut place = place?;
            loop {
                let turn = place.shared.looks.clone().acquire_owned().await.ok()?;
                let look = blocking(move || {
                    let found = place.look();
                    drop(turn);
                    Ok((place, found))
                });
                let (back, found) = look.await.ok()?;
                place = back;
                match found {
                    Ok(Found::Text(chunk)) => return Some((chunk, Some(place))),
                    Ok(Found::Nothing) => sleep(LOOK_AGAIN).await,
                    Ok(Found::End) => return None,
                    Err(error) => {
                        let text = format!("\n[the rest of the log cannot be read: {error}]\n");
                        let chunk = LogChunk { attempt: 1, container: String::new(), text: text.into() };
                        return Some((chunk, None));
                    }
                }
            }
        })
        .boxed()
    }
}

/// How far the logs of a Job have been followed.
struct Place {
    shared: Arc<Shared>,
    job: FileName,
    offsets: HashMap<Start, u64>,
    /// Those that are read to their ends.
    read: HashSet<Start>,
}

/// What follows in the logs.
enum Found {
    Text(LogChunk),
    Nothing,
    End,
}

impl Place {
    fn look(&mut self) -> io::Result<Found> {
        // Asked in this order, so that what was written before an end is read before it is believed.
        let over = self.shared.job(&self.job).is_none_or(|job| job.standing().state.is_final());
        let left = self.shared.stopping();
        let mut open: Vec<Start> =
            self.shared.in_order(&self.job)?.into_iter().filter(|start| !self.read.contains(start)).collect();
        // Who was read least comes first, so that one that writes without end does not silence the others.
        open.sort_by_key(|start| (start.attempt, self.offsets.get(start).copied().unwrap_or(0)));
        for start in open {
            let dir = self.shared.folder.start(&self.job, &start);
            let ended = over || matches!(attempt::look(&dir)?, Look::Ended(_) | Look::Lost(_));
            let offset = self.offsets.get(&start).copied().unwrap_or(0);
            let (begins, text) = log::read_from(&dir, offset, PIECE)?;
            if !text.is_empty() {
                return Ok(Found::Text(self.text(start, offset, begins, text)));
            }
            if ended {
                self.read.insert(start);
            }
        }
        Ok(if over || left { Found::End } else { Found::Nothing })
    }

    fn text(&mut self, start: Start, offset: u64, begins: u64, mut text: Vec<u8>) -> LogChunk {
        self.offsets.insert(start.clone(), begins + text.len() as u64);
        if begins > offset {
            let note = format!("\n[{} bytes of the log were dropped here]\n", begins - offset);
            text.splice(0..0, note.into_bytes());
        }
        LogChunk { attempt: start.attempt, container: start.container, text: Bytes::from(text) }
    }
}
