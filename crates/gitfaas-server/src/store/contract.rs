//! What every store promises, as cases that each store's own tests run: `contract!(TheGround)`.
//!
//! A case gets a [`Ground`], on which it opens a ledger that nobody has used before, and opens it again where the
//! promise is about what stays. What only one kind of store can do (locks, versions, damage) is tested there.

pub(super) mod accepting;
pub(super) mod catalog;
pub(super) mod dead_letters;
pub(super) mod gates;
pub(super) mod lasting;
pub(super) mod leases;
pub(super) mod line;
pub(super) mod listing;
pub(super) mod queue;
pub(super) mod repeating;
pub(super) mod results;
pub(super) mod retention;
pub(super) mod room;
pub(super) mod settling;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gitfaas_core::event::Attributes;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::manifest::{Hole, Holed, RecordedManifest};
use gitfaas_core::message::{MessageMeta, Params};
use gitfaas_core::request::{Lineage, Request};
use gitfaas_core::response::Response;
use gitfaas_core::run::{Mark, Phase, Reason, Run};
use jiff::Timestamp;

use super::{Accept, Room, Store};

/// A place for one ledger.
#[async_trait]
pub(super) trait Ground: Send + Sync {
    /// Whether this machine can have such places; where not, it has been said.
    fn is_there() -> bool
    where
        Self: Sized,
    {
        true
    }

    /// A place where no ledger has been yet.
    async fn fresh() -> Self
    where
        Self: Sized;

    /// Opens the ledger of this place; the one opened before has been closed.
    async fn open(&self) -> Arc<dyn Store>;

    /// Closes and opens it.
    async fn reopen(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store.close().await;
        drop(store);
        self.open().await
    }
}

