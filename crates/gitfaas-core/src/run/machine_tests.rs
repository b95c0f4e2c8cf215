use super::*;
use crate::id::{RequestId, RunId};

#[path = "machine_tests/afterwards.rs"]
mod afterwards;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn queued() -> Run {
    let function = "job.yaml".parse().expect("a function");
    let id = RunId::derive(RequestId::from_bytes([3; 16]), &function);
    Run::planned(id, "collect".parse().expect("a topic"), function, 0, at(1))
}

fn key(kind: &str, name: &str) -> ObjectKey {
    let api_version = if kind == "Job" { "batch/v1" } else { "v1" };
    ObjectKey { api_version: api_version.into(), kind: kind.into(), namespace: None, name: name.into() }
}

fn mark() -> Mark {
    Mark { holder: "here".into(), epoch: 4, at: at(2) }
}

fn reason(code: &str) -> Reason {
    Reason::new(code, "because")
}

fn passing() -> ApplyFailure {
    ApplyFailure::Passing {
        retry_at: at(77),
        counts: Duration::from_secs(7),
        answered: true,
        reason: reason("Unavailable"),
    }
}

fn forgotten() -> ApplyFailure {
    ApplyFailure::Unknown { reason: reason("Forgotten") }
}

fn seen(name: &str, state: JobState, attempts: u32) -> Event {
    Event::Observed(Observation { try_no: Try(1), job: key("Job", name), state, attempts })
}

fn after(run: &Run, events: impl IntoIterator<Item = Event>) -> Run {
    let mut run = run.clone();
    for (second, event) in (10..).zip(events) {
        run = step(&run, event, at(second)).next.unwrap_or(run);
    }
    run
}

fn applied_with(objects: &[ObjectKey]) -> Run {
    after(&queued(), [Event::Marked(mark()), Event::Applied(objects.to_vec())])
}

#[test]
fn a_job_goes_its_way_to_success() {
    let run = applied_with(&[key("Job", "a")]);
    assert_eq!(run.phase, Phase::Pending);
    let run = after(&run, [seen("a", JobState::Running, 1)]);
    assert_eq!((run.phase, run.started_at), (Phase::Running, Some(at(10))));
    let run = after(&run, [seen("a", JobState::Succeeded, 1)]);
    assert_eq!((run.phase, run.finished_at, run.mark), (Phase::Succeeded, Some(at(10)), None));
}

#[test]
fn objects_that_are_no_jobs_succeed_when_applied() {
    let run = applied_with(&[key("ConfigMap", "a"), key("Service", "b")]);
    assert_eq!(run.phase, Phase::Succeeded);
    assert!(step(&run, Event::LogsCaptured, at(9)).effects.is_empty());
}

#[test]
fn several_jobs_succeed_when_all_have() {
    let run = applied_with(&[key("Job", "a"), key("Job", "b")]);
    let run = after(&run, [seen("a", JobState::Succeeded, 1)]);
    assert_eq!(run.phase, Phase::Running);
    let run = after(&run, [seen("b", JobState::Succeeded, 1)]);
    assert_eq!(run.phase, Phase::Succeeded);
}

#[test]
fn one_failed_job_fails_the_run_with_its_reason() {
    let failed = JobState::Failed { reason: reason("BackoffLimitExceeded"), exit_code: Some(3) };
    let run = after(&applied_with(&[key("Job", "a"), key("Job", "b")]), [seen("a", failed, 3)]);
    assert_eq!(run.phase, Phase::Failed);
    assert_eq!(run.reason, Some(reason("BackoffLimitExceeded")));
    assert_eq!((run.exit_code, run.attempts), (Some(3), 3));
}

#[test]
fn a_final_phase_never_changes() {
    let run = after(&applied_with(&[key("Job", "a")]), [seen("a", JobState::Succeeded, 1)]);
    let failed = JobState::Failed { reason: reason("Late"), exit_code: None };
    let events = [
        Event::Marked(mark()),
        Event::Applied(vec![key("Job", "b")]),
        Event::ApplyFailed(Vec::new(), ApplyFailure::Final { reason: reason("Late") }),
        seen("a", failed, 9),
        Event::Missing(key("Job", "a")),
        Event::Cancelled(reason("Late")),
        Event::Purged,
        Event::Redriven { revision: None },
    ];
    for event in events {
        assert_eq!(step(&run, event.clone(), at(99)).next, None, "{event:?}");
    }
}

