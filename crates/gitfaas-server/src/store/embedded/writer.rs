//! Writing: one thread that gathers what waits into one transaction, and answers when that is on the disk.
//!
//! Each [operation] has a savepoint, so one that fails takes nothing of its neighbours along. When the transaction
//! itself fails, nobody in it is told anything but that the store is unavailable, and so is everybody after them
//! until the ledger has been [reopened](file::reopen), which is tried again and again.

mod copying;
mod operation;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use self::copying::Copying;
use self::operation::{Operation, Waiting, ended, transact};
use super::closed;
use super::fault::Fault;
use super::file::{self, Lock};
use super::mark::Mark;
use super::room::{Advice, Room};
use crate::store::StoreError;

/// How many KiB of operations may wait; who comes then waits for room.
const ROOM: u32 = 64 << 10;
/// How many KiB an operation counts beside what it brings: 4,096 small ones may wait.
const SMALLEST: usize = 16;
/// An operation that is larger than this counts as this.
const LARGEST: u32 = ROOM / 4;
/// How many operations share a transaction at most.
const BATCH: usize = 512;
/// After so many KiB a transaction is full.
const BATCH_ROOM: u32 = 16 << 10;
/// How many pages the log may hold before they are copied into the database.
pub(super) const LOG_PAGES: u32 = 4 << 10;
/// How long to wait before the ledger is reopened, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Why nothing can be written, while that is so.
type Trouble = Arc<Mutex<Option<StoreError>>>;

