use gitfaas_core::id::{RequestId, RunId, Try};
use serde_json::{Value, json};

use super::super::super::facts::PodFacts;
use super::*;

fn run(name: &str) -> RunId {
    RunId::derive(RequestId::from_bytes([3; 16]), &format!("{name}.yaml").parse().expect("a function"))
}

fn job(name: &str, status: &Value) -> Job {
    let owner = json!({"gitfaas.io/run": run(name).to_string(), "gitfaas.io/try": "2"});
    let metadata = json!({"name": name, "namespace": "media", "uid": name, "labels": owner});
    serde_json::from_value(json!({"metadata": metadata, "status": status})).expect("a Job")
}

/// A Job with a fixed name, applied for this run last.
fn fixed(owner: &str, status: &Value) -> Job {
    let owner = json!({"gitfaas.io/run": run(owner).to_string(), "gitfaas.io/try": "5"});
    let metadata = json!({"name": "nightly", "namespace": "media", "uid": "nightly", "annotations": owner});
    serde_json::from_value(json!({"metadata": metadata, "status": status})).expect("a Job")
}

fn over(condition: &str) -> Value {
    json!({"conditions": [{"type": condition, "status": "True", "reason": "BackoffLimitExceeded", "message": "gave up"}]})
}

fn pod(job: &str, uid: &str, state: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": uid, "namespace": "media", "uid": uid, "ownerReferences": [
            {"kind": "Job", "name": job, "uid": job, "controller": true},
        ]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "main", "restartCount": 0, "state": state}]},
    }))
    .expect("a pod")
}

fn running(job: &str) -> Pod {
    pod(job, &format!("{job}-1"), &json!({"running": {}}))
}

fn creating(job: &str) -> Pod {
    pod(job, &format!("{job}-1"), &json!({"waiting": {"reason": "ContainerCreating"}}))
}

/// Of events: the run, the Job's state as one word, and the attempts.
fn words(output: &Output) -> Vec<String> {
    let word = |event: &ClusterEvent| match event {
        ClusterEvent::Synced => "synced".to_owned(),
        ClusterEvent::Job { run: of, observation } => {
            let names = ["a", "b", "c"].into_iter().find(|name| run(name) == *of).unwrap_or("?");
            let state = match &observation.state {
                JobState::Pending { reason } => {
                    format!("pending {}", reason.as_ref().map_or("", |reason| reason.code.as_str()))
                }
                JobState::Running => "running".to_owned(),
                JobState::Succeeded => "succeeded".to_owned(),
                JobState::Failed { reason, .. } => format!("failed: {}", reason.message),
                JobState::Interrupted { reason } => format!("interrupted {}", reason.code),
                JobState::Gone => "gone".to_owned(),
            };
            format!("{names} {}", state.trim())
        }
    };
    output.events.iter().map(word).collect()
}

/// A cache, and what it makes of what it is told.
struct Bench(Cache);

impl Bench {
    /// Everything has been listed, and there was nothing.
    fn empty() -> Self {
        let mut bench = Self(Cache::new(1));
        assert_eq!(bench.jobs([]), [""; 0]);
        assert_eq!(bench.pods([]), ["synced"]);
        bench
    }

    fn take(&mut self, input: Input) -> Vec<String> {
        words(&self.0.take(input))
    }

    /// A whole list of Jobs.
    fn jobs(&mut self, jobs: impl IntoIterator<Item = Job>) -> Vec<String> {
        let all: Vec<Told<Job>> =
            [Told::Begin].into_iter().chain(jobs.into_iter().map(Told::Here)).chain([Told::Complete]).collect();
        all.into_iter().flat_map(|told| self.take(Input::Jobs(0, told))).collect()
    }

    /// A whole list of pods.
    fn pods(&mut self, pods: impl IntoIterator<Item = Pod>) -> Vec<String> {
        let all: Vec<Told<Pod>> =
            [Told::Begin].into_iter().chain(pods.into_iter().map(Told::Here)).chain([Told::Complete]).collect();
        all.into_iter().flat_map(|told| self.take(Input::Pods(0, told))).collect()
    }

    fn job(&mut self, job: Job) -> Vec<String> {
        self.take(Input::Jobs(0, Told::Changed(job)))
    }

    fn pod(&mut self, pod: Pod) -> Vec<String> {
        self.take(Input::Pods(0, Told::Changed(pod)))
    }

