//! The volumes of a pod: scratch folders, or files from `ConfigMap`s, Secrets and the pod's own fields.

use super::super::manifest::{self, PodSpec};
use super::super::references::{DownwardVolume, FieldFile, KeyToPath, ObjectVolume, ProjectedVolume};
use super::container::relative;
use super::field::{Field, Resource};
use super::{Checked, malformed, unsupported};

/// Kubernetes' own default.
const MODE: u32 = 0o644;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) enum Volume {
    /// An empty folder.
    Scratch,
    /// A folder with these in it; a later one takes the place of an earlier one.
    Files(Vec<Content>),
}

/// Files of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) enum Content {
    /// Keys of an object: all of them, or those that are listed.
    Object { object: ObjectName, items: Option<Vec<Item<String>>>, mode: u32, optional: bool },
    /// What the pod is told of itself.
    Field(Item<Field>),
    /// What a container may use.
    Resource(Item<Resource>),
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) struct Item<T> {
    /// What is in it.
    pub(in crate::cluster::local) what: T,
    /// Relative, without `..`; not empty.
    pub(in crate::cluster::local) path: String,
    pub(in crate::cluster::local) mode: Option<u32>,
}

/// What holds keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster::local) enum Kind {
    ConfigMap,
    Secret,
}

/// A `ConfigMap` or Secret by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) struct ObjectName {
    pub(in crate::cluster::local) kind: Kind,
    /// As Kubernetes allows it (a DNS subdomain): so it can name a folder, and none but the one it should.
    pub(in crate::cluster::local) name: String,
}

impl ObjectName {
    pub(super) fn read(at: &str, kind: Kind, name: Option<&str>) -> Checked<Self> {
        let name = name.unwrap_or_default();
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let edge = |byte: Option<u8>| byte.is_some_and(alphanumeric);
        let inner = |byte: u8| alphanumeric(byte) || matches!(byte, b'-' | b'.');
        let valid = name.len() <= 253
            && name.bytes().all(inner)
            && name.split('.').all(|part| edge(part.bytes().next()) && edge(part.bytes().last()));
        if !valid {
            return Err(malformed(at, &format!("`{name}` is no name of an object (a-z, 0-9, - and .)")));
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.kind, self.name)
    }
}

/// Whether this can be a key: then it can name a file, too.
pub(in crate::cluster::local) fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&key.len()) && key.bytes().all(allowed) && key != "." && !key.starts_with("..")
}

pub(super) fn key(at: &str, key: &str) -> Checked<String> {
    if is_key(key) {
        Ok(key.to_owned())
    } else {
        Err(malformed(at, &format!("`{key}` is no key (a-z, A-Z, 0-9, -, _ and .)")))
    }
}

impl manifest::Volume {
    /// Whether its files come from elsewhere: then nobody writes to it.
    pub(super) fn holds_objects(&self) -> bool {
        self.config_map.is_some() || self.secret.is_some() || self.projected.is_some() || self.downward_api.is_some()
    }
}

/// The volumes of a pod, in its order.
pub(super) fn read(pod: &PodSpec) -> Checked<Vec<Volume>> {
    let volumes = pod.volumes.iter().flatten().enumerate();
    volumes.map(|(index, volume)| one(&format!("{}.volumes[{index}]", super::POD), pod, volume)).collect()
}

fn one(at: &str, pod: &PodSpec, volume: &manifest::Volume) -> Checked<Volume> {
    let others = volume.others.values().filter(|value| !value.is_null()).count();
    let sources = usize::from(volume.config_map.is_some())
        + usize::from(volume.secret.is_some())
        + usize::from(volume.projected.is_some())
        + usize::from(volume.downward_api.is_some());
    if sources + others > 1 {
        return Err(malformed(at, "a volume has one source"));
    }
    let mut files = Files { pod, mode: MODE, contents: Vec::new() };
    if let Some(map) = &volume.config_map {
        files.mode = mode(&format!("{at}.configMap.defaultMode"), map.default_mode)?.unwrap_or(MODE);
        files.object(&format!("{at}.configMap"), Kind::ConfigMap, map)?;
    } else if let Some(secret) = &volume.secret {
        files.mode = mode(&format!("{at}.secret.defaultMode"), secret.default_mode)?.unwrap_or(MODE);
        let name = ObjectName::read(&format!("{at}.secret.secretName"), Kind::Secret, secret.secret_name.as_deref())?;
        let items = items(&format!("{at}.secret.items"), secret.items.as_deref())?;
        let optional = secret.optional == Some(true);
        files.contents.push(Content::Object { object: name, items, mode: files.mode, optional });
    } else if let Some(downward) = &volume.downward_api {
        files.mode = mode(&format!("{at}.downwardAPI.defaultMode"), downward.default_mode)?.unwrap_or(MODE);
        files.fields(&format!("{at}.downwardAPI"), downward)?;
    } else if let Some(projected) = &volume.projected {
        files.mode = mode(&format!("{at}.projected.defaultMode"), projected.default_mode)?.unwrap_or(MODE);
        files.projected(&format!("{at}.projected"), projected)?;
    } else {
        return Ok(Volume::Scratch);
    }
    Ok(Volume::Files(files.contents))
}

