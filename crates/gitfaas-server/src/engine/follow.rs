//! Follow: the logs of a run as they are written, to their very end.
//!
//! The cluster may collect a Job as soon as its logs are in the ledger, under the eyes of somebody who follows them;
//! what they have not seen by then they get from the ledger.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use gitfaas_core::id::RunId;
use gitfaas_core::run::Run;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::ended::jobs;
use super::{Engine, EngineError, ErrorCode};
use crate::cluster::{LogChunk, LogPart};

/// How long the ledger may take to have the logs of a Job that has ended.
const CAPTURE: Duration = Duration::from_secs(10);

impl Engine {
    /// The logs of a run's Jobs from their first byte, as they are written, until they have ended. A run that is not
    /// applied yet is waited for.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and the store's. What fails later ends the stream.
    pub async fn follow_logs(self: &Arc<Self>, id: RunId) -> Result<BoxStream<'static, LogChunk>, EngineError> {
        // A run that does not exist is told at once.
        self.run(id).await?;
        // One piece in advance is enough for who reads, and all that is kept for who does not.
        let (sender, receiver) = mpsc::channel(1);
        let engine = self.clone();
        self.tasks.spawn(async move {
            let read_on = while_read(sender.clone(), engine.follow(id, Reader::new(sender)));
            let followed = engine.stopping.run_until_cancelled(read_on).await;
            if let Some(Some(Err(error))) = followed {
                tracing::debug!(run.id = %id, %error, "somebody who follows logs did not get them all");
            }
        });
        Ok(ReceiverStream::new(receiver).boxed())
    }

    async fn follow(&self, id: RunId, mut reader: Reader) -> Result<(), EngineError> {
        let run = self.applied(id).await?;
        for job in jobs(&run) {
            if run.logs_captured {
                break;
            }
            let chunks = self.parts.cluster.follow_logs(job).await;
            let mut chunks = chunks.map_err(|error| EngineError::new(ErrorCode::ClusterUnavailable, error.message))?;
            while let Some(chunk) = chunks.next().await {
                if !reader.take(chunk).await {
                    return Ok(());
                }
            }
        }
        if jobs(&run).count() == 1 || run.logs_captured {
            self.captured(id).await?;
            for part in self.parts.store.logs(id, run.try_no).await? {
                reader.take_rest(part).await;
            }
        }
        Ok(())
    }

    /// The run once it has a Job, or has ended without one.
    async fn applied(&self, id: RunId) -> Result<Run, EngineError> {
        let mut changes = self.hub.subscribe(id.request());
        loop {
            let run = self.run(id).await?;
            if run.phase.is_final() || jobs(&run).next().is_some() {
                return Ok(run);
            }
            changes.changed().await;
        }
    }

    /// Returns when the logs of the run are in the ledger, or should have been for long.
    async fn captured(&self, id: RunId) -> Result<(), EngineError> {
        let mut changes = self.hub.subscribe(id.request());
        let deadline = tokio::time::Instant::now() + CAPTURE;
        while !self.run(id).await?.logs_captured {
            if tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// What `work` gives, unless everybody who reads what it sends goes away first: a run may wait or be silent for days.
async fn while_read<T>(sender: mpsc::Sender<LogChunk>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = sender.closed() => None,
    }
}

/// Somebody who follows, and how much of each part they have.
struct Reader {
    sender: mpsc::Sender<LogChunk>,
    seen: HashMap<(u32, String), u64>,
}

impl Reader {
    fn new(sender: mpsc::Sender<LogChunk>) -> Self {
        Self { sender, seen: HashMap::new() }
    }

    /// Passes a chunk on; false when nobody reads any more.
    async fn take(&mut self, chunk: LogChunk) -> bool {
        *self.seen.entry((chunk.attempt, chunk.container.clone())).or_default() += chunk.text.len() as u64;
        self.sender.send(chunk).await.is_ok()
    }

    /// Passes on what the reader has not seen of a part.
    async fn take_rest(&mut self, part: LogPart) {
        let seen = self.seen.get(&(part.attempt, part.container.clone())).copied().unwrap_or(0);
        let known = usize::try_from(seen.saturating_sub(part.cut)).unwrap_or(usize::MAX).min(part.text.len());
        let missed = part.cut.saturating_sub(seen);
        let rest = part.text.slice(known..);
        if !rest.is_empty() {
            let text = after_cut(missed, rest);
            self.take(LogChunk { attempt: part.attempt, container: part.container, text }).await;
        }
    }
}

/// Log text after a gap, which is always told.
pub(crate) fn after_cut(missed: u64, text: Bytes) -> Bytes {
    if missed == 0 {
        return text;
    }
    let mut told = format!("(… {missed} earlier bytes left out)\n").into_bytes();
    told.extend_from_slice(&text);
    told.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(attempt: u32, cut: u64, text: &'static str) -> LogPart {
        LogPart { attempt, container: "main".to_owned(), text: Bytes::from_static(text.as_bytes()), cut }
    }

    async fn rest(seen: &'static str, part: LogPart) -> String {
        let (sender, mut receiver) = mpsc::channel(4);
        let mut reader = Reader::new(sender);
        let text = Bytes::from_static(seen.as_bytes());
        assert!(reader.take(LogChunk { attempt: 1, container: "main".to_owned(), text }).await);
        receiver.recv().await.expect("what was seen");
        reader.take_rest(part).await;
        receiver.try_recv().map(|chunk| String::from_utf8_lossy(&chunk.text).into_owned()).unwrap_or_default()
    }

    #[tokio::test]
    async fn what_was_not_seen_comes_from_the_ledger_and_nothing_twice() {
        assert_eq!(rest("first\n", part(1, 0, "first\nlast\n")).await, "last\n");
        assert_eq!(rest("first\nlast\n", part(1, 0, "first\nlast\n")).await, "");
        assert_eq!(rest("first\n", part(2, 0, "again\n")).await, "again\n");
        assert_eq!(
            rest("first\n", part(1, 3, "st\nlast\n")).await,
            "last\n",
            "kept from its end, but seen up to there"
        );
        assert_eq!(rest("fi", part(1, 6, "last\n")).await, "(… 4 earlier bytes left out)\nlast\n");
    }

    #[tokio::test]
    async fn nobody_is_followed_for_who_has_hung_up() {
        let (sender, receiver) = mpsc::channel(1);
        let silent = tokio::spawn(while_read(sender.clone(), std::future::pending::<()>()));
        assert_eq!(while_read(sender, async { 7 }).await, Some(7));
        drop(receiver);
        assert_eq!(silent.await.expect("ended"), None);
    }
}
