//! Where the objects of a repository are kept: packs in a folder, and what they are there for.
//!
//! It is a cache, never the only place of anything: what is served is in the store. Whatever is wrong with it is mended
//! by fetching everything anew into another folder; the old one goes when the last who reads it is done. Nothing of
//! Git's own is in it but packs: no config, no references, no hooks.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix_hash::{Kind, ObjectId, oid};
use gix_object::Find as _;
use gix_odb::{Header as _, Store, store};
use gix_utils::progress::Discard;

/// How much memory one object may take, in bytes, also one that others are made of.
pub(super) const LARGEST: usize = 256 << 20;
/// How many packs there may be before everything is fetched anew, each of them one fetch.
const MOST_PACKS: usize = 64;
/// How many times larger than the first of them all packs may be together; small ones may be larger.
const MOST_GROWTH: u64 = 3;
/// How many bytes of packs are never too many.
const FREE_BYTES: u64 = 32 << 20;
/// The file that says what the packs are there for.
const TIP: &str = "tip";

/// Why an object cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// It is not here, which is so for what the server was asked to leave out.
    Missing,
    /// It has more bytes than were asked for.
    TooLarge(u64),
    /// It is another kind of object, or cannot be read.
    Damaged(String),
}

/// One database of objects.
pub(super) struct Objects {
    folder: PathBuf,
    kind: Kind,
    store: Arc<Store>,
    // Set when something in it was found damaged; nothing is built upon it then.
    damaged: AtomicBool,
    // Set when another one took its place.
    retired: AtomicBool,
    // The files of its packs, and their sizes, when it last had everything.
    held: Mutex<BTreeMap<PathBuf, u64>>,
}

impl Objects {
    fn new(folder: PathBuf, kind: Kind) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder.join("pack"))?;
        let options = store::init::Options {
            // One for each pack, those of the fetch that finds that there are too many, and air.
            slots: store::init::Slots::Given(2 * u16::try_from(MOST_PACKS).unwrap_or(u16::MAX / 2)),
            use_multi_pack_index: false,
            alloc_limit_bytes: Some(LARGEST),
            ..store::init::Options::default()
        };
        let store = Arc::new(Store::at_opts(folder.clone(), kind, &mut std::iter::empty(), options)?);
        let held = Mutex::new(files(&folder.join("pack")));
        Ok(Self { folder, kind, store, damaged: AtomicBool::new(false), retired: AtomicBool::new(false), held })
    }

    /// Opens what a server before this one left, without what it left half done; `None` when there is no whole one.
    fn open(folder: &Path) -> Option<(Self, ObjectId)> {
        let tip = fs::read_to_string(folder.join(TIP)).ok()?;
        let tip = ObjectId::from_hex(tip.trim_end().as_bytes()).ok()?;
        for entry in fs::read_dir(folder.join("pack")).ok()? {
            let path = entry.ok()?.path();
            let whole = is_pack(&path) && path.with_extension("idx").exists() && path.with_extension("pack").exists();
            if !whole {
                fs::remove_file(&path).ok()?;
            } else if path.extension().is_some_and(|extension| extension == "idx") {
                // What an index does not find any more would be taken for what was left out.
                let index = gix_pack::index::File::at(&path, tip.kind()).ok()?;
                index.verify_checksum(&mut Discard, &AtomicBool::new(false)).ok()?;
            }
        }
        Some((Self::new(folder.to_owned(), tip.kind()).ok()?, tip))
    }

    /// Which hash its objects are named by.
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where its packs are.
    pub(super) fn packs(&self) -> PathBuf {
        self.folder.join("pack")
    }

    /// What reads objects in it.
    pub(super) fn reader(&self) -> gix_odb::HandleArc {
        gix_odb::Cache::from(self.store.to_handle_arc())
    }

    /// An object of this kind, of at most `most` bytes.
    pub(super) fn read(&self, id: &oid, kind: gix_object::Kind, most: u64) -> Result<Vec<u8>, Absence> {
        let reader = self.reader();
        let damaged = |why: String| {
            self.damaged.store(true, Ordering::Relaxed);
            Absence::Damaged(why)
        };
        // Its size is known before any of it is inflated.
        let header = reader.try_header(id).map_err(|error| damaged(error.to_string()))?.ok_or(Absence::Missing)?;
        if header.size() > most {
            return Err(Absence::TooLarge(header.size()));
        }
        let mut content = Vec::new();
        let found = reader.try_find(id, &mut content).map_err(|error| damaged(error.to_string()))?.is_some();
        if !found {
            return Err(Absence::Missing);
        }
        if !self.is(id, header.kind(), &content) {
            return Err(damaged(format!("object {id} is not what its name says")));
        }
        if header.kind() != kind {
            return Err(Absence::Damaged(format!("object {id} is a {}, not a {kind}", header.kind())));
        }
        Ok(content)
    }

    /// Whether an object is what its name says: a disk that errs must not change what is run.
    fn is(&self, id: &oid, kind: gix_object::Kind, content: &[u8]) -> bool {
        gix_object::compute_hash(self.kind, kind, content).is_ok_and(|computed| *computed == *id)
    }

    /// Keeps that it has everything of `tip`.
    fn record(&self, tip: &ObjectId) -> io::Result<()> {
        let unnamed = self.folder.join("tip.new");
        fs::write(&unnamed, format!("{tip}\n"))?;
        fs::rename(unnamed, self.folder.join(TIP))?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = files(&self.packs());
        Ok(())
    }

    /// Whether everything is still there that it had: what is not would be taken for what was left out.
    fn is_whole(&self) -> bool {
        let now = files(&self.packs());
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.packs().is_dir() && held.iter().all(|(path, size)| now.get(path) == Some(size))
    }

    /// Whether another fetch into it would make it too large for what is in it.
    fn is_full(&self) -> bool {
        let mut sizes: Vec<(std::time::SystemTime, u64)> = fs::read_dir(self.packs())
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .filter_map(|metadata| Some((metadata.modified().ok()?, metadata.len())))
            .collect();
        sizes.sort_unstable();
        let first: u64 = sizes.iter().take(2).map(|(_, size)| size).sum();
        let all: u64 = sizes.iter().map(|(_, size)| size).sum();
        sizes.len() >= 2 * MOST_PACKS || all > FREE_BYTES.max(first.saturating_mul(MOST_GROWTH))
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Relaxed)
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(%error, folder = %self.folder.display(), "objects that nobody needs any more cannot be removed");
        }
    }
}