    fn warn(&mut self, kind: &str, uid: &str, reason: &str) -> Vec<String> {
        let warning = json!({"involvedObject": {"kind": kind, "uid": uid}, "reason": reason, "message": "so it is"});
        self.take(Input::Warnings(Told::Changed(serde_json::from_value(warning).expect("an event"))))
    }
}

const NONE: [&str; 0] = [];

#[test]
fn how_all_jobs_stand_is_told_before_synced_and_only_changes_after() {
    let mut bench = Bench(Cache::new(1));
    assert_eq!(bench.jobs([job("a", &json!({"active": 1})), job("b", &json!({}))]), NONE, "their pods are not known");
    let mut told = bench.pods([running("a"), running("unknown")]);
    assert_eq!(told.pop().as_deref(), Some("synced"));
    told.sort();
    assert_eq!(told, ["a running", "b pending"]);
    assert_eq!(bench.job(job("a", &json!({"active": 1}))), NONE);
    assert_eq!(bench.pod(running("b")), ["b running"]);
    assert_eq!(bench.job(job("b", &over("Complete"))), ["b succeeded"]);
    assert_eq!(bench.job(job("b", &over("Failed"))), NONE, "what ended stays ended");
}

#[test]
fn synced_waits_for_every_place() {
    let mut bench = Bench(Cache::new(2));
    assert_eq!(bench.jobs([job("a", &json!({}))]), NONE);
    assert_eq!(bench.pods([]), NONE);
    assert_eq!(bench.take(Input::Jobs(1, Told::Begin)), NONE);
    assert_eq!(bench.take(Input::Jobs(1, Told::Complete)), NONE);
    assert_eq!(bench.take(Input::Pods(1, Told::Forbidden)), ["a pending", "synced"], "pods are not needed for it");
}

#[test]
fn pods_that_may_not_be_read_are_not_asked_for() {
    let mut bench = Bench(Cache::new(1));
    assert_eq!(bench.jobs([job("a", &json!({"active": 1}))]), NONE);
    assert_eq!(bench.take(Input::Pods(0, Told::Forbidden)), ["a pending", "synced"]);
    assert!(bench.0.overlooked().look.is_empty());
    assert_eq!(bench.job(job("a", &over("Failed"))), ["a failed: gave up"]);
}

#[test]
fn jobs_that_may_not_be_listed_keep_no_others_waiting() {
    let mut bench = Bench(Cache::new(2));
    assert_eq!(bench.jobs([job("a", &json!({}))]), NONE);
    assert_eq!(bench.pods([]), NONE);
    assert_eq!(bench.take(Input::Pods(1, Told::Forbidden)), NONE);
    assert_eq!(bench.take(Input::Jobs(1, Told::Forbidden)), ["a pending", "synced"]);
}

#[test]
fn a_job_that_only_lost_its_labels_is_asked_after_until_it_is_over() {
    let mut bench = Bench::empty();
    assert_eq!(bench.job(job("a", &json!({"active": 1}))), ["a pending"]);
    let left = bench.0.take(Input::Jobs(0, Told::Gone(job("a", &json!({"active": 1})))));
    assert_eq!((words(&left), left.check.len(), left.orphaned.len()), (NONE.map(str::to_owned).to_vec(), 1, 0));
    let found = job("a", &json!({"active": 1}));
    assert_eq!(bench.take(Input::Checked("a".into(), Some(found))), NONE, "nothing is new");
    assert_eq!(bench.0.overlooked().check.len(), 1, "it is asked after again");
    assert!(bench.0.overlooked().check.is_empty(), "once at a time");
    let over = job("a", &over("Complete"));
    assert_eq!(bench.take(Input::Checked("a".into(), Some(over))), ["a succeeded"]);
    assert!(bench.0.overlooked().check.is_empty());
}

#[test]
fn many_overlooked_jobs_are_looked_at_in_turn() {
    let mut bench = Bench::empty();
    let names: Vec<String> = (0..=LOOKS).map(|number| format!("job-{number}")).collect();
    for name in &names {
        bench.job(job(name, &json!({"active": 1})));
    }
    let mut looked = HashSet::new();
    for _ in 0..2 {
        let looks = bench.0.overlooked().look;
        for look in looks {
            looked.insert(look.uid.clone());
            bench.take(Input::Looked(look.uid, Some(Vec::new())));
        }
    }
    assert_eq!(looked.len(), names.len());
}

