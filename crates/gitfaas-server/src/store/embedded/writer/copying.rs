//! Between two transactions: when the log is copied into the database, so that it can begin again.
//!
//! A reader holds back what was written after it began, and a backup reads for as long as it takes. So a copy that
//! could not be a whole one is tried again only when the log has grown as much again, and a log that has become long is
//! waited for only shortly: everybody who writes waits with it.

use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode};

use crate::store::embedded::fault::Fault;
use crate::store::embedded::file;
use crate::store::embedded::mark::Mark;

/// A log of so many pages is emptied even if readers have to be waited for; twice as many when that was in vain.
const LONG_LOG_PAGES: i32 = 16 << 10;
/// So many new pages are copied where the disk has little room.
const SHORT_LOG_PAGES: u32 = 64;
/// How long readers are waited for. All but a backup have ended by then.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is remembered from one copy to the next.
pub(super) struct Copying {
    /// After so many pages the log is copied.
    pages: u32,
    /// How long the log was when that was tried last.
    tried_at: u32,
    /// So long a log is emptied even if readers have to be waited for.
    long: i32,
}

impl Copying {
    pub(super) fn new(pages: u32) -> Self {
        Self { pages, tried_at: 0, long: LONG_LOG_PAGES }
    }

    /// Whether a log of so many pages is to be copied: sooner when there is little room for it and the database.
    pub(super) fn is_due(&mut self, frames: u32, little_room: bool) -> bool {
        if frames < self.tried_at {
            // It has begun again.
            self.tried_at = 0;
        }
        let new = frames - self.tried_at;
        new >= if little_room { SHORT_LOG_PAGES.min(self.pages) } else { self.pages }
    }

    /// Copies what readers let go of into the database; all of it when the log has become long.
    pub(super) fn shorten_log(&mut self, connection: &Connection, mark: &mut Mark) -> Result<(), Fault> {
        mark.begin_copy(connection)?;
        self.tried_at = mark.frames();
        let (pages, copied) = connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
        if copied == pages {
            self.long = LONG_LOG_PAGES;
            return Ok(mark.end_copy()?);
        }
        if pages < self.long {
            return Ok(());
        }
        connection.busy_timeout(PATIENCE)?;
        let emptied = file::empty_log(connection, mark);
        connection.busy_timeout(file::BUSY)?;
        match emptied {
            Err(Fault::Sql(error)) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                self.long = self.long.saturating_mul(2);
                Ok(())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_log_is_copied_after_so_many_pages_and_again_after_as_many() {
        let mut copying = Copying { tried_at: 1000, ..Copying::new(500) };
        assert!(!copying.is_due(1499, false) && copying.is_due(1500, false));
        assert!(!copying.is_due(1063, true) && copying.is_due(1064, true));
        assert!(!copying.is_due(499, false), "it has begun again");
        assert!(copying.is_due(500, false));
    }

    #[test]
    fn who_reads_for_long_holds_nobody_up_for_long() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, mut mark, _lock) = file::claim(folder.path()).expect("claimed");
        let (connection, ..) = file::open(&path, &mut mark).expect("opened");
        let mut copying = Copying { long: 10, ..Copying::new(8) };
        let reader = file::reader(&path).expect("opened");
        let moment = reader.unchecked_transaction().expect("begun");
        let count = "SELECT count(*) FROM payload";
        assert_eq!(moment.query_row(count, [], |row| row.get(0)), Ok(0));
        connection.execute("INSERT INTO payload (body) VALUES (zeroblob(100000))", []).expect("written");
        mark.acknowledge(&connection).expect("noted");
        assert!(copying.is_due(mark.frames(), false));
        let begun = Instant::now();
        copying.shorten_log(&connection, &mut mark).expect("it goes on without");
        assert!(begun.elapsed() < file::BUSY, "{:?}", begun.elapsed());
        assert!(copying.long == 20 && !copying.is_due(mark.frames(), false), "that was in vain");
        assert_eq!(moment.query_row(count, [], |row| row.get(0)), Ok(0), "the reader sees its moment");
        drop(moment);
        copying.shorten_log(&connection, &mut mark).expect("copied");
        assert_eq!((copying.long, mark.uncopied()), (LONG_LOG_PAGES, 0));
    }
}