/// Makes a test of each case, on a ground of this type.
macro_rules! contract {
    ($ground:ty) => {
        $crate::store::contract::cases! { $ground;
            accepting::an_accept_is_read_back_whole
            accepting::an_accept_is_all_or_nothing
            accepting::a_refused_accept_takes_nothing_of_its_neighbours_along
            accepting::accepts_of_many_at_once_are_all_there
            accepting::a_payload_of_one_mebibyte_comes_back
            accepting::a_payload_of_every_byte_comes_back
            accepting::an_empty_payload_is_not_a_missing_one
            accepting::odd_characters_come_back_as_they_went_in
            accepting::a_request_without_runs_is_a_request
            accepting::what_was_never_accepted_is_not_there
            repeating::the_same_key_and_message_is_the_first_request
            repeating::the_same_key_with_another_message_is_refused_and_writes_nothing
            repeating::of_many_with_one_key_at_once_one_is_new
            repeating::a_key_lasts_as_long_as_its_request
            room::who_is_to_be_applied_at_once_goes_behind_who_is_due
            room::nobody_goes_behind_who_waits_for_its_next_time
            room::nobody_goes_behind_what_is_not_queued_or_another_topics
            room::what_there_is_no_room_for_is_not_written
            room::who_would_go_behind_needs_room
            room::what_repeats_needs_no_room
            room::who_leaves_a_queue_makes_room_and_who_comes_back_takes_it
            room::of_many_at_once_no_more_are_accepted_than_there_is_room_for
            settling::settle_replaces_exactly_what_was_read
            settling::settle_with_an_old_reading_changes_nothing
            settling::settle_tells_apart_what_differs_in_one_field
            settling::settle_of_an_unknown_run_is_false
            settling::settle_never_moves_a_run_to_another_id
            settling::one_of_many_that_settle_at_once_wins
            settling::a_mark_is_kept_whole
            line::due_runs_come_longest_due_first
            line::runs_due_at_the_same_time_come_as_they_were_accepted
            line::due_includes_its_moment_and_nothing_later
            line::due_gives_no_more_than_asked
            line::only_queued_runs_are_due
            line::a_line_goes_by_acceptance_and_not_by_when_runs_are_due
            line::who_waits_for_its_next_time_lets_others_pass_and_is_before_them_again
            line::one_topic_is_not_anothers_line
            line::each_queue_tells_when_its_first_run_is_due
            line::nothing_queued_means_no_queue
            line::a_mark_takes_a_slot_and_an_end_gives_it_back
            line::what_is_live_already_can_be_marked_again
            line::a_run_that_is_over_keeps_its_slot_while_a_job_of_it_is_not
            line::a_queued_run_with_a_job_that_lives_has_its_slot
            line::a_mark_of_what_changed_changes_nothing
            line::of_many_that_mark_at_once_no_more_than_may_be_live_get_a_slot
            line::a_place_counts_who_is_due_before
            line::loads_count_what_is_queued_and_live
            gates::no_topic_is_held_at_first
            gates::what_the_config_says_and_what_an_operator_says_are_apart
            gates::a_pause_keeps_its_first_time
            gates::gates_stay_after_reopening
            queue::runs_in_phases_come_in_the_order_of_ids
            queue::runs_in_phases_can_be_paged_through
            queue::runs_in_no_phase_are_none
            queue::counts_follow_the_phases
            listing::requests_come_newest_first
            listing::pages_of_requests_join_without_gap_or_double
            listing::requests_are_found_by_topic
            listing::requests_are_found_by_the_phase_of_a_run
            listing::requests_are_found_by_topic_and_phase
            listing::requests_are_found_by_when_they_were_accepted
            listing::a_request_with_two_runs_in_a_phase_is_listed_once
            listing::children_come_oldest_first_and_limited
            listing::children_are_of_any_run_of_the_parent_only
            listing::runs_come_in_the_config_s_order
            results::the_newest_response_of_each_run_comes_in_the_config_s_order
            results::of_two_responses_at_one_moment_the_later_stored_counts
            results::a_late_response_of_an_earlier_moment_does_not_count
            results::a_response_for_a_run_that_is_not_there_is_not_found
            results::a_response_comes_back_as_it_went_in
            results::logs_replace_those_of_the_same_job_and_try_only
            results::logs_that_are_captured_are_not_replaced
            results::logs_come_by_job_attempt_and_container
            results::logs_of_a_run_that_is_not_there_are_not_found
            results::logs_of_bytes_that_are_no_text_come_back
            catalog::no_catalog_was_saved_yet
            catalog::a_saved_catalog_comes_back_with_its_sources
            catalog::sources_that_nothing_refers_to_are_dropped
            catalog::a_source_is_kept_while_it_is_referred_to
            retention::a_request_expires_after_its_last_run_ended
            retention::a_request_that_ended_at_the_limit_stays
            retention::what_is_not_over_never_expires
            retention::a_run_held_as_unknown_keeps_its_request
            retention::a_redrive_takes_the_end_back
            retention::expire_takes_the_longest_ended_first_and_no_more_than_asked
            retention::everything_of_an_expired_request_goes_and_nothing_else
            retention::a_request_without_runs_expires_by_its_arrival
            retention::late_results_for_an_expired_run_are_not_found
            dead_letters::what_gave_up_is_listed_newest_first_until_somebody_decides
            dead_letters::dead_letters_are_found_by_topic_function_and_reason
            dead_letters::pages_of_dead_letters_join_without_gap_or_double
            dead_letters::a_dead_letter_keeps_its_request_for_a_time_of_its_own
            dead_letters::an_unknown_run_that_is_purged_is_held_no_more
            dead_letters::a_run_is_replaced_with_its_manifests_or_not_at_all
            dead_letters::dead_letters_are_there_after_reopening_and_go_with_their_request
            leases::a_life_that_renews_its_lease_lives_and_leads
            leases::a_life_that_was_closed_is_followed_at_once
            lasting::everything_is_there_after_reopening
            lasting::the_key_stays_and_the_epoch_rises
            lasting::what_expired_stays_away_after_reopening
            lasting::a_closed_ledger_answers_unavailable
            lasting::what_was_being_written_at_close_is_either_done_or_refused
        }
    };
}
pub(super) use contract;

/// One test for each case named.
macro_rules! cases {
    ($ground:ty; $($file:ident::$case:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            if !<$ground as $crate::store::contract::Ground>::is_there() {
                return;
            }
            let ground = <$ground as $crate::store::contract::Ground>::fresh().await;
            $crate::store::contract::$file::$case(&ground).await;
        }
    )* };
}
pub(super) use cases;

