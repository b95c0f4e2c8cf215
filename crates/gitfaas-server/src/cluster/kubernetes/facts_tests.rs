use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::cluster::kubernetes::objects::Warning;

fn job(spec: &Value, status: &Value) -> Job {
    let metadata =
        json!({"name": "resize-1", "namespace": "media", "uid": "j1", "creationTimestamp": "2026-11-25T01:42:27Z"});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec, "status": status});
    serde_json::from_value(job).expect("a Job")
}

/// As a Job controller says that it gave up.
fn failed_with(reason: &str, message: &str) -> Job {
    let condition = json!({
        "type": "Failed", "status": "True", "reason": reason, "message": message,
        "lastProbeTime": "2026-11-25T01:43:21Z", "lastTransitionTime": "2026-11-25T01:43:21Z",
    });
    job(&json!({"activeDeadlineSeconds": 90, "backoffLimit": 2}), &json!({"conditions": [condition], "failed": 1}))
}

fn gave_up() -> Job {
    failed_with("BackoffLimitExceeded", "Job has reached the specified backoff limit")
}

fn pod(uid: &str, status: &Value) -> Pod {
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "resize-1", "uid": "j1", "controller": true});
    let metadata = json!({
        "name": format!("resize-1-{uid}"), "namespace": "media", "uid": uid, "ownerReferences": [owner],
        "creationTimestamp": format!("2026-11-25T01:42:{uid}Z"),
    });
    let pod = json!({"metadata": metadata, "spec": {"containers": [{"name": "main"}]}, "status": status});
    serde_json::from_value(pod).expect("a pod")
}

fn pods(all: impl IntoIterator<Item = Pod>) -> Pods {
    let mut pods = Pods::default();
    for pod in all {
        pods.put(PodFacts::of(&pod));
    }
    pods
}

fn container(state: &Value) -> Value {
    json!({"name": "main", "image": "localhost/busybox:1", "imageID": "", "lastState": {}, "ready": false, "restartCount": 0, "state": state})
}

fn terminated(exit_code: i32, reason: &str) -> Value {
    json!({"terminated": {
        "containerID": "containerd://8c56ef36", "exitCode": exit_code, "reason": reason,
        "startedAt": "2026-11-25T01:42:29Z", "finishedAt": "2026-11-25T01:42:29Z",
    }})
}

fn ended(uid: &str, exit_code: i32, reason: &str) -> Pod {
    let phase = if exit_code == 0 { "Succeeded" } else { "Failed" };
    pod(uid, &json!({"phase": phase, "containerStatuses": [container(&terminated(exit_code, reason))]}))
}

fn running(uid: &str) -> Pod {
    let state = json!({"running": {"startedAt": "2026-11-25T01:42:29Z"}});
    pod(uid, &json!({"phase": "Running", "containerStatuses": [container(&state)]}))
}

fn waiting(reason: &str, message: Option<&str>) -> Pod {
    let state = json!({"waiting": {"reason": reason, "message": message}});
    pod("10", &json!({"phase": "Pending", "containerStatuses": [container(&state)]}))
}

fn unscheduled(reason: &str, message: &str) -> Pod {
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": reason, "message": message, "lastTransitionTime": "2026-11-25T01:42:29Z"});
    pod("10", &json!({"phase": "Pending", "conditions": [condition]}))
}

fn live() -> Job {
    job(&json!({}), &json!({"active": 1, "startTime": "2026-11-25T01:42:27Z"}))
}

fn failure(job: &Job, pods: &Pods) -> (String, String, Option<i32>, u32) {
    match of(job, pods, None) {
        (JobState::Failed { reason, exit_code }, attempts) => (reason.code, reason.message, exit_code, attempts),
        other => panic!("not failed: {other:?}"),
    }
}

fn waits(pods: &Pods) -> (String, String) {
    match of(&live(), pods, None).0 {
        JobState::Pending { reason: Some(reason) } => (reason.code, reason.message),
        other => panic!("not waiting: {other:?}"),
    }
}

#[test]
fn a_job_goes_from_pending_to_running_to_its_success() {
    let new = job(&json!({}), &json!({}));
    assert_eq!(of(&new, &Pods::default(), None), (JobState::Pending { reason: None }, 0));
    let starting = pods([waiting("ContainerCreating", None)]);
    assert_eq!(of(&live(), &starting, None), (JobState::Pending { reason: None }, 0));
    assert_eq!(of(&live(), &pods([running("10")]), None), (JobState::Running, 1));
    let condition = json!({"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-25T01:43:21Z"});
    let over = job(&json!({}), &json!({"conditions": [condition], "succeeded": 1}));
    assert_eq!(of(&over, &pods([ended("10", 0, "Completed")]), None), (JobState::Succeeded, 1));
    assert_eq!(of(&over, &Pods::default(), None), (JobState::Succeeded, 1), "its own counters count too");
}

