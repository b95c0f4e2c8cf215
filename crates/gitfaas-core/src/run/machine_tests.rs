use super::*;
use crate::id::{RequestId, RunId};

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
    let failure = ApplyFailure::Passing { retry_at: at(77), reason: reason("Unavailable") };
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
    assert_eq!(step2.effects, [Effect::Release(vec![key("Job", "a")])]);
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
    let passing = ApplyFailure::Passing { retry_at: at(77), reason: reason("Unavailable") };
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
fn a_run_is_redriven_only_when_nothing_of_its_try_is_left_to_be_done() {
    let redrive = || Event::Redriven { revision: None };
    assert_eq!(step(&failed(false), redrive(), at(90)).next, None, "its logs are not kept yet");
    let failed = JobState::Failed { reason: reason("Oops"), exit_code: None };
    let run = after(&applied_with(&[key("Job", "a"), key("Job", "b")]), [seen("a", failed, 1), Event::LogsCaptured]);
    assert_eq!(run.phase, Phase::Failed);
    assert_eq!(step(&run, redrive(), at(90)).next, None, "another Job of it still runs");
    let refused = ApplyFailure::Final { reason: reason("Forbidden") };
    let run = after(&queued(), [Event::Marked(mark()), Event::ApplyFailed(Vec::new(), refused)]);
    assert!(step(&run, redrive(), at(90)).next.is_some(), "it has no Job at all");
}

#[test]
fn a_purged_run_is_no_dead_letter_and_stays_what_it_is() {
    let run = step(&failed(true), Event::Purged, at(90)).next.expect("purged");
    assert!(!run.is_dead_letter());
    assert_eq!((run.phase, run.finished_at), (Phase::Failed, failed(true).finished_at));
    assert_eq!(step(&run, Event::Redriven { revision: None }, at(91)).next, None);
    assert_eq!(step(&run, Event::Purged, at(91)).next, None);
}

#[test]
fn what_turns_up_of_an_earlier_try_is_ended_and_let_go() {
    let run = step(&failed(true), Event::Redriven { revision: None }, at(90)).next.expect("redriven");
    let found = step(&run, seen("a", JobState::Running, 1), at(91));
    assert_eq!((found.next, found.effects), (None, ending("a")));
    let found = step(&run, seen("a", JobState::Succeeded, 1), at(91));
    assert_eq!((found.next, found.effects), (None, vec![Effect::Release(vec![key("Job", "a")])]));
}

mod any_order {
    use proptest::prelude::*;

    use super::*;

    fn job() -> impl Strategy<Value = ObjectKey> {
        prop_oneof![Just(key("Job", "a")), Just(key("Job", "b")), Just(key("ConfigMap", "c"))]
    }

    fn state() -> impl Strategy<Value = JobState> {
        prop_oneof![
            Just(JobState::Pending { reason: None }),
            Just(JobState::Running),
            Just(JobState::Succeeded),
            Just(JobState::Failed { reason: reason("Oops"), exit_code: Some(1) }),
            Just(JobState::Interrupted { reason: reason("Ended") }),
            Just(JobState::Gone),
        ]
    }

    fn event() -> impl Strategy<Value = Event> {
        let jobs = || proptest::collection::vec(job(), 0..3);
        let failure = prop_oneof![
            Just(ApplyFailure::Passing { retry_at: at(77), reason: reason("Unavailable") }),
            Just(ApplyFailure::Final { reason: reason("Forbidden") }),
        ];
        let observation = (1..4_u32, prop_oneof![Just("a"), Just("b")], state(), 0..3_u32).prop_map(
            |(try_no, name, state, attempts)| Observation {
                try_no: Try(try_no),
                job: key("Job", name),
                state,
                attempts,
            },
        );
        prop_oneof![
            1 => Just(Event::Marked(mark())),
            1 => jobs().prop_map(Event::Applied),
            1 => (jobs(), failure).prop_map(|(jobs, failure)| Event::ApplyFailed(jobs, failure)),
            4 => observation.prop_map(Event::Observed),
            1 => job().prop_map(Event::Missing),
            1 => Just(Event::LogsCaptured),
            1 => Just(Event::Cancelled(reason("Cancelled"))),
            1 => Just(Event::Redriven { revision: None }),
            1 => Just(Event::Purged),
        ]
    }

    fn check(before: &Run, event: &Event, told: &Step) -> Result<(), TestCaseError> {
        let after = told.next.as_ref().unwrap_or(before);
        prop_assert_eq!(after.finished_at.is_some(), after.phase.is_final());
        prop_assert_eq!(after.due_at.is_some(), after.phase == Phase::Queued);
        prop_assert_eq!(after.mark.is_some(), after.phase == Phase::Applying);
        prop_assert!(after.cancelling.is_none() || after.phase == Phase::Applying);
        prop_assert!(!after.purged || matches!(after.phase, Phase::Failed | Phase::Interrupted | Phase::Unknown));
        let redriven = matches!(event, Event::Redriven { .. });
        if before.phase.is_final() && !redriven {
            prop_assert_eq!((after.phase, after.finished_at), (before.phase, before.finished_at));
        }
        let tries = after.try_no.0 - before.try_no.0;
        prop_assert_eq!(tries, u32::from(redriven && told.next.is_some()));
        // A crash swallows no effect: who is told what is known already asks for it again.
        if after.phase == Phase::Cancelled
            && let Some(live) = after.live_jobs().next()
        {
            let job = after.objects.iter().find(|object| object.key == *live).and_then(|object| object.job.clone());
            let again =
                Observation { try_no: after.try_no, job: live.clone(), state: job.expect("a Job"), attempts: 0 };
            let asked = step(after, Event::Observed(again), at(500));
            prop_assert!(matches!(asked.effects.as_slice(), [Effect::End(jobs)] if jobs.contains(live)));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn what_always_holds_holds_after_any_events(events in proptest::collection::vec(event(), 0..40)) {
            let mut run = queued();
            for (second, event) in (10..).zip(events) {
                let told = step(&run, event.clone(), at(second));
                check(&run, &event, &told)?;
                run = told.next.unwrap_or(run);
            }
        }
    }
}