#[test]
fn a_run_that_was_applied_too_long_ago_to_tell_is_held_as_unknown() {
    let applying = step(&queued(), Event::Marked(mark()), at(1)).next.expect("a mark");
    let failure = ApplyFailure::Unknown { reason: reason("Forgotten") };
    let run = step(&applying, Event::ApplyFailed(Vec::new(), failure), at(2)).next.expect("a verdict");
    assert_eq!(
        (run.phase, run.reason.clone(), run.is_dead_letter()),
        (Phase::Unknown, Some(reason("Forgotten")), true)
    );
}

#[test]
fn telling_the_same_twice_changes_nothing() {
    let run = after(&applied_with(&[key("Job", "a")]), [seen("a", JobState::Running, 1)]);
    assert_eq!(step(&run, seen("a", JobState::Running, 1), at(50)).next, None);
}

#[test]
fn an_observation_of_another_try_is_not_ours() {
    let other = Observation { try_no: Try(2), job: key("Job", "a"), state: JobState::Succeeded, attempts: 1 };
    let run = applied_with(&[key("Job", "a")]);
    assert_eq!(step(&run, Event::Observed(other), at(50)), Step::nothing());
}

#[test]
fn a_passing_failure_queues_the_run_again() {
    let failure = passing();
    let run = after(&queued(), [Event::Marked(mark()), Event::ApplyFailed(Vec::new(), failure)]);
    assert_eq!((run.phase, run.due_at, run.apply_failures), (Phase::Queued, Some(at(77)), 1));
    assert_eq!((run.mark.clone(), run.reason.clone()), (None, Some(reason("Unavailable"))));
    let run = after(&run, [Event::Marked(mark()), Event::Applied(vec![key("Job", "a")])]);
    assert_eq!((run.phase, run.reason), (Phase::Pending, None));
}

#[test]
fn a_final_refusal_fails_the_run_at_once() {
    let failure = ApplyFailure::Final { reason: reason("Forbidden") };
    let run = after(&queued(), [Event::Marked(mark()), Event::ApplyFailed(Vec::new(), failure)]);
    assert_eq!((run.phase, run.reason), (Phase::Failed, Some(reason("Forbidden"))));
}

#[test]
fn a_job_that_ends_before_its_apply_is_told_ends_the_run_then() {
    let run = after(&queued(), [Event::Marked(mark()), seen("a", JobState::Succeeded, 1)]);
    assert_eq!(run.phase, Phase::Applying);
    let run = after(&run, [Event::Applied(vec![key("ConfigMap", "c"), key("Job", "a")])]);
    assert_eq!(run.phase, Phase::Succeeded);
    let kinds: Vec<&str> = run.objects.iter().map(|object| object.key.kind.as_str()).collect();
    assert_eq!(kinds, ["ConfigMap", "Job"], "in the order they were applied");
}

#[test]
fn a_try_that_was_marked_in_another_life_may_be_marked_again() {
    let run = after(&queued(), [Event::Marked(mark())]);
    let again = Mark { epoch: 5, ..mark() };
    assert_eq!(after(&run, [Event::Marked(again.clone())]).mark, Some(again));
}

#[test]
fn a_job_that_is_missing_leaves_the_run_unknown() {
    let run = after(&applied_with(&[key("Job", "a")]), [Event::Missing(key("Job", "a"))]);
    assert_eq!(run.phase, Phase::Unknown);
    let applying = after(&queued(), [Event::Marked(mark())]);
    assert_eq!(step(&applying, Event::Missing(key("Job", "a")), at(50)).next, None);
}

#[test]
fn pending_says_why() {
    let waiting = JobState::Pending { reason: Some(reason("Unschedulable")) };
    let run = after(&applied_with(&[key("Job", "a")]), [seen("a", waiting, 0)]);
    assert_eq!((run.phase, run.reason), (Phase::Pending, Some(reason("Unschedulable"))));
}

