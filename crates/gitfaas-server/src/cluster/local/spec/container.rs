//! One container of a pod: what it runs, where, and with which volumes.

use std::collections::HashSet;

use super::super::manifest::{self, PodSpec, VolumeMount};
use super::field::Resources;
use super::{Checked, Names, Var, env, identity, malformed, none_of, unsupported};

/// What makes a container that goes first a sidecar.
const ALWAYS: &str = "Always";

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) struct Container {
    /// A DNS label; no other container of the pod has it.
    pub(in crate::cluster::local) name: String,
    /// The program and its arguments, with their references to variables; at least one.
    pub(in crate::cluster::local) argv: Vec<String>,
    /// Whole `ConfigMap`s and Secrets as variables, in order.
    pub(in crate::cluster::local) env_from: Vec<Names>,
    /// Variables of their own, in order; a later one of a name counts.
    pub(in crate::cluster::local) env: Vec<Var>,
    pub(in crate::cluster::local) working_dir: Option<String>,
    pub(in crate::cluster::local) mounts: Vec<Mount>,
    pub(in crate::cluster::local) resources: Resources,
    /// Whether it goes first, and then runs beside the others for as long as they do.
    pub(in crate::cluster::local) sidecar: bool,
}

/// A volume at a place in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster::local) struct Mount {
    /// The place of the volume in the pod's list: its folder's name.
    pub(in crate::cluster::local) volume: usize,
    /// Absolute, without `.`, `..` and double slashes.
    pub(in crate::cluster::local) path: String,
    /// Relative, without `..`; the volume itself when empty.
    pub(in crate::cluster::local) sub_path: String,
    pub(in crate::cluster::local) read_only: bool,
}

impl Container {
    pub(super) fn read(at: &str, pod: &PodSpec, container: &manifest::Container) -> Checked<Self> {
        if !is_label(&container.name) {
            let what = format!("`{}` is no name for a container (a-z, 0-9 and -, at most 63)", container.name);
            return Err(malformed(&format!("{at}.name"), &what));
        }
        let resources = Resources::read(&format!("{at}.resources"), container.resources.as_ref())?;
        let words = [&container.command, &container.args];
        Ok(Self {
            name: container.name.clone(),
            argv: words.into_iter().flatten().flatten().cloned().collect(),
            env_from: env::names(at, container)?,
            env: env::vars(at, pod, container)?,
            working_dir: container.working_dir.clone().filter(|dir| !dir.is_empty()),
            mounts: mounts(at, pod, container)?,
            resources,
            sidecar: container.restart_policy.as_deref() == Some(ALWAYS),
        })
    }
}

fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

fn mounts(at: &str, pod: &PodSpec, container: &manifest::Container) -> Checked<Vec<Mount>> {
    let wanted = container.volume_mounts.as_deref().unwrap_or_default();
    let mut taken = HashSet::new();
    let mut mounts = Vec::with_capacity(wanted.len());
    for (index, mount) in wanted.iter().enumerate() {
        let at = format!("{at}.volumeMounts[{index}]");
        let mount = one_mount(&at, mount, pod)?;
        if !taken.insert(mount.path.clone()) {
            return Err(malformed(&format!("{at}.mountPath"), &format!("`{}` is taken by another mount", mount.path)));
        }
        mounts.push(mount);
    }
    Ok(mounts)
}

fn one_mount(at: &str, mount: &VolumeMount, pod: &PodSpec) -> Checked<Mount> {
    let volumes = pod.volumes.as_deref().unwrap_or_default();
    let volume = volumes
        .iter()
        .position(|volume| volume.name == mount.name)
        .ok_or_else(|| malformed(&format!("{at}.name"), &format!("there is no volume `{}`", mount.name)))?;
    Ok(Mount {
        volume,
        path: format!("/{}", tidy(&format!("{at}.mountPath"), &mount.mount_path)?),
        sub_path: relative(&format!("{at}.subPath"), mount.sub_path.as_deref().unwrap_or_default())?,
        read_only: mount.read_only.unwrap_or(false) || volumes[volume].holds_objects(),
    })
}

/// A relative path as [`tidy`] makes it.
pub(super) fn relative(at: &str, path: &str) -> Checked<String> {
    if path.starts_with('/') {
        return Err(malformed(at, "must be relative"));
    }
    tidy(at, path)
}

/// A path without what says nothing; `..` and NUL have no place in it.
fn tidy(at: &str, path: &str) -> Checked<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") || path.contains('\0') {
        return Err(malformed(at, "must not contain `..`"));
    }
    Ok(parts.join("/"))
}

/// Refuses what this machine cannot do for a container; `first` says whether it is one that goes first.
pub(super) fn check(at: &str, container: &manifest::Container, first: bool) -> Checked<()> {
    if container.command.as_ref().is_none_or(Vec::is_empty) {
        let what = "an image is only a name here, so what it would start is not known; say what to run";
        return Err(unsupported(&format!("{at}.command"), what));
    }
    none_of(at, &[("volumeDevices", &container.volume_devices), ("lifecycle", &container.lifecycle)])?;
    let policy = container.restart_policy.as_deref().filter(|policy| !policy.is_empty());
    if policy.is_some_and(|policy| !(first && policy == ALWAYS)) {
        let what = "the local cluster has `Always` for initContainers only; leave it out to run here";
        return Err(unsupported(&format!("{at}.restartPolicy"), what));
    }
    env::check(at, container)?;
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let at = format!("{at}.volumeMounts[{index}]");
        if mount.sub_path_expr.as_ref().is_some_and(|expr| !expr.is_empty()) {
            return Err(unsupported(&format!("{at}.subPathExpr"), "use `subPath` to run here"));
        }
        if mount.mount_path.split('/').all(|part| matches!(part, "" | ".")) {
            let what = "a volume at `/` would hide every program of this machine";
            return Err(unsupported(&format!("{at}.mountPath"), what));
        }
    }
    let context = container.security_context.as_ref();
    context.map_or(Ok(()), |context| identity::check(&format!("{at}.securityContext"), context))
}
