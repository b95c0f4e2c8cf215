use rstest::rstest;
use serde_json::{Value, json};

use super::super::attempt::{Exit, How};
use super::*;

/// A Job of these containers; `fields` are of its spec, `policy` is its pods'.
fn spec(policy: &str, init: &[&str], containers: &[&str], fields: &Value) -> Spec {
    let list =
        |names: &[&str]| -> Value { names.iter().map(|name| json!({"name": name, "command": ["true"]})).collect() };
    let pod = json!({"restartPolicy": policy, "initContainers": list(init), "containers": list(containers)});
    let mut job = json!({"spec": {"activeDeadlineSeconds": 700, "template": {"spec": pod}}});
    job["spec"].as_object_mut().expect("a spec").extend(fields.as_object().expect("fields").clone());
    Spec::read(&job.to_string()).expect("a spec")
}

/// One second of time in a Job's life.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("a time")
}

fn start(attempt: u32, pod: u32, index: u32, container: &str) -> Start {
    Start { attempt, pod, index, container: container.to_owned() }
}

fn seen(attempt: u32, pod: u32, container: &str, state: State) -> Seen {
    Seen { start: start(attempt, pod, 0, container), state }
}

fn over(how: How, asked: Option<Asked>, second: i64) -> State {
    State::Over {
        outcome: Outcome::Ended(Exit { how, asked, out_of_memory: false, at: at(second) }),
        earlier_boot: false,
    }
}

fn code(code: i32, second: i64) -> State {
    over(How::Code(code), None, second)
}

fn lost(second: i64, earlier_boot: bool) -> State {
    State::Over { outcome: Outcome::Lost(at(second)), earlier_boot }
}

/// What is next at this second; the wait after each failure is 10 s, 20 s, 40 s.
fn next(spec: &Spec, seen: &[Seen], second: i64) -> Next {
    let backoff = Backoff { first: Duration::from_secs(10), most: Duration::from_mins(6) };
    let began = (!seen.is_empty()).then(|| at(0));
    View { spec, seen, began, backoff, now: at(second), said: &|_| "boom".to_owned() }.next()
}

fn due(spec: &Spec, seen: &[Seen], second: i64) -> Due {
    match next(spec, seen, second) {
        Next::Go(due) => due,
        other => panic!("{other:?}"),
    }
}

fn starts(spec: &Spec, seen: &[Seen], second: i64) -> Vec<String> {
    due(spec, seen, second).starts.iter().map(Start::to_string).collect()
}

fn ended(spec: &Spec, seen: &[Seen], second: i64) -> JobState {
    match next(spec, seen, second) {
        Next::Over(state) => state,
        other => panic!("{other:?}"),
    }
}

fn failure(state: JobState) -> (String, String, Option<i32>) {
    match state {
        JobState::Failed { reason, exit_code } => (reason.code, reason.message, exit_code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_begins_with_one_pod_and_ends_with_it() {
    let spec = spec("Never", &[], &["main"], &json!({}));
    assert_eq!(starts(&spec, &[], 0), ["attempt-1.1.0.main"]);
    assert_eq!(starts(&spec, &[seen(1, 1, "main", State::Fresh)], 1), ["attempt-1.1.0.main"]);
    assert_eq!(due(&spec, &[seen(1, 1, "main", State::Alive)], 1), Due { pods: [1].into(), ..Due::default() });
    assert_eq!(ended(&spec, &[seen(1, 1, "main", code(0, 5))], 5), JobState::Succeeded);
}

#[rstest]
#[case::code(How::Code(7), None, "BackoffLimitExceeded", "attempt 3 of 3 ended with exit code 7: boom", Some(7))]
#[case::signal(
    How::Signal(9),
    None,
    "BackoffLimitExceeded",
    "attempt 3 of 3 was ended by signal 9 (exit code 137): boom",
    Some(137)
)]
#[case::pod(
    How::Signal(15),
    Some(Asked::PodDeadline),
    "DeadlineExceeded",
    "attempt 3 of 3 ran for longer than its pod's activeDeadlineSeconds: boom",
    Some(143)
)]
fn a_job_fails_when_no_attempt_is_left(
    #[case] how: How,
    #[case] asked: Option<Asked>,
    #[case] reason: &str,
    #[case] message: &str,
    #[case] exit_code: Option<i32>,
) {
    let spec = spec("Never", &[], &["main"], &json!({"backoffLimit": 2}));
    let failed = |pod: u32, second| seen(pod, pod, "main", over(how.clone(), asked, second));
    let two = [failed(1, 5), failed(2, 30)];
    let (until, why) = due(&spec, &two, 40).until.expect("a wait");
    assert_eq!((until, why.code.as_str()), (at(50), "BackOff"));
    assert!(why.message.starts_with("attempt 2 ") && why.message.contains("attempt 3 starts at"), "{}", why.message);
    assert_eq!(starts(&spec, &two, 50), ["attempt-3.3.0.main"]);
    let three = [failed(1, 5), failed(2, 30), failed(3, 60)];
    assert_eq!(failure(ended(&spec, &three, 60)), (reason.to_owned(), message.to_owned(), exit_code));
}

