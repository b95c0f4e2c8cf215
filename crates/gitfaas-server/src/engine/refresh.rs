//! Refresh: read the source, compile it, keep it, serve it.
//!
//! A config file that is broken changes nothing; a topic that is broken keeps the version it had. Everybody who wants a
//! refresh comes through [`Engine::refresh`], and shares one with all who ask meanwhile.

mod turns;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gitfaas_core::catalog::config::Config;
use gitfaas_core::catalog::{Catalog, Change, LiveCatalog};
use gitfaas_core::problem::Problem;
use gitfaas_core::topic::FunctionName;

pub(super) use self::turns::Turns;
pub use self::turns::{Refreshed, Reports};

use super::{Engine, EngineError, ErrorCode};
use crate::source::{MAX_FILE, Snapshot, SourceError};
use crate::store::StoreError;

/// What a refresh found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The revision that is served now.
    pub revision: Option<String>,
    /// What changed for each topic; empty when nothing did.
    pub changes: Vec<Change>,
    /// Everything that is wrong with the newest state.
    pub problems: Vec<Problem>,
}

/// Why a refresh changed nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What was read cannot be kept, or this program failed on it.
    #[error(transparent)]
    Here(#[from] EngineError),
}

impl From<Failed> for EngineError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Source(error) => Self::new(ErrorCode::SourceUnavailable, error.message),
            Failed::Here(error) => error,
        }
    }
}

impl Engine {
    /// Looks once, and notes what came of it.
    async fn refresh_and_note(&self) -> Refreshed {
        let heard = self.news.heard();
        let looked = AssertUnwindSafe(self.refresh_now(heard)).catch_unwind().await;
        let looked = looked.unwrap_or_else(|_| {
            let fault = "the server failed on what it read; its log says where";
            Err(EngineError::new(ErrorCode::Internal, fault).into())
        });
        if looked.is_ok() {
            self.news.read_up_to(heard);
        }
        looked.map(Arc::new).map_err(|failed| {
            self.source_failed(&failed);
            failed.into()
        })
    }

    /// `heard` is what was heard of before the look.
    async fn refresh_now(&self, heard: u64) -> Result<Refresh, Failed> {
        let snapshot = self.parts.source.snapshot().await?;
        let commit = snapshot.commit();
        let previous = self.catalog.load_full();
        let previous = previous.as_ref().as_ref();
        if let Some(previous) = previous.filter(|_| self.refreshing.is_compiled(commit.as_ref())) {
            return self.refresh_nothing(previous, heard).await;
        }
        let read = match read_source(&*snapshot, self.parts.source.config_path()).await {
            Ok(read) => read,
            Err(problems) => {
                self.source_read(commit, problems.clone());
                let revision = previous.map(|catalog| catalog.revision().to_owned());
                return Ok(Refresh { revision, changes: Vec::new(), problems });
            }
        };
        let revision = snapshot.revision(&read.files);
        let catalog = read.compile(revision, previous).of_commit(commit);
        let changes = catalog.changes(previous.unwrap_or(&Catalog::default()));
        if previous.is_none_or(|previous| previous.live() != catalog.live()) {
            self.keep(&catalog).await?;
        }
        self.keep_gates_unless_newer(&catalog, heard).await?;
        self.source_read(catalog.commit().cloned(), Vec::new());
        let problems: Vec<Problem> = catalog.problems().into_iter().cloned().collect();
        let revision = Some(catalog.revision().to_owned());
        self.refreshing.compiled(catalog.commit().filter(|_| problems.is_empty()));
        self.metrics.serves(&catalog);
        self.catalog.store(Arc::new(Some(catalog)));
        // What held a topic back may be gone.
        self.queued.notify_one();
        // Rights may have changed, also where nothing else has.
        self.unchecked.notify_one();
        Ok(Refresh { revision, changes, problems })
    }

    /// Keeps the gates of a catalog, but not when another server has read something newer since: that one kept its own, and
    /// it is looked for here at once.
    pub(super) async fn keep_gates_unless_newer(&self, catalog: &Catalog, heard: u64) -> Result<(), EngineError> {
        if self.news.heard() == heard { self.keep_gates(catalog).await } else { Ok(()) }
    }

    /// What is left to be done when the source is at the commit that is served, of which nothing was wrong: its files
    /// need not be read again.
    async fn refresh_nothing(&self, served: &Catalog, heard: u64) -> Result<Refresh, Failed> {
        self.keep_gates_unless_newer(served, heard).await?;
        self.source_read(served.commit().cloned(), Vec::new());
        self.queued.notify_one();
        self.unchecked.notify_one();
        Ok(Refresh { revision: Some(served.revision().to_owned()), changes: Vec::new(), problems: Vec::new() })
    }

