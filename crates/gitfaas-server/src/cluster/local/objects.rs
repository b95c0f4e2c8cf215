//! Where the `ConfigMap`s and Secrets of functions come from: a folder that the developer names, and what runs applied.
//!
//! They are looked for in this order: `<folder>/configmaps/NAME/` and `<folder>/secrets/NAME/`, where each file is a
//! key, as `kubectl create secret generic NAME --from-file=DIR` reads it; the manifests `*.yaml`, `*.yml` and `*.json`
//! in the folder; and objects that were applied here, of the Job's own namespace. Nothing outside the folder is read,
//! whatever a symbolic link says. What an object holds is never in an error.

mod manifest;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use gitfaas_core::run::ObjectKey;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::disk;
use super::folder::{Folder, Object};
use super::names::FileName;
use super::spec::{Kind, ObjectName, is_key};

/// Kubernetes' own bound of an object.
const MOST_BYTES: usize = 1 << 20;
/// More than anybody writes by hand; each is read whenever an object is looked for.
const MOST_FILES: usize = 1000;

/// What an object holds: its keys.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

/// All objects that functions may refer to.
pub(super) struct Objects<'a> {
    /// The folder that the developer named.
    pub(super) folder: Option<&'a Path>,
    /// What was applied here.
    pub(super) applied: &'a Folder,
    /// The Job's, if it names one.
    pub(super) namespace: Option<&'a str>,
    /// The one of what names none.
    pub(super) usual: &'a str,
}

impl Objects<'_> {
    /// The object of this name; `None` when there is none.
    pub(super) fn find(&self, object: &ObjectName) -> io::Result<Option<Data>> {
        if let Some(folder) = self.folder {
            let read = || match read_files(folder, object)? {
                None => read_manifests(folder, object),
                found => Ok(found),
            };
            let refused = |error: io::Error| io::Error::new(error.kind(), format!("{object} cannot be read: {error}"));
            if let Some(found) = read().map_err(refused)? {
                return Ok(Some(found));
            }
        }
        self.find_applied(object)
    }

    /// Where was looked, for people.
    pub(super) fn looked_in(&self, object: &ObjectName) -> String {
        let applied = "among what functions applied here";
        match self.folder {
            Some(folder) => {
                let place = folder.join(place(object.kind)).join(&object.name);
                format!("in {}, in the manifests in {} and {applied}", place.display(), folder.display())
            }
            None => format!("{applied}; a folder of them is named by --objects"),
        }
    }

    fn find_applied(&self, object: &ObjectName) -> io::Result<Option<Data>> {
        let namespace = self.namespace.unwrap_or(self.usual);
        // What names no namespace is in the usual one, whether or not the Job spells that.
        let spellings = [Some(Some(namespace)), (namespace == self.usual).then_some(None)];
        for spelled in spellings.into_iter().flatten() {
            let key = ObjectKey {
                api_version: "v1".to_owned(),
                kind: format!("{:?}", object.kind),
                namespace: spelled.map(str::to_owned),
                name: object.name.clone(),
            };
            if let Some(applied) = disk::read::<Object>(&self.applied.object(&FileName::of(&key)))? {
                let value = serde_json::from_str(&applied.json).map_err(io::Error::other)?;
                return manifest::data(object.kind, &value).map(Some).map_err(|error| damaged(object, &error));
            }
        }
        Ok(None)
    }
}

fn damaged(object: &ObjectName, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{object}: {what}"))
}

fn place(kind: Kind) -> &'static str {
    match kind {
        Kind::ConfigMap => "configmaps",
        Kind::Secret => "secrets",
    }
}

/// The object whose keys are the regular files of its folder; what else lies there is no key.
fn read_files(folder: &Path, object: &ObjectName) -> io::Result<Option<Data>> {
    let Some(folder) = open(folder)? else { return Ok(None) };
    let path = Path::new(place(object.kind)).join(&object.name);
    let opened = beneath(&folder, &path, OFlags::RDONLY | OFlags::DIRECTORY);
    let Some(dir) = opened.map_err(|error| in_place(&path, &error))? else { return Ok(None) };
    let mut data = Data::new();
    let mut bytes = 0;
    for entry in rustix::fs::Dir::read_from(&dir)? {
        let entry = entry?;
        let Some(key) = entry.file_name().to_str().ok().filter(|key| is_key(key)) else { continue };
        let Some(content) = read_file(&dir, Path::new(key)).map_err(|error| in_place(&path.join(key), &error))? else {
            continue;
        };
        bytes += content.len();
        if bytes > MOST_BYTES {
            return Err(too_large());
        }
        data.insert(key.to_owned(), content);
    }
    Ok(Some(data))
}

/// The object that a manifest in the folder describes.
fn read_manifests(folder: &Path, object: &ObjectName) -> io::Result<Option<Data>> {
    let Some(root) = open(folder)? else { return Ok(None) };
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().into())).collect::<io::Result<_>>()?;
    names.retain(|name| {
        name.extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|it| matches!(it, "yaml" | "yml" | "json"))
    });
    if names.len() > MOST_FILES {
        return Err(io::Error::other(format!("there are more than {MOST_FILES} manifests in {}", folder.display())));
    }
    // So that it does not depend on the disk which of two is taken.
    names.sort_unstable();
    for name in names {
        let Some(content) = read_file(&root, &name).map_err(|error| in_place(&name, &error))? else { continue };
        let found =
            manifest::find(&content, object).map_err(|error| damaged(object, &format!("{}: {error}", name.display())));
        if let Some(data) = found? {
            return if data.values().map(Vec::len).sum::<usize>() > MOST_BYTES {
                Err(too_large())
            } else {
                Ok(Some(data))
            };
        }
    }
    Ok(None)
}

fn too_large() -> io::Error {
    io::Error::other(format!("it has more than {MOST_BYTES} bytes"))
}

fn in_place(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn open(folder: &Path) -> io::Result<Option<OwnedFd>> {
    match rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(in_place(folder, &error.into())),
    }
}

/// Opens what lies at `path` in `folder`, and in truth, not behind a link; `None` when there is nothing.
fn beneath(folder: &OwnedFd, path: &Path, flags: OFlags) -> io::Result<Option<OwnedFd>> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    // Without NONBLOCK, opening a named pipe would wait for a writer.
    let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve) {
        Ok(opened) => Ok(Some(opened)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(rustix::io::Errno::LOOP) => Err(io::Error::other("symbolic links are not followed")),
        Err(error) => Err(error.into()),
    }
}

/// The content of a regular file; `None` for anything else.
fn read_file(folder: &OwnedFd, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = beneath(folder, path, OFlags::RDONLY)?.map(File::from) else { return Ok(None) };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    // A manifest spells bytes in base64, and holds several objects.
    file.take(4 * MOST_BYTES as u64).read_to_end(&mut content)?;
    Ok(Some(content))
}

#[cfg(test)]
mod tests;