#[test]
fn what_used_too_much_memory_is_told_so() {
    let spec = spec("Never", &[], &["main"], &json!({"backoffLimit": 0}));
    for (how, reason) in [
        (How::Signal(9), "OOMKilled"),
        (How::Code(137), "OOMKilled"),
        // It noticed that a child was killed, and ended by itself.
        (How::Code(1), "BackoffLimitExceeded"),
    ] {
        let exit = Exit { how, asked: None, out_of_memory: true, at: at(3) };
        let state = State::Over { outcome: Outcome::Ended(exit), earlier_boot: false };
        assert_eq!(failure(ended(&spec, &[seen(1, 1, "main", state)], 3)).0, reason);
    }
}

#[test]
fn a_container_that_is_started_again_stays_in_its_pod() {
    let spec = spec("OnFailure", &[], &["main"], &json!({"backoffLimit": 2}));
    let mut all = vec![seen(1, 1, "main", code(1, 5))];
    assert_eq!(starts(&spec, &all, 14), Vec::<String>::new());
    assert_eq!(starts(&spec, &all, 15), ["attempt-2.1.0.main"]);
    all.push(seen(2, 1, "main", code(1, 20)));
    assert_eq!(due(&spec, &all, 30).until.expect("a wait").0, at(40));
    // A pod whose own deadline is over is not gone on with.
    let mut timed = all.clone();
    timed[1].state = over(How::Signal(15), Some(Asked::PodDeadline), 20);
    assert_eq!(starts(&spec, &timed, 30), ["attempt-3.3.0.main"]);
    all.push(seen(3, 1, "main", code(9, 50)));
    assert_eq!(failure(ended(&spec, &all, 50)).1, "attempt 3 of 3 ended with exit code 9: boom");
}

#[test]
fn those_that_go_first_go_one_after_the_other() {
    let spec = spec("Never", &["fetch", "unpack"], &["main", "log"], &json!({"backoffLimit": 1}));
    assert_eq!(starts(&spec, &[], 0), ["attempt-1.1.0.fetch"]);
    let mut all = vec![seen(1, 1, "fetch", State::Alive)];
    assert_eq!(starts(&spec, &all, 1), Vec::<String>::new());
    all[0].state = code(0, 2);
    assert_eq!(starts(&spec, &all, 2), ["attempt-1.1.0.unpack"]);
    all.push(seen(1, 1, "unpack", code(3, 4)));
    // One that fails makes the pod fail, and the next pod begins with the first of them.
    assert_eq!(starts(&spec, &all, 14), ["attempt-2.2.0.fetch"]);
    all[1].state = code(0, 4);
    assert_eq!(starts(&spec, &all, 4), ["attempt-1.1.0.main", "attempt-1.1.0.log"]);
}

#[test]
fn one_that_goes_first_is_started_again_where_containers_are() {
    let spec = spec("OnFailure", &["fetch"], &["main"], &json!({}));
    let mut all = vec![seen(1, 1, "fetch", code(1, 5))];
    assert_eq!(starts(&spec, &all, 15), ["attempt-2.1.0.fetch"]);
    all.push(seen(2, 1, "fetch", code(0, 20)));
    assert_eq!(starts(&spec, &all, 20), ["attempt-2.1.0.main"]);
}

#[test]
fn a_pod_ends_with_the_last_of_its_containers_and_the_one_that_failed_is_named() {
    let spec = spec("Never", &[], &["main", "log"], &json!({"backoffLimit": 0}));
    let mut all = vec![seen(1, 1, "main", code(4, 5)), seen(1, 1, "log", State::Alive)];
    assert_eq!(starts(&spec, &all, 6), Vec::<String>::new());
    // One that was not started before the server died runs all the same.
    assert_eq!(starts(&spec, &all[..1], 6), ["attempt-1.1.0.log"]);
    all[1].state = code(0, 9);
    let (_, message, exit_code) = failure(ended(&spec, &all, 9));
    assert_eq!(
        (message.as_str(), exit_code),
        ("attempt 1 of 1 failed: container main ended with exit code 4: boom", Some(4))
    );
    all[0].state = code(0, 5);
    assert_eq!(ended(&spec, &all, 9), JobState::Succeeded);
}

