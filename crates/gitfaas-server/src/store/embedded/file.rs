//! The files of a ledger: the folder, the lock, and connections that are set up as the promises need them.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gitfaas_core::key::LedgerKey;
use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};

use super::fault::Fault;
use super::loss::{self, Verdict};
use super::mark::Mark;
use super::{log, record, schema};
use crate::store::StoreError;

/// How long a connection waits for another one's lock. Only a checkpoint waits for readers, and those are short.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// How many statements a connection keeps prepared: more than there are.
const STATEMENTS: usize = 64;
/// A log that grew beyond this many bytes is made shorter when it begins again.
const LOG_BYTES: i64 = 64 << 20;

/// A server that was killed gives its lock back within this time.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_AGAIN: Duration = Duration::from_millis(10);

/// That this process alone has the ledger. Given back when dropped; closed when the process starts another program.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Makes the folder and the file where they are missing, and locks them.
pub(super) fn claim(folder: &Path) -> Result<(PathBuf, Mark, Lock), StoreError> {
    let refused = |what: &str, error: io::Error| unusable(folder, what, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| refused("making it", error))?;
    let lock = lock(folder)?;
    // SQLite gives its log and index the file's own rights.
    let path = folder.join("ledger.db");
    open_or_make(&path).map(drop).map_err(|error| refused("opening ledger.db", error))?;
    let mark = Mark::open(folder).map_err(|error| refused("opening ledger.mark", error))?;
    fs::canonicalize(folder)
        .and_then(|folder| sync_up(&folder))
        .map_err(|error| refused("writing its name to the disk", error))?;
    Ok((path, mark, lock))
}

/// Locks a data folder against every other program.
///
/// A server that was killed may seem to have it for a moment longer: a program that it was just starting had the file as
/// its own, until it became that program.
pub(super) fn lock(folder: &Path) -> Result<Lock, StoreError> {
    let refused = |what: &str, error: io::Error| unusable(folder, what, &error);
    let lock = open_or_make(&folder.join("ledger.lock")).map_err(|error| refused("opening ledger.lock", error))?;
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Lock { _file: lock }),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => wait_for_lock(),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Refused(format!(
                    "the data folder {} is in use by another gitfaas; stop that one, or choose another folder with --data",
                    folder.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(refused("locking ledger.lock", error)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "opening a ledger blocks, and a lock tells nobody that it is free")]
fn wait_for_lock() {
    std::thread::sleep(LOCK_AGAIN);
}

fn open_or_make(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn unusable(folder: &Path, what: &str, error: &io::Error) -> StoreError {
    StoreError::Refused(format!("the data folder {} cannot be used: {what}: {error}", folder.display()))
}

/// A file is only as durable as the entry in its folder, and that as the folder's in its own.
pub(super) fn sync_up(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()?;
    match folder.parent().map(File::open) {
        // A parent that we may not read was not made by us.
        Some(Ok(parent)) => parent.sync_all(),
        Some(Err(_)) | None => Ok(()),
    }
}

/// Opens a ledger for the first time in this process: checks what it is and what is left of it, brings its tables up to
/// date, begins a new epoch.
pub(super) fn open(path: &Path, mark: &mut Mark) -> Result<(Connection, LedgerKey, u64), StoreError> {
    let finding = examine(folder_of(path), mark)?;
    prepare(path, mark, finding.as_deref()).map_err(|fault| match fault {
        Fault::Sql(error) => explain(path, &error),
        Fault::Store(StoreError::Damaged(what)) => {
            StoreError::Refused(format!("{} is damaged ({what}); restore it from a backup", path.display()))
        }
        Fault::Store(error) => error,
    })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn prepare(path: &Path, mark: &mut Mark, finding: Option<&str>) -> Result<(Connection, LedgerKey, u64), Fault> {
    let mut connection = writer(path)?;
    let version = identify(&connection)?.version(path)?;
    if version == 0 {
        // Takes effect only before the first table is made.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    set_up_writer(&connection)?;
    if let Some(finding) = finding {
        loss::keep(folder_of(path), &format!("{finding}; {}", loss::newest_left(&connection)))?;
    }
    empty_log(&connection, mark)?;
    schema::migrate(&mut connection, version)?;
    let (key, epoch) = begin_epoch(&mut connection)?;
    if version < schema::VERSION {
        // Whatever becomes of the log: the tables and the key are in the database.
        empty_log(&connection, mark)?;
    }
    mark.acknowledge(&connection)?;
    // SQLite does not mind when it cannot sync the name of a log that it made.
    sync_up(folder_of(path))?;
    Ok((connection, key, epoch))
}

/// Compares what was acknowledged with what is left, before anything is done to it, and puts away a log that must not be
/// used. Returns what is missing, in words.
fn examine(folder: &Path, mark: &Mark) -> Result<Option<String>, StoreError> {
    let failed = |error: io::Error| unusable(folder, "comparing its log with what was acknowledged", &error);
    let Some(known) = mark.state() else { return Ok(None) };
    let verdict = loss::judge(Some(known), log::read(&folder.join("ledger.db-wal")).map_err(failed)?);
    let finding = loss::words(verdict, known, mark.written_at());
    if verdict == Verdict::Torn {
        return Err(StoreError::Refused(format!(
            "{}: {}; what is left is no ledger of any moment: restore a backup into another folder",
            folder.display(),
            finding.unwrap_or_default()
        )));
    }
    loss::set_aside(folder, verdict).map_err(failed)?;
    Ok(finding)
}

/// Opens the ledger again for writing after a failure.
///
/// What the failed write left in the log may look whole and yet not be on the disk: after a failed fsync the kernel
/// takes the pages for clean. So before anything new is acknowledged, what was acknowledged is copied from the log into
/// the database, that is fsynced, and the log begins anew; nothing depends on the old log any more. The write at the
/// end shows that the disk takes writes again.
pub(super) fn reopen(path: &Path, mark: &mut Mark) -> Result<Connection, Fault> {
    mark.forget_log();
    let log = log::read(&path.with_file_name("ledger.db-wal"))?;
    // Whoever reads the ledger now has that log open, so it cannot be put away.
    if matches!(
        loss::judge(mark.state(), log),
        Verdict::Torn | Verdict::Shortened { .. } | Verdict::Unusable { missing: 1.., .. }
    ) {
        let why = "its log has lost what was acknowledged; stop the server, and start it to see what";
        return Err(StoreError::Unavailable(why.to_owned()).into());
    }
    let connection = writer(path)?;
    set_up_writer(&connection)?;
    empty_log(&connection, mark)?;
    connection.execute("UPDATE ledger SET reopened = reopened + 1", [])?;
    mark.acknowledge(&connection)?;
    sync_up(folder_of(path))?;
    Ok(connection)
}

/// A connection that leaves the log as it is when it is closed: only [`close`] and [`empty_log`] end one.
fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Empties the log and closes the ledger: the next start has nothing to recover.
pub(super) fn close(connection: &Connection, mark: &mut Mark) -> Result<(), Fault> {
    empty_log(connection, mark)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// Opens the ledger for reading.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    set_up(&connection)?;
    connection.pragma_update(None, "cache_size", -1024)?;
    Ok(connection)
}

fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    set_up(connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    // The writer does it between two batches.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))
}

/// Copies the whole log into the database, fsyncs that, and makes the log empty.
pub(super) fn empty_log(connection: &Connection, mark: &mut Mark) -> Result<(), Fault> {
    mark.begin_copy(connection)?;
    connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::FULL)?;
    // Only now may the log be gone.
    mark.end_copy()?;
    connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE)?;
    Ok(())
}

/// What a database is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// Nothing yet.
    Empty,
    /// Another program's.
    Foreign,
    /// A ledger of a version that this program does not know.
    Newer(i64),
    /// A ledger of this version.
    Ledger(usize),
}

impl Identity {
    /// The version of a ledger that this program can open; 0 when it is empty.
    pub(super) fn version(self, path: &Path) -> Result<usize, StoreError> {
        let file = path.display();
        match self {
            Self::Empty => Ok(0),
            Self::Ledger(version) => Ok(version),
            Self::Foreign => {
                Err(StoreError::Refused(format!("{file} is a database of another program; choose another data folder")))
            }
            Self::Newer(version) => Err(StoreError::Refused(format!(
                "{file} was written by a newer gitfaas (its schema is version {version}, this program knows {}); \
                 start that version, or choose another data folder",
                schema::VERSION
            ))),
        }
    }
}

/// Looks at what a database says of itself, and changes nothing.
pub(super) fn identify(connection: &Connection) -> rusqlite::Result<Identity> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    connection.busy_timeout(BUSY)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (application, version) = (number("application_id")?, number("user_version")?);
    Ok(match usize::try_from(version) {
        _ if (application, version, tables) == (0, 0, 0) => Identity::Empty,
        _ if application != i64::from(schema::APPLICATION_ID) => Identity::Foreign,
        Ok(known) if known <= schema::VERSION => Identity::Ledger(known),
        _ => Identity::Newer(version),
    })
}