/// The files of one volume, as they are read.
struct Files<'a> {
    pod: &'a PodSpec,
    mode: u32,
    contents: Vec<Content>,
}

impl Files<'_> {
    fn object(&mut self, at: &str, kind: Kind, volume: &ObjectVolume) -> Checked<()> {
        self.contents.push(Content::Object {
            object: ObjectName::read(&format!("{at}.name"), kind, volume.name.as_deref())?,
            items: items(&format!("{at}.items"), volume.items.as_deref())?,
            mode: self.mode,
            optional: volume.optional == Some(true),
        });
        Ok(())
    }

    fn fields(&mut self, at: &str, volume: &DownwardVolume) -> Checked<()> {
        for (index, file) in volume.items.iter().flatten().enumerate() {
            let content = self.field(&format!("{at}.items[{index}]"), file)?;
            self.contents.push(content);
        }
        Ok(())
    }

    fn field(&self, at: &str, file: &FieldFile) -> Checked<Content> {
        let path = file_path(&format!("{at}.path"), &file.path)?;
        let mode = Some(mode(&format!("{at}.mode"), file.mode)?.unwrap_or(self.mode));
        match (&file.field_ref, &file.resource_field_ref) {
            (Some(field), None) => {
                let what = Field::read_for_file(&format!("{at}.fieldRef.fieldPath"), &field.field_path)?;
                Ok(Content::Field(Item { what, path, mode }))
            }
            (None, Some(resource)) => {
                let at = format!("{at}.resourceFieldRef");
                let name = resource.container_name.as_deref().unwrap_or_default();
                let what = Resource::read(&at, self.pod, name, resource)?;
                Ok(Content::Resource(Item { what, path, mode }))
            }
            _ => Err(malformed(at, "needs either `fieldRef` or `resourceFieldRef`")),
        }
    }

    fn projected(&mut self, at: &str, volume: &ProjectedVolume) -> Checked<()> {
        for (index, source) in volume.sources.iter().flatten().enumerate() {
            let at = format!("{at}.sources[{index}]");
            if let Some(map) = &source.config_map {
                self.object(&format!("{at}.configMap"), Kind::ConfigMap, map)?;
            }
            if let Some(secret) = &source.secret {
                self.object(&format!("{at}.secret"), Kind::Secret, secret)?;
            }
            if let Some(downward) = &source.downward_api {
                self.fields(&format!("{at}.downwardAPI"), downward)?;
            }
        }
        Ok(())
    }
}

fn items(at: &str, items: Option<&[KeyToPath]>) -> Checked<Option<Vec<Item<String>>>> {
    // None and an empty list both stand for all keys.
    let Some(items) = items.filter(|items| !items.is_empty()) else { return Ok(None) };
    let read = items.iter().enumerate().map(|(index, item)| {
        let at = format!("{at}[{index}]");
        let path = file_path(&format!("{at}.path"), &item.path)?;
        Ok(Item { what: key(&format!("{at}.key"), &item.key)?, path, mode: mode(&format!("{at}.mode"), item.mode)? })
    });
    read.collect::<Checked<_>>().map(Some)
}

fn file_path(at: &str, path: &str) -> Checked<String> {
    match relative(at, path)? {
        path if path.is_empty() => Err(malformed(at, "names no file")),
        path => Ok(path),
    }
}

fn mode(at: &str, mode: Option<i64>) -> Checked<Option<u32>> {
    match mode {
        Some(mode @ 0..=0o777) => Ok(u32::try_from(mode).ok()),
        Some(mode) => Err(malformed(at, &format!("must be between 0 and 0777, not {mode}"))),
        None => Ok(None),
    }
}

/// Refuses volumes that cannot be had here.
pub(super) fn check(pod: &PodSpec) -> Checked<()> {
    const SCRATCH: [&str; 3] = ["emptyDir", "ephemeral", "persistentVolumeClaim"];
    const WHAT: &str = "the local cluster has scratch folders (emptyDir, ephemeral, persistentVolumeClaim) and files \
                        (configMap, secret, projected, downwardAPI)";
    for (index, volume) in pod.volumes.iter().flatten().enumerate() {
        let at = format!("{}.volumes[{index}]", super::POD);
        let mut asked = volume.others.iter().filter(|(_, value)| !value.is_null());
        if let Some((source, _)) = asked.find(|(source, _)| !SCRATCH.contains(&source.as_str())) {
            return Err(unsupported(&format!("{at}.{source}"), WHAT));
        }
        let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        for (index, source) in sources.enumerate() {
            if let Some((other, _)) = source.others.iter().find(|(_, value)| !value.is_null()) {
                let what = "there is no API server here who would know such a thing; leave it out to run here";
                return Err(unsupported(&format!("{at}.projected.sources[{index}].{other}"), what));
            }
        }
    }
    Ok(())
}
