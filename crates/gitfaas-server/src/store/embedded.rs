//! The embedded store: one `SQLite` file for one process.
//!
//! * **What is acknowledged is on the disk.** One thread writes; it gathers what waits into one transaction and
//!   answers after `COMMIT` has returned, with `synchronous=FULL` (an fsync per commit). Readers have connections of
//!   their own and never hold the writer up.
//! * **A disk that fails.** After a failed write or fsync everybody who waits is told that the store is unavailable, and
//!   so is whoever comes, until the ledger has been reopened; the writer tries that by itself. The kernel may take
//!   pages for clean that a failed fsync did not write, so a log that was written before the failure, or before the
//!   process began, cannot be built upon even if it reads well. Therefore opening and reopening both copy the log
//!   into the database, fsync that and empty the log before anything is acknowledged. An operation that was answered
//!   with an error may nevertheless have been done; nothing that was acknowledged is undone.
//! * **Loss.** How far the log was acknowledged is kept apart. Opening compares that first: when acknowledged
//!   pages are damaged or gone, what is served is the ledger of the moment before them, and what was lost is told by the
//!   log, by [`loss`](Store::loss) and by [`inspect`] until somebody removes `ledger.loss`. Where what is left is the
//!   ledger of no moment, opening is refused.
//! * **Damage.** A record that does not parse, is not what its checksum was taken of, or contradicts
//!   its own key, is not served: reading it is [`StoreError::Damaged`], listings leave it out and log it. A request of
//!   which a run is damaged is held: it does not expire. A damaged run that is met on a walk along a line, or over a
//!   phase, is set aside: it is in no line and has no slot any more.
//! * **Room.** The last part of a disk is kept for what is under way: when no more than that is free, accepts are
//!   refused, and runs are settled and answers kept as before.
//! * **Size.** Free pages are used again, or given back in steps while requests expire. The log is copied into the
//!   database after an answer, not before one, and stays around 16 MiB.
//!
//! The file must be on a local disk: `SQLite`'s log needs shared memory, which network file systems do not have.

mod backup;
mod dead;
mod fault;
mod file;
mod gate;
mod inspect;
mod line;
mod log;
mod loss;
mod mark;
mod read;
mod readers;
mod record;
mod room;
mod schema;
#[cfg(test)]
mod tests;
mod verify;
mod write;
mod writer;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use gitfaas_core::gate::Gate;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::key::LedgerKey;
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::message::Message;
use gitfaas_core::request::Request;
use gitfaas_core::response::Response;
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;

pub use self::backup::{Contents, back_up, is_of_ledger, restore};
pub use self::inspect::{Inspection, inspect};
use self::readers::Readers;
use self::write::Accepted;
use self::writer::Writer;
use super::{
    Accept, Acceptance, Change, DeadLetterQuery, Lease, Load, Marking, Order, Place, Queue, RequestQuery, Store,
    StoreError,
};
use crate::cluster::LogPart;

/// A ledger in `ledger.db` of a data folder.
pub struct EmbeddedStore {
    folder: PathBuf,
    key: LedgerKey,
    epoch: u64,
    writer: Arc<Writer>,
    readers: Readers,
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the ledger in `folder`, which is made (for its owner only) if it is missing. Blocks while it reads and
    /// writes the disk.
    ///
    /// The ledger is closed by [`close`](Store::close), or when it is dropped, which then waits for the disk too.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is in use, was written by a newer program, or is no ledger;
    /// [`StoreError::Unavailable`] when the disk fails.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with_log(folder, writer::LOG_PAGES)
    }

    /// Opens the ledger with a log that is copied into the database when it has so many pages.
    fn open_with_log(folder: &Path, log_pages: u32) -> Result<Self, StoreError> {
        let (path, mut mark, lock) = file::claim(folder)?;
        let (connection, key, epoch) = file::open(&path, &mut mark)?;
        let writer = Writer::start(path.clone(), connection, mark, log_pages, lock)
            .map_err(|error| StoreError::Unavailable(format!("its writer cannot be started: {error}")))?;
        Ok(Self { folder: folder.to_owned(), key, epoch, writer: Arc::new(writer), readers: Readers::new(path) })
    }
}