/// Makes the key when there is none, and raises the epoch.
fn begin_epoch(connection: &mut Connection) -> Result<(LedgerKey, u64), Fault> {
    let step = connection.transaction()?;
    let kept: Option<([u8; 32], i64, Option<u32>)> = step
        .query_row("SELECT key, epoch, crc FROM ledger", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (key, before) = match kept {
        Some((key, epoch, crc)) => {
            record::check(crc, &[&key, &epoch.to_le_bytes()], || "the ledger's key".to_owned())?;
            (key, epoch)
        }
        None => (fresh_key()?, 0),
    };
    let epoch = before.saturating_add(1);
    step.execute(
        "INSERT INTO ledger (one, key, epoch, crc) VALUES (1, ?1, ?2, ?3)
         ON CONFLICT (one) DO UPDATE SET epoch = ?2, crc = ?3",
        params![key, epoch, record::checksum(&[&key, &epoch.to_le_bytes()])],
    )?;
    step.commit()?;
    Ok((LedgerKey::new(key), u64::try_from(epoch).unwrap_or_default()))
}

fn fresh_key() -> rusqlite::Result<[u8; 32]> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    Ok(fresh)
}

pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> StoreError {
    let file = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Refused(format!(
            "{file} is no ledger: it is not a SQLite database; move it away, or choose another data folder"
        )),
        Some(ErrorCode::DatabaseCorrupt) => {
            StoreError::Refused(format!("{file} is damaged ({error}); restore it from a backup"))
        }
        _ => StoreError::Unavailable(format!("{file} cannot be opened: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_given_back_in_a_moment_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = lock(folder.path()).expect("nobody has it");
        let (place, (tell, told)) = (folder.path().to_owned(), std::sync::mpsc::channel());
        std::thread::spawn(move || tell.send(lock(&place).is_ok()));
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
        drop(held);
        assert!(told.recv().expect("it is told"));
    }
}
