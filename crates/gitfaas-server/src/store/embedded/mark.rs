//! The high-water mark: how far the log was acknowledged, kept in a file beside it.
//!
//! `SQLite` ends a log at its first damaged frame, and what was acknowledged behind that would be gone unseen. So the
//! writer notes here what it is about to acknowledge, and whoever opens the ledger [compares](judge) first.
//!
//! The mark is never ahead of what is on the disk: it is written after `COMMIT` has returned, and without an fsync of its
//! own, so after a power loss it may be behind by what the kernel had not written yet (after a kill it is exact). What
//! tells whether the log or the database has what was acknowledged is fsynced: that a log has begun, that its frames are
//! being copied into the database, and that they all have been. Two slots are written in turn, each within a sector of
//! its own, so that one that was torn leaves the other.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::log::{self, Salts};

pub(super) const NAME: &str = "ledger.mark";
/// Where the slots are.
const SLOTS: [u64; 2] = [0, 4096];
const SIZE: usize = 8192;
const MAGIC: &[u8; 8] = b"gfmark\x00\x01";
const SLOT: usize = 44;

/// What is known of a log and the database beside it. Frames are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// Which log.
    pub(super) salts: Salts,
    /// Up to this frame it was acknowledged.
    pub(super) acknowledged: u32,
    /// Up to this frame the database has it all, fsynced.
    pub(super) copied: u32,
    /// Up to this frame the database may have parts of it.
    pub(super) copying: u32,
}

impl State {
    fn encode(self, turn: u64) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        slot[..8].copy_from_slice(MAGIC);
        slot[8..16].copy_from_slice(&turn.to_le_bytes());
        slot[16..24].copy_from_slice(&self.salts);
        for (place, frames) in [self.acknowledged, self.copied, self.copying].into_iter().enumerate() {
            slot[24 + 4 * place..28 + 4 * place].copy_from_slice(&frames.to_le_bytes());
        }
        let sum = crc32fast::hash(&slot[..36]);
        slot[36..40].copy_from_slice(&sum.to_le_bytes());
        slot
    }

    fn decode(slot: &[u8; SLOT]) -> Option<(u64, Self)> {
        let number = |at: usize| slot[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        if &slot[..8] != MAGIC || number(36) != crc32fast::hash(&slot[..36]) {
            return None;
        }
        let mut salts = Salts::default();
        salts.copy_from_slice(&slot[16..24]);
        let turn = u64::from(number(12)) << 32 | u64::from(number(8));
        Some((turn, Self { salts, acknowledged: number(24), copied: number(28), copying: number(32) }))
    }
}

/// The file, and what it says.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    log_path: PathBuf,
    log: Option<File>,
    state: Option<State>,
    turn: u64,
}

impl Mark {
    /// Opens the mark of the ledger in `folder`, or makes one that says nothing.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join(NAME))?;
        if file.metadata()?.len() != SIZE as u64 {
            // With all of its bytes there, writing it needs no room and no fsync of its size.
            file.set_len(0)?;
            file.write_all_at(&[0; SIZE], 0)?;
            file.sync_all()?;
        }
        let (turn, state) = newest(&file)?.unzip();
        let log_path = folder.join("ledger.db-wal");
        Ok(Self { file, log_path, log: None, state, turn: turn.unwrap_or_default() })
    }

    /// What was said last.
    pub(super) fn state(&self) -> Option<State> {
        self.state
    }

    /// When something was acknowledged last, about.
    pub(super) fn written_at(&self) -> Option<Timestamp> {
        written_at(&self.file)
    }

    /// How many frames the log has, by what was noted last.
    pub(super) fn frames(&self) -> u32 {
        self.state.map_or(0, |state| state.acknowledged)
    }

    /// How many frames of it the database does not have yet.
    pub(super) fn uncopied(&self) -> u32 {
        self.state.map_or(0, |state| state.acknowledged.saturating_sub(state.copied))
    }

    /// Notes that all the log holds now may be acknowledged. Call it after `COMMIT`, before anybody is answered.
    pub(super) fn acknowledge(&mut self, connection: &Connection) -> io::Result<()> {
        let Some((salts, frames)) = self.look(connection)? else { return Ok(()) };
        match self.state {
            Some(state) if state.salts == salts => {
                let next = State { acknowledged: frames, ..state };
                if next == state { Ok(()) } else { self.write(next) }
            }
            // The log has begun anew. From now on what the mark said before must not be believed.
            _ => self.write_through(State { salts, acknowledged: frames, copied: 0, copying: 0 }),
        }
    }

    /// Notes that frames of the log are about to be copied into the database: all that it has now.
    pub(super) fn begin_copy(&mut self, connection: &Connection) -> io::Result<()> {
        let Some((salts, frames)) = self.look(connection)? else { return Ok(()) };
        let copied = self.state.filter(|state| state.salts == salts).map_or(0, |state| state.copied.min(frames));
        let next = State { salts, acknowledged: frames, copied, copying: frames };
        if self.state == Some(next) { Ok(()) } else { self.write_through(next) }
    }

    /// Notes that the database has all of the log, fsynced.
    pub(super) fn end_copy(&mut self) -> io::Result<()> {
        match self.state {
            Some(state) if state.copied < state.copying => self.write_through(State { copied: state.copying, ..state }),
            _ => Ok(()),
        }
    }

    /// Which log it is, and how many frames of it are committed; `None` when there are none.
    fn look(&mut self, connection: &Connection) -> io::Result<Option<(Salts, u32)>> {
        let (frames, _) = connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP).map_err(io::Error::other)?;
        let Some(frames) = u32::try_from(frames).ok().filter(|frames| *frames > 0) else { return Ok(None) };
        let log = match self.log.take() {
            Some(log) => log,
            None => File::open(&self.log_path)?,
        };
        let salts = log::salts(&log)?;
        self.log = Some(log);
        Ok(Some((salts, frames)))
    }

    /// Forgets which file the log is: another connection may make another one.
    pub(super) fn forget_log(&mut self) {
        self.log = None;
    }

    fn write(&mut self, state: State) -> io::Result<()> {
        let turn = self.turn + 1;
        self.file.write_all_at(&state.encode(turn), SLOTS[usize::from(turn % 2 == 1)])?;
        (self.turn, self.state) = (turn, Some(state));
        Ok(())
    }

    /// Both slots say it: none that was before it can be believed again.
    fn write_through(&mut self, state: State) -> io::Result<()> {
        self.write(state)?;
        self.write(state)?;
        self.file.sync_data()
    }
}

/// What the mark of a folder says, and when it was written; without opening it for writing.
pub(super) fn peek(folder: &Path) -> io::Result<Option<(State, Option<Timestamp>)>> {
    match File::open(folder.join(NAME)) {
        Ok(file) => Ok(newest(&file)?.map(|(_, state)| (state, written_at(&file)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes the mark of a ledger that is no more.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_file(folder.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn written_at(file: &File) -> Option<Timestamp> {
    let modified = file.metadata().and_then(|file| file.modified()).ok()?;
    Timestamp::try_from(modified).ok()
}

fn newest(file: &File) -> io::Result<Option<(u64, State)>> {
    let mut found = Vec::new();
    for place in SLOTS {
        let mut slot = [0; SLOT];
        match file.read_exact_at(&mut slot, place) {
            Ok(()) => found.extend(State::decode(&slot)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found.into_iter().max_by_key(|(turn, _)| *turn))
}
