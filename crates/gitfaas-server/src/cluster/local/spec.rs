//! What a Job asks of this machine: read from its manifest, checked, and what cannot be had here refused in words.

use std::collections::HashSet;
use std::time::Duration;

use gitfaas_core::run::Reason;
use serde_json::Value;

use super::expand::expand;
use super::manifest::{Container, EnvVar, Job, JobSpec, PodSpec, SecurityContext, Volume, VolumeMount};

/// Times above this are as good as for ever, and still can be added to any point in time.
const LONGEST_SECONDS: i64 = 100 * 365 * 24 * 3600;
/// Kubernetes' own default.
const RETRIES: u32 = 6;
const GRACE: Duration = Duration::from_secs(30);

/// A Job that this machine can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    /// The container's name.
    pub(super) container: String,
    /// The program and its arguments; at least one.
    pub(super) argv: Vec<String>,
    /// The manifest's environment, in order, each name once.
    pub(super) env: Vec<(String, String)>,
    pub(super) working_dir: Option<String>,
    pub(super) mounts: Vec<Mount>,
    pub(super) hostname: Option<String>,
    /// Whether a failed container is started again in its pod, with its volumes.
    pub(super) restarts: bool,
    pub(super) retries: u32,
    pub(super) job_deadline: Option<Duration>,
    pub(super) pod_deadline: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) ttl: Option<Duration>,
}

/// A volume at a place in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// The place of the volume in the pod's list: its folder's name.
    pub(super) volume: usize,
    /// Absolute, without `.`, `..` and double slashes.
    pub(super) path: String,
    /// Relative, without `..`; the volume itself when empty.
    pub(super) sub_path: String,
    pub(super) read_only: bool,
}

/// Why a Job does not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// No cluster would take it.
    Malformed(Reason),
    /// A cluster may run it; this machine cannot.
    Unsupported(Reason),
}

type Checked<T> = Result<T, Refused>;

fn malformed(path: &str, what: &str) -> Refused {
    Refused::Malformed(Reason::new("Invalid", format!("{path}: {what}")))
}

fn unsupported(path: &str, what: &str) -> Refused {
    Refused::Unsupported(Reason::new("UnsupportedLocally", format!("{path}: {what}")))
}

impl Spec {
    /// Reads a Job. What is malformed is told before what is unsupported.
    pub(super) fn read(json: &str) -> Checked<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let job: Job = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            // The place in a JSON text that nobody has seen would help nobody.
            let what = error.inner().to_string();
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            malformed(&error.path().to_string(), what)
        })?;
        let spec = check_form(&job.spec)?;
        check_support(&job.spec)?;
        Ok(spec)
    }
}

fn check_form(job: &JobSpec) -> Checked<Spec> {
    let pod = &job.template.spec;
    let container =
        pod.containers.first().ok_or_else(|| malformed("spec.template.spec.containers", "at least one is needed"))?;
    let restarts = match pod.restart_policy.as_deref() {
        Some("Never") => false,
        Some("OnFailure") => true,
        _ => return Err(malformed("spec.template.spec.restartPolicy", "a Job needs `Never` or `OnFailure`")),
    };
    let retries = seconds("spec.backoffLimit", job.backoff_limit, 0)?;
    let env = environment(container.env.as_deref().unwrap_or_default());
    let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let words = [&container.command, &container.args];
    let argv = words.into_iter().flatten().flatten().map(|word| expand(word, lookup)).collect();
    let grace = seconds("spec.template.spec.terminationGracePeriodSeconds", pod.termination_grace_period_seconds, 0)?;
    Ok(Spec {
        container: container.name.clone(),
        argv,
        working_dir: container.working_dir.clone().filter(|dir| !dir.is_empty()),
        mounts: mounts(pod, container)?,
        hostname: pod.hostname.clone().filter(|name| !name.is_empty()),
        restarts,
        retries: retries.map_or(RETRIES, |retries| u32::try_from(retries).unwrap_or(u32::MAX)),
        job_deadline: duration("spec.activeDeadlineSeconds", job.active_deadline_seconds, 1)?,
        pod_deadline: duration("spec.template.spec.activeDeadlineSeconds", pod.active_deadline_seconds, 1)?,
        grace: grace.map_or(GRACE, Duration::from_secs),
        ttl: duration("spec.ttlSecondsAfterFinished", job.ttl_seconds_after_finished, 0)?,
        env,
    })
}

