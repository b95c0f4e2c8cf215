//! The files of one commit, read from its objects. Nothing is ever checked out, so there is nothing to race with, and
//! no path leads out of the commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::tree::EntryKind;
use gix_object::{CommitRef, Kind, TagRef, TreeRefIter};
use jiff::Timestamp;

use super::objects::{Absence, Objects};
use crate::source::{Commit, Fault, SourceError};

/// The largest commit, tag and folder, in bytes: a folder of 100,000 files has about five million.
const LARGEST: u64 = 64 << 20;
/// How many bytes of folders are kept while the files of a commit are read, which are mostly in the same few.
const KEPT: usize = 16 << 20;
/// How many tags may point to one another before a commit.
const TAGS: usize = 10;
/// How many links may lead to one another before a file.
const LINKS: usize = 40;
/// The longest target of a link, in bytes.
const LONGEST_LINK: u64 = 4096;
/// How much of an author's name and a subject is shown, in characters.
const SHOWN: usize = 200;

/// What is in one folder, by name.
type Folder = HashMap<Vec<u8>, (EntryKind, ObjectId)>;

/// The folders that were read, and how many bytes they had.
#[derive(Default)]
struct Kept {
    folders: HashMap<ObjectId, Arc<Folder>>,
    bytes: usize,
}

/// One commit.
pub(super) struct Tree {
    objects: Arc<Objects>,
    root: ObjectId,
    kept: Mutex<Kept>,
    /// What is said of it.
    pub(super) commit: Commit,
    /// The commit's own bytes, which signatures are of.
    pub(super) raw: Vec<u8>,
}

impl Tree {
    /// The commit that `tip` is, or that it leads to as a tag.
    ///
    /// # Errors
    /// [`Fault::Malformed`], when it leads to none, or to one that cannot be read.
    pub(super) fn at(objects: Arc<Objects>, tip: ObjectId) -> Result<Self, SourceError> {
        let (id, raw) = commit_of(&objects, tip)?;
        Self::of_commit(objects, id, raw)
    }

    fn of_commit(objects: Arc<Objects>, id: ObjectId, raw: Vec<u8>) -> Result<Self, SourceError> {
        let (root, commit) = CommitRef::from_bytes(&raw, objects.kind())
            .map(|parsed| (parsed.tree(), described(&id, &parsed)))
            .map_err(|error| SourceError::new(Fault::Malformed, format!("commit {id} cannot be read: {error}")))?;
        let tree = Self { objects, root, kept: Mutex::default(), commit, raw };
        // Without its first folder, it is no state of anything.
        tree.folder(&root)
            .map_err(|why| SourceError::new(Fault::Malformed, format!("the top folder of commit {id} {why}")))?;
        Ok(tree)
    }

    /// Reads a file, through links that stay inside.
    ///
    /// # Errors
    /// Why it cannot be read, as the rest of a sentence that begins with its name.
    pub(super) fn read(&self, path: &str, max: u64) -> Result<Bytes, String> {
        let mut way: Vec<ObjectId> = vec![self.root];
        // Names yet to be gone through, the next one last.
        let mut names: Vec<String> = path.split('/').rev().map(ToOwned::to_owned).collect();
        let mut links = 0;
        while let Some(name) = names.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." if way.len() > 1 => {
                    way.pop();
                    continue;
                }
                ".." => return Err("is a symbolic link that leaves the repository".to_owned()),
                _ => {}
            }
            let folder = *way.last().unwrap_or(&self.root);
            let Some((kind, id)) = self.entry(&folder, &name)? else { return Err("does not exist".to_owned()) };
            match kind {
                EntryKind::Tree => way.push(id),
                EntryKind::Blob | EntryKind::BlobExecutable if names.is_empty() => return self.file(&id, max),
                EntryKind::Blob | EntryKind::BlobExecutable => return Err("does not exist".to_owned()),
                EntryKind::Commit => return Err("is in a submodule, and those are not followed".to_owned()),
                EntryKind::Link => {
                    links += 1;
                    if links > LINKS {
                        return Err("is a symbolic link that leads in a circle".to_owned());
                    }
                    let target = self.link(&id)?;
                    names.extend(target.split('/').rev().map(ToOwned::to_owned));
                }
            }
        }
        Err("is a folder".to_owned())
    }

    fn link(&self, id: &ObjectId) -> Result<String, String> {
        let target = self.objects.read(id, Kind::Blob, LONGEST_LINK).map_err(|absence| match absence {
            Absence::TooLarge(_) => format!("is a symbolic link to a name of more than {LONGEST_LINK} bytes"),
            absence => said(absence, Kind::Blob, LONGEST_LINK),
        })?;
        let target =
            String::from_utf8(target).map_err(|_| "is a symbolic link to a name that is no text".to_owned())?;
        if target.starts_with('/') {
            return Err("is a symbolic link that leaves the repository".to_owned());
        }
        if target.is_empty() {
            return Err("is a symbolic link to nothing".to_owned());
        }
        Ok(target)
    }

    fn file(&self, id: &ObjectId, max: u64) -> Result<Bytes, String> {
        self.object(id, Kind::Blob, max).map(Bytes::from)
    }

    fn entry(&self, folder: &ObjectId, name: &str) -> Result<Option<(EntryKind, ObjectId)>, String> {
        let folder = self.folder(folder).map_err(|why| format!("is in a folder that {why}"))?;
        Ok(folder.get(name.as_bytes()).copied())
    }

    /// What is in a folder. It is parsed once for all files of the commit: thousands may be in one folder of many more.
    fn folder(&self, id: &ObjectId) -> Result<Arc<Folder>, String> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = kept().folders.get(id) {
            return Ok(folder.clone());
        }
        let raw = self.object(id, Kind::Tree, LARGEST)?;
        let mut folder = Folder::new();
        for entry in TreeRefIter::from_bytes(&raw, self.objects.kind()) {
            let entry = entry.map_err(|error| format!("cannot be read: {error}"))?;
            // Of several entries of one name, Git takes the first.
            folder.entry(entry.filename.to_vec()).or_insert_with(|| (entry.mode.kind(), entry.oid.to_owned()));
        }
        let folder = Arc::new(folder);
        let mut kept = kept();
        if kept.bytes + raw.len() <= KEPT && kept.folders.insert(*id, folder.clone()).is_none() {
            kept.bytes += raw.len();
        }
        Ok(folder)
    }

    fn object(&self, id: &ObjectId, kind: Kind, most: u64) -> Result<Vec<u8>, String> {
        self.objects.read(id, kind, most).map_err(|absence| said(absence, kind, most))
    }
}