#[test]
fn logs_are_captured_before_the_jobs_are_released() {
    let run = applied_with(&[key("Job", "a")]);
    let step1 = step(&run, seen("a", JobState::Succeeded, 1), at(20));
    assert_eq!(step1.effects, [Effect::CaptureLogs]);
    let run = step1.next.expect("settled");
    let step2 = step(&run, Event::LogsCaptured, at(21));
    assert_eq!(step2.effects, [Effect::Release(Try::FIRST, vec![key("Job", "a")])]);
}

#[test]
fn effects_lost_in_a_crash_are_asked_again() {
    let run = after(&applied_with(&[key("Job", "a")]), [seen("a", JobState::Succeeded, 1)]);
    let again = step(&run, seen("a", JobState::Succeeded, 1), at(30));
    assert_eq!((again.next, again.effects), (None, vec![Effect::CaptureLogs]));
}

#[test]
fn what_was_applied_before_a_refusal_is_kept_and_released_when_it_ended() {
    let failure = ApplyFailure::Final { reason: reason("Forbidden") };
    let run = after(&queued(), [Event::Marked(mark()), Event::ApplyFailed(vec![key("Job", "a")], failure)]);
    assert_eq!(run.phase, Phase::Failed);
    assert!(step(&run, Event::LogsCaptured, at(40)).effects.is_empty(), "its Job still runs");
    let ended = step(&run, seen("a", JobState::Succeeded, 1), at(41));
    assert_eq!(ended.effects, [Effect::CaptureLogs]);
    assert_eq!(ended.next.map(|run| (run.phase, run.reason)), Some((Phase::Failed, Some(reason("Forbidden")))));
}

fn ending(name: &str) -> Vec<Effect> {
    vec![Effect::End(vec![key("Job", name)])]
}

#[test]
fn a_queued_run_is_cancelled_at_once() {
    let run = after(&queued(), [Event::Cancelled(reason("Cancelled"))]);
    assert_eq!((run.phase, run.due_at, run.finished_at), (Phase::Cancelled, None, Some(at(10))));
    assert_eq!(run.reason, Some(reason("Cancelled")));
    assert_eq!(step(&run, Event::Marked(mark()), at(50)).next, None);
}

#[test]
fn the_jobs_of_a_cancelled_run_are_ended_however_often_that_is_asked_and_then_its_logs_are_kept() {
    let run = after(&applied_with(&[key("Job", "a")]), [seen("a", JobState::Running, 1)]);
    let cancelled = step(&run, Event::Cancelled(reason("Cancelled")), at(20));
    assert_eq!(cancelled.effects, ending("a"));
    let run = cancelled.next.expect("cancelled");
    assert_eq!(run.phase, Phase::Cancelled);
    // What a crash swallowed is asked again by the next start, which is told of each Job.
    assert_eq!(step(&run, seen("a", JobState::Running, 1), at(21)).effects, ending("a"));
    let ended = step(&run, seen("a", JobState::Interrupted { reason: reason("Ended") }, 1), at(22));
    assert_eq!(ended.effects, [Effect::CaptureLogs]);
    let run = ended.next.expect("its Job is over");
    assert_eq!((run.phase, run.reason), (Phase::Cancelled, Some(reason("Cancelled"))));
}

#[test]
fn only_those_jobs_are_ended_that_are_not_over() {
    let run = after(&applied_with(&[key("Job", "a"), key("Job", "b")]), [seen("a", JobState::Succeeded, 1)]);
    assert_eq!(step(&run, Event::Cancelled(reason("Cancelled")), at(20)).effects, ending("b"));
}

#[test]
fn a_run_that_is_being_applied_is_cancelled_when_that_has_a_verdict() {
    let applying = after(
        &queued(),
        [Event::Marked(mark()), Event::Cancelled(reason("First")), Event::Cancelled(reason("Second"))],
    );
    assert_eq!((applying.phase, applying.cancelling.clone()), (Phase::Applying, Some(reason("First"))));
    let passing = passing();
    let refused = ApplyFailure::Final { reason: reason("Forbidden") };
    for verdict in [
        Event::Applied(vec![key("Job", "a")]),
        Event::ApplyFailed(vec![key("Job", "a")], passing),
        Event::ApplyFailed(vec![key("Job", "a")], refused),
    ] {
        let told = step(&applying, verdict, at(20));
        assert_eq!(told.effects, ending("a"));
        let run = told.next.expect("a verdict");
        assert_eq!((run.phase, run.reason, run.cancelling), (Phase::Cancelled, Some(reason("First")), None));
    }
}