#[test]
fn a_condition_that_does_not_hold_is_none() {
    let condition = json!({"type": "Failed", "status": "False"});
    let job = job(&json!({}), &json!({"conditions": [condition]}));
    assert_eq!(of(&job, &Pods::default(), None).0, JobState::Pending { reason: None });
}

#[test]
fn between_two_attempts_a_job_runs() {
    assert_eq!(of(&live(), &pods([ended("10", 4, "Error")]), None), (JobState::Running, 1));
    let again =
        json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}});
    let mut status = container(&again);
    status["restartCount"] = json!(2);
    status["lastState"] = terminated(4, "Error");
    let pod = pod("10", &json!({"phase": "Running", "containerStatuses": [status]}));
    assert_eq!(of(&live(), &pods([pod]), None), (JobState::Running, 3));
}

#[rstest]
#[case::code(ended("12", 4, "Error"), "BackoffLimitExceeded", "ended with exit code 4", Some(4))]
#[case::memory(
    ended("12", 137, "OOMKilled"),
    "OOMKilled",
    "was killed because it used more memory than its limit (exit code 137)",
    Some(137)
)]
#[case::killed(
    ended("12", 137, "Error"),
    "BackoffLimitExceeded",
    "was killed (exit code 137): if nobody did that, it needed more memory than it may have",
    Some(137)
)]
#[case::no_program(
    pod("12", &json!({"phase": "Failed", "containerStatuses": [container(&json!({"terminated": {
        "exitCode": 128, "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z",
        "message": "failed to create containerd task: exec: \"no-such-program\": executable file not found in $PATH: unknown",
    }}))]})),
    "BackoffLimitExceeded",
    "could not be started: failed to create containerd task: exec: \"no-such-program\": executable file not found in $PATH: unknown",
    Some(128)
)]
#[case::its_own_word(
    pod("12", &json!({"phase": "Failed", "containerStatuses": [container(&json!({"terminated": {
        "exitCode": 3, "reason": "Error", "message": "no such\tcustomer\n",
    }}))]})),
    "BackoffLimitExceeded",
    "ended with exit code 3: no such customer",
    Some(3)
)]
#[case::evicted(
    pod("12", &json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory. "})),
    "Evicted",
    "was evicted from its node: The node was low on resource: memory",
    None
)]
#[case::deadline_of_its_pod(
    pod("12", &json!({"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"})),
    "DeadlineExceeded",
    "ran for longer than its pod's activeDeadlineSeconds",
    None
)]
#[case::another_word(
    pod("12", &json!({"phase": "Failed", "reason": "NodeShutdown", "message": "Node is shutting, evicting pods"})),
    "BackoffLimitExceeded",
    "failed (NodeShutdown): Node is shutting, evicting pods",
    None
)]
fn a_job_that_gave_up_says_what_its_last_attempt_did(
    #[case] last: Pod,
    #[case] code: &str,
    #[case] said: &str,
    #[case] exit_code: Option<i32>,
) {
    let started = last.was_started();
    let found = failure(&gave_up(), &pods([ended("11", 1, "Error"), ended("10", 2, "Error"), last]));
    let attempts = if started { 3 } else { 2 };
    let message = format!("attempt {attempts} of {attempts} {said}");
    assert_eq!(found, (code.to_owned(), message, exit_code, attempts));
}

#[test]
fn the_container_that_failed_is_named_where_there_are_several() {
    let mut beside = container(&terminated(0, "Completed"));
    beside["name"] = json!("beside");
    let status = json!({"phase": "Failed", "containerStatuses": [beside, container(&terminated(7, "Error"))]});
    let (_, message, exit_code, _) = failure(&gave_up(), &pods([pod("10", &status)]));
    assert_eq!(message, "attempt 1 of 1 failed: container main ended with exit code 7");
    assert_eq!(exit_code, Some(7));
}

