//! The fields of a Job's manifest that mean something on this machine, as they are written.
//!
//! Fields that are not named here say where and how a cluster runs a pod (image, probes, scheduling): a process of this
//! machine has no use for them, and nothing a function can see depends on them. What would change what a function does,
//! and cannot be had here, is named, so that [`super::spec`] can refuse it. How objects and fields are referred to is
//! in [`super::references`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::references::{DownwardVolume, EnvFrom, ObjectVolume, ProjectedVolume, SecretVolume, ValueFrom};

/// A Job.
#[derive(Debug, Deserialize)]
pub(super) struct Job {
    pub(super) spec: JobSpec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobSpec {
    pub(super) template: Template,
    pub(super) backoff_limit: Option<i64>,
    pub(super) active_deadline_seconds: Option<i64>,
    pub(super) ttl_seconds_after_finished: Option<i64>,
    pub(super) completions: Option<i64>,
    pub(super) parallelism: Option<i64>,
    pub(super) suspend: Option<bool>,
    pub(super) backoff_limit_per_index: Option<Value>,
    pub(super) completion_mode: Option<String>,
    pub(super) managed_by: Option<Value>,
    pub(super) pod_failure_policy: Option<Value>,
    pub(super) success_policy: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Template {
    pub(super) metadata: Option<Metadata>,
    pub(super) spec: PodSpec,
}

/// What a pod can be told of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) containers: Vec<Container>,
    pub(super) volumes: Option<Vec<Volume>>,
    pub(super) restart_policy: Option<String>,
    pub(super) active_deadline_seconds: Option<i64>,
    pub(super) termination_grace_period_seconds: Option<i64>,
    pub(super) hostname: Option<String>,
    pub(super) security_context: Option<SecurityContext>,
    pub(super) service_account_name: Option<String>,
    pub(super) init_containers: Option<Vec<Container>>,
    pub(super) ephemeral_containers: Option<Value>,
    pub(super) host_aliases: Option<Value>,
    pub(super) resource_claims: Option<Value>,
    pub(super) scheduling_gates: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) command: Option<Vec<String>>,
    pub(super) args: Option<Vec<String>>,
    pub(super) working_dir: Option<String>,
    pub(super) env: Option<Vec<EnvVar>>,
    pub(super) volume_mounts: Option<Vec<VolumeMount>>,
    pub(super) security_context: Option<SecurityContext>,
    pub(super) env_from: Option<Vec<EnvFrom>>,
    pub(super) resources: Option<Resources>,
    pub(super) restart_policy: Option<String>,
    pub(super) volume_devices: Option<Value>,
    pub(super) lifecycle: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvVar {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) value_from: Option<ValueFrom>,
}

/// What a container may use, as quantities.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Resources {
    pub(super) limits: Option<BTreeMap<String, Value>>,
    pub(super) requests: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeMount {
    pub(super) name: String,
    pub(super) mount_path: String,
    pub(super) sub_path: Option<String>,
    pub(super) sub_path_expr: Option<String>,
    pub(super) read_only: Option<bool>,
}

/// A volume: its name, and its source under the source's name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) config_map: Option<ObjectVolume>,
    pub(super) secret: Option<SecretVolume>,
    pub(super) projected: Option<ProjectedVolume>,
    #[serde(rename = "downwardAPI")]
    pub(super) downward_api: Option<DownwardVolume>,
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

/// Of a pod or a container: what would change what the process may do or who it is. Fields that only take rights away
/// are left out: a function here has the rights of who started gitfaas.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecurityContext {
    pub(super) run_as_user: Option<i64>,
    pub(super) run_as_group: Option<i64>,
    pub(super) run_as_non_root: Option<bool>,
    pub(super) privileged: Option<bool>,
    pub(super) capabilities: Option<Capabilities>,
    pub(super) sysctls: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Capabilities {
    pub(super) add: Option<Vec<String>>,
}
