use rstest::rstest;
use serde_json::{Value, json};

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
    assert_eq!((spec.job_deadline, spec.pod_deadline, spec.ttl, spec.working_dir), (None, None, None, None));
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
#[case::always("/spec/template/spec/restartPolicy", json!("Always"), "spec.template.spec.restartPolicy: a Job needs")]
#[case::policy_left_out("/spec/template/spec/restartPolicy", json!(null), "spec.template.spec.restartPolicy: a Job needs")]
#[case::environment("/spec/template/spec/containers/0/env", json!([{"name": "A", "value": 1}]), "spec.template.spec.containers[0].env[0].value: invalid type")]
#[case::unknown_volume("/spec/template/spec/containers/0/volumeMounts", json!([{"name": "v", "mountPath": "/v"}]), "spec.template.spec.containers[0].volumeMounts[0].name: there is no volume `v`")]
fn what_no_cluster_takes_is_malformed(#[case] pointer: &str, #[case] value: Value, #[case] message: &str) {
    match read(&with(pointer, value)) {
        Err(Refused::Malformed(reason)) => assert!(reason.message.starts_with(message), "{}", reason.message),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case("/spec/completions", json!(2))]
#[case("/spec/parallelism", json!(0))]
#[case("/spec/suspend", json!(true))]
#[case("/spec/completionMode", json!("Indexed"))]
#[case("/spec/podFailurePolicy", json!({"rules": [{}]}))]
#[case("/spec/successPolicy", json!({"rules": [{}]}))]
#[case("/spec/template/spec/initContainers", json!([{"name": "init"}]))]
#[case("/spec/template/spec/hostAliases", json!([{"ip": "192.0.2.7"}]))]
#[case("/spec/template/spec/containers", json!([{"name": "a", "command": ["a"]}, {"name": "b", "command": ["b"]}]))]
#[case("/spec/template/spec/securityContext", json!({"runAsUser": 4_294_967_000_i64}))]
#[case("/spec/template/spec/containers/0/securityContext", json!({"runAsGroup": 4_294_967_000_i64}))]
#[case("/spec/template/spec/containers/0/securityContext", json!({"privileged": true}))]
#[case("/spec/template/spec/containers/0/securityContext", json!({"capabilities": {"add": ["NET_ADMIN"]}}))]
#[case("/spec/template/spec/containers/0/command", json!([]))]
#[case("/spec/template/spec/containers/0/envFrom", json!([{"secretRef": {"name": "s"}}]))]
#[case("/spec/template/spec/containers/0/env", json!([{"name": "A", "valueFrom": {"fieldRef": {}, "x": 1}}]))]
#[case("/spec/template/spec/containers/0/lifecycle", json!({"preStop": {}}))]
#[case("/spec/template/spec/volumes", json!([{"name": "v", "configMap": {"name": "c"}}]))]
#[case("/spec/template/spec/volumes", json!([{"name": "v", "secret": {"secretName": "s"}}]))]
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
#[case("/spec/template/spec/serviceAccountName", json!("robot"))]
#[case("/spec/template/spec/tolerations", json!([{"operator": "Exists"}]))]
#[case("/spec/template/spec/imagePullSecrets", json!([{"name": "s"}]))]
#[case("/spec/template/spec/volumes", json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]))]
#[case("/spec/template/spec/containers/0/livenessProbe", json!({"exec": {"command": ["true"]}}))]
#[case("/spec/template/spec/containers/0/resources", json!({"limits": {"cpu": "1"}}))]
#[case("/spec/template/spec/containers/0/securityContext", json!({"readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}))]
fn what_means_nothing_here_does_no_harm(#[case] pointer: &str, #[case] value: Value) {
    assert_eq!(read(&with(pointer, value)), read(&job()));
}

fn with_mounts(mounts: Value) -> Checked<Vec<Mount>> {
    let mut job =
        with("/spec/template/spec/volumes", json!([{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]));
    job.pointer_mut(CONTAINER).expect("a container")["volumeMounts"] = mounts;
    read(&job).map(|spec| spec.mounts)
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

#[test]
fn a_later_variable_sees_the_earlier_ones_and_replaces_its_namesake() {
    let env = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "A"}, {"name": "C", "value": "$(A)3"}]);
    let env = read(&with(&format!("{CONTAINER}/env"), env)).expect("a spec").env;
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("B", "1$(C)"), ("A", ""), ("C", "3")]);
}

#[test]
fn times_without_end_do_not_overflow() {
    let spec = read(&with("/spec/activeDeadlineSeconds", json!(i64::MAX))).expect("a spec");
    assert!(spec.job_deadline.is_some_and(|deadline| deadline < Duration::MAX));
}