#[test]
fn what_runs_beside_the_function_is_not_what_failed() {
    let sidecar = json!({"name": "proxy", "restartCount": 9, "state": terminated(143, "Error")});
    let status = json!({
        "phase": "Failed", "initContainerStatuses": [sidecar], "containerStatuses": [container(&terminated(7, "Error"))],
    });
    let mut pod =
        serde_json::to_value(json!({"spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}}))
            .expect("json");
    pod["status"] = status;
    pod["metadata"] = json!({"name": "p", "uid": "p"});
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    let (_, message, _, attempts) = failure(&gave_up(), &pods([pod]));
    assert_eq!((message.as_str(), attempts), ("attempt 1 of 1 failed: container main ended with exit code 7", 1));
}

#[test]
fn a_deadline_is_the_jobs_own() {
    let job = failed_with("DeadlineExceeded", "Job was active longer than specified deadline");
    let (code, message, exit_code, _) = failure(&job, &pods([ended("10", 143, "Error")]));
    assert_eq!((code.as_str(), exit_code), ("DeadlineExceeded", Some(143)));
    assert_eq!(message, "it was active for longer than its activeDeadlineSeconds, 90 s");
}

#[test]
fn another_reason_is_told_in_the_servers_words() {
    let said = "Container main for pod media/resize-1-10 failed with exit code 4 matching FailJob rule at index 0";
    let (code, message, ..) = failure(&failed_with("PodFailurePolicy", said), &Pods::default());
    assert_eq!((code.as_str(), message.as_str()), ("PodFailurePolicy", said));
    let (code, message, ..) = failure(&failed_with("two words", ""), &pods([ended("10", 4, "Error")]));
    assert_eq!((code.as_str(), message.as_str()), ("Failed", "attempt 1 of 1 ended with exit code 4"));
}

#[test]
fn without_its_pods_a_job_gave_up_in_the_servers_words() {
    let (code, message, exit_code, attempts) = failure(&gave_up(), &Pods::default());
    assert_eq!((code.as_str(), exit_code, attempts), ("BackoffLimitExceeded", None, 1));
    assert_eq!(message, "Job has reached the specified backoff limit");
}

#[test]
fn a_pod_that_is_gone_was_an_attempt_all_the_same() {
    let mut pods = pods([ended("10", 4, "Error"), ended("11", 5, "Error")]);
    pods.remove("11");
    pods.remove("10");
    pods.remove("unknown");
    pods.put(PodFacts::of(&running("12")));
    assert_eq!(of(&live(), &pods, None), (JobState::Running, 3));
    pods.remove("12");
    assert_eq!(failure(&gave_up(), &pods).1, "attempt 3 of 3 ended with exit code 4");
}

#[rstest]
#[case::no_node(
    unscheduled("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu."),
    "Unschedulable",
    "no node can take its pod: 0/1 nodes are available: 1 Insufficient cpu"
)]
#[case::gated(
    unscheduled("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"),
    "SchedulingGated",
    "no node can take its pod: Scheduling is blocked due to non-empty scheduling gates"
)]
#[case::no_claim(
    unscheduled("Unschedulable", "0/1 nodes are available: 1 persistentvolumeclaim \"nope\" not found."),
    "VolumeUnbound",
    "a volume claim is missing or not bound: 0/1 nodes are available: 1 persistentvolumeclaim \"nope\" not found"
)]
#[case::unbound_claim(
    unscheduled("Unschedulable", "0/1 nodes are available: 1 pod has unbound immediate PersistentVolumeClaims."),
    "VolumeUnbound",
    "a volume claim is missing or not bound: 0/1 nodes are available: 1 pod has unbound immediate PersistentVolumeClaims"
)]
#[case::image(
    waiting("ErrImagePull", Some("rpc error: not found")),
    "ErrImagePull",
    "the image cannot be pulled: rpc error: not found"
)]
#[case::image_again(
    waiting("ImagePullBackOff", Some("Back-off pulling image \"a\"")),
    "ImagePullBackOff",
    "the image cannot be pulled: Back-off pulling image \"a\""
)]
#[case::image_name(
    waiting("InvalidImageName", Some("couldn't parse image reference")),
    "InvalidImageName",
    "the image has no valid name: couldn't parse image reference"
)]
#[case::secret(
    waiting("CreateContainerConfigError", Some("secret \"nope\" not found")),
    "CreateContainerConfigError",
    "the container cannot be started: secret \"nope\" not found"
)]
#[case::unknown(waiting("Strange", None), "Strange", "the container waits")]
fn what_a_pod_waits_for_is_told(#[case] pod: Pod, #[case] code: &str, #[case] message: &str) {
    assert_eq!(waits(&pods([pod])), (code.to_owned(), message.to_owned()));
}