#[test]
fn only_the_container_that_failed_is_started_again() {
    let spec = spec("OnFailure", &[], &["main", "log"], &json!({"backoffLimit": 1}));
    let mut all = vec![seen(1, 1, "main", code(0, 5)), seen(1, 1, "log", code(2, 6))];
    assert_eq!(starts(&spec, &all, 16), ["attempt-2.1.0.log"]);
    // The failures of all containers count together; what still runs is ended first.
    all[0].state = State::Alive;
    all.push(seen(2, 1, "log", code(2, 20)));
    assert_eq!(next(&spec, &all, 20), Next::End);
    all[0].state = over(How::Signal(15), Some(Asked::Stop), 22);
    let (_, message, _) = failure(ended(&spec, &all, 22));
    assert_eq!(message, "attempt 2 of 2 failed: container log ended with exit code 2: boom");
}

#[test]
fn pods_are_made_until_enough_have_succeeded_and_never_too_many_at_once() {
    let spec = spec("Never", &[], &["main"], &json!({"completions": 3, "parallelism": 2}));
    assert_eq!(starts(&spec, &[], 0), ["attempt-1.1.0.main", "attempt-2.2.0.main"]);
    let mut all = vec![seen(1, 1, "main", code(0, 5)), seen(2, 2, "main", State::Alive)];
    assert_eq!(starts(&spec, &all, 5), ["attempt-3.3.0.main"]);
    all.push(seen(3, 3, "main", State::Alive));
    all[1].state = code(0, 6);
    // Two have succeeded and one runs: there are enough.
    assert_eq!(starts(&spec, &all, 6), Vec::<String>::new());
    all[2].state = code(1, 8);
    assert_eq!(starts(&spec, &all, 18), ["attempt-4.4.0.main"]);
    all.push(seen(4, 4, "main", code(0, 20)));
    assert_eq!(ended(&spec, &all, 20), JobState::Succeeded);
}

#[test]
fn a_success_ends_the_waiting_that_failures_before_it_made_longer() {
    let spec = spec("Never", &[], &["main"], &json!({"completions": 2}));
    let failed = |pod: u32, second| seen(pod, pod, "main", code(1, second));
    let all = [failed(1, 5), failed(2, 30), seen(3, 3, "main", code(0, 60)), failed(4, 70)];
    assert_eq!(due(&spec, &all, 70).until.expect("a wait").0, at(80));
}

#[test]
fn each_number_has_to_succeed_once() {
    let spec = spec(
        "Never",
        &[],
        &["main"],
        &json!({"completions": 3, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 1}),
    );
    assert_eq!(starts(&spec, &[], 0), ["attempt-1.1.0.main", "attempt-2.2.1.main"]);
    let one = |pod: u32, index, state| Seen { start: start(pod, pod, index, "main"), state };
    let mut all = vec![one(1, 0, code(1, 5)), one(2, 1, code(0, 3))];
    assert_eq!(starts(&spec, &all, 15), ["attempt-3.3.0.main", "attempt-4.4.2.main"]);
    all.extend([one(3, 0, State::Alive), one(4, 2, code(8, 20))]);
    assert_eq!(next(&spec, &all, 20), Next::End);
    all[2].state = code(0, 21);
    assert_eq!(failure(ended(&spec, &all, 21)).1, "attempt 4 of 4 (index 2) ended with exit code 8: boom");
    all[3].state = code(0, 20);
    assert_eq!(ended(&spec, &all, 21), JobState::Succeeded);
}

#[test]
fn pods_that_know_themselves_when_they_are_done_get_no_further_one() {
    let spec = spec("Never", &[], &["main"], &json!({"parallelism": 2}));
    let mut all = vec![seen(1, 1, "main", code(0, 5)), seen(2, 2, "main", State::Alive)];
    assert_eq!(starts(&spec, &all, 6), Vec::<String>::new());
    all[1].state = code(1, 7);
    assert_eq!(ended(&spec, &all, 60), JobState::Succeeded);
}

#[test]
fn a_lost_attempt_is_repeated_and_the_last_one_is_no_failure_of_the_function() {
    let spec = spec("Never", &[], &["main"], &json!({"backoffLimit": 1}));
    let mut all = vec![seen(1, 1, "main", lost(3, false))];
    assert_eq!(starts(&spec, &all, 13), ["attempt-2.2.0.main"]);
    all.push(seen(2, 2, "main", lost(20, false)));
    assert!(matches!(ended(&spec, &all, 20), JobState::Interrupted { reason } if reason.code == "Lost"));
}

