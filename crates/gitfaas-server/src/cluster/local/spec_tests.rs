use rstest::rstest;
use serde_json::{Value, json};

use super::container::Mount;
use super::*;

const CONTAINER: &str = "/spec/template/spec/containers/0";

fn job() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "resize"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": "registry.example/resize:7", "command": ["resize"]},
        ]}}},
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut job = job();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = job.pointer_mut(parent).expect("its parent");
    parent.as_object_mut().expect("an object").insert(field.to_owned(), value);
    job
}

fn read(job: &Value) -> Checked<Spec> {
    Spec::read(&job.to_string())
}

#[test]
fn what_is_not_said_is_as_in_kubernetes() {
    let spec = read(&job()).expect("a spec");
    assert_eq!((spec.retries, spec.restarts, spec.grace), (6, false, Duration::from_secs(30)));
    assert_eq!((spec.job_deadline, spec.pod_deadline, spec.ttl, spec.hostname), (None, None, None, None));
}

#[test]
fn null_is_as_good_as_nothing() {
    let mut job = job();
    for field in ["args", "env", "workingDir", "volumeMounts", "envFrom", "lifecycle", "securityContext"] {
        job.pointer_mut(CONTAINER).expect("a container")[field] = Value::Null;
    }
    for field in ["backoffLimit", "completions", "suspend", "podFailurePolicy"] {
        job["spec"][field] = Value::Null;
    }
    assert!(read(&job).is_ok());
}

