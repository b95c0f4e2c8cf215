//! Records of the core as they go over the wire.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitfaas_core::event::Attributes;
use gitfaas_core::id::RunId;
use gitfaas_core::message::MessageMeta;
use gitfaas_core::request::Request;
use gitfaas_core::response::Response;
use gitfaas_core::run::{Phase, Run};

use super::wire::{Body, RequestView, ResponseView, RunView, TreeView};
use crate::engine::{Tree, Waiting};

/// Why queued runs wait, by run.
pub(super) type Waits = HashMap<RunId, Waiting>;

pub(super) fn request(request: Request, runs: Vec<Run>, waits: &Waits) -> RequestView {
    RequestView {
        id: request.id,
        topic: request.topic,
        revision: request.revision,
        phase: together(runs.iter().map(|run| run.phase)),
        received_at: request.received_at,
        content_type: request.meta.content_type,
        event: request.meta.event.map(Attributes::into_map).unwrap_or_default(),
        size: request.size,
        params: request.meta.params,
        parent: request.lineage.parent,
        replay_of: request.replay_of,
        hops: request.lineage.hops,
        runs: runs.into_iter().map(|one| run(one, waits)).collect(),
    }
}

/// The phase of several runs together: the least advanced one while any has not finished, then the worst.
fn together(phases: impl Iterator<Item = Phase>) -> Phase {
    const ORDER: [Phase; 10] = [
        Phase::Queued,
        Phase::Applying,
        Phase::Pending,
        Phase::Running,
        Phase::Failed,
        Phase::Unknown,
        Phase::Interrupted,
        Phase::Expired,
        Phase::Cancelled,
        Phase::Succeeded,
    ];
    let place = |phase: &Phase| ORDER.iter().position(|known| known == phase);
    phases.min_by_key(place).unwrap_or(Phase::Succeeded)
}

pub(super) fn run(run: Run, waits: &Waits) -> RunView {
    let waiting = waits.get(&run.id);
    RunView {
        position: waiting.and_then(|waiting| waiting.position),
        id: run.id,
        request: run.request(),
        cancelling: run.cancelling.is_some(),
        dead_letter: run.is_dead_letter(),
        revision: run.revision,
        topic: run.topic,
        function: run.function,
        try_no: run.try_no,
        phase: run.phase,
        // Why it failed the last time is told when nothing holds it back but that.
        reason: waiting.and_then(|waiting| waiting.reason.clone()).or(run.reason),
        attempts: run.attempts,
        exit_code: run.exit_code,
        objects: run.objects,
        created_at: run.created_at,
        started_at: run.started_at,
        finished_at: run.finished_at,
        // A run that waits for nothing is due at once, which says nothing.
        due_at: run.due_at.filter(|_| run.apply_failures > 0),
    }
}

pub(super) fn response(response: Response, runs: &[Run]) -> Option<ResponseView> {
    let run = runs.iter().find(|run| run.id == response.run)?;
    Some(ResponseView {
        run: response.run,
        function: run.function.clone(),
        received_at: response.received_at,
        size: response.body.len() as u64,
        body: body(response.content_type.as_deref(), &response.body),
        content_type: response.content_type,
    })
}

/// An answer's body in the plainest form: JSON where it says so and is, else text, else base64.
fn body(content_type: Option<&str>, bytes: &[u8]) -> Body {
    let meta = MessageMeta { content_type: content_type.map(str::to_owned), ..MessageMeta::default() };
    if meta.is_json()
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Body::Json(value);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Body::Text(text.to_owned()),
        Err(_) => Body::Base64(STANDARD.encode(bytes)),
    }
}

pub(super) fn tree(tree: Tree, waits: &Waits) -> TreeView {
    let Tree { request: root, runs, responses, children, cut } = tree;
    TreeView {
        responses: responses.into_iter().filter_map(|answer| response(answer, &runs)).collect(),
        request: request(root, runs, waits),
        children: children.into_iter().map(|child| self::tree(child, waits)).collect(),
        cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_together_are_where_the_last_one_is_and_then_as_bad_as_the_worst() {
        use Phase::{Cancelled, Failed, Queued, Running, Succeeded, Unknown};
        let cases: [(&[Phase], Phase); 6] = [
            (&[Succeeded, Succeeded], Succeeded),
            (&[Succeeded, Running], Running),
            (&[Running, Queued], Queued),
            (&[Failed, Running], Running),
            (&[Succeeded, Failed, Cancelled], Failed),
            (&[Cancelled, Unknown], Unknown),
        ];
        for (phases, expected) in cases {
            assert_eq!(together(phases.iter().copied()), expected, "{phases:?}");
        }
    }

    #[test]
    fn an_answer_is_shown_in_the_plainest_form_that_loses_nothing() {
        assert_eq!(body(Some("application/json"), b"{\"a\":1}"), Body::Json(serde_json::json!({"a": 1})));
        assert_eq!(body(Some("application/json"), b"{oops"), Body::Text("{oops".to_owned()));
        assert_eq!(body(None, b"{\"a\":1}"), Body::Text("{\"a\":1}".to_owned()));
        assert_eq!(body(Some("text/plain"), b"\xff\xfe"), Body::Base64("//4=".to_owned()));
    }
}
