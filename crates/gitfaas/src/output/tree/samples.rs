//! Trees for the tests of what is drawn from them.

use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::run::{Phase, Reason};
use gitfaas_server::api::wire::{Body, RequestView, ResponseView, RunView, TreeView};
use jiff::Timestamp;

/// A time.
pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn start() -> Timestamp {
    time("2026-11-23T15:04:05.125Z")
}

/// The request numbered `number` to `topic`, with a run in each of these phases.
pub(crate) fn request(number: u8, topic: &str, runs: &[(&str, Phase)], parent: Option<RunId>) -> TreeView {
    let id = RequestId::from_bytes([1, 0x99, 0xd3, 0xb4, 0x58, 0xc1, 0x7a, 0x52, 0x9d, 0x3e, 0, 0, 0, 0, 0, number]);
    let topic: gitfaas_core::topic::TopicName = topic.parse().expect("a topic");
    let run = |(function, phase): &(&str, Phase)| {
        let function = function.parse().expect("a path");
        let begun = !matches!(phase, Phase::Queued | Phase::Applying | Phase::Pending);
        RunView {
            cancelling: false,
            dead_letter: false,
            revision: None,
            id: RunId::derive(id, &function),
            request: id,
            topic: topic.clone(),
            function,
            try_no: Try::FIRST,
            phase: *phase,
            reason: None,
            position: None,
            attempts: u32::from(begun),
            exit_code: None,
            objects: vec![],
            created_at: start(),
            started_at: begun.then(|| start() + jiff::SignedDuration::from_millis(200)),
            finished_at: phase.is_final().then(|| start() + jiff::SignedDuration::from_millis(2_600)),
            due_at: None,
        }
    };
    let runs: Vec<RunView> = runs.iter().map(run).collect();
    let request = RequestView {
        id,
        topic: topic.clone(),
        revision: "dir@sha256:132f4e7a55".to_owned(),
        phase: runs[0].phase,
        received_at: start(),
        content_type: Some("application/json".to_owned()),
        event: std::collections::BTreeMap::new(),
        size: 1234,
        params: [("zone".to_owned(), "eu".to_owned())].into(),
        parent,
        replay_of: None,
        hops: u32::from(parent.is_some()),
        runs,
    };
    TreeView { request, responses: vec![], children: vec![], cut: false }
}

/// Adds the answer of the run numbered `index`.
pub(crate) fn answer(tree: &mut TreeView, index: usize, body: Body) {
    let run = &tree.request.runs[index];
    tree.responses.push(ResponseView {
        run: run.id,
        function: run.function.clone(),
        received_at: start() + jiff::SignedDuration::from_millis(1_500),
        content_type: Some("application/x-thing".to_owned()),
        size: 17,
        body,
    });
}

/// A request with two functions, one of which failed.
pub(crate) fn two_functions() -> TreeView {
    let mut tree = request(7, "orders", &[("ship.yaml", Phase::Failed), ("audit/log.yaml", Phase::Succeeded)], None);
    let run = &mut tree.request.runs[0];
    run.reason = Some(Reason::new("BackoffLimitExceeded", "exit code 3 after 2 attempts:\x1b[31m no\nstock"));
    run.attempts = 2;
    run.exit_code = Some(3);
    answer(&mut tree, 1, Body::Text("noted\u{202e}\n".to_owned()));
    tree
}

/// Three stages: one message that fans out to two, one of which goes on.
pub(crate) fn pipeline() -> TreeView {
    let mut root = request(1, "collect", &[("collect.yaml", Phase::Succeeded)], None);
    answer(&mut root, 0, Body::Json(serde_json::json!({"files": ["a.csv.gz", "b.csv.gz"]})));
    let parent = Some(root.request.runs[0].id);
    let mut first = request(2, "uncompress", &[("uncompress.yaml", Phase::Succeeded)], parent);
    let mut last = request(4, "convert", &[("convert.yaml", Phase::Running)], Some(first.request.runs[0].id));
    answer(&mut last, 0, Body::Base64("AAEC".to_owned()));
    first.children.push(last);
    let mut second = request(3, "uncompress", &[("uncompress.yaml", Phase::Failed)], parent);
    second.request.runs[0].reason = Some(Reason::new("BackoffLimitExceeded", "exit code 1"));
    root.children = vec![first, second];
    root
}
