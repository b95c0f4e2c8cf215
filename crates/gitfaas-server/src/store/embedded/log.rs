//! What a log file of `SQLite` holds, read without `SQLite`: whose it is, and how far it can be trusted.
//!
//! The format is that of <https://sqlite.org/fileformat2.html#walformat>: a header, then frames of a page each. The
//! checksum of a frame covers all before it, so a log ends at its first damaged frame, whatever follows.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Where the salts are in the header; a log that begins again has others.
const SALTS: usize = 16;
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// What tells one log from another, and from what it was before it began again.
pub(super) type Salts = [u8; 8];

/// A log that has a whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log {
    /// Whose it is.
    pub(super) salts: Salts,
    /// How many of its frames are what was written, up to the last that ends a transaction.
    pub(super) committed: u32,
}

/// The salts of an open log that has a header.
pub(super) fn salts(log: &File) -> io::Result<Salts> {
    let mut salts = Salts::default();
    log.read_exact_at(&mut salts, SALTS as u64)?;
    Ok(salts)
}

/// Reads a log from its begin as `SQLite` does when it opens it; `None` when there is none, or nothing that is one.
pub(super) fn read(path: &Path) -> io::Result<Option<Log>> {
    let mut file = match File::open(path) {
        Ok(file) => BufReader::with_capacity(1 << 18, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER];
    if !filled(&mut file, &mut header)? {
        return Ok(None);
    }
    let (magic, page) = (number(&header, 0), number(&header, 8));
    let mut sum = Sum { big_endian: magic & 1 == 1, halves: [0; 2] };
    sum.add(&header[..HEADER - 8]);
    let is_one = magic & !1 == MAGIC && number(&header, 4) == VERSION && is_page_size(page);
    if !is_one || !sum.is(&header[HEADER - 8..]) {
        return Ok(None);
    }
    let mut log = Log { salts: Salts::default(), committed: 0 };
    log.salts.copy_from_slice(&header[SALTS..SALTS + 8]);
    let mut frame = vec![0; FRAME_HEADER + page as usize];
    for number_of_frame in 1.. {
        if !filled(&mut file, &mut frame)? || frame[8..16] != log.salts || number(&frame, 0) == 0 {
            break;
        }
        sum.add(&frame[..8]);
        sum.add(&frame[FRAME_HEADER..]);
        if !sum.is(&frame[16..FRAME_HEADER]) {
            break;
        }
        // The size of the database after a transaction, in its last frame.
        if number(&frame, 4) != 0 {
            log.committed = number_of_frame;
        }
    }
    Ok(Some(log))
}

fn is_page_size(bytes: u32) -> bool {
    bytes.is_power_of_two() && (512..=65536).contains(&bytes)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Whether there was as much to read.
fn filled(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The running checksum of a log.
struct Sum {
    big_endian: bool,
    halves: [u32; 2],
}

impl Sum {
    /// Adds so many bytes, a multiple of eight.
    fn add(&mut self, bytes: &[u8]) {
        let [mut first, mut second] = self.halves;
        let (words, _) = bytes.as_chunks::<4>();
        for [one, other] in words.as_chunks::<2>().0 {
            let (one, other) = (*one, *other);
            let words = if self.big_endian {
                [u32::from_be_bytes(one), u32::from_be_bytes(other)]
            } else {
                [u32::from_le_bytes(one), u32::from_le_bytes(other)]
            };
            first = first.wrapping_add(words[0]).wrapping_add(second);
            second = second.wrapping_add(words[1]).wrapping_add(first);
        }
        self.halves = [first, second];
    }

    fn is(&self, kept: &[u8]) -> bool {
        self.halves == [number(kept, 0), number(kept, 4)]
    }
}