#[rstest]
#[case::no_containers("/spec/template/spec/containers", json!([]), "spec.template.spec.containers: at least one")]
#[case::no_list("/spec/template/spec/containers", json!({}), "spec.template.spec.containers: invalid type: map")]
#[case::number_as_text("/spec/backoffLimit", json!("3"), "spec.backoffLimit: invalid type: string")]
#[case::negative("/spec/backoffLimit", json!(-1), "spec.backoffLimit: must be 0 or more, not -1")]
#[case::no_time("/spec/activeDeadlineSeconds", json!(0), "spec.activeDeadlineSeconds: must be 1 or more")]
#[case::mode_of_completion("/spec/completionMode", json!("Sorted"), "spec.completionMode: must be")]
#[case::indexed_without_end("/spec/completionMode", json!("Indexed"), "spec.completionMode: `Indexed` needs")]
#[case::completions("/spec/completions", json!(-1), "spec.completions: must be 0 or more")]
#[case::always("/spec/template/spec/restartPolicy", json!("Always"), "spec.template.spec.restartPolicy: a Job needs")]
#[case::policy_left_out("/spec/template/spec/restartPolicy", json!(null), "spec.template.spec.restartPolicy: a Job needs")]
#[case::environment("/spec/template/spec/containers/0/env", json!([{"name": "A", "value": 1}]), "spec.template.spec.containers[0].env[0].value: invalid type")]
#[case::unknown_volume("/spec/template/spec/containers/0/volumeMounts", json!([{"name": "v", "mountPath": "/v"}]), "spec.template.spec.containers[0].volumeMounts[0].name: there is no volume `v`")]
#[case::container_name("/spec/template/spec/containers/0/name", json!("../main"), "spec.template.spec.containers[0].name: `../main`")]
#[case::same_names("/spec/template/spec/containers", json!([{"name": "a"}, {"name": "a"}]), "spec.template.spec.containers: two containers are called `a`")]
#[case::object_name("/spec/template/spec/containers/0/envFrom", json!([{"secretRef": {"name": ".."}}]), "spec.template.spec.containers[0].envFrom[0].secretRef.name: `..` is no name")]
#[case::object_place("/spec/template/spec/volumes", json!([{"name": "v", "secret": {"secretName": "a/../../b"}}]), "spec.template.spec.volumes[0].secret.secretName: `a/../../b`")]
#[case::key("/spec/template/spec/containers/0/env", json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "../b"}}}]), "spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef.key: `../b`")]
#[case::two_values("/spec/template/spec/containers/0/env", json!([{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]), "spec.template.spec.containers[0].env[0].valueFrom: there is a `value`")]
#[case::all_labels("/spec/template/spec/containers/0/env", json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]), "spec.template.spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: say which one")]
#[case::no_field("/spec/template/spec/containers/0/env", json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]), "spec.template.spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: a pod cannot be told")]
#[case::file_elsewhere("/spec/template/spec/volumes", json!([{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../x"}]}}]), "spec.template.spec.volumes[0].configMap.items[0].path: must not contain")]
#[case::mode("/spec/template/spec/volumes", json!([{"name": "v", "configMap": {"name": "c", "defaultMode": 0o1777}}]), "spec.template.spec.volumes[0].configMap.defaultMode: must be between 0 and 0777")]
#[case::two_sources("/spec/template/spec/volumes", json!([{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]), "spec.template.spec.volumes[0]: a volume has one source")]
#[case::quantity("/spec/template/spec/containers/0/resources", json!({"limits": {"cpu": "much"}}), "spec.template.spec.containers[0].resources.limits.cpu: \"much\" is no quantity")]
fn what_no_cluster_takes_is_malformed(#[case] pointer: &str, #[case] value: Value, #[case] message: &str) {
    match read(&with(pointer, value)) {
        Err(Refused::Malformed(reason)) => assert!(reason.message.starts_with(message), "{}", reason.message),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case("/spec/parallelism", json!(0))]
#[case("/spec/suspend", json!(true))]
#[case("/spec/podFailurePolicy", json!({"rules": [{}]}))]
#[case("/spec/successPolicy", json!({"rules": [{}]}))]
#[case("/spec/template/spec/initContainers", json!([{"name": "init"}]))]
#[case("/spec/template/spec/initContainers", json!([{"name": "init", "command": ["init"], "restartPolicy": "OnFailure"}]))]
#[case("/spec/template/spec/hostAliases", json!([{"ip": "192.0.2.7"}]))]
#[case("/spec/template/spec/containers", json!([{"name": "a", "command": []}, {"name": "b", "command": ["b"]}]))]
#[case("/spec/template/spec/securityContext", json!({"runAsUser": 4_294_967_000_i64}))]
#[case("/spec/template/spec/containers/0/securityContext", json!({"runAsGroup": 4_294_967_000_i64}))]
#[case("/spec/template/spec/containers/0/securityContext", json!({"privileged": true}))]
#[case("/spec/template/spec/containers/0/securityContext", json!({"capabilities": {"add": ["NET_ADMIN"]}}))]
#[case("/spec/template/spec/containers/0/command", json!([]))]
#[case("/spec/template/spec/containers/0/restartPolicy", json!("Never"))]
#[case("/spec/template/spec/containers/0/env", json!([{"name": "A", "valueFrom": {"fileKeyRef": {}}}]))]
#[case("/spec/template/spec/containers/0/lifecycle", json!({"preStop": {}}))]
#[case("/spec/template/spec/volumes", json!([{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]))]
#[case("/spec/template/spec/volumes", json!([{"name": "v", "hostPath": {"path": "/"}}]))]
#[case("/spec/template/spec/volumes", json!([{"name": "v", "nfs": {}}]))]
fn what_this_machine_cannot_do_is_named(#[case] pointer: &str, #[case] value: Value) {
    let field = pointer.trim_start_matches('/').replace("/0", "[0]").replace('/', ".");
    match read(&with(pointer, value)) {
        Err(Refused::Unsupported(reason)) => assert!(reason.message.starts_with(&field), "{}", reason.message),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case("/spec/completions", json!(1))]
#[case("/spec/suspend", json!(false))]
#[case("/spec/template/spec/initContainers", json!([]))]
#[case("/spec/template/spec/tolerations", json!([{"operator": "Exists"}]))]
#[case("/spec/template/spec/imagePullSecrets", json!([{"name": "s"}]))]
#[case("/spec/template/spec/containers/0/livenessProbe", json!({"exec": {"command": ["true"]}}))]
#[case("/spec/template/spec/containers/0/securityContext", json!({"readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}))]
fn what_means_nothing_here_does_no_harm(#[case] pointer: &str, #[case] value: Value) {
    assert_eq!(read(&with(pointer, value)), read(&job()));
}

fn with_mounts(mounts: Value) -> Checked<Vec<Mount>> {
    let mut job =
        with("/spec/template/spec/volumes", json!([{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]));
    job.pointer_mut(CONTAINER).expect("a container")["volumeMounts"] = mounts;
    read(&job).map(|mut spec| spec.containers.remove(0).mounts)
}

#[test]
fn mounts_are_tidied() {
    let mounts =
        with_mounts(json!([{"name": "b", "mountPath": "//mnt/./disk/", "subPath": "x//y/", "readOnly": true}]));
    let wanted = Mount { volume: 1, path: "/mnt/disk".to_owned(), sub_path: "x/y".to_owned(), read_only: true };
    assert_eq!(mounts, Ok(vec![wanted]));
}

#[rstest]
#[case::out_of_the_place(json!([{"name": "a", "mountPath": "/mnt/../etc"}]), "mountPath")]
#[case::out_of_the_volume(json!([{"name": "a", "mountPath": "/a", "subPath": "../b"}]), "subPath")]
#[case::absolute_sub_path(json!([{"name": "a", "mountPath": "/a", "subPath": "/etc"}]), "subPath")]
#[case::twice(json!([{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/a/"}]), "mountPath")]
#[case::everything(json!([{"name": "a", "mountPath": "/."}]), "mountPath")]
fn mounts_that_lead_elsewhere_are_refused(#[case] mounts: Value, #[case] field: &str) {
    match with_mounts(mounts) {
        Err(Refused::Malformed(reason) | Refused::Unsupported(reason)) => {
            assert!(reason.message.contains(field), "{}", reason.message);
        }
        Ok(mounts) => panic!("{mounts:?}"),
    }
}

#[rstest]
#[case(json!({}), Some(1), 1)]
#[case(json!({"completions": 4}), Some(4), 1)]
#[case(json!({"completions": 4, "parallelism": 2}), Some(4), 2)]
#[case(json!({"parallelism": 3}), None, 3)]
fn how_many_pods_there_are_is_as_in_kubernetes(
    #[case] fields: Value,
    #[case] completions: Option<u32>,
    #[case] at_once: u32,
) {
    let mut job = job();
    job["spec"].as_object_mut().expect("a spec").extend(fields.as_object().expect("fields").clone());
    let spec = read(&job).expect("a spec");
    assert_eq!((spec.completions, spec.parallelism), (completions, at_once));
}

#[test]
fn times_without_end_do_not_overflow() {
    let spec = read(&with("/spec/activeDeadlineSeconds", json!(i64::MAX))).expect("a spec");
    assert!(spec.job_deadline.is_some_and(|deadline| deadline < Duration::MAX));
}
