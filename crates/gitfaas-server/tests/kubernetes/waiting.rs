//! What Jobs wait for.

use serde_json::{Value, json};

use super::support::{Bench, CONTAINER, POD, shell, with};

fn with_volume(job: Value, volume: &Value) -> Value {
    let job = with(job, &format!("{POD}/volumes"), json!([volume]));
    with(job, &format!("{CONTAINER}/volumeMounts"), json!([{"name": "kept", "mountPath": "/kept"}]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_does_not_exist_is_told() {
    let Some(mut bench) = Bench::open("a bad image").await else { return };
    let job = with(shell("image", ""), &format!("{CONTAINER}/image"), json!("localhost/no-such-image:1"));
    let reason = bench.waits_for(&job, "ErrImagePull").await;
    assert!(reason.message.starts_with("the image cannot be pulled: "), "{reason:?}");
    assert!(reason.message.contains("localhost/no-such-image:1"), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_whose_name_is_none_is_told() {
    let Some(mut bench) = Bench::open("an image without a name").await else { return };
    let job = with(shell("name", ""), &format!("{CONTAINER}/image"), json!("No Image"));
    let reason = bench.waits_for(&job, "InvalidImageName").await;
    assert!(reason.message.contains("No Image"), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_missing_is_told() {
    let Some(mut bench) = Bench::open("a missing secret").await else { return };
    let env = json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "a"}}}]);
    let job = with(shell("env", ""), &format!("{CONTAINER}/env"), env);
    let reason = bench.waits_for(&job, "CreateContainerConfigError").await;
    assert_eq!(reason.message, "the container cannot be started: secret \"no-such-secret\" not found");
    let job = with_volume(shell("volume", ""), &json!({"name": "kept", "secret": {"secretName": "no-such-secret"}}));
    let reason = bench.waits_for(&job, "FailedMount").await;
    assert!(reason.message.contains("secret \"no-such-secret\" not found"), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_no_node_can_take_is_told() {
    let Some(mut bench) = Bench::open("an unschedulable pod").await else { return };
    let job = with(shell("big", ""), &format!("{CONTAINER}/resources"), json!({"requests": {"cpu": "1000"}}));
    let reason = bench.waits_for(&job, "Unschedulable").await;
    assert!(reason.message.contains("Insufficient cpu"), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_missing_or_not_bound_is_told() {
    let Some(mut bench) = Bench::open("a claim").await else { return };
    let job =
        with_volume(shell("missing", ""), &json!({"name": "kept", "persistentVolumeClaim": {"claimName": "absent"}}));
    let reason = bench.waits_for(&job, "VolumeUnbound").await;
    assert!(reason.message.contains("persistentvolumeclaim \"absent\" not found"), "{reason:?}");
    bench.namespace.apply(&json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "unbound"},
        "spec": {"storageClassName": "no-such-class", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }));
    let job =
        with_volume(shell("unbound", ""), &json!({"name": "kept", "persistentVolumeClaim": {"claimName": "unbound"}}));
    let reason = bench.waits_for(&job, "VolumeUnbound").await;
    assert!(reason.message.contains("unbound"), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_may_not_be_made_is_told() {
    let Some(mut bench) = Bench::open("a missing service account").await else { return };
    let job = with(shell("nobody", ""), &format!("{POD}/serviceAccountName"), json!("no-such-account"));
    let reason = bench.waits_for(&job, "FailedCreate").await;
    assert!(reason.message.contains("no-such-account"), "{reason:?}");
}
