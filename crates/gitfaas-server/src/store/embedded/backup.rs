//! Backups: the ledger at one moment as a single file, taken while a server runs, and put into a data folder again.
//!
//! A backup is a ledger of its own: it holds the ledger key, so it is as secret as the data folder. It does not hold
//! what a local cluster keeps of its Jobs.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::file::{self, Identity};
use super::{loss, mark, schema};
use crate::store::StoreError;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// The version of its tables.
    pub version: usize,
    /// How many requests.
    pub requests: u64,
    /// How many runs.
    pub runs: u64,
    /// The size of the file.
    pub bytes: u64,
}

/// Where a backup is copied to before it is known to be one.
const DRAFT: &str = "ledger.db.restoring";
/// What a ledger consists of.
const FILES: [&str; 3] = ["ledger.db", "ledger.db-wal", "ledger.db-shm"];
/// What a server holds while it uses a ledger, and what it notes beside it.
const OTHERS: [&str; 3] = ["ledger.lock", mark::NAME, loss::NAME];

/// Whether `file` is one of the files of the ledger in `folder`, by whatever path or link, or would be one if it were
/// made: nothing else may be put in its place, least of all while a server runs.
pub fn is_of_ledger(folder: &Path, file: &Path) -> bool {
    let canonical = |folder: &Path| folder.canonicalize().ok();
    let lies_there = canonical(folder).is_some_and(|folder| file.parent().and_then(canonical) == Some(folder));
    let identity = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let found = identity(file);
    FILES.into_iter().chain(OTHERS).any(|name| {
        let is_called_so = lies_there && file.file_name() == Some(OsStr::new(name));
        is_called_so || (found.is_some() && found == identity(&folder.join(name)))
    })
}

/// Writes the ledger of `folder` as it is at one moment into `target`, an empty file that only its owner may read, and
/// returns when that is on the disk. A server may be writing meanwhile: it is not held up. Blocks.
///
/// # Errors
/// [`StoreError::Refused`] when there is no ledger of this program or an older one, [`StoreError::Unavailable`] when
/// the disk fails.
pub fn back_up(folder: &Path, target: &Path) -> Result<Contents, StoreError> {
    let path = folder.join(FILES[0]);
    if !path.is_file() {
        return Err(StoreError::Refused(format!("there is no ledger in {}", folder.display())));
    }
    let Some(target_name) = target.to_str() else {
        return Err(StoreError::Refused(format!("the path {} is not UTF-8", target.display())));
    };
    let failed = |error: rusqlite::Error| file::explain(&path, &error);
    let connection = file::reader(&path).map_err(failed)?;
    if file::identify(&connection).map_err(failed)?.version(&path)? == 0 {
        return Err(StoreError::Refused(format!("{} holds nothing yet", path.display())));
    }
    connection.execute("VACUUM INTO ?1", [target_name]).map_err(|error| {
        StoreError::Unavailable(format!("{} cannot be copied to {}: {error}", path.display(), target.display()))
    })?;
    sync(target).map_err(|error| StoreError::Unavailable(format!("{} cannot be synced: {error}", target.display())))?;
    contents(target).map_err(|error| file::explain(target, &error))
}

/// Puts a backup into `folder`, which is made (for its owner only) if it is missing, and returns when it is on the disk.
/// Blocks.
///
/// # Errors
/// [`StoreError::Refused`] when the folder holds a ledger or is in use, and when `backup` is no whole ledger of this
/// program or an older one; nothing was changed then. [`StoreError::Unavailable`] when the disk fails.
pub fn restore(mut backup: impl Read, folder: &Path) -> Result<Contents, StoreError> {
    let at = |error: io::Error| StoreError::Unavailable(format!("{} cannot be written: {error}", folder.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at)?;
    let _lock = file::lock(folder)?;
    if FILES.iter().any(|name| folder.join(name).exists()) {
        return Err(StoreError::Refused(format!(
            "{} holds a ledger already; restore into another folder, or move its ledger.db, ledger.db-wal and \
             ledger.db-shm away",
            folder.display()
        )));
    }
    let draft = folder.join(DRAFT);
    let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(at)?;
    let restored = io::copy(&mut backup, &mut copy)
        .and_then(|_| copy.flush())
        .and_then(|()| copy.sync_all())
        .map_err(at)
        .and_then(|()| examine(&draft))
        // What was acknowledged of a ledger that was here before is nothing to this one.
        .and_then(|contents| mark::remove(folder).map(|()| contents).map_err(at))
        .and_then(|contents| fs::rename(&draft, folder.join(FILES[0])).map(|()| contents).map_err(at));
    if restored.is_err() {
        // What is left of it is overwritten by the next try.
        let _ = fs::remove_file(&draft);
    }
    let contents = restored?;
    folder.canonicalize().and_then(|folder| file::sync_up(&folder)).map_err(at)?;
    Ok(contents)
}

/// Whether a copy is a whole ledger that this program can open.
fn examine(path: &Path) -> Result<Contents, StoreError> {
    let refused = |why: String| StoreError::Refused(format!("the backup cannot be restored: {why}"));
    let broken = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => refused("it is no ledger".to_owned()),
        _ => refused(format!("it is damaged or cut off ({error})")),
    };
    let connection = open(path).map_err(broken)?;
    match file::identify(&connection).map_err(broken)? {
        Identity::Ledger(_) => {}
        Identity::Empty => return Err(refused("it is empty".to_owned())),
        Identity::Foreign => return Err(refused("it is a database of another program".to_owned())),
        Identity::Newer(version) => {
            return Err(refused(format!(
                "it was written by a newer gitfaas (its schema is version {version}, this program knows {}); \
                 restore it with that version",
                schema::VERSION
            )));
        }
    }
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(broken)?;
    if found != "ok" {
        return Err(refused(format!("it is damaged ({found})")));
    }
    let strays =
        connection.prepare("PRAGMA foreign_key_check").and_then(|mut check| check.exists([])).map_err(broken)?;
    let keys: i64 = connection.query_row("SELECT count(*) FROM ledger", [], |row| row.get(0)).map_err(broken)?;
    if strays || keys != 1 {
        return Err(refused("parts of it are missing".to_owned()));
    }
    drop(connection);
    let contents = contents(path).map_err(broken)?;
    // SQLite takes the missing part of a last page for zeros.
    if fs::metadata(path).is_ok_and(|copy| copy.len() == contents.bytes) {
        Ok(contents)
    } else {
        Err(refused("it is cut off, or something follows it".to_owned()))
    }
}

fn contents(path: &Path) -> rusqlite::Result<Contents> {
    count(&open(path)?)
}

/// What a ledger holds at this moment.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<Contents> {
    let number = |sql: &str| {
        let number: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok::<_, rusqlite::Error>(u64::try_from(number).unwrap_or_default())
    };
    Ok(Contents {
        version: usize::try_from(number("PRAGMA user_version")?).unwrap_or(usize::MAX),
        requests: number("SELECT count(*) FROM request")?,
        runs: number("SELECT count(*) FROM run")?,
        bytes: number("PRAGMA page_count")? * number("PRAGMA page_size")?,
    })
}

/// A file that nobody else has open.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
