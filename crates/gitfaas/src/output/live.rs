//! What has changed between two looks at a tree, as lines that can be printed one after the other.

use std::collections::HashMap;

use gitfaas_core::id::RunId;
use gitfaas_core::run::Phase;
use gitfaas_server::api::wire::{ResponseView, RunView, TreeView};
use jiff::Timestamp;

use super::{answer, escape, style, time, tree};

/// Remembers what has been said.
#[derive(Debug, Default)]
pub(crate) struct Live {
    runs: HashMap<RunId, (Phase, String)>,
    answers: HashMap<RunId, Timestamp>,
    width: usize,
}

impl Live {
    /// Nothing has been said; answers are cut to `width` columns.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// What is new in `tree`, in the order it happened as far as that can be told: a run's answer comes before its
    /// end, and what it published after it.
    pub(crate) fn lines(&mut self, tree: &TreeView, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        self.visit(tree, tree.request.received_at, now, &mut lines);
        lines
    }

    fn visit(&mut self, tree: &TreeView, start: Timestamp, now: Timestamp, lines: &mut Vec<String>) {
        for run in &tree.request.runs {
            let response = tree.responses.iter().find(|response| response.run == run.id);
            if run.phase.is_final() {
                lines.extend(response.and_then(|response| self.answered(run, response, start)));
                lines.extend(self.moved(run, start, now));
            } else {
                lines.extend(self.moved(run, start, now));
                lines.extend(response.and_then(|response| self.answered(run, response, start)));
            }
        }
        for child in &tree.children {
            self.visit(child, start, now, lines);
        }
    }

    fn moved(&mut self, run: &RunView, start: Timestamp, now: Timestamp) -> Option<String> {
        let note = tree::note(run, None);
        let state = (run.phase, note.clone());
        if self.runs.insert(run.id, state.clone()) == Some(state) {
            return None;
        }
        let at = match run.phase {
            Phase::Running => run.started_at,
            phase if phase.is_final() => run.finished_at,
            _ => None,
        };
        let phase = style::paint_phase(run.phase, run.phase.as_str());
        let note = if note.is_empty() { note } else { format!(": {note}") };
        Some(format!("{}{phase}{note}", heading(run, start, at.unwrap_or(now))))
    }

    fn answered(&mut self, run: &RunView, response: &ResponseView, start: Timestamp) -> Option<String> {
        if self.answers.insert(run.id, response.received_at) == Some(response.received_at) {
            return None;
        }
        let head = heading(run, start, response.received_at);
        let short = answer::clip(&answer::short(response), self.width.saturating_sub(50).max(40));
        Some(format!("{head}answered {short}"))
    }
}

fn heading(run: &RunView, start: Timestamp, at: Timestamp) -> String {
    format!("{:>6}  {}  ", time::span(start, at), style::paint(style::STRONG, &name(run)))
}

/// What a run is called in front of a line: its topic and function.
pub(crate) fn name(run: &RunView) -> String {
    escape::line(&format!("{} › {}", run.topic, run.function))
}

/// Whether nothing in the tree runs or waits any more.
pub(crate) fn is_quiet(tree: &TreeView) -> bool {
    tree.request.runs.iter().all(|run| run.phase.is_final()) && tree.children.iter().all(is_quiet)
}

/// Whether each run of the tree succeeded.
pub(crate) fn all_succeeded(tree: &TreeView) -> bool {
    tree.request.runs.iter().all(|run| run.phase == Phase::Succeeded) && tree.children.iter().all(all_succeeded)
}

/// Every run of the tree, parents first.
pub(crate) fn runs(tree: &TreeView) -> Vec<&RunView> {
    let mut all: Vec<&RunView> = tree.request.runs.iter().collect();
    all.extend(tree.children.iter().flat_map(runs));
    all
}

/// Whether each run of the request itself succeeded.
pub(crate) fn own_succeeded(tree: &TreeView) -> bool {
    tree.request.runs.iter().all(|run| run.phase == Phase::Succeeded)
}
