use serde_json::{Value, json};

use super::*;

fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-25T01:42:29Z"}})
}

fn ended() -> Value {
    json!({"terminated": {"exitCode": 4, "reason": "Error"}})
}

fn container(name: &str, restarts: u32, state: &Value, last: &Value) -> Value {
    json!({"name": name, "restartCount": restarts, "state": state, "lastState": last})
}

fn pod(name: &str, second: u32, init: &[Value], main: &[Value]) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "uid": name, "creationTimestamp": format!("2026-11-25T01:42:{second:02}Z")},
        "spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]},
        "status": {"phase": "Running", "initContainerStatuses": init, "containerStatuses": main},
    }))
    .expect("a pod")
}

/// Pod, container, attempt; then whether it is the one before, and whether it runs.
fn told(pods: &[Pod]) -> Vec<(String, u32, bool, bool)> {
    let name = |start: &Start| format!("{}/{}", start.pod, start.container);
    starts(pods).iter().map(|start| (name(start), start.attempt, start.previous, start.runs)).collect()
}

#[test]
fn attempts_are_numbered_in_the_order_in_which_their_pods_were_made() {
    let first = pod("z", 10, &[], &[container("main", 0, &ended(), &json!({}))]);
    let waits = pod("b", 11, &[], &[container("main", 0, &json!({"waiting": {"reason": "ErrImagePull"}}), &json!({}))]);
    let second = pod("a", 12, &[], &[container("main", 0, &running(), &json!({}))]);
    let expected = [("z/main".to_owned(), 1, false, false), ("a/main".to_owned(), 2, false, true)];
    assert_eq!(told(&[second, waits, first]), expected);
}

#[test]
fn a_container_that_was_started_again_has_two_logs() {
    let pods = [
        pod("a", 10, &[], &[container("main", 3, &running(), &ended())]),
        pod("b", 11, &[], &[container("main", 0, &running(), &json!({}))]),
    ];
    let expected = [
        ("a/main".to_owned(), 3, true, false),
        ("a/main".to_owned(), 4, false, true),
        ("b/main".to_owned(), 5, false, true),
    ];
    assert_eq!(told(&pods), expected);
}

#[test]
fn one_that_waits_to_be_started_again_is_the_one_that_ended() {
    let again = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let pods = [pod("a", 10, &[], &[container("main", 2, &again, &ended())])];
    assert_eq!(told(&pods), [("a/main".to_owned(), 3, false, false)]);
}

#[test]
fn what_comes_before_the_function_counts_and_what_runs_beside_it_does_not() {
    let init = container("prepare", 1, &json!({"terminated": {"exitCode": 0}}), &ended());
    let proxy = container("proxy", 5, &running(), &ended());
    let pods = [pod("a", 10, &[init, proxy], &[container("main", 0, &running(), &json!({}))])];
    let expected = [
        ("a/prepare".to_owned(), 1, true, false),
        ("a/prepare".to_owned(), 2, false, false),
        ("a/proxy".to_owned(), 2, false, true),
        ("a/main".to_owned(), 2, false, true),
    ];
    assert_eq!(told(&pods), expected);
    assert_eq!(pods[0].attempts(), 2);
}