    /// Serves what was served last, before the source is read for the first time.
    ///
    /// # Errors
    /// When the store does not answer. A catalog that cannot be restored is not an error: it is reported and the
    /// source will tell.
    pub async fn restore(&self) -> Result<(), EngineError> {
        let kept = match self.parts.store.load_catalog().await {
            Err(error @ StoreError::Damaged(_)) => {
                tracing::error!(%error, "what was served last cannot be read; the source decides what is served");
                return Ok(());
            }
            kept => kept?,
        };
        let Some((live, sources)) = kept else { return Ok(()) };
        let live: LiveCatalog = match serde_json::from_str(&live) {
            Ok(live) => live,
            Err(error) => {
                tracing::error!(%error, "what was served last cannot be read; the source decides what is served");
                return Ok(());
            }
        };
        let sources: BTreeMap<String, Bytes> = sources.into_iter().collect();
        let (catalog, problems) = Catalog::restore(&live, |hash| sources.get(hash).cloned());
        for problem in problems {
            tracing::error!(%problem, "a function that was served last cannot be restored");
        }
        self.keep_gates(&catalog).await?;
        self.metrics.serves(&catalog);
        self.catalog.store(Arc::new(Some(catalog)));
        self.unchecked.notify_one();
        Ok(())
    }

    /// Makes a catalog the durable last good one.
    async fn keep(&self, catalog: &Catalog) -> Result<(), EngineError> {
        let live = serde_json::to_string(&catalog.live()).map_err(|error| {
            EngineError::new(ErrorCode::Internal, format!("the catalog cannot be written: {error}"))
        })?;
        let sources: BTreeMap<String, Bytes> =
            catalog.sources().map(|(hash, source)| (hash.to_owned(), Bytes::copy_from_slice(source))).collect();
        Ok(self.parts.store.save_catalog(live, sources.into_iter().collect()).await?)
    }
}

/// The config file that is looked for when none is named, and what may stand in its place.
pub const CONFIG_FILES: [&str; 3] = ["config.json", "config.yaml", "config.yml"];

/// A config file that is right, with every file that it names.
#[derive(Debug)]
pub struct ReadSource {
    /// Where the config file is.
    pub config_path: FunctionName,
    /// What it says.
    pub config: Config,
    /// The files, the config file among them, which is part of the state that a revision names.
    pub files: BTreeMap<FunctionName, Result<Bytes, String>>,
}

impl ReadSource {
    /// The catalog of what was read, at this revision.
    pub fn compile(self, revision: String, previous: Option<&Catalog>) -> Catalog {
        let files = self.files.into_iter().collect();
        Catalog::compile(revision, self.config_path.as_str(), &self.config, &files, previous)
    }
}

/// Reads a source's config file and every file that it names. In place of a `config.json` that is not there,
/// `config.yaml` or `config.yml` is taken.
///
/// # Errors
/// What is wrong with the config file.
pub async fn read_source(snapshot: &dyn Snapshot, config_path: &str) -> Result<ReadSource, Vec<Problem>> {
    match inspect_source(snapshot, config_path).await {
        (Some(read), problems) if problems.is_empty() => Ok(read),
        (_, problems) => Err(problems),
    }
}

/// Reads as much of a source as there is to see, and says what is wrong with the config file: for `lint`, which tells
/// of all mistakes at once. What was read of a wrong config file is not to be served.
pub async fn inspect_source(snapshot: &dyn Snapshot, config_path: &str) -> (Option<ReadSource>, Vec<Problem>) {
    let (config_path, bytes) = match config_file(snapshot, config_path).await {
        Ok(found) => found,
        Err(problem) => return (None, vec![problem]),
    };
    let (config, problems) = Config::understand(config_path.as_str(), &bytes);
    let mut files = BTreeMap::new();
    for name in config.paths() {
        files.insert(name.clone(), snapshot.read(name, MAX_FILE).await);
    }
    files.insert(config_path.clone(), Ok(bytes));
    (Some(ReadSource { config_path, config, files }), problems)
}

async fn config_file(snapshot: &dyn Snapshot, config_path: &str) -> Result<(FunctionName, Bytes), Problem> {
    let candidates = if config_path == CONFIG_FILES[0] { &CONFIG_FILES[..] } else { &[config_path][..] };
    let mut found = Vec::new();
    let mut missed = None;
    for &candidate in candidates {
        let path: FunctionName = candidate.parse().map_err(|error| Problem::of_file(candidate, format!("{error}")))?;
        match snapshot.read(&path, MAX_FILE).await {
            Ok(bytes) => found.push((path, bytes)),
            // What is told is why the one that was named is not there.
            Err(why) => missed = missed.or(Some(why)),
        }
    }
    let others: Vec<String> = found.iter().skip(1).map(|(path, _)| format!("`{path}`")).collect();
    match found.into_iter().next() {
        Some(only) if others.is_empty() => Ok(only),
        Some((first, _)) => {
            let message = format!("this config file and {} are both here", others.join(" and "));
            Err(Problem::of_file(first.as_str(), message).help("keep one of them"))
        }
        None => Err(Problem::of_file(config_path, format!("the config file {}", missed.unwrap_or_default()))),
    }
}