fn seconds(path: &str, value: Option<i64>, least: i64) -> Checked<Option<u64>> {
    match value {
        Some(value) if value < least => Err(malformed(path, &format!("must be {least} or more, not {value}"))),
        value => Ok(value.and_then(|value| u64::try_from(value.min(LONGEST_SECONDS)).ok())),
    }
}

fn duration(path: &str, value: Option<i64>, least: i64) -> Checked<Option<Duration>> {
    Ok(seconds(path, value, least)?.map(Duration::from_secs))
}

/// The environment with its references replaced: a value may refer to those before it.
fn environment(vars: &[EnvVar]) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = Vec::with_capacity(vars.len());
    for var in vars {
        let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = expand(var.value.as_deref().unwrap_or_default(), lookup);
        // The last of a name counts.
        env.retain(|(name, _)| *name != var.name);
        env.push((var.name.clone(), value));
    }
    env
}

fn mounts(pod: &PodSpec, container: &Container) -> Checked<Vec<Mount>> {
    let volumes = pod.volumes.as_deref().unwrap_or_default();
    let wanted = container.volume_mounts.as_deref().unwrap_or_default();
    let mut taken = HashSet::new();
    let mut mounts = Vec::with_capacity(wanted.len());
    for (index, mount) in wanted.iter().enumerate() {
        let at = format!("spec.template.spec.containers[0].volumeMounts[{index}]");
        let mount = one_mount(&at, mount, volumes)?;
        if !taken.insert(mount.path.clone()) {
            return Err(malformed(&format!("{at}.mountPath"), &format!("`{}` is taken by another mount", mount.path)));
        }
        mounts.push(mount);
    }
    Ok(mounts)
}

fn one_mount(at: &str, mount: &VolumeMount, volumes: &[Volume]) -> Checked<Mount> {
    let volume = volumes
        .iter()
        .position(|volume| volume.name == mount.name)
        .ok_or_else(|| malformed(&format!("{at}.name"), &format!("there is no volume `{}`", mount.name)))?;
    let sub_path = mount.sub_path.as_deref().unwrap_or_default();
    if sub_path.starts_with('/') {
        return Err(malformed(&format!("{at}.subPath"), "must be relative"));
    }
    Ok(Mount {
        volume,
        path: format!("/{}", tidy(&format!("{at}.mountPath"), &mount.mount_path)?),
        sub_path: tidy(&format!("{at}.subPath"), sub_path)?,
        read_only: mount.read_only.unwrap_or(false),
    })
}

/// A path without what says nothing; `..` and NUL have no place in it.
fn tidy(at: &str, path: &str) -> Checked<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") || path.contains('\0') {
        return Err(malformed(at, "must not contain `..`"));
    }
    Ok(parts.join("/"))
}