/// Why an object cannot be had, as the rest of a sentence.
fn said(absence: Absence, kind: Kind, most: u64) -> String {
    match absence {
        Absence::TooLarge(_) => format!("is larger than {most} bytes"),
        // The server was asked to leave out what is too large for anything that is read.
        Absence::Missing if kind == Kind::Blob => format!("is larger than {most} bytes, or missing"),
        Absence::Missing => "is not in what the server sent".to_owned(),
        Absence::Damaged(why) => format!("cannot be read: {why}"),
    }
}

/// The commit that `tip` is or, through tags, names; its id and what it says.
///
/// # Errors
/// [`Fault::Malformed`], when there is none.
pub(super) fn commit_of(objects: &Objects, tip: ObjectId) -> Result<(ObjectId, Vec<u8>), SourceError> {
    let malformed = |why: String| SourceError::new(Fault::Malformed, why);
    let mut id = tip;
    for _ in 0..=TAGS {
        match objects.read(&id, Kind::Commit, LARGEST) {
            Ok(raw) => return Ok((id, raw)),
            Err(Absence::Damaged(commit)) => match objects.read(&id, Kind::Tag, LARGEST) {
                Ok(raw) => id = target(&raw, objects.kind()).map_err(malformed)?,
                Err(_) => return Err(malformed(format!("{tip} is no commit and no tag of one: {commit}"))),
            },
            Err(Absence::Missing) => return Err(malformed(format!("commit {id} is not in what the server sent"))),
            Err(Absence::TooLarge(size)) => {
                return Err(malformed(format!("commit {id} has {size} bytes, more than {LARGEST}")));
            }
        }
    }
    Err(malformed(format!("{tip} is a tag of a tag of a tag, more than {TAGS} times")))
}

fn target(tag: &[u8], kind: gix_hash::Kind) -> Result<ObjectId, String> {
    let tag = TagRef::from_bytes(tag, kind).map_err(|error| format!("a tag cannot be read: {error}"))?;
    ObjectId::from_hex(tag.target).map_err(|error| format!("a tag leads nowhere: {error}"))
}

fn described(id: &ObjectId, commit: &CommitRef<'_>) -> Commit {
    let author = commit.author().ok();
    let time = author.and_then(|author| author.time().ok());
    Commit {
        id: id.to_string(),
        author: author.map(|author| shown(author.name)).unwrap_or_default(),
        time: time.and_then(|time| Timestamp::from_second(time.seconds).ok()),
        subject: shown(commit.message.split(|byte| *byte == b'\n').find(|line| !line.is_empty()).unwrap_or_default()),
        signer: None,
    }
}

fn shown(text: &[u8]) -> String {
    // Four bytes are the most that a character has.
    let text = &text[..text.len().min(4 * SHOWN)];
    String::from_utf8_lossy(text).trim().chars().take(SHOWN).collect()
}
