//! Looking at a ledger from outside, for `doctor`: nothing is changed, and a server may be using it.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::backup::{self, Contents};
use super::file;
use crate::store::StoreError;

/// How a ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Whether a server has it open.
    pub in_use: bool,
    /// What it holds; its size is without the log that is not copied into it yet.
    pub contents: Contents,
    /// What `SQLite` finds wrong with the file, the first thing only.
    pub damage: Option<String>,
}

/// Looks at the ledger of `folder`; `None` when there is none. Blocks, and reads the whole file.
///
/// # Errors
/// [`StoreError::Refused`] when it is none of this program's versions, [`StoreError::Unavailable`] when the disk fails.
pub fn inspect(folder: &Path) -> Result<Option<Inspection>, StoreError> {
    let path = folder.join("ledger.db");
    if path.metadata().map_or(true, |file| file.len() == 0) {
        return Ok(None);
    }
    let failed = |error: rusqlite::Error| file::explain(&path, &error);
    let connection = file::reader(&path).map_err(failed)?;
    file::identify(&connection).map_err(failed)?.version(&path)?;
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    let contents = backup::count(&connection).map_err(failed)?;
    Ok(Some(Inspection { in_use: is_locked(folder), contents, damage: (found != "ok").then_some(found) }))
}

/// Whether a server has the folder. The lock is asked for and given back at once.
fn is_locked(folder: &Path) -> bool {
    let lock = File::open(folder.join("ledger.lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