/// Whether a field asks for anything.
fn asks(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

fn check_support(job: &JobSpec) -> Checked<()> {
    for (path, count) in [("spec.completions", job.completions), ("spec.parallelism", job.parallelism)] {
        if count.is_some_and(|count| count != 1) {
            return Err(unsupported(path, "the local cluster runs one pod of a Job; only 1 can be had here"));
        }
    }
    if job.suspend == Some(true) {
        return Err(unsupported("spec.suspend", "the local cluster cannot hold a Job back; leave it out"));
    }
    if job.completion_mode.as_deref().is_some_and(|mode| mode != "NonIndexed") {
        return Err(unsupported("spec.completionMode", "only `NonIndexed` can be had here"));
    }
    let fields = [
        ("spec.backoffLimitPerIndex", &job.backoff_limit_per_index),
        ("spec.managedBy", &job.managed_by),
        ("spec.podFailurePolicy", &job.pod_failure_policy),
        ("spec.successPolicy", &job.success_policy),
    ];
    none_of(&fields)?;
    check_pod(&job.template.spec)
}

fn none_of(fields: &[(&str, &Option<Value>)]) -> Checked<()> {
    match fields.iter().find(|(_, value)| asks(value.as_ref())) {
        Some((path, _)) => Err(unsupported(path, "the local cluster does not have this; leave it out to run here")),
        None => Ok(()),
    }
}

fn check_pod(pod: &PodSpec) -> Checked<()> {
    none_of(&[
        ("spec.template.spec.initContainers", &pod.init_containers),
        ("spec.template.spec.ephemeralContainers", &pod.ephemeral_containers),
        ("spec.template.spec.hostAliases", &pod.host_aliases),
        ("spec.template.spec.resourceClaims", &pod.resource_claims),
        ("spec.template.spec.schedulingGates", &pod.scheduling_gates),
    ])?;
    if let Some(context) = &pod.security_context {
        check_identity("spec.template.spec.securityContext", context)?;
    }
    for (index, volume) in pod.volumes.iter().flatten().enumerate() {
        check_volume(&format!("spec.template.spec.volumes[{index}]"), volume)?;
    }
    match pod.containers.as_slice() {
        [container] => check_container(container),
        _ => Err(unsupported("spec.template.spec.containers", "the local cluster runs one container of a pod")),
    }
}

fn check_volume(at: &str, volume: &Volume) -> Checked<()> {
    const SCRATCH: [&str; 3] = ["emptyDir", "ephemeral", "persistentVolumeClaim"];
    let foreign = volume.sources.iter().find(|(source, value)| !value.is_null() && !SCRATCH.contains(&source.as_str()));
    match foreign {
        Some((source, _)) => {
            let what = "the local cluster has scratch folders only (emptyDir, ephemeral, persistentVolumeClaim)";
            Err(unsupported(&format!("{at}.{source}"), what))
        }
        None => Ok(()),
    }
}

fn check_container(container: &Container) -> Checked<()> {
    const AT: &str = "spec.template.spec.containers[0]";
    if container.command.as_ref().is_none_or(Vec::is_empty) {
        let what = "an image is only a name here, so what it would start is not known; say what to run";
        return Err(unsupported(&format!("{AT}.command"), what));
    }
    none_of(&[
        ("spec.template.spec.containers[0].envFrom", &container.env_from),
        ("spec.template.spec.containers[0].volumeDevices", &container.volume_devices),
        ("spec.template.spec.containers[0].lifecycle", &container.lifecycle),
    ])?;
    for (index, var) in container.env.iter().flatten().enumerate() {
        if asks(var.value_from.as_ref()) {
            let what =
                format!("`{}` comes from elsewhere, which the local cluster does not have; give a value", var.name);
            return Err(unsupported(&format!("{AT}.env[{index}].valueFrom"), &what));
        }
    }
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let at = format!("{AT}.volumeMounts[{index}]");
        if mount.sub_path_expr.as_ref().is_some_and(|expr| !expr.is_empty()) {
            return Err(unsupported(&format!("{at}.subPathExpr"), "use `subPath` to run here"));
        }
        if mount.mount_path.split('/').all(|part| matches!(part, "" | ".")) {
            return Err(unsupported(
                &format!("{at}.mountPath"),
                "a volume at `/` would hide every program of this machine",
            ));
        }
    }
    container
        .security_context
        .as_ref()
        .map_or(Ok(()), |context| check_identity(&format!("{AT}.securityContext"), context))
}

/// Processes here are the user's own: what asks for somebody else's rights cannot be had.
fn check_identity(at: &str, context: &SecurityContext) -> Checked<()> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    for (field, asked, own) in [("runAsUser", context.run_as_user, user), ("runAsGroup", context.run_as_group, group)] {
        if asked.is_some_and(|asked| asked != i64::from(own)) {
            return Err(unsupported(
                &format!("{at}.{field}"),
                &format!("processes run as the one who started gitfaas ({own})"),
            ));
        }
    }
    if context.run_as_non_root == Some(true) && user == 0 {
        return Err(unsupported(
            &format!("{at}.runAsNonRoot"),
            "gitfaas was started by root; start it as another user",
        ));
    }
    if context.privileged == Some(true) {
        return Err(unsupported(
            &format!("{at}.privileged"),
            "the local cluster gives nobody more rights than its own",
        ));
    }
    let adds = context.capabilities.as_ref().and_then(|capabilities| capabilities.add.as_ref());
    if adds.is_some_and(|adds| !adds.is_empty()) {
        return Err(unsupported(
            &format!("{at}.capabilities.add"),
            "the local cluster gives nobody more rights than its own",
        ));
    }
    if asks(context.sysctls.as_ref()) {
        return Err(unsupported(&format!("{at}.sysctls"), "the local cluster does not set kernel parameters"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