/// The files in a folder, with their sizes.
fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len()))).collect()
}

fn is_pack(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str());
    name.starts_with("pack-") && matches!(extension, Some("pack" | "idx"))
}

/// All databases of one source: the current one, and those that are read to their end.
pub(super) struct Shelf {
    folder: PathBuf,
    current: Option<(Arc<Objects>, ObjectId)>,
    next: u64,
    // Whether the last fetch that did not come to its end was of what the current database lacks.
    built_upon: bool,
}

impl Shelf {
    /// Opens the folder, which is made when it is not there; what is not current in it goes.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut numbers: Vec<u64> =
            fs::read_dir(&folder)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        let next = numbers.last().map_or(1, |number| number + 1);
        let current = numbers.iter().rev().find_map(|number| {
            let (objects, tip) = Objects::open(&folder.join(number.to_string()))?;
            Some((*number, objects, tip))
        });
        for number in numbers {
            if current.as_ref().is_none_or(|(current, ..)| *current != number) {
                fs::remove_dir_all(folder.join(number.to_string()))?;
            }
        }
        Ok(Self { folder, current: current.map(|(_, objects, tip)| (Arc::new(objects), tip)), next, built_upon: false })
    }

    /// The current database, and what it was fetched for; `None` before there is one, and when it is damaged.
    pub(super) fn current(&mut self) -> Option<(Arc<Objects>, ObjectId)> {
        let damaged = |objects: &Objects| objects.damaged.load(Ordering::Relaxed) || !objects.is_whole();
        if self.current.as_ref().is_some_and(|(objects, _)| damaged(objects)) {
            tracing::warn!(folder = %self.folder.display(), "the objects of the repository are damaged; fetching them anew");
            self.discard();
        }
        self.current.clone()
    }

    /// Where to fetch to: the current database, unless it is of other hashes or full; a new one then.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(super) fn place_for(&mut self, kind: Kind) -> io::Result<(Arc<Objects>, Option<ObjectId>)> {
        if let Some((objects, tip)) = self.current()
            && objects.kind == kind
            && !objects.is_full()
        {
            self.built_upon = true;
            return Ok((objects, Some(tip)));
        }
        self.built_upon = false;
        let folder = self.folder.join(self.next.to_string());
        self.next += 1;
        let objects = Objects::new(folder, kind)?;
        // Until it is current, nobody needs it.
        objects.retired.store(true, Ordering::Relaxed);
        Ok((Arc::new(objects), None))
    }

    /// Makes a database with everything of `tip` the current one.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(super) fn set(&mut self, objects: &Arc<Objects>, tip: ObjectId) -> io::Result<()> {
        self.built_upon = false;
        if self.current.as_ref().is_some_and(|(current, had)| Arc::ptr_eq(current, objects) && *had == tip) {
            return Ok(());
        }
        objects.record(&tip)?;
        objects.retired.store(false, Ordering::Relaxed);
        if let Some((before, _)) = self.current.replace((objects.clone(), tip))
            && !Arc::ptr_eq(&before, objects)
        {
            before.retired.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether a fetch that failed was only of what the current database lacks: one of everything may succeed.
    pub(super) const fn was_built_upon(&self) -> bool {
        self.built_upon
    }

    /// Lets the current database go: the next fetch is of everything.
    pub(super) fn discard(&mut self) {
        if let Some((objects, _)) = self.current.take() {
            objects.retired.store(true, Ordering::Relaxed);
        }
    }
}
