//! Reading: a few connections, each used by one reader at a time on a thread that may block.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::fault::Fault;
use super::{closed, file};
use crate::store::StoreError;

/// How many may read at once.
const READERS: u32 = 4;

/// Connections for reading. They are opened when first needed, and one that failed is not used again.
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Arc::default(), turns: Arc::new(Semaphore::new(READERS as usize)) }
    }

    /// Runs `work` on one moment of the ledger.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| closed())?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let reading = tokio::task::spawn_blocking(move || {
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = connection.map_or_else(|| file::reader(&path), Ok).map_err(Fault::from)?;
            let moment = connection.unchecked_transaction().map_err(Fault::from)?;
            let found = work(&moment);
            let ended = moment.finish();
            if ended.is_ok() && !matches!(found, Err(Fault::Sql(_))) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            // The turn ends when the connection is back, also when nobody waits for the answer any more.
            drop(turn);
            found.map_err(StoreError::from)
        });
        reading.await.unwrap_or_else(|_| Err(StoreError::Unavailable("reading it failed unexpectedly".to_owned())))
    }

    /// Waits for those who read and closes the connections.
    pub(super) async fn close(&self) {
        if self.turns.acquire_many(READERS).await.is_ok() {
            self.turns.close();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
