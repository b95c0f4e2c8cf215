//! The kinds that every Kubernetes has, as far as functions are likely to make them.

/// Group, version and kind.
const KINDS: [(&str, &str, &str); 13] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "Namespace"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "Pod"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("", "v1", "ServiceAccount"),
    ("apps", "apps/v1", "DaemonSet"),
    ("apps", "apps/v1", "Deployment"),
    ("apps", "apps/v1", "ReplicaSet"),
    ("apps", "apps/v1", "StatefulSet"),
    ("batch", "batch/v1", "CronJob"),
    ("batch", "batch/v1", "Job"),
];

/// How a kind is written that these groups cannot have as it is; nobody else can add to them.
pub(super) fn correction(api_version: &str, kind: &str) -> Option<String> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if !KINDS.iter().any(|(known, ..)| *known == group) {
        return None;
    }
    let (its_group, version, name) = KINDS.iter().find(|(.., known)| known.eq_ignore_ascii_case(kind))?;
    match (*its_group == group, *name == kind) {
        (true, true) => None,
        (true, false) => Some(format!("write `{name}`")),
        (false, true) => Some(format!("write `apiVersion: {version}`")),
        (false, false) => Some(format!("write `{name}` and `apiVersion: {version}`")),
    }
}
