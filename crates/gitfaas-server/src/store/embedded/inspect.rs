//! Looking at a ledger from outside, for `doctor`: nothing is changed, and a server may be using it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::backup::{self, Contents};
use super::{file, loss, schema, verify};
use crate::store::StoreError;

/// How a ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Whether a server has it open.
    pub in_use: bool,
    /// What it holds; its size is without the log that is not copied into it yet.
    pub contents: Contents,
    /// What was acknowledged and is lost: found when it was opened and not known to anybody yet, or to be found when it is
    /// opened next.
    pub loss: Option<String>,
    /// What is wrong with the file, or the first record that is not what was written.
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
    let in_use = is_locked(folder);
    let loss = lost(folder, in_use)
        .map_err(|error| StoreError::Unavailable(format!("{} cannot be read: {error}", folder.display())))?;
    let connection = file::reader(&path).map_err(failed)?;
    if file::identify(&connection).map_err(failed)?.version(&path)? == 0 {
        return Ok(None);
    }
    let contents = backup::count(&connection).map_err(failed)?;
    // The whole check: an entry of an index that leads nowhere hides a record that is there.
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    let damage = match found.as_str() {
        // An older version of a ledger has no checksums.
        "ok" if contents.version == schema::VERSION => verify::first_damage(&connection)?,
        "ok" => None,
        _ => Some(found),
    };
    Ok(Some(Inspection { in_use, contents, loss, damage }))
}

fn lost(folder: &Path, in_use: bool) -> io::Result<Option<String>> {
    let kept = loss::kept(folder)?;
    // A server that uses it has looked, and goes on writing.
    let new = if in_use { None } else { loss::look(folder)? };
    Ok(kept.into_iter().chain(new).reduce(|kept, new| format!("{kept}\n{new}")))
}

/// Whether a server has the folder. The lock is asked for and given back at once.
fn is_locked(folder: &Path) -> bool {
    let lock = File::open(folder.join("ledger.lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
