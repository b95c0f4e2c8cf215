//! A directory of this machine as a source, for local mode.
//!
//! It has no commits: its revision is the hash of the files that were read. Nothing outside the directory is ever
//! read, whatever a path or a symbolic link says. It does not decide when to refresh; it only tells that something
//! changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gitfaas_core::retry::Backoff;
use gitfaas_core::topic::FunctionName;
use notify::{RecursiveMode, Watcher as _};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::{Fault, Snapshot, Source, SourceError};

/// How long a directory must be quiet before it is read: an editor's save is several changes, and a copy is many.
const QUIET: Duration = Duration::from_millis(50);

/// A directory with a config file in it.
pub struct DirectorySource {
    root: PathBuf,
    config_path: String,
    poll: Option<Duration>,
    changed: Arc<Notify>,
    // Ends the watch when dropped. None where the machine cannot watch (no inotify instances left, say): then only
    // `/refresh` reads the directory again.
    _watcher: Option<notify::RecommendedWatcher>,
}

impl DirectorySource {
    /// Follows the directory `root`, whose config file is at `config_path` in it.
    ///
    /// # Errors
    /// When `root` is no directory that can be read.
    pub fn new(root: &Path, config_path: &str) -> Result<Self, SourceError> {
        let shown = root.display();
        let root = root
            .canonicalize()
            .map_err(|error| SourceError::new(Fault::Local, format!("cannot read the directory {shown}: {error}")))?;
        open_root(&root)?;
        let changed = Arc::new(Notify::new());
        let watcher = watch(&root, changed.clone())
            .inspect_err(|error| tracing::warn!(source.location = %root.display(), %error, "cannot watch the directory; changes are seen on /refresh only"))
            .ok();
        Ok(Self { root, config_path: config_path.to_owned(), poll: None, changed, _watcher: watcher })
    }

    /// The same, looked at every so often too: some file systems of a network do not tell of changes.
    #[must_use]
    pub fn polled(self, every: Option<Duration>) -> Self {
        Self { poll: every, ..self }
    }

    /// The directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

fn watch(root: &Path, changed: Arc<Notify>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the directory must not look like a change of it. An error (events were dropped) may hide one.
        if event.is_err() || event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    watcher.watch(root, RecursiveMode::Recursive)?;
    Ok(watcher)
}

fn open_root(root: &Path) -> Result<OwnedFd, SourceError> {
    rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| {
        SourceError::new(Fault::Local, format!("cannot read the directory {}: {error}", root.display()))
    })
}

#[async_trait]
impl Source for DirectorySource {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn config_path(&self) -> &str {
        &self.config_path
    }

    fn poll_every(&self) -> Option<Duration> {
        self.poll
    }

    /// Looking at a folder of this machine costs nobody anything, and somebody waits for what they have just saved.
    fn backoff(&self) -> Backoff {
        Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30) }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError> {
        Ok(Box::new(DirectorySnapshot { root: Arc::new(open_root(&self.root)?) }))
    }

    async fn changed(&self) {
        self.changed.notified().await;
        // More changes of the same save follow; each restarts the wait.
        while tokio::time::timeout(QUIET, self.changed.notified()).await.is_ok() {}
    }
}

struct DirectorySnapshot {
    root: Arc<OwnedFd>,
}

#[async_trait]
impl Snapshot for DirectorySnapshot {
    async fn read(&self, path: &FunctionName, max: u64) -> Result<Bytes, String> {
        let (root, path) = (self.root.clone(), path.clone());
        tokio::task::spawn_blocking(move || read_beneath(&root, path.as_str(), max))
            .await
            .unwrap_or_else(|_| Err("could not be read".to_owned()))
    }

    fn revision(&self, files: &BTreeMap<FunctionName, Result<Bytes, String>>) -> String {
        let mut hash = Sha256::new();
        for (path, content) in files {
            // Lengths keep (a, bc) and (ab, c) apart.
            hash.update((path.as_str().len() as u64).to_be_bytes());
            hash.update(path.as_str());
            match content {
                Ok(bytes) => {
                    hash.update((bytes.len() as u64).to_be_bytes());
                    hash.update(bytes);
                }
                Err(_) => hash.update(u64::MAX.to_be_bytes()),
            }
        }
        let digest = hash.finalize();
        // Sixteen of the 32 bytes: enough to tell states of one directory apart, and short enough to read.
        digest[..16].iter().fold("dir@sha256:".to_owned(), |mut revision, byte| {
            let _: std::fmt::Result = write!(revision, "{byte:02x}");
            revision
        })
    }
}

