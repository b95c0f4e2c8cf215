//! Files and folders that survive a power loss, and that nobody else may read.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Begins the name of a file that is still being written.
pub(super) const UNFINISHED: char = '~';

/// Makes a folder, and those it lies in, for its owner only.
pub(super) fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file for writing that is its owner's only; one that exists is emptied.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes a file durably, if there is none of that name: `false` when there is.
pub(super) fn create(path: &Path, content: &impl Serialize) -> io::Result<bool> {
    let unfinished = write_beside(path, content)?;
    // A link is made or not, whole, and never over what exists: this is what makes a Job exist exactly once.
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Ok(()) => sync_dir_of(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a file durably, in place of one of that name.
pub(super) fn replace(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let unfinished = write_beside(path, content)?;
    fs::rename(&unfinished, path)?;
    sync_dir_of(path)
}

/// Reads a file as written by [`create`] or [`replace`]; `None` when there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {error}", path.display()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a folder with everything in it, if it is there, also where a function took its own rights away.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// Makes what was created, renamed or removed in the folder of `path` survive a power loss.
pub(super) fn sync_dir_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn write_beside(path: &Path, content: &impl Serialize) -> io::Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_file_name(format!("{UNFINISHED}{name}-{}-{number}", std::process::id()));
    let written = private_file(&unfinished).and_then(|mut file| {
        file.write_all(&serde_json::to_vec(content)?)?;
        file.sync_all()
    });
    if written.is_err() {
        // Best effort: it is the first error that is told, and the next start clears what is unfinished.
        let _ = fs::remove_file(&unfinished);
    }
    written.map(|()| unfinished)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_created_once_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record");
        assert!(create(&path, &"one").expect("a write"));
        assert!(!create(&path, &"two").expect("a write"));
        assert_eq!(read::<String>(&path).expect("a read").as_deref(), Some("one"));
        replace(&path, &"three").expect("a write");
        assert_eq!(read::<String>(&path).expect("a read").as_deref(), Some("three"));
        assert_eq!(names(folder.path()), ["record"]);
    }

    #[test]
    fn nobody_else_may_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a/b");
        private_dir(&inner).expect("a folder");
        create(&inner.join("record"), &1).expect("a write");
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&inner.join("record")), 0o600);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record");
        fs::write(&path, "\"cut of").expect("a write");
        let error = read::<String>(&path).expect_err("damage");
        assert!(error.to_string().contains("record is damaged"), "{error}");
        assert_eq!(read::<String>(&folder.path().join("none")).expect("a read"), None);
    }

    #[test]
    fn folders_that_were_locked_are_removed_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let locked = folder.path().join("tree/locked");
        fs::create_dir_all(locked.join("deep")).expect("a folder");
        fs::set_permissions(&locked, Permissions::from_mode(0o000)).expect("rights");
        remove_tree(&folder.path().join("tree")).expect("a removal");
        assert!(names(folder.path()).is_empty());
        remove_tree(&folder.path().join("tree")).expect("what is not there is removed");
    }
}