#[rstest]
#[case("Never")]
#[case("OnFailure")]
fn what_a_pod_wrote_before_the_machine_stopped_is_not_built_upon(#[case] policy: &str) {
    let spec = spec(policy, &["fetch"], &["main"], &json!({"backoffLimit": 1}));
    let fetched = State::Over {
        outcome: Outcome::Ended(Exit { how: How::Code(0), asked: None, out_of_memory: false, at: at(4) }),
        earlier_boot: true,
    };
    let mut all = vec![seen(1, 1, "fetch", fetched)];
    assert_eq!(starts(&spec, &all, 5), ["attempt-2.2.0.fetch"]);
    // It counts as failed only if something of it was lost.
    all.push(seen(1, 1, "main", lost(5, true)));
    let due = due(&spec, &all, 30);
    assert_eq!(due.starts, [start(2, 2, 0, "fetch")]);
    assert_eq!(due.pods, [2].into());
}

#[test]
fn what_is_stopped_is_interrupted_even_if_it_then_ended_well() {
    let spec = spec("Never", &[], &["main"], &json!({"parallelism": 2, "completions": 2}));
    let mut all = vec![seen(1, 1, "main", over(How::Code(0), Some(Asked::Stop), 5)), seen(2, 2, "main", State::Alive)];
    assert_eq!(next(&spec, &all, 5), Next::End);
    all[1].state = code(0, 6);
    assert!(matches!(ended(&spec, &all, 6), JobState::Interrupted { reason } if reason.code == "Stopped"));
}

#[test]
fn a_job_whose_own_deadline_is_over_gets_no_further_attempt() {
    let spec = spec("Never", &[], &["main"], &json!({"activeDeadlineSeconds": 7}));
    let asked = [seen(1, 1, "main", over(How::Signal(15), Some(Asked::JobDeadline), 7))];
    let (reason, message, exit_code) = failure(ended(&spec, &asked, 7));
    assert_eq!((reason.as_str(), message.contains("7 s"), exit_code), ("DeadlineExceeded", true, Some(143)));
    // It is over between two attempts as well, and no wait is longer than it.
    let failed = [seen(1, 1, "main", code(1, 3))];
    assert_eq!(due(&spec, &failed, 4).until.expect("a wait").0, at(7));
    assert_eq!(failure(ended(&spec, &failed, 7)).0, "DeadlineExceeded");
}

/// A Job whose first container is a sidecar.
fn with_sidecar(policy: &str, fields: &Value) -> Spec {
    let mut spec = spec(policy, &["proxy", "fetch"], &["main"], fields);
    spec.init[0].sidecar = true;
    spec
}

#[test]
fn a_sidecar_runs_beside_the_others_and_ends_when_they_have() {
    let spec = with_sidecar("Never", &json!({"backoffLimit": 0}));
    assert_eq!(starts(&spec, &[], 0), ["attempt-1.1.0.proxy"]);
    let mut all = vec![seen(1, 1, "proxy", State::Alive)];
    assert_eq!(starts(&spec, &all, 1), ["attempt-1.1.0.fetch"]);
    all.push(seen(1, 1, "fetch", code(0, 2)));
    assert_eq!(starts(&spec, &all, 2), ["attempt-1.1.0.main"]);
    all.push(seen(1, 1, "main", State::Alive));
    assert_eq!(due(&spec, &all, 3).ends, []);
    for exit in [0, 4] {
        all[2].state = code(exit, 5);
        all[0].state = State::Alive;
        let due = due(&spec, &all, 5);
        assert_eq!((due.ends, due.starts), (vec![start(1, 1, 0, "proxy")], vec![]));
        all[0].state = over(How::Signal(15), Some(Asked::Stop), 6);
        let state = ended(&spec, &all, 6);
        assert_eq!(state == JobState::Succeeded, exit == 0, "{state:?}");
    }
}

#[test]
fn a_sidecar_that_ends_early_is_started_again_and_counts_for_nothing() {
    let spec = with_sidecar("OnFailure", &json!({"backoffLimit": 0}));
    let mut all =
        vec![seen(1, 1, "proxy", code(0, 5)), seen(1, 1, "fetch", code(0, 2)), seen(1, 1, "main", State::Alive)];
    assert_eq!(due(&spec, &all, 6).until.expect("a wait").0, at(15));
    assert_eq!(starts(&spec, &all, 15), ["attempt-2.1.0.proxy"]);
    all.push(seen(2, 1, "proxy", code(1, 16)));
    all[2].state = code(0, 20);
    assert_eq!(ended(&spec, &all, 20), JobState::Succeeded);
}