#[test]
fn the_pods_of_a_job_that_failed_are_read_before_it_is_told() {
    let mut bench = Bench::empty();
    let output = bench.0.take(Input::Jobs(0, Told::Changed(job("a", &over("Failed")))));
    assert_eq!(words(&output), NONE);
    assert_eq!(output.look.len(), 1);
    assert_eq!((&*output.look[0].uid, output.look[0].job.name.as_str()), ("a", "a"));
    assert!(bench.0.take(Input::Jobs(0, Told::Changed(job("a", &over("Failed"))))).look.is_empty(), "once");
    let ended = pod("a", "a-1", &json!({"terminated": {"exitCode": 4, "reason": "Error"}}));
    let other = pod("another", "b-1", &json!({"terminated": {"exitCode": 9, "reason": "Error"}}));
    let told = bench.take(Input::Looked("a".into(), Some(vec![other, ended])));
    assert_eq!(told, ["a failed: attempt 1 of 1 ended with exit code 4"]);
}

#[test]
fn a_job_whose_pods_cannot_be_read_is_told_all_the_same() {
    let mut bench = Bench(Cache::new(1));
    assert_eq!(bench.jobs([job("a", &over("Failed"))]), NONE);
    assert_eq!(bench.pods([]), NONE, "not synced before it is told");
    for _ in 1..MOST_LOOKS {
        let again = bench.0.take(Input::Looked("a".into(), None));
        assert_eq!((words(&again), again.look.len()), (NONE.map(str::to_owned).to_vec(), 1));
    }
    assert_eq!(bench.take(Input::Looked("a".into(), None)), ["a failed: gave up", "synced"]);
}

#[test]
fn a_job_that_is_gone_unseen_is_gone_and_one_that_is_deleted_was_interrupted() {
    let mut bench = Bench::empty();
    for name in ["a", "b", "c"] {
        assert_eq!(bench.job(job(name, &json!({}))), [format!("{name} pending")]);
    }
    assert_eq!(bench.job(job("c", &over("Complete"))), ["c succeeded"]);
    let left = bench.0.take(Input::Jobs(0, Told::Gone(job("b", &json!({})))));
    assert_eq!(
        (words(&left), left.check.len()),
        (NONE.map(str::to_owned).to_vec(), 1),
        "it may exist without its labels"
    );
    let output = bench.0.take(Input::Checked("b".into(), None));
    assert_eq!(words(&output), ["b interrupted Deleted"]);
    assert_eq!(output.orphaned.len(), 1, "its pods are about to go");
    assert_eq!(bench.jobs([]), ["a gone"]);
    assert_eq!(bench.jobs([]), NONE);
}

#[test]
fn a_list_that_breaks_off_takes_nothing_for_gone() {
    let mut bench = Bench::empty();
    assert_eq!(bench.job(job("a", &json!({}))), ["a pending"]);
    assert_eq!(bench.job(job("b", &json!({}))), ["b pending"]);
    assert_eq!(bench.take(Input::Jobs(0, Told::Begin)), NONE);
    assert_eq!(bench.take(Input::Jobs(0, Told::Here(job("b", &json!({}))))), NONE);
    assert_eq!(bench.jobs([job("a", &json!({}))]), ["b gone"]);
}

#[test]
fn what_is_not_ours_is_not_told() {
    let mut bench = Bench::empty();
    let mut stranger = job("a", &json!({}));
    stranger.metadata = serde_json::from_value(json!({"name": "a", "uid": "a"})).expect("metadata");
    assert_eq!(bench.job(stranger), NONE);
    let hostile = json!({"name": "a", "uid": "a", "labels": {"gitfaas.io/run": "../x", "gitfaas.io/try": "1"}});
    let hostile = Job { metadata: serde_json::from_value(hostile).expect("metadata"), ..Job::default() };
    assert_eq!(bench.job(hostile), NONE);
}