/// Hands operations to the thread that writes.
pub(super) struct Writer {
    inbox: Sender<Letter>,
    room: Arc<Semaphore>,
    trouble: Trouble,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Letter {
    Write(Box<dyn Operation>),
    Close,
}

impl Writer {
    /// Starts the thread, which keeps the lock for as long as it lives.
    pub(super) fn start(
        path: PathBuf,
        connection: Connection,
        mark: Mark,
        log_pages: u32,
        lock: Lock,
    ) -> std::io::Result<Self> {
        let (inbox, letters) = mpsc::channel();
        let trouble = Trouble::default();
        let mut desk = Desk {
            disk: Room::new(path.parent().unwrap_or(&path).to_owned()),
            path,
            connection: Some(connection),
            mark,
            trouble: Arc::clone(&trouble),
            pause: PAUSES.0,
            retry_at: Instant::now(),
            copying: Copying::new(log_pages),
        };
        let thread = thread::Builder::new().name("ledger-writer".to_owned()).spawn(move || {
            let _lock = lock;
            if catch_unwind(AssertUnwindSafe(|| desk.serve(&letters))).is_err() {
                tracing::error!("the ledger's writer ended unexpectedly; nothing is accepted until a restart");
                set(&desk.trouble, Some(ended()));
            }
        })?;
        Ok(Self { inbox, room: Arc::new(Semaphore::new(ROOM as usize)), trouble, thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work`, which brings `size` bytes, inside a transaction; returns when that is durable.
    ///
    /// Once asked, it is done even if nobody waits for the answer any more.
    pub(super) async fn write<T, F>(&self, size: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.hand_in(size, false, work).await
    }

    /// The same, for what is refused when the disk has room for no more than what is under way.
    pub(super) async fn write_new<T, F>(&self, size: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.hand_in(size, true, work).await
    }

    async fn hand_in<T, F>(&self, size: usize, is_new: bool, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.ready()?;
        let weight = u32::try_from(SMALLEST + size / 1024).map_or(LARGEST, |weight| weight.min(LARGEST));
        let room = Arc::clone(&self.room).acquire_many_owned(weight).await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let operation = Box::new(Waiting::new(work, is_new, reply, room));
        self.inbox.send(Letter::Write(operation)).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether it can write, as far as it knows.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        if self.room.is_closed() {
            return Err(closed());
        }
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    /// Writes what waits and ends; blocks until then.
    pub(super) fn close(&self) {
        self.room.close();
        let _ = self.inbox.send(Letter::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic of the thread was logged there.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the thread works with.
struct Desk {
    path: PathBuf,
    /// `None` after a failure, until the ledger has been reopened.
    connection: Option<Connection>,
    mark: Mark,
    disk: Room,
    trouble: Trouble,
    pause: Duration,
    retry_at: Instant,
    copying: Copying,
}

impl Desk {
    fn serve(&mut self, letters: &Receiver<Letter>) {
        loop {
            let first = match self.next(letters) {
                Some(Letter::Write(first)) => first,
                Some(Letter::Close) | None => break,
            };
            let (batch, more) = gather(first, letters);
            let batch = self.refuse_new_without_room(batch);
            if !batch.is_empty() {
                self.commit(batch);
            }
            if !more {
                break;
            }
        }
        // With the log emptied the next start has nothing to recover; if that fails, it recovers.
        let closed = self.connection.as_ref().map(|connection| file::close(connection, &mut self.mark));
        if let Some(Err(fault)) = closed {
            tracing::warn!(error = %StoreError::from(fault), "the ledger's log could not be emptied; the next start does it");
        }
        self.connection = None;
    }

    /// The next letter; meanwhile tries to reopen what failed.
    fn next(&mut self, letters: &Receiver<Letter>) -> Option<Letter> {
        loop {
            if self.connection.is_some() {
                return letters.recv().ok();
            }
            match letters.recv_timeout(self.retry_at.saturating_duration_since(Instant::now())) {
                Ok(letter) => return Some(letter),
                Err(RecvTimeoutError::Timeout) => self.reopen(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Looks at the disk before it is written to. What is under way has its room there.
    fn refuse_new_without_room(&mut self, batch: Vec<Box<dyn Operation>>) -> Vec<Box<dyn Operation>> {
        let Some(connection) = &self.connection else { return batch };
        let new =
            batch.iter().filter(|operation| operation.is_new()).map(|operation| u64::from(operation.weight()) << 10);
        let bytes: u64 = new.sum();
        if bytes == 0 {
            return batch;
        }
        let mut advice = self.disk.for_new(bytes, self.mark.uncopied(), true);
        if advice == Advice::ShortenLog {
            if let Err(fault) = self.copying.shorten_log(connection, &mut self.mark) {
                self.fail(&fault);
                self.connection = None;
                return batch;
            }
            advice = self.disk.for_new(bytes, self.mark.uncopied(), false);
        }
        if advice == Advice::Write {
            return batch;
        }
        let (new, under_way): (Vec<_>, Vec<_>) = batch.into_iter().partition(|operation| operation.is_new());
        for mut operation in new {
            operation.refuse(self.disk.refusal());
            operation.answer(Ok(()));
        }
        under_way
    }

    fn commit(&mut self, mut batch: Vec<Box<dyn Operation>>) {
        let durable = match &self.connection {
            Some(connection) => transact(connection, &mut batch)
                .and_then(|()| Ok(self.mark.acknowledge(connection)?))
                .map_err(|fault| self.fail(&fault)),
            None => Err(self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_else(ended)),
        };
        for operation in batch {
            operation.answer(durable.clone());
        }
        match (durable, &self.connection) {
            // Closing may take as long as the disk wishes, so it comes after the answers.
            (Err(_), Some(_)) => self.connection = None,
            (Ok(()), Some(connection)) => {
                if self.copying.is_due(self.mark.frames(), self.disk.is_short())
                    && let Err(fault) = self.copying.shorten_log(connection, &mut self.mark)
                {
                    self.fail(&fault);
                    self.connection = None;
                }
            }
            (_, None) => {}
        }
    }

    /// From now on nothing is acknowledged.
    fn fail(&self, fault: &Fault) -> StoreError {
        let error = fault.to_string();
        let why = StoreError::Unavailable(format!(
            "the disk did not take a write to {} ({error}); nothing is accepted until it does: \
             see that it is healthy and has free space, no restart is needed",
            self.path.display()
        ));
        let before = set(&self.trouble, Some(why.clone()));
        if before.is_none() {
            tracing::error!(error, store.file = %self.path.display(), "the ledger cannot be written");
        }
        why
    }

    fn reopen(&mut self) {
        match file::reopen(&self.path, &mut self.mark) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.pause = PAUSES.0;
                set(&self.trouble, None);
                tracing::info!(store.file = %self.path.display(), "the ledger has been reopened");
            }
            Err(fault) => {
                self.fail(&fault);
                self.pause = (self.pause * 2).min(PAUSES.1);
                self.retry_at = Instant::now() + self.pause;
            }
        }
    }
}

fn set(trouble: &Trouble, now: Option<StoreError>) -> Option<StoreError> {
    std::mem::replace(&mut *trouble.lock().unwrap_or_else(PoisonError::into_inner), now)
}

/// Takes what waits by now, up to a full transaction; and whether more may come after it.
fn gather(first: Box<dyn Operation>, letters: &Receiver<Letter>) -> (Vec<Box<dyn Operation>>, bool) {
    let mut weight = first.weight();
    let mut batch = vec![first];
    while batch.len() < BATCH && weight < BATCH_ROOM {
        match letters.try_recv() {
            Ok(Letter::Write(operation)) => {
                weight += operation.weight();
                batch.push(operation);
            }
            Ok(Letter::Close) => return (batch, false),
            Err(_) => break,
        }
    }
    (batch, true)
}
