//! What a container writes, kept bounded on disk: segments named by the offset of their first byte.
//!
//! A function may write without end, and a full disk would stop everything; so only the last two segments stay. The
//! offsets say what is missing, and nothing is cut silently.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::disk;

/// The size of a full segment: between one and two of these are kept of each attempt.
pub(super) const SEGMENT: u64 = 8 * 1024 * 1024;
const PREFIX: &str = "log-";

/// Writes a log.
pub(super) struct LogWriter {
    dir: PathBuf,
    segment: u64,
    file: File,
    begins: u64,
    written: u64,
}

impl LogWriter {
    /// Begins the log of the attempt in `dir`.
    pub(super) fn create(dir: &Path, segment: u64) -> io::Result<Self> {
        let file = disk::private_file(&path(dir, 0))?;
        Ok(Self { dir: dir.to_owned(), segment, file, begins: 0, written: 0 })
    }

    /// Appends.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.written == self.segment {
                self.next_segment()?;
            }
            let room = usize::try_from(self.segment - self.written).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if let Err(error) = self.file.write_all(now) {
                // A piece of it would make every later offset wrong.
                self.file.set_len(self.written)?;
                self.file.seek(SeekFrom::Start(self.written))?;
                return Err(error);
            }
            self.written += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    fn next_segment(&mut self) -> io::Result<()> {
        let begins = self.begins + self.written;
        self.file = disk::private_file(&path(&self.dir, begins))?;
        if let Some(old) = self.begins.checked_sub(self.segment) {
            disk::remove(&path(&self.dir, old))?;
        }
        (self.begins, self.written) = (begins, 0);
        Ok(())
    }

    /// Makes what was written survive a power loss.
    pub(super) fn sync(&self) -> io::Result<()> {
        if self.begins + self.written > 0 { self.file.sync_data() } else { Ok(()) }
    }
}

fn path(dir: &Path, begins: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{begins:020}"))
}

/// The segments there are, in order.
fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut begins: Vec<u64> = Vec::new();
    for entry in dir.read_dir()? {
        let name = entry?.file_name();
        let offset = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).map(str::parse::<u64>);
        begins.extend(offset.and_then(Result::ok));
    }
    begins.sort_unstable();
    Ok(begins)
}

/// Reads up to `most` bytes from `offset` on, or from the first byte after it that still exists; with the offset of
/// the first byte read. Nothing is read at the end of what has been written.
pub(super) fn read_from(dir: &Path, offset: u64, most: u64) -> io::Result<(u64, Vec<u8>)> {
    let begins = segments(dir)?;
    let at = begins.iter().rposition(|begin| *begin <= offset).unwrap_or(0);
    let mut start = offset.max(begins.first().copied().unwrap_or(offset));
    let mut text = Vec::new();
    for begin in begins.get(at..).unwrap_or_default() {
        let wanted = start + text.len() as u64;
        let Some(mut file) = open(&path(dir, *begin))? else {
            // It was dropped since the listing: what follows it is where the log now begins.
            (start, text) = (begin.saturating_add(SEGMENT), Vec::new());
            continue;
        };
        file.seek(SeekFrom::Start(wanted.saturating_sub(*begin)))?;
        file.take(most - text.len() as u64).read_to_end(&mut text)?;
        if text.len() as u64 == most {
            break;
        }
    }
    Ok((start, text))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last `most` bytes, and how many were written before them.
pub(super) fn tail(dir: &Path, most: u64) -> io::Result<(u64, Vec<u8>)> {
    let last = segments(dir)?.last().copied().unwrap_or(0);
    let length = open(&path(dir, last))?.map_or(Ok(0), |file| file.metadata().map(|metadata| metadata.len()))?;
    read_from(dir, (last + length).saturating_sub(most), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(segment: u64, pieces: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let mut log = LogWriter::create(dir.path(), segment).expect("a log");
        for piece in pieces {
            log.write(piece.as_bytes()).expect("a write");
        }
        log.sync().expect("a sync");
        dir
    }

    fn text((offset, bytes): (u64, Vec<u8>)) -> (u64, String) {
        (offset, String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn a_log_is_read_as_it_was_written() {
        let dir = written(100, &["one\n", "two\n"]);
        assert_eq!(text(read_from(dir.path(), 0, 100).expect("a read")), (0, "one\ntwo\n".to_owned()));
        assert_eq!(text(read_from(dir.path(), 4, 2).expect("a read")), (4, "tw".to_owned()));
        assert_eq!(text(read_from(dir.path(), 8, 100).expect("a read")), (8, String::new()));
        assert_eq!(text(tail(dir.path(), 4).expect("a read")), (4, "two\n".to_owned()));
        assert_eq!(text(tail(dir.path(), 100).expect("a read")), (0, "one\ntwo\n".to_owned()));
    }

    #[test]
    fn the_last_two_segments_stay_and_the_offsets_tell_what_is_missing() {
        let dir = written(4, &["abcdefghij", "klmno"]);
        assert_eq!(segments(dir.path()).expect("a listing"), [8, 12]);
        assert_eq!(text(read_from(dir.path(), 0, 100).expect("a read")), (8, "ijklmno".to_owned()));
        assert_eq!(text(read_from(dir.path(), 10, 3).expect("a read")), (10, "klm".to_owned()));
        assert_eq!(text(tail(dir.path(), 5).expect("a read")), (10, "klmno".to_owned()));
        assert_eq!(text(tail(dir.path(), 50).expect("a read")), (8, "ijklmno".to_owned()));
    }

    #[test]
    fn a_log_without_a_byte_is_empty() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(text(tail(dir.path(), 5).expect("a read")), (0, String::new()));
    }
}
