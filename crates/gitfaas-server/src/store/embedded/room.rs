//! Room on the disk: what is under way keeps some, so that a disk that fills up refuses what is new before it hurts what
//! is there.

use std::path::PathBuf;

use crate::store::StoreError;

/// So many bytes are kept free at most for what is under way: its settling, its answers and its logs.
const MOST_KEPT: u64 = 64 << 20;
/// Of a small disk, this part.
const PART_KEPT: u64 = 16;
/// Bytes of a page of the database.
const PAGE: u64 = 4096;

/// How the disk stands.
#[derive(Debug, Clone, Copy)]
struct Disk {
    /// Bytes that may be written yet.
    free: u64,
    /// Bytes of all of it.
    size: u64,
}

impl Disk {
    fn kept(self) -> u64 {
        (self.size / PART_KEPT).min(MOST_KEPT)
    }

    fn advise(self, new: u64, uncopied_pages: u32) -> Advice {
        // What is new is written twice: to the log, and from there to the database.
        let needed = self.kept() + 2 * new;
        let copying = PAGE * u64::from(uncopied_pages);
        if self.free >= needed + copying {
            Advice::Write
        } else if uncopied_pages > 0 && self.free >= needed.max(copying) {
            Advice::ShortenLog
        } else {
            Advice::Refuse
        }
    }
}

/// Looks at the disk of a ledger.
#[derive(Debug)]
pub(super) struct Room {
    folder: PathBuf,
    short: bool,
}

/// What to do about the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// There is room.
    Write,
    /// There is when the log has been copied into the database, for which there is room.
    ShortenLog,
    /// There is none for what is new.
    Refuse,
}

impl Room {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, short: false }
    }

    /// Whether nothing new is accepted for want of room.
    pub(super) fn is_short(&self) -> bool {
        self.short
    }

    /// Whether there is room for so many bytes that are new, with so many pages of the log not in the database yet; and
    /// whether the log may be shortened, which it may not again when that was in vain. One call of the system.
    pub(super) fn for_new(&mut self, bytes: u64, uncopied_pages: u32, may_shorten: bool) -> Advice {
        // A disk that does not say has to be tried.
        let Ok(found) = rustix::fs::statvfs(&self.folder) else { return Advice::Write };
        let unit = found.f_frsize;
        let disk = Disk { free: found.f_bavail.saturating_mul(unit), size: found.f_blocks.saturating_mul(unit) };
        let advice = match disk.advise(bytes, uncopied_pages) {
            Advice::ShortenLog if !may_shorten => Advice::Refuse,
            advice => advice,
        };
        let short = advice == Advice::Refuse;
        if std::mem::replace(&mut self.short, short) != short {
            self.tell(disk);
        }
        advice
    }

    /// Why what is new is refused.
    pub(super) fn refusal(&self) -> StoreError {
        StoreError::Unavailable(format!(
            "what is free on the disk of {} is kept for what is under way; nothing new is accepted until there is more \
             room, no restart is needed",
            self.folder.display()
        ))
    }

    fn tell(&self, disk: Disk) {
        let folder = self.folder.display();
        let free = disk.free >> 10;
        if self.short {
            tracing::error!(store.folder = %folder, disk.free_kib = free, "the disk is filling up: nothing new is accepted");
        } else {
            tracing::info!(store.folder = %folder, disk.free_kib = free, "the disk has room again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(free: u64, size: u64, new: u64, uncopied_pages: u32) -> Advice {
        Disk { free, size }.advise(new, uncopied_pages)
    }

    #[test]
    fn what_is_new_leaves_room_for_what_is_under_way() {
        let (size, kept) = (160 << 20, 10 << 20);
        assert_eq!(advice(kept + 2000, size, 1000, 0), Advice::Write);
        assert_eq!(advice(kept + 1999, size, 1000, 0), Advice::Refuse);
    }

    #[test]
    fn a_large_disk_keeps_no_more_than_a_bound() {
        assert_eq!(advice((64 << 20) + 2, 1 << 50, 1, 0), Advice::Write);
        assert_eq!(advice((64 << 20) + 1, 1 << 50, 1, 0), Advice::Refuse);
    }

    #[test]
    fn a_log_that_can_be_copied_is_before_anything_is_refused() {
        let (size, kept) = (160 << 20, 10 << 20);
        assert_eq!(advice(kept + 4096 * 100, size, 0, 100), Advice::Write);
        assert_eq!(advice(kept + 4096 * 99, size, 0, 100), Advice::ShortenLog);
        assert_eq!(advice(kept - 1, size, 0, 100), Advice::Refuse);
        assert_eq!(advice(kept, size, 0, 3000), Advice::Refuse, "copying it could fill the disk");
    }
}
