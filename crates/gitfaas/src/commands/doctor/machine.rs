//! The machine itself: programs, files, the clock, the disk.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gitfaas_server::clock::{Clock as _, SystemClock};
use rustix::process::{Resource, getrlimit};

use super::Finding;

/// Fewer open files than this are used up by a few hundred callers.
const FILES: u64 = 4096;
/// With less than this nothing can be accepted for long.
const LEAST_FREE: u64 = 64 << 20;
/// With less than this it is time to look after it.
const LITTLE_FREE: u64 = 1 << 30;
/// A disk whose fsync takes longer holds up every publish.
const SLOW: Duration = Duration::from_millis(100);
/// File systems of the network, by their number in `statfs`: NFS, SMB and CIFS.
const NETWORK: [i64; 3] = [0x6969, 0xfe53_4d42, 0xff53_4d42];

/// What does not depend on the data folder.
pub(super) fn look() -> Vec<Finding> {
    vec![programs(), sandbox(), open_files(), clock()]
}

fn programs() -> Finding {
    let works = quiet("sh", &["-c", "true"]);
    if works {
        return Finding::ok("programs", "there is a shell for functions that are scripts");
    }
    Finding::warn("programs", "there is no `sh` on the PATH")
        .help("functions run as programs of this machine: install those that they call")
}

fn sandbox() -> Finding {
    const CHECK: &str = "sandbox";
    if quiet("bwrap", &["--bind", "/", "/", "true"]) {
        return Finding::ok(CHECK, "bwrap mounts the volumes of functions");
    }
    if quiet("bwrap", &["--version"]) {
        return Finding::warn(CHECK, "bwrap is installed, and may not make a namespace here")
            .help("allow unprivileged user namespaces, or run functions without volumes");
    }
    Finding::warn(CHECK, "there is no bwrap: functions with volumes cannot run on this machine")
        .help("on Debian: apt-get install bubblewrap")
}

fn quiet(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn open_files() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(files) if files < FILES => Finding::warn("open files", format!("only {files} files may be open at once"))
            .help(format!("raise it before the server starts: ulimit -n {FILES}, or LimitNOFILE of its unit")),
        Some(files) => Finding::ok("open files", format!("{files} may be open at once")),
        None => Finding::ok("open files", "any number may be open at once"),
    }
}

fn clock() -> Finding {
    let now = SystemClock.now();
    // Ids and retention are made of time.
    if now.as_second() < 1_767_225_600 {
        return Finding::fail("clock", format!("it says {now}, which is past")).help("set the clock, best by NTP");
    }
    Finding::ok("clock", format!("it says {now}"))
}

/// The data folder and the disk that it is on.
pub(super) fn folder(data: &Path) -> Vec<Finding> {
    let place = existing(data);
    let made = if place == data { None } else { Some(&place) };
    let mut findings = vec![rights(data, made.map(PathBuf::as_path)), free(&place)];
    findings.push(if made.is_none() { durable(&place) } else { local(&place) });
    findings
}

/// The folder, or the nearest above it that exists.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|place| place.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn rights(data: &Path, made_in: Option<&Path>) -> Finding {
    const CHECK: &str = "data folder";
    if let Some(parent) = made_in {
        if tempfile::tempfile_in(parent).is_err() {
            return Finding::fail(CHECK, format!("{} is not there and cannot be made", data.display())).help(format!(
                "make {} writable for this user, or choose another folder with --data",
                parent.display()
            ));
        }
        return Finding::ok(CHECK, format!("{} is made when a server starts", data.display()));
    }
    match fs::metadata(data).map(|folder| folder.permissions().mode()) {
        Err(error) => Finding::fail(CHECK, format!("{}: {error}", data.display())).help("choose another with --data"),
        Ok(mode) if mode & 0o077 != 0 => {
            Finding::warn(CHECK, format!("others may look into {} (mode {:o})", data.display(), mode & 0o777))
                .help(format!("it holds secrets: chmod 700 {}", data.display()))
        }
        Ok(_) => Finding::ok(CHECK, format!("{} is its owner's alone", data.display())),
    }
}

fn free(place: &Path) -> Finding {
    const CHECK: &str = "disk";
    match rustix::fs::statvfs(place) {
        Err(error) => Finding::warn(CHECK, format!("its free space is not known: {error}")),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let message = format!("{} MiB are free at {}", free >> 20, place.display());
            match free {
                ..LEAST_FREE => Finding::fail(CHECK, message).help("a full disk answers 503: make room"),
                LEAST_FREE..LITTLE_FREE => Finding::warn(CHECK, message).help("make room, or shorten --retention"),
                _ => Finding::ok(CHECK, message),
            }
        }
    }
}

fn local(place: &Path) -> Finding {
    const CHECK: &str = "file system";
    let network = rustix::fs::statfs(place).is_ok_and(|system| NETWORK.contains(&system.f_type));
    if network {
        return Finding::fail(CHECK, format!("{} is on a network", place.display()))
            .help("the ledger needs a local disk: choose another folder with --data");
    }
    Finding::ok(CHECK, "it is local")
}

/// Writes a file as the ledger does, with fsync.
fn durable(data: &Path) -> Finding {
    const CHECK: &str = "file system";
    let local = local(data);
    if local.state != super::State::Ok {
        return local;
    }
    let begun = Instant::now();
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".gitfaas-doctor-").tempfile_in(data)?;
        file.write_all(&[0x5a; 4096])?;
        file.as_file().sync_all()?;
        File::open(data)?.sync_all()
    };
    match write() {
        Err(error) => Finding::fail(CHECK, format!("nothing can be written to {}: {error}", data.display()))
            .help("see that it is writable for this user, has free space and is healthy"),
        Ok(()) if begun.elapsed() > SLOW => {
            Finding::warn(CHECK, format!("a durable write took {} ms", begun.elapsed().as_millis()))
                .help("each publish waits for one: a faster or less busy disk helps")
        }
        Ok(()) => Finding::ok(CHECK, format!("a durable write took {} ms", begun.elapsed().as_millis())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn states(findings: &[Finding]) -> Vec<(&str, State)> {
        findings.iter().map(|finding| (finding.check, finding.state)).collect()
    }

    #[test]
    fn a_folder_that_others_may_read_is_a_warning_and_one_that_is_not_there_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        assert_eq!(states(&super::folder(&data))[0], ("data folder", State::Ok));
        assert!(!data.exists(), "nothing is made");
        fs::create_dir(&data).expect("made");
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("a mode");
        assert_eq!(states(&super::folder(&data))[0], ("data folder", State::Warn));
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("a mode");
        let found = super::folder(&data);
        assert_eq!(states(&found)[0], ("data folder", State::Ok));
        assert!(found[2].message.contains("durable write"), "{found:?}");
        assert_eq!(fs::read_dir(&data).expect("a folder").count(), 0, "nothing is left");
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_cannot_be_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        assert!(existing(&file.join("data")).is_dir());
    }
}