impl EmbeddedStore {
    /// Sees to it that damaged runs are met by no walk again. What fails is done when they are.
    async fn set_aside(&self, damaged: Vec<Vec<u8>>) {
        if !damaged.is_empty()
            && let Err(error) = self.writer.write(0, move |connection| write::set_aside(connection, &damaged)).await
        {
            tracing::warn!(%error, "damaged runs could not be set aside");
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it has been closed, the server is stopping".to_owned())
}

#[async_trait]
impl Store for EmbeddedStore {
    fn ledger_key(&self) -> &LedgerKey {
        &self.key
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn window_of_loss(&self) -> Duration {
        Duration::ZERO
    }

    async fn renew(&self, _may_lead: bool) -> Result<Lease, StoreError> {
        // The lock on the file is the lease.
        Ok(Lease { leads: true, lives: [self.epoch].into(), lasts: Duration::MAX })
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        stream::pending().boxed()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.writer.ready()
    }

    async fn loss(&self) -> Option<String> {
        let folder = self.folder.clone();
        let kept = tokio::task::spawn_blocking(move || loss::kept(&folder)).await;
        // A file that cannot be read says that there is something to read.
        kept.unwrap_or(Ok(None)).unwrap_or_else(|error| Some(format!("{}: {error}", loss::NAME)))
    }

    async fn accept(&self, accepted: Accept) -> Result<Acceptance, StoreError> {
        let accepted = Accepted::new(accepted)?;
        self.writer.write_new(accepted.size(), move |connection| accepted.write(connection)).await
    }

    async fn accepted_under(&self, idempotency: Idempotency) -> Result<Acceptance, StoreError> {
        self.readers.read(move |connection| read::accepted_under(connection, &idempotency)).await
    }

    async fn settle(&self, before: &Run, after: &Run) -> Result<bool, StoreError> {
        let (before, after, text) = (before.clone(), after.clone(), record::encode(after)?);
        self.writer.write(text.len(), move |connection| write::settle(connection, &before, &after, &text)).await
    }

    async fn replace(&self, before: &Run, after: &Run, manifests: Vec<RecordedManifest>) -> Result<bool, StoreError> {
        let (before, after, text) = (before.clone(), after.clone(), record::encode(after)?);
        let manifests = record::encode(&manifests)?;
        let size = text.len() + manifests.len();
        self.writer
            .write(size, move |connection| write::replace(connection, &before, (&after, &text), &manifests))
            .await
    }

    async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<Run>, StoreError> {
        let query = query.clone();
        self.readers.read(move |connection| dead::letters(connection, &query)).await
    }

    async fn mark(&self, before: &Run, after: &Run, most_live: Option<NonZeroU32>) -> Result<Marking, StoreError> {
        let (before, after, text) = (before.clone(), after.clone(), record::encode(after)?);
        let size = text.len();
        self.writer.write(size, move |connection| line::mark(connection, &before, (&after, &text), most_live)).await
    }

    async fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        let (queues, damaged) = self.readers.read(line::queues).await?;
        self.set_aside(damaged).await;
        Ok(queues)
    }

    async fn due(&self, topic: &TopicName, order: Order, now: Timestamp, limit: usize) -> Result<Vec<Run>, StoreError> {
        let topic = topic.clone();
        let walk = self.readers.read(move |connection| line::due(connection, &topic, order, now, limit)).await?;
        self.set_aside(walk.damaged).await;
        Ok(walk.runs)
    }

    async fn live(&self, topic: &TopicName) -> Result<u64, StoreError> {
        let topic = topic.clone();
        self.readers.read(move |connection| line::live(connection, &topic, i64::MAX)).await
    }

    async fn place(&self, run: &Run, now: Timestamp, most: u32) -> Result<Place, StoreError> {
        let run = run.clone();
        self.readers.read(move |connection| line::place(connection, &run, now, most)).await
    }

    async fn loads(&self, topic: Option<&TopicName>) -> Result<Vec<Load>, StoreError> {
        let topic = topic.cloned();
        self.readers.read(move |connection| line::loads(connection, topic.as_ref())).await
    }

    async fn gates(&self) -> Result<BTreeMap<TopicName, Gate>, StoreError> {
        self.readers.read(gate::gates).await
    }

    async fn configure(&self, gates: Vec<(TopicName, Gate)>) -> Result<(), StoreError> {
        self.writer.write(0, move |connection| gate::configure(connection, &gates)).await
    }

    async fn pause(&self, topic: &TopicName, since: Option<Timestamp>) -> Result<(), StoreError> {
        let topic = topic.clone();
        self.writer.write(0, move |connection| gate::pause(connection, &topic, since)).await
    }

    async fn runs_in(&self, phases: &[Phase], after: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError> {
        let phases = phases.to_vec();
        let walk = self.readers.read(move |connection| read::runs_in(connection, &phases, after, limit)).await?;
        self.set_aside(walk.damaged).await;
        Ok(walk.runs)
    }

    async fn manifests(&self, run: RunId) -> Result<Vec<RecordedManifest>, StoreError> {
        self.readers.read(move |connection| read::manifests(connection, run)).await
    }

    async fn request(&self, id: RequestId) -> Result<Option<Request>, StoreError> {
        self.readers.read(move |connection| read::request(connection, id)).await
    }

    async fn message(&self, id: RequestId) -> Result<Option<Message>, StoreError> {
        self.readers.read(move |connection| read::message(connection, id)).await
    }

    async fn runs(&self, request: RequestId) -> Result<Vec<Run>, StoreError> {
        self.readers.read(move |connection| read::runs(connection, request)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.readers.read(move |connection| read::run(connection, id)).await
    }

    async fn children(&self, parent: RequestId, limit: usize) -> Result<Vec<Request>, StoreError> {
        self.readers.read(move |connection| read::children(connection, parent, limit)).await
    }

    async fn requests(&self, query: &RequestQuery) -> Result<Vec<Request>, StoreError> {
        let query = query.clone();
        self.readers.read(move |connection| read::requests(connection, &query)).await
    }

    async fn put_response(&self, response: Response) -> Result<(), StoreError> {
        self.writer.write(response.body.len(), move |connection| write::put_response(connection, &response)).await
    }

    async fn responses(&self, request: RequestId) -> Result<Vec<Response>, StoreError> {
        self.readers.read(move |connection| read::responses(connection, request)).await
    }

    async fn put_logs(&self, run: RunId, try_no: Try, job: &str, parts: Vec<LogPart>) -> Result<(), StoreError> {
        let job = job.to_owned();
        let size = parts.iter().map(|part| part.text.len()).sum();
        self.writer.write(size, move |connection| write::put_logs(connection, run, try_no, &job, &parts)).await
    }

    async fn logs(&self, run: RunId, try_no: Try) -> Result<Vec<LogPart>, StoreError> {
        self.readers.read(move |connection| read::logs(connection, run, try_no)).await
    }

    async fn save_catalog(&self, live: String, sources: Vec<(String, Bytes)>) -> Result<(), StoreError> {
        let size = live.len() + sources.iter().map(|(_, body)| body.len()).sum::<usize>();
        self.writer.write(size, move |connection| write::save_catalog(connection, &live, &sources)).await
    }

    async fn load_catalog(&self) -> Result<Option<(String, Vec<(String, Bytes)>)>, StoreError> {
        self.readers.read(read::catalog).await
    }

    async fn expire(&self, ended_before: Timestamp, dead_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.writer.write(0, move |connection| write::expire(connection, ended_before, dead_before, limit)).await
    }

    async fn count(&self) -> Result<Vec<(Phase, u64)>, StoreError> {
        self.readers.read(read::count).await
    }

    async fn close(&self) {
        self.readers.close().await;
        let writer = Arc::clone(&self.writer);
        // The thread panicking was logged there.
        let _ = tokio::task::spawn_blocking(move || writer.close()).await;
    }
}
