//! How the source stands. What looks at it is the engine's.

use axum::Json;
use axum::extract::State;
use gitfaas_core::commit::Commit;

use super::App;
use super::wire::{CommitView, SourceErrorView, SourceReady, SourceView};
use crate::engine::{SourceFailure, SourceStatus};

/// Read how the source is
///
/// Where functions come from, which revision is served, whether it can be read, and what is wrong with it.
#[utoipa::path(
    get, path = "/api/v1/source", operation_id = "getSource", tag = "source",
    responses((status = 200, description = "The source.", body = SourceView)),
)]
pub(super) async fn source(State(app): State<App>) -> Json<SourceView> {
    let source = app.engine.source();
    let status = app.engine.source_status();
    let catalog = app.engine.catalog();
    let catalog = catalog.as_ref().as_ref();
    let commit = catalog.and_then(|catalog| catalog.commit());
    let newest = status.newest.filter(|newest| commit != Some(newest));
    let mut problems = status.config_problems;
    problems.extend(catalog.into_iter().flat_map(|catalog| catalog.problems()).cloned());
    Json(SourceView {
        location: source.describe(),
        config_path: source.config_path().to_owned(),
        reference: source.reference().map(str::to_owned),
        revision: catalog.map(|catalog| catalog.revision().to_owned()),
        commit: commit.cloned().map(commit_view),
        newest: newest.map(commit_view),
        last_success: status.last_success,
        last_error: status.last_error.map(error_view),
        failures: status.failures,
        next_try: status.next_try,
        poll_every: source.poll_every().map(|every| every.as_secs()),
        problems,
    })
}

/// The same in short, beside that the server is ready.
pub(super) fn in_short(status: SourceStatus) -> SourceReady {
    let state = match &status {
        SourceStatus { last_error: Some(_), .. } => "failing",
        SourceStatus { last_success: None, .. } => "unread",
        _ => "ok",
    };
    SourceReady {
        state: state.to_owned(),
        fault: status.last_error.map(|error| error.fault.to_string()),
        last_success: status.last_success,
        next_try: status.next_try,
    }
}

fn commit_view(commit: Commit) -> CommitView {
    let Commit { id, author, time, subject, signer } = commit;
    CommitView { id, author, time, subject, signer }
}

fn error_view(failure: SourceFailure) -> SourceErrorView {
    SourceErrorView { message: failure.message, fault: failure.fault.to_string(), at: failure.at }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::source::Fault;

    #[test]
    fn a_source_that_fails_is_told_from_one_that_was_not_read_yet() {
        let state = |status: &SourceStatus| in_short(status.clone()).state;
        let unread = SourceStatus::default();
        assert_eq!(state(&unread), "unread");
        let ok = SourceStatus { last_success: Some(Timestamp::UNIX_EPOCH), ..unread.clone() };
        assert_eq!(state(&ok), "ok");
        let at = Timestamp::UNIX_EPOCH;
        let failure =
            SourceFailure { at, fault: Fault::HostKeyRevoked, message: "it is revoked".to_owned(), retry_after: None };
        for status in [unread, ok] {
            let short = in_short(SourceStatus { last_error: Some(failure.clone()), ..status });
            assert_eq!((short.state.as_str(), short.fault.as_deref()), ("failing", Some("host-key-revoked")));
        }
    }
}
