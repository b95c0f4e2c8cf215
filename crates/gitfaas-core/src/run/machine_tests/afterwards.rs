//! What may still happen to a run that gave up, and what holds after any events.

use super::*;

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
    assert_eq!((found.next, found.effects), (None, vec![Effect::Release(Try::FIRST, vec![key("Job", "a")])]));
}

#[test]
fn an_unknown_run_is_tried_once_more_by_itself_only_so_often() {
    let lost = |run: &Run| after(run, [Event::Marked(mark()), Event::ApplyFailed(Vec::new(), forgotten())]);
    let mut run = lost(&queued());
    for reruns in 1..=MOST_RERUNS {
        assert!(may_rerun(&run));
        let next = step(&run, Event::Rerun, at(90)).next.expect("the next try");
        assert_eq!((next.phase, next.reruns, u64::from(next.try_no.0)), (Phase::Queued, reruns, reruns + 1));
        let told = next.reason.as_ref().expect("why").message.clone();
        let expected = format!("what became of try {reruns} is not known (Forgotten: because)");
        assert!(told.starts_with(&expected), "{told}");
        run = lost(&next);
    }
    assert!(!may_rerun(&run));
    assert_eq!(step(&run, Event::Rerun, at(91)).next, None);
    let again = step(&run, Event::Redriven { revision: None }, at(92)).next.expect("somebody may");
    assert_eq!(again.reruns, 0, "a person's decision begins anew");
}

#[test]
fn only_what_is_unknown_and_done_is_tried_once_more_by_itself() {
    for dead in [failed(true), step(&failed(true), Event::Purged, at(90)).next.expect("purged")] {
        assert_eq!(step(&dead, Event::Rerun, at(91)).next, None);
    }
    let gone = after(&applied_with(&[key("Job", "a"), key("Job", "b")]), [seen("a", JobState::Gone, 1)]);
    assert_eq!(gone.phase, Phase::Unknown);
    assert_eq!(step(&gone, Event::Rerun, at(91)).next, None, "another Job of it lives");
    let ended = after(&gone, [seen("b", JobState::Succeeded, 1)]);
    assert_eq!(step(&ended, Event::Rerun, at(91)).next, None, "its logs are not kept");
    let done = after(&ended, [Event::LogsCaptured]);
    assert!(step(&done, Event::Rerun, at(91)).next.is_some());
    let purged = step(&done, Event::Purged, at(91)).next.expect("purged");
    assert_eq!(step(&purged, Event::Rerun, at(92)).next, None);
}

#[test]
fn what_was_tried_for_too_long_is_a_dead_letter_and_keeps_what_it_made() {
    let failing = [Event::Marked(mark()), Event::ApplyFailed(vec![key("Job", "a")], passing())];
    let twice = after(&after(&queued(), failing.clone()), failing);
    assert_eq!((twice.phase, twice.retried_millis, twice.apply_failures), (Phase::Queued, 14_000, 2));
    let late = ApplyFailure::Expired { reason: reason("Unavailable") };
    let run = after(&twice, [Event::Marked(mark()), Event::ApplyFailed(Vec::new(), late)]);
    assert_eq!((run.phase, run.reason.clone()), (Phase::Expired, Some(reason("Unavailable"))));
    assert!(run.is_dead_letter() && run.is_live(), "a Job that it made lives");
    let done = after(&run, [seen("a", JobState::Succeeded, 1), Event::LogsCaptured]);
    let again = step(&done, Event::Redriven { revision: None }, at(90)).next.expect("redriven");
    assert_eq!((again.phase, again.retried_millis), (Phase::Queued, 0));
    assert!(!step(&done, Event::Purged, at(90)).next.expect("purged").is_dead_letter());
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
            Just(passing()),
            Just(ApplyFailure::Final { reason: reason("Forbidden") }),
            Just(ApplyFailure::Expired { reason: reason("Unavailable") }),
            Just(ApplyFailure::Unknown { reason: reason("Forgotten") }),
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
            1 => Just(Event::Rerun),
            1 => Just(Event::Purged),
        ]
    }

    fn check(before: &Run, event: &Event, told: &Step) -> Result<(), TestCaseError> {
        let after = told.next.as_ref().unwrap_or(before);
        prop_assert_eq!(after.finished_at.is_some(), after.phase.is_final());
        prop_assert_eq!(after.due_at.is_some(), after.phase == Phase::Queued);
        prop_assert_eq!(after.mark.is_some(), after.phase == Phase::Applying);
        prop_assert!(after.cancelling.is_none() || after.phase == Phase::Applying);
        let gave_up = Run { purged: false, ..after.clone() }.is_dead_letter();
        prop_assert!(gave_up || !after.purged);
        prop_assert!(after.reruns <= MOST_RERUNS);
        let redriven = matches!(event, Event::Redriven { .. } | Event::Rerun);
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
