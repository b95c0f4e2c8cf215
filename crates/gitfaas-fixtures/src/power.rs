//! Power that is lost: what a program wrote to a file and did not sync is gone with the page cache of its machine. What it
//! wrote and synced is seen by `strace`.

use std::collections::BTreeMap;
use std::path::Path;

/// The calls that are recorded.
const CALLS: &str = "trace=write,fdatasync,fsync";

/// What starts a program so that its writes and syncs are recorded in a file, each before it goes on. It stays the child
/// of who starts it.
pub(crate) fn recorded<'a>(record: &'a str, program: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    let strace = ["-D", "-f", "-q", "-y", "--seccomp-bpf", "-s", "0", "-e", CALLS, "-o", record, program];
    [&strace, arguments].concat()
}

/// How many bytes a program had written to the file whose path ends like this, and not synced, when it was killed; nothing
/// as long as the record is not whole.
pub(crate) fn unsynced(record: &Path, process: u32, file: &str) -> Option<u64> {
    let record = std::fs::read_to_string(record).ok()?;
    let process = process.to_string();
    let mut calls = record.lines().filter_map(|line| line.split_once(' '));
    let ended = calls.any(|(thread, call)| thread == process && call.trim_start() == "+++ killed by SIGKILL +++");
    ended.then(|| after_last_sync(&record, &format!("{file}>")))
}

/// A sync holds what was written before it began, and holds it once it is done.
fn after_last_sync(record: &str, file: &str) -> u64 {
    let (mut written, mut synced) = (0, 0);
    let mut begun: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    for line in record.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let (name, before) = if call.starts_with("<... ") {
            let Some(call) = begun.remove(thread) else { continue };
            call
        } else {
            let of_file = call.split_once(", ").map_or(call, |(first, _)| first).contains(file);
            let Some((name, _)) = call.split_once('(').filter(|_| of_file) else { continue };
            if call.ends_with("<unfinished ...>") {
                begun.insert(thread, (name, written));
                continue;
            }
            (name, written)
        };
        match call.rsplit_once("= ").and_then(|(_, result)| result.parse::<u64>().ok()) {
            Some(bytes) if name == "write" => written += bytes,
            Some(0) => synced = synced.max(before),
            _ => {}
        }
    }
    written - synced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_holds_what_was_written_before_it_began_once_it_is_done() {
        let record = "\
7 write(9</r/a.incr.aof>, \"\"..., 50) = 50
8 fdatasync(9</r/a.incr.aof> <unfinished ...>
7 write(9</r/a.incr.aof>, \"\"..., 20) = 20
7 write(4<socket:[1]>, \"\"..., 300) = 300
8 <... fdatasync resumed>)          = 0
7 write(9</r/a.incr.aof>, \"\"..., 3 <unfinished ...>
8 fdatasync(9</r/a.incr.aof> <unfinished ...>
7 <... write resumed>)              = 3
7 fsync(5</r/a.manifest>)           = 0
";
        let after = |record: &str| after_last_sync(record, ".incr.aof>");
        assert_eq!(after(record), 23, "the second sync was never done");
        assert_eq!(
            after(&format!("{record}8 <... fdatasync resumed>) = 0\n")),
            3,
            "it began before the write was done"
        );
        assert_eq!(after(&format!("{record}8 <... fdatasync resumed>) = -1 EIO (Input/output error)\n")), 23);
        assert_eq!(after(""), 0);
    }
}
