//! Each control in each kind that makes pods, at each level of container.

mod hostile;
mod rules;
mod standard;

use serde_json::{Value, json};

use crate::admission::{PodPolicy, Policy, admit};
use crate::manifest::Manifest;
use crate::run::ObjectKey;
use crate::template::Template;

/// Every kind that makes pods, in every group and version that it has had, with the way to the pod.
const KINDS: [(&str, &str, &str); 19] = [
    ("v1", "Pod", ""),
    ("v1", "PodTemplate", "template."),
    ("v1", "ReplicationController", "spec.template."),
    ("batch/v1", "Job", "spec.template."),
    ("batch/v1", "CronJob", "spec.jobTemplate.spec.template."),
    ("batch/v1beta1", "CronJob", "spec.jobTemplate.spec.template."),
    ("batch/v2alpha1", "CronJob", "spec.jobTemplate.spec.template."),
    ("apps/v1", "Deployment", "spec.template."),
    ("apps/v1beta1", "Deployment", "spec.template."),
    ("apps/v1beta2", "Deployment", "spec.template."),
    ("extensions/v1beta1", "Deployment", "spec.template."),
    ("apps/v1", "StatefulSet", "spec.template."),
    ("apps/v1beta1", "StatefulSet", "spec.template."),
    ("apps/v1", "DaemonSet", "spec.template."),
    ("extensions/v1beta1", "DaemonSet", "spec.template."),
    ("apps/v1", "ReplicaSet", "spec.template."),
    ("extensions/v1beta1", "ReplicaSet", "spec.template."),
    ("extensions/v1beta1", "Job", "spec.template."),
    ("batch/v7", "job", "spec.template."),
];

const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The `metadata` and `spec` of a pod that `restricted` allows.
fn hardened() -> Value {
    let container = |name: &str| {
        json!({"name": name, "image": "registry.example/a:1", "securityContext": {
            "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}}})
    };
    json!({"metadata": {"labels": {"app": "a"}}, "spec": {
        "containers": [container("a")], "initContainers": [container("b")], "ephemeralContainers": [container("c")],
        "volumes": [{"name": "v", "emptyDir": {}}]}})
}

/// Puts `value` where `path` leads: keys and places in lists, parted by dots and brackets.
fn put(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for step in path.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
        at = match step.parse::<usize>() {
            Ok(index) => {
                if !at.is_array() {
                    *at = json!([]);
                }
                let items = at.as_array_mut().expect("a list");
                while items.len() <= index {
                    items.push(Value::Null);
                }
                &mut items[index]
            }
            // In keys that have dots, these are written as slashes.
            Err(_) => &mut at[step.replace('|', ".")],
        };
    }
    *at = value;
}

/// The object of a kind with that pod.
fn object(api_version: &str, kind: &str, way: &str, pod: &Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {}});
    if way.is_empty() {
        object["metadata"] = pod["metadata"].clone();
        object["spec"] = pod["spec"].clone();
    } else {
        put(&mut object, way, pod.clone());
    }
    object["metadata"]["name"] = json!("reader");
    object
}

fn job(pod: &Value) -> Value {
    object("batch/v1", "Job", "spec.template.", pod)
}

/// The hardened pod with a change to its `spec`.
fn with(path: &str, value: Value) -> Value {
    let mut pod = hardened();
    put(&mut pod["spec"], path, value);
    pod
}

fn recorded(api_version: &str, kind: &str, json: String) -> Manifest {
    let key = ObjectKey {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: None,
        name: "reader".to_owned(),
    };
    Manifest { key, unique: false, json }
}

/// What is said of an object; empty where it is admitted.
fn told(pods: PodPolicy, object: &Value) -> String {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let manifest = recorded(&text(&object["apiVersion"]), &text(&object["kind"]), object.to_string());
    let policy = Policy::default().with_pods(pods);
    admit(&policy, manifest).map_or_else(|refusal| refusal.message, |_| String::new())
}

/// The object as a template.
fn template(object: &Value) -> Template {
    let source = object.to_string();
    Template::compile(&"a.json".parse().expect("a path"), source.as_bytes()).expect("a template")
}

/// What is said of it before any message, when it is a template. One of a kind that is spelled like none is no template,
/// and yet may come as an object.
fn linted(pods: PodPolicy, object: &Value) -> Vec<String> {
    if object["kind"] == "job" {
        return Some(told(pods, object)).into_iter().filter(|told| !told.is_empty()).collect();
    }
    let problems = Policy::default().with_pods(pods).problems(&template(object));
    problems.into_iter().map(|problem| problem.message).collect()
}
