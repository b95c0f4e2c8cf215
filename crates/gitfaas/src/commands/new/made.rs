//! What was made so far, to be taken away again when the rest cannot be made.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Files and folders that were not there before. Dropped before [`keep`](Made::keep), it removes them.
#[derive(Debug, Default)]
pub(super) struct Made {
    files: Vec<PathBuf>,
    /// Each after the one that holds it.
    folders: Vec<PathBuf>,
}

impl Made {
    /// Makes a file, and the folders that it lies in.
    ///
    /// # Errors
    /// When it is there already, or the disk fails.
    pub(super) fn file(&mut self, path: &Path, text: &str) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            self.folder(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        self.files.push(path.to_owned());
        file.write_all(text.as_bytes())
    }

    fn folder(&mut self, path: &Path) -> io::Result<()> {
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }

    /// All is made: it stays.
    pub(super) fn keep(mut self) {
        self.files.clear();
        self.folders.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Why the rest could not be made is what is told, not that this cannot be undone either.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        // A folder in which somebody else has put something by now stays.
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}
