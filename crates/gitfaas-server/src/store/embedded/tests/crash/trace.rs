//! What a process did to the files of a folder, and what it said meanwhile, from the output of `strace`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Something that happened, in the order in which it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A file was opened, and made if it was missing.
    Open(String),
    Write {
        file: String,
        at: usize,
        data: Vec<u8>,
    },
    Resize(String, usize),
    Remove(String),
    Rename(String, String),
    /// All that was written to the file before is on the disk.
    SyncFile(String),
    /// The names of the folder are on the disk.
    SyncFolder,
    /// It said a line.
    Say(String),
}

/// The calls that change files, or tell when they have been.
const CALLS: &str = "trace=openat,pwrite64,write,fdatasync,fsync,ftruncate,fallocate,unlink,unlinkat,rename,renameat,\
                     renameat2,link,linkat,truncate,copy_file_range,sendfile";

/// Runs a command and records it. The folder's own index of the log and its lock say nothing after a power loss.
pub(super) fn record(command: &mut Command, folder: &Path) -> Vec<Event> {
    let output = tempfile::NamedTempFile::new().expect("a file");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-xx", "-s", "16777216", "-e", CALLS, "-o"]).arg(output.path());
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        strace.env(name, value.expect("a value"));
    }
    let ended = strace.output().expect("started");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let text = std::fs::read_to_string(output.path()).expect("read");
    parse(&text, &folder.canonicalize().expect("a folder").display().to_string())
}

/// A call that is under way, by the process that made it.
type Begun<'a> = BTreeMap<&'a str, &'a str>;

fn parse(text: &str, folder: &str) -> Vec<Event> {
    let mut begun = Begun::new();
    let mut events = Vec::new();
    for line in text.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(head) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(process, head);
            // What is said counts from when it begins to be, everything else from when it is done.
            events.extend(said(head));
        } else if let Some((_, tail)) = call.strip_prefix("<... ").and_then(|call| call.split_once(" resumed>")) {
            let head = begun.remove(process).expect("it began");
            events.extend(done(&format!("{head}{tail}"), folder));
        } else {
            events.extend(said(call).or_else(|| done(call, folder)));
        }
    }
    events
}

fn said(call: &str) -> Option<Event> {
    let data = call.strip_prefix("write(1<")?.split('"').nth(1)?;
    Some(Event::Say(String::from_utf8(decode(data)).ok()?.trim_end().to_owned()))
}

fn done(call: &str, folder: &str) -> Option<Event> {
    let (call, result) = call.rsplit_once(" = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let (name, rest) = call.split_once('(')?;
    // The file a descriptor stands for, and the strings between quotes.
    let file = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| text(path));
    let file = || file.as_deref().and_then(|path| within(path, folder));
    let mut strings = rest.split('"').skip(1).step_by(2);
    let mut last = rest.trim_end().trim_end_matches(')').rsplit(", ");
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok());
    match name {
        "openat" => within(&text(strings.next()?), folder).map(Event::Open),
        "pwrite64" => {
            let at = number(last.next()).expect("an offset");
            Some(Event::Write { file: file()?, at, data: decode(strings.next()?) })
        }
        "ftruncate" => Some(Event::Resize(file()?, number(last.next()).expect("a length"))),
        "unlink" => within(&text(strings.next()?), folder).map(Event::Remove),
        "rename" => {
            let (from, to) = (text(strings.next()?), text(strings.next()?));
            Some(Event::Rename(within(&from, folder)?, within(&to, folder)?))
        }
        "fsync" | "fdatasync" => {
            let path = text(rest.split_once('<')?.1.split_once('>')?.0);
            if path == folder { Some(Event::SyncFolder) } else { within(&path, folder).map(Event::SyncFile) }
        }
        other => {
            assert!(
                file().is_none() && !strings.any(|path| within(&text(path), folder).is_some()),
                "{other} is not known: {call}"
            );
            None
        }
    }
}

/// The name of a file right in the folder that is worth a look.
fn within(path: &str, folder: &str) -> Option<String> {
    let name = path.strip_prefix(folder)?.strip_prefix('/')?;
    (name != "ledger.lock" && name != "ledger.db-shm").then(|| name.to_owned())
}

fn text(hex: &str) -> String {
    String::from_utf8(decode(hex)).expect("a path")
}

/// `\x41\x42` as bytes.
fn decode(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !matches!(byte, b'\\' | b'x')).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}