#[test]
fn an_image_that_cannot_be_pulled_does_not_say_less_the_second_time() {
    let mut pods = pods([waiting("ErrImagePull", Some("no such image"))]);
    pods.put(PodFacts::of(&waiting("ImagePullBackOff", Some("Back-off pulling image \"a\""))));
    assert_eq!(waits(&pods), ("ErrImagePull".to_owned(), "the image cannot be pulled: no such image".to_owned()));
    pods.put(PodFacts::of(&waiting("ErrImagePull", Some("no such server"))));
    assert_eq!(waits(&pods).1, "the image cannot be pulled: no such server");
    pods.put(PodFacts::of(&running("10")));
    assert_eq!(of(&live(), &pods, None).0, JobState::Running);
}

fn warning(reason: &str, message: &str) -> Warning {
    let about = json!({"kind": "Pod", "uid": "10"});
    serde_json::from_value(json!({"involvedObject": about, "reason": reason, "message": message})).expect("an event")
}

#[test]
fn a_warning_tells_what_a_pod_waits_for_until_it_is_started() {
    let mut pods = pods([waiting("ContainerCreating", None)]);
    let mount = warning("FailedMount", "MountVolume.SetUp failed for volume \"s\" : secret \"nope\" not found");
    pods.warn("10", pod_warning(&mount));
    pods.put(PodFacts::of(&waiting("ContainerCreating", None)));
    let (code, message) = waits(&pods);
    assert_eq!(code, "FailedMount");
    assert_eq!(
        message,
        "a volume cannot be mounted: MountVolume.SetUp failed for volume \"s\" : secret \"nope\" not found"
    );
    pods.put(PodFacts::of(&running("10")));
    assert_eq!(of(&live(), &pods, None).0, JobState::Running);
    pods.warn("10", pod_warning(&mount));
    assert_eq!(of(&live(), &pods, None).0, JobState::Running);
    assert_eq!(pod_warning(&warning("BackOff", "Back-off restarting failed container")), None);
}

#[test]
fn why_no_pod_is_made_is_told_while_there_is_none() {
    let quota = warning("FailedCreate", "Error creating: pods \"a\" is forbidden: exceeded quota: q");
    let reason = job_warning(&quota).expect("a reason");
    let waits = |pods: &Pods| of(&live(), pods, Some(&reason)).0;
    let message = "Kubernetes cannot make its pod: Error creating: pods \"a\" is forbidden: exceeded quota: q";
    assert_eq!(waits(&Pods::default()), JobState::Pending { reason: Some(Reason::new("FailedCreate", message)) });
    assert_eq!(waits(&pods([running("10")])), JobState::Running);
    assert_eq!(waits(&pods([waiting("ContainerCreating", None)])), JobState::Pending { reason: None });
    let suspended = job(&json!({"suspend": true}), &json!({}));
    let (state, _) = of(&suspended, &Pods::default(), None);
    assert!(matches!(state, JobState::Pending { reason: Some(reason) } if reason.code == "Suspended"));
}

#[test]
fn a_job_that_failed_because_it_was_deleted_did_not_fail() {
    let mut job = gave_up();
    job.metadata.deletion_timestamp = Some("2026-11-25T01:43:20Z".parse().expect("a time"));
    assert_eq!(of(&job, &Pods::default(), None).0, ended::deleted());
    job.metadata.deletion_timestamp = Some("2026-11-25T01:43:22Z".parse().expect("a time"));
    assert!(matches!(of(&job, &Pods::default(), None).0, JobState::Failed { .. }), "it had failed before");
    assert_eq!(gone(&live(), &pods([running("10")])), (ended::deleted(), 1));
}

#[test]
fn what_a_cluster_says_is_bounded_and_printable() {
    let long = format!("\u{1b}[31m{}", "é".repeat(10_000));
    let (_, message) = waits(&pods([waiting("ErrImagePull", Some(&long))]));
    assert!(message.chars().count() < 600 && !message.contains('\u{1b}'), "{message}");
    let (code, _) = waits(&pods([waiting(&"A".repeat(100), None)]));
    assert_eq!(code, "Waiting");
}

#[test]
fn numbers_that_make_no_sense_do_no_harm() {
    let mut status = container(&terminated(4, "Error"));
    status["restartCount"] = json!(-7);
    let pod = pod("10", &json!({"phase": "Failed", "containerStatuses": [status]}));
    let job = job(&json!({}), &json!({"active": -1, "failed": -3, "succeeded": null, "conditions": null}));
    assert_eq!(of(&job, &pods([pod]), None), (JobState::Running, 1));
}
