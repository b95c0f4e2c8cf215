//! What was acknowledged and is not there any more: found when a ledger is opened, before `SQLite` takes what is left of
//! the log for all there was, and kept in a file until somebody has read it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::log::{self, Log};
use super::mark::{self, State};
use super::{file, record};

/// Where findings are kept, one a line. Who has read them removes the file.
pub(super) const NAME: &str = "ledger.loss";
/// Where a log is kept that could not be used as it was.
const ASIDE: &str = "ledger.db-wal.aside";
/// Findings beyond so many bytes are not kept: the first ones say it all.
const MOST: u64 = 64 << 10;

/// What to do with the log that is beside a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has all that was acknowledged, as far as is known.
    Whole,
    /// It has less, and is a log of that ledger: the database with what is left of it is the ledger at an earlier moment.
    Shortened {
        /// So many frames are missing.
        missing: u32,
    },
    /// It must not be used: the database alone is the ledger at a moment, which is a later one if the log is ours.
    Unusable {
        /// So many frames are missing then.
        missing: u32,
        /// Whether that is as it should be: it is empty, or what it holds was never acknowledged.
        is_next: bool,
    },
    /// It ends within what was being copied from it: no moment of the ledger can be told from what is left.
    Torn,
}

/// Compares what was acknowledged with what is there.
pub(super) fn judge(known: Option<State>, log: Option<Log>) -> Verdict {
    let Some(known) = known else { return Verdict::Whole };
    let ours = log.is_none_or(|log| log.salts == known.salts);
    let committed = log.filter(|_| ours).map_or(0, |log| log.committed);
    if ours && committed >= known.acknowledged {
        Verdict::Whole
    } else if ours && committed >= known.copying {
        Verdict::Shortened { missing: known.acknowledged - committed }
    } else if known.copied == known.copying {
        let missing = known.acknowledged - known.copied;
        let is_next = missing == 0 && committed == 0 && log.is_none_or(|log| ours || follows(known, log));
        Verdict::Unusable { missing, is_next }
    } else {
        Verdict::Torn
    }
}

/// Whether a log is what the known one became when it began again: `SQLite` counts the first salt up.
fn follows(known: State, log: Log) -> bool {
    let first = |salts: log::Salts| u32::from_be_bytes([salts[0], salts[1], salts[2], salts[3]]);
    first(log.salts) == first(known.salts).wrapping_add(1)
}

/// What is missing in the ledger of a folder that nobody has open, in words; `None` when nothing is.
pub(super) fn look(folder: &Path) -> io::Result<Option<String>> {
    let Some((state, at)) = mark::peek(folder)? else { return Ok(None) };
    let verdict = judge(Some(state), log::read(&folder.join("ledger.db-wal"))?);
    Ok(words(verdict, state, at))
}

/// A verdict in words; `None` when all is there.
pub(super) fn words(verdict: Verdict, known: State, at: Option<Timestamp>) -> Option<String> {
    let at = at.map_or_else(String::new, |at| format!(" until {at:.0}"));
    match verdict {
        Verdict::Shortened { missing } | Verdict::Unusable { missing, .. } if missing > 0 => Some(format!(
            "the last {missing} of {} pages of ledger.db-wal that were acknowledged{at} are damaged or gone",
            known.acknowledged
        )),
        Verdict::Torn => Some(format!(
            "ledger.db-wal is damaged before page {} of {}, and was being copied into ledger.db{at}",
            known.copying, known.acknowledged
        )),
        Verdict::Whole | Verdict::Shortened { .. } | Verdict::Unusable { .. } => None,
    }
}

/// Puts away a log that must not be used, or keeps a copy of one of which a part is lost: somebody may find more in it.
pub(super) fn set_aside(folder: &Path, verdict: Verdict) -> io::Result<()> {
    let (log, aside) = (folder.join("ledger.db-wal"), folder.join(ASIDE));
    let found = match verdict {
        Verdict::Whole | Verdict::Torn => return Ok(()),
        Verdict::Shortened { .. } => fs::copy(&log, &aside).map(drop),
        Verdict::Unusable { is_next: true, .. } => fs::remove_file(&log),
        Verdict::Unusable { is_next: false, .. } => fs::rename(&log, &aside),
    };
    if let Verdict::Unusable { .. } = verdict {
        // The index of that log.
        ignore_missing(fs::remove_file(folder.join("ledger.db-shm")))?;
    }
    ignore_missing(found)?;
    file::sync_up(folder)
}

fn ignore_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// When the newest request that is left was received, in words.
pub(super) fn newest_left(connection: &Connection) -> String {
    let newest = connection
        .query_row("SELECT id, record, crc FROM request ORDER BY id DESC LIMIT 1", [], |row| Ok(record::request(row)))
        .optional();
    match newest {
        Ok(Some(Ok(request))) => format!("the newest request that is left was received at {:.3}", request.received_at),
        _ => "no request is left that could say since when".to_owned(),
    }
}

/// Keeps a finding until somebody removes the file, and logs it. One that is kept already is not kept twice.
pub(super) fn keep(folder: &Path, finding: &str) -> io::Result<()> {
    tracing::error!(
        store.folder = %folder.display(),
        "{finding}; what is served is the ledger as it was before that; restore a backup into another folder with \
         `gitfaas restore`, or go on with this one: `gitfaas doctor` says so until {NAME} is removed"
    );
    let path = folder.join(NAME);
    let kept = kept(folder)?.unwrap_or_default();
    if kept.lines().any(|line| line == finding) || kept.len() as u64 > MOST {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(format!("{finding}\n").as_bytes())?;
    file.sync_all()?;
    file::sync_up(folder)
}

/// What was found and not acknowledged by anybody yet.
pub(super) fn kept(folder: &Path) -> io::Result<Option<String>> {
    match fs::read(folder.join(NAME)) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