/// Reads a regular file below `root`; the kernel refuses every path and link that leads out of it.
fn read_beneath(root: &OwnedFd, path: &str, max: u64) -> Result<Bytes, String> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // Without NONBLOCK, opening a named pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => "does not exist".to_owned(),
        Errno::XDEV => "is a symbolic link that leaves the repository".to_owned(),
        Errno::LOOP => "is a symbolic link that leads in a circle".to_owned(),
        Errno::ACCESS => "may not be read by this user".to_owned(),
        error => format!("cannot be read: {error}"),
    })?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if metadata.is_dir() {
        return Err("is a folder".to_owned());
    }
    if !metadata.is_file() {
        return Err("is no regular file".to_owned());
    }
    let mut content = Vec::new();
    // One byte more than allowed tells that there is more, also when the file grows meanwhile.
    file.take(max + 1).read_to_end(&mut content).map_err(|error| format!("cannot be read: {error}"))?;
    if content.len() as u64 > max {
        return Err(format!("is larger than {max} bytes"));
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn path(path: &str) -> FunctionName {
        path.parse().expect("a path")
    }

    async fn read(root: &Path, file: &str) -> Result<Bytes, String> {
        let source = DirectorySource::new(root, "config.json").expect("a directory");
        source.snapshot().await.expect("a snapshot").read(&path(file), 100).await
    }

    #[tokio::test]
    async fn files_are_read_also_through_links_that_stay_inside() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("sub")).expect("created");
        std::fs::write(dir.path().join("sub/job.yaml"), "kind: Job").expect("written");
        symlink("sub/job.yaml", dir.path().join("link.yaml")).expect("linked");
        assert_eq!(read(dir.path(), "sub/job.yaml").await.as_deref(), Ok(&b"kind: Job"[..]));
        assert_eq!(read(dir.path(), "link.yaml").await.as_deref(), Ok(&b"kind: Job"[..]));
    }

    #[tokio::test]
    async fn nothing_outside_is_read() {
        let outside = tempfile::tempdir().expect("a folder");
        std::fs::write(outside.path().join("secret"), "s3cret").expect("written");
        let dir = tempfile::tempdir().expect("a folder");
        symlink(outside.path().join("secret"), dir.path().join("file")).expect("linked");
        symlink(outside.path(), dir.path().join("folder")).expect("linked");
        symlink("loop", dir.path().join("loop")).expect("linked");
        let leaves = Err("is a symbolic link that leaves the repository".to_owned());
        assert_eq!(read(dir.path(), "file").await, leaves);
        assert_eq!(read(dir.path(), "folder/secret").await, leaves);
        assert!(read(dir.path(), "loop").await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_file_of_a_fair_size_says_what_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("large"), vec![b'x'; 101]).expect("written");
        std::fs::create_dir(dir.path().join("sub")).expect("created");
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), Mode::RUSR).expect("made");
        assert_eq!(read(dir.path(), "large").await, Err("is larger than 100 bytes".to_owned()));
        assert_eq!(read(dir.path(), "sub").await, Err("is a folder".to_owned()));
        assert_eq!(read(dir.path(), "pipe").await, Err("is no regular file".to_owned()));
        assert_eq!(read(dir.path(), "none").await, Err("does not exist".to_owned()));
    }

    #[tokio::test]
    async fn the_revision_is_of_the_files_and_their_contents() {
        let dir = tempfile::tempdir().expect("a folder");
        let source = DirectorySource::new(dir.path(), "config.json").expect("a directory");
        let snapshot = source.snapshot().await.expect("a snapshot");
        let revision = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(name, text)| (path(name), Ok(Bytes::from((*text).to_owned()))));
            snapshot.revision(&files.collect())
        };
        assert_eq!(revision(&[("a", "1"), ("b", "2")]), revision(&[("b", "2"), ("a", "1")]));
        assert_ne!(revision(&[("a", "bc")]), revision(&[("ab", "c")]));
        assert_ne!(revision(&[("a", "1")]), revision(&[("a", "2")]));
        assert!(revision(&[("a", "1")]).starts_with("dir@sha256:"));
    }

    #[tokio::test]
    async fn a_save_is_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let source = DirectorySource::new(dir.path(), "config.json").expect("a directory");
        std::fs::write(dir.path().join("config.json"), "{}").expect("written");
        let noticed = tokio::time::timeout(Duration::from_secs(10), source.changed()).await;
        assert!(noticed.is_ok());
    }

    #[test]
    fn a_directory_that_does_not_exist_is_named() {
        let error = DirectorySource::new(Path::new("no/such/folder"), "config.json").err().expect("refused");
        assert!(error.message.contains("no/such/folder"), "{error}");
    }
}