/// A moment, so many milliseconds after a certain one.
pub(super) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_760_000_000_000 + milliseconds).expect("a time of these years")
}

/// A request id of that moment, never the same.
pub(super) fn request_id(milliseconds: i64) -> RequestId {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut rest = [0; 10];
    rest[2..].copy_from_slice(&MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let unix = u64::try_from(at(milliseconds).as_millisecond()).expect("after 1970");
    RequestId::new(uuid::Builder::from_unix_timestamp_millis(unix, &rest).into_uuid())
}

/// An accept at that moment with a run for each function.
pub(super) fn accept(milliseconds: i64, topic: &str, functions: &[&str]) -> Accept {
    let id = request_id(milliseconds);
    let payload = Bytes::from(format!("{{\"of\": \"{id}\"}}"));
    let request = Request {
        id,
        topic: topic.parse().expect("a topic"),
        revision: "main@sha1:132f4e7".to_owned(),
        received_at: at(milliseconds),
        meta: MessageMeta {
            content_type: Some("application/json".to_owned()),
            params: Params::from([("replicas".to_owned(), "3".to_owned())]),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            event: Attributes::new(
                [("specversion", "1.0"), ("id", "F-17"), ("source", "/garden"), ("type", "org.birds.seen")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
            )
            .ok(),
        },
        size: payload.len() as u64,
        lineage: Lineage::default(),
        replay_of: None,
    };
    let runs = functions.iter().zip(0..).map(|(function, ordinal)| {
        let function = function.parse().expect("a function");
        let run =
            Run::planned(RunId::derive(id, &function), request.topic.clone(), function, ordinal, at(milliseconds));
        (run, vec![manifest("first"), manifest("second")])
    });
    Accept { runs: runs.collect(), request, payload, idempotency: None, room: Room::ENDLESS }
}

/// A recorded manifest with holes.
pub(super) fn manifest(name: &str) -> RecordedManifest {
    let mut holed = Holed::default();
    holed.push_text(name);
    holed.push_hole(Hole::Random);
    RecordedManifest {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        namespace: None,
        name: holed.clone(),
        unique: true,
        json: holed,
    }
}

/// Accepts, and gives the runs.
pub(super) async fn accepted(store: &dyn Store, accept: &Accept) -> Vec<Run> {
    store.accept(accept.clone()).await.expect("accepted");
    accept.runs.iter().map(|(run, _)| run.clone()).collect()
}

/// Settles the run into that phase at that moment, and gives what it became.
pub(super) async fn settled(store: &dyn Store, run: &Run, phase: Phase, milliseconds: i64) -> Run {
    let after = moved(run, phase, milliseconds);
    assert_eq!(store.settle(run, &after).await, Ok(true), "{} to {phase}", run.phase);
    after
}

/// The run in that phase since that moment.
pub(super) fn moved(run: &Run, phase: Phase, milliseconds: i64) -> Run {
    let mark = Mark { holder: "here".to_owned(), epoch: 7, at: at(milliseconds) };
    Run {
        phase,
        reason: phase.is_final().then(|| Reason::new("Because", "it was made so")),
        due_at: (phase == Phase::Queued).then(|| at(milliseconds)),
        mark: (phase == Phase::Applying).then_some(mark),
        finished_at: phase.is_final().then(|| at(milliseconds)),
        ..run.clone()
    }
}

/// An answer of a run at that moment.
pub(super) fn response(run: &Run, milliseconds: i64, body: &str) -> Response {
    Response {
        run: run.id,
        try_no: Some(Try(2)),
        received_at: at(milliseconds),
        content_type: Some("text/plain".to_owned()),
        body: Bytes::from(body.to_owned()),
    }
}

/// The ids, for short assertions.
pub(super) fn ids(runs: &[Run]) -> Vec<RunId> {
    runs.iter().map(|run| run.id).collect()
}

/// The ids of requests.
pub(super) fn request_ids(requests: &[Request]) -> Vec<RequestId> {
    requests.iter().map(|request| request.id).collect()
}
