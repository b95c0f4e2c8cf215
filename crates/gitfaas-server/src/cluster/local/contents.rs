//! The files of a pod's volumes that come from objects and from what the pod is told of itself.
//!
//! They are written once, before the first container of the pod is started, and stay as they are: a pod that runs does
//! not see what is changed in the folder of objects. They lie in the pod's folder, for its user alone whatever mode the
//! manifest gives, and go with it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use gitfaas_core::run::Reason;

use super::disk;
use super::env::{missing, missing_key};
use super::facts::{self, Facts};
use super::objects::Objects;
use super::spec::{Content, Item, Volume};

/// Writes the volumes anew; the inner error is why the pod cannot be started yet.
pub(super) fn write(
    pod: &Path,
    volumes: &[Volume],
    objects: &Objects<'_>,
    facts: &Facts,
) -> io::Result<Result<(), Reason>> {
    for (number, volume) in volumes.iter().enumerate() {
        let Volume::Files(contents) = volume else { continue };
        let folder = pod.join(format!("volume-{number}"));
        disk::remove_tree(&folder)?;
        disk::private_dir(&folder)?;
        for content in contents {
            if let Err(reason) = write_content(&folder, content, objects, facts)? {
                return Ok(Err(reason));
            }
        }
    }
    Ok(Ok(()))
}

fn write_content(
    folder: &Path,
    content: &Content,
    objects: &Objects<'_>,
    facts: &Facts,
) -> io::Result<Result<(), Reason>> {
    match content {
        Content::Field(item) => write_file(folder, item, facts.field(&item.what).as_bytes(), 0o600)?,
        Content::Resource(item) => write_file(folder, item, facts::resource(&item.what).as_bytes(), 0o600)?,
        Content::Object { object, items, mode, optional } => {
            let data = match objects.find(object)? {
                Some(data) => data,
                None if *optional => return Ok(Ok(())),
                None => return Ok(Err(missing(objects, object))),
            };
            let all = || data.keys().map(|key| Item { what: key.clone(), path: key.clone(), mode: None }).collect();
            for item in items.clone().unwrap_or_else(all) {
                match data.get(&item.what) {
                    Some(bytes) => write_file(folder, &item, bytes, *mode)?,
                    None if *optional => {}
                    None => return Ok(Err(missing_key(objects, object, &item.what))),
                }
            }
        }
    }
    Ok(Ok(()))
}

fn write_file<T>(folder: &Path, item: &Item<T>, bytes: &[u8], mode: u32) -> io::Result<()> {
    let path = folder.join(&item.path);
    if let Some(parent) = path.parent() {
        disk::private_dir(parent)?;
    }
    // A later one takes the place of an earlier one.
    disk::remove(&path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(bytes)?;
    file.set_permissions(std::fs::Permissions::from_mode(item.mode.unwrap_or(mode) & 0o700))
}