#[test]
fn every_run_that_applied_a_job_with_a_fixed_name_is_told() {
    let mut bench = Bench::empty();
    assert_eq!(bench.job(fixed("a", &json!({"active": 1}))), ["a pending"]);
    assert_eq!(bench.job(fixed("b", &json!({"active": 1}))), ["a pending", "b pending"]);
    assert_eq!(bench.0.overlooked().look.len(), 1, "its pods have no labels");
    let looked = Input::Looked("nightly".into(), Some(vec![running("nightly")]));
    assert_eq!(bench.take(looked), ["a running", "b running"]);
    assert!(bench.0.overlooked().look.is_empty());
    assert_eq!(bench.job(fixed("b", &over("Complete"))), NONE, "its pods are read first");
    assert_eq!(bench.take(Input::Looked("nightly".into(), Some(Vec::new()))), ["a succeeded", "b succeeded"]);
}

#[test]
fn a_pod_that_was_told_before_its_job_is_looked_for() {
    let mut bench = Bench::empty();
    assert_eq!(bench.pod(running("a")), NONE);
    assert_eq!(bench.job(job("a", &json!({"active": 1}))), ["a pending"]);
    assert_eq!(bench.0.overlooked().look.len(), 1);
    assert_eq!(bench.take(Input::Looked("a".into(), Some(vec![running("a")]))), ["a running"]);
}

#[test]
fn a_warning_counts_whether_it_comes_before_or_after_what_it_is_about() {
    let mut bench = Bench::empty();
    assert_eq!(bench.warn("Pod", "a-1", "FailedMount"), NONE);
    assert_eq!(bench.warn("Job", "b", "FailedCreate"), NONE);
    assert_eq!(bench.warn("Node", "a", "FailedMount"), NONE);
    assert_eq!(bench.job(job("a", &json!({}))), ["a pending"]);
    assert_eq!(bench.pod(creating("a")), ["a pending FailedMount"]);
    assert_eq!(bench.warn("Pod", "a-1", "BackOff"), NONE);
    assert_eq!(bench.pod(running("a")), ["a running"]);
    assert_eq!(bench.job(job("b", &json!({}))), ["b pending FailedCreate"]);
    assert_eq!(bench.pod(creating("b")), ["b pending"], "a pod was made");
    assert_eq!(bench.warn("Pod", "b-1", "FailedMount"), ["b pending FailedMount"]);
}

#[test]
fn warnings_of_strangers_are_forgotten_in_time() {
    let mut bench = Bench::empty();
    for number in 0..EARLY_WARNINGS + 10 {
        assert_eq!(bench.warn("Pod", &format!("stranger-{number}"), "FailedMount"), NONE);
    }
    assert_eq!(bench.0.early.len(), EARLY_WARNINGS);
}

#[test]
fn a_pod_that_is_told_to_end_is_handed_on_while_its_job_is_not_released() {
    let mut bench = Bench::empty();
    let ending = |job: &str| {
        let mut pod = running(job);
        pod.metadata.deletion_timestamp = Some("2026-11-25T01:43:20Z".parse().expect("a time"));
        Input::Pods(0, Told::Changed(pod))
    };
    bench.job(job("a", &json!({})));
    assert_eq!(bench.0.take(ending("a")).ending.len(), 1);
    assert_eq!(bench.0.take(ending("released")).ending.len(), 0);
}

#[test]
fn a_pod_that_is_gone_was_an_attempt_all_the_same() {
    let mut bench = Bench::empty();
    bench.job(job("a", &json!({"active": 1})));
    bench.pod(running("a"));
    bench.take(Input::Pods(0, Told::Gone(running("a"))));
    let attempts = |output: &Output| match &output.events[0] {
        ClusterEvent::Job { observation, .. } => (observation.attempts, observation.try_no),
        ClusterEvent::Synced => panic!("no Job"),
    };
    let second = pod("a", "a-2", &json!({"running": {}}));
    let output = bench.0.take(Input::Pods(0, Told::Changed(second)));
    assert_eq!(attempts(&output), (2, Try(2)));
    // A list without it says the same as its deletion.
    assert_eq!(bench.pods([]), NONE);
    let third = pod("a", "a-3", &json!({"running": {}}));
    assert_eq!(attempts(&bench.0.take(Input::Pods(0, Told::Changed(third)))), (3, Try(2)));
}

#[test]
fn little_is_kept_of_a_job() {
    assert!(size_of::<Entry>() <= 480, "{}", size_of::<Entry>());
    assert!(size_of::<PodFacts>() <= 160, "{}", size_of::<PodFacts>());
}
