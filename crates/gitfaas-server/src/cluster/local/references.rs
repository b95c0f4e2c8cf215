//! How a manifest refers to `ConfigMap`s, Secrets, the pod's own fields and its containers' resources, as it is written.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Where a variable's value comes from: exactly one of these.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValueFrom {
    pub(super) config_map_key_ref: Option<KeyRef>,
    pub(super) secret_key_ref: Option<KeyRef>,
    pub(super) field_ref: Option<FieldRef>,
    pub(super) resource_field_ref: Option<ResourceRef>,
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

/// A key of a `ConfigMap` or Secret.
#[derive(Debug, Deserialize)]
pub(super) struct KeyRef {
    pub(super) name: Option<String>,
    pub(super) key: String,
    pub(super) optional: Option<bool>,
}

/// A field of the pod.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FieldRef {
    pub(super) field_path: String,
}

/// A limit or request of a container; its own, where that is not named.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceRef {
    pub(super) container_name: Option<String>,
    pub(super) resource: String,
    /// The unit that is counted in.
    pub(super) divisor: Option<Value>,
}

/// All keys of a `ConfigMap` or Secret as variables.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvFrom {
    pub(super) prefix: Option<String>,
    pub(super) config_map_ref: Option<ObjectRef>,
    pub(super) secret_ref: Option<ObjectRef>,
}

/// A `ConfigMap` or Secret.
#[derive(Debug, Deserialize)]
pub(super) struct ObjectRef {
    pub(super) name: Option<String>,
    pub(super) optional: Option<bool>,
}

/// A `ConfigMap` as a volume; and either kind as a source of a projected one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectVolume {
    pub(super) name: Option<String>,
    pub(super) items: Option<Vec<KeyToPath>>,
    pub(super) default_mode: Option<i64>,
    pub(super) optional: Option<bool>,
}

/// A Secret as a volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretVolume {
    pub(super) secret_name: Option<String>,
    pub(super) items: Option<Vec<KeyToPath>>,
    pub(super) default_mode: Option<i64>,
    pub(super) optional: Option<bool>,
}

/// A key as a file.
#[derive(Debug, Deserialize)]
pub(super) struct KeyToPath {
    pub(super) key: String,
    pub(super) path: String,
    pub(super) mode: Option<i64>,
}

/// Several sources in one volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectedVolume {
    pub(super) sources: Option<Vec<ProjectedSource>>,
    pub(super) default_mode: Option<i64>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectedSource {
    pub(super) config_map: Option<ObjectVolume>,
    pub(super) secret: Option<ObjectVolume>,
    #[serde(rename = "downwardAPI")]
    pub(super) downward_api: Option<DownwardVolume>,
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

/// The pod's own fields as files.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DownwardVolume {
    pub(super) items: Option<Vec<FieldFile>>,
    pub(super) default_mode: Option<i64>,
}

/// One of them: a field or a resource.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FieldFile {
    pub(super) path: String,
    pub(super) field_ref: Option<FieldRef>,
    pub(super) resource_field_ref: Option<ResourceRef>,
    pub(super) mode: Option<i64>,
}