#[test]
fn a_run_that_was_to_be_cancelled_when_its_server_ended_is_not_applied_again() {
    let applying = after(&queued(), [Event::Marked(mark()), Event::Cancelled(reason("Cancelled"))]);
    let run = after(&applying, [Event::Marked(Mark { epoch: 5, ..mark() })]);
    assert_eq!((run.phase, run.mark.clone(), run.cancelling.clone()), (Phase::Cancelled, None, None));
    // Its Job exists all the same: it is found and ended.
    let found = step(&run, seen("a", JobState::Running, 1), at(30));
    assert_eq!(found.effects, ending("a"));
    let ended = seen("a", JobState::Interrupted { reason: reason("Ended") }, 1);
    assert_eq!(step(&found.next.expect("its Job"), ended, at(31)).effects, [Effect::CaptureLogs]);
}

#[test]
fn what_ended_before_its_apply_was_told_is_not_cancelled_any_more() {
    let events = [
        Event::Marked(mark()),
        seen("a", JobState::Succeeded, 1),
        Event::Cancelled(reason("Late")),
        Event::Applied(vec![key("Job", "a")]),
    ];
    assert_eq!(after(&queued(), events).phase, Phase::Succeeded);
}

fn failed(logs_captured: bool) -> Run {
    let state = JobState::Failed { reason: reason("Oops"), exit_code: Some(3) };
    let run = after(&applied_with(&[key("Job", "a")]), [seen("a", JobState::Running, 2), seen("a", state, 2)]);
    Run { logs_captured, ..run }
}

#[test]
fn a_redrive_is_a_new_try_of_the_same_run() {
    let dead = failed(true);
    assert!(dead.is_dead_letter());
    let run = step(&dead, Event::Redriven { revision: None }, at(90)).next.expect("redriven");
    let due = Run { try_no: Try(2), due_at: Some(at(90)), ..queued() };
    assert_eq!(run, due, "nothing of the try before is left");
    let run = step(&dead, Event::Redriven { revision: Some("main@7".into()) }, at(90)).next.expect("redriven");
    assert_eq!(run.revision.as_deref(), Some("main@7"));
    let again = Run { phase: Phase::Unknown, due_at: None, finished_at: Some(at(91)), ..run };
    let run = step(&again, Event::Redriven { revision: None }, at(92)).next.expect("redriven");
    assert_eq!((run.try_no, run.revision.as_deref()), (Try(3), Some("main@7")), "its manifests are what they were");
}

#[test]
fn what_was_left_or_not_answered_is_in_doubt_until_it_is_applied_or_over() {
    let later = || Event::Marked(Mark { at: at(5), ..mark() });
    let unanswered = || {
        let reason = reason("NoAnswer");
        ApplyFailure::Passing { retry_at: at(77), counts: Duration::ZERO, answered: false, reason }
    };
    let failed = |failure| Event::ApplyFailed(Vec::new(), failure);
    let marked = after(&queued(), [Event::Marked(mark())]);
    assert_eq!(marked.in_doubt_since, None, "somebody has it in hand");
    assert_eq!(after(&marked, [failed(passing())]).in_doubt_since, None);
    let left = after(&marked, [later()]);
    let silent = after(&marked, [failed(unanswered()), later()]);
    for run in [left, silent] {
        assert_eq!(run.in_doubt_since, Some(at(2)), "since it was first sent");
        let again = after(&run, [failed(passing()), later(), failed(unanswered())]);
        assert_eq!(again.in_doubt_since, Some(at(2)), "nothing that is said of a later call ends it");
        for end in [Event::Applied(Vec::new()), failed(forgotten()), Event::Applied(vec![key("Job", "a")])] {
            assert_eq!(after(&run, [end]).in_doubt_since, None);
        }
    }
}
