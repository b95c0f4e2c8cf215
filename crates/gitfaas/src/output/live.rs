//! What has changed between two looks at a tree, as lines that can be printed one after the other.

use std::collections::HashMap;

use gitfaas_core::id::RunId;
use gitfaas_core::run::Phase;
use gitfaas_server::api::wire::{RequestView, ResponseView, RunView, TreeView};
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use super::{answer, escape, style, time, tree};

/// Columns that the parameters of a request get.
const PARAMS: usize = 24;
/// An answer is given at least this many columns, also where the terminal is narrow.
const ANSWER: usize = 24;

/// Remembers what has been said.
#[derive(Debug, Default)]
pub(crate) struct Live {
    runs: HashMap<RunId, (Phase, String)>,
    answers: HashMap<RunId, Timestamp>,
    width: usize,
    /// Columns of the longest name so far.
    names: usize,
    /// The time of the line before.
    told: Option<Timestamp>,
}

impl Live {
    /// Nothing has been said; answers are cut to `width` columns.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// What is new in `tree`, in the order it happened, with the time since the request was received.
    ///
    /// What is noticed late, or by a clock that goes before the server's, never makes the time go backwards.
    pub(crate) fn lines(&mut self, tree: &TreeView, now: Timestamp) -> Vec<String> {
        let mut events = Vec::new();
        self.visit(tree, now, &mut events);
        // A run's answer comes before its end, also when they were seen in the same millisecond.
        events.sort_by_key(|event| event.at);
        self.names = events.iter().map(|event| event.name.width()).fold(self.names, usize::max);
        events.into_iter().map(|event| self.line(tree.request.received_at, event)).collect()
    }

    fn line(&mut self, start: Timestamp, event: Event) -> String {
        let at = self.told.map_or(event.at, |told| told.max(event.at));
        self.told = Some(at);
        let pad = " ".repeat(self.names.saturating_sub(event.name.width()));
        let begin = format!("{:>6}  {}{pad}  ", time::span(start, at), style::paint(style::STRONG, &event.name));
        match event.what {
            What::Moved(phase) => begin + &phase,
            What::Answered(answer) => {
                let used = "  0.0s  ".len() + self.names + "  answered ".len();
                format!("{begin}answered {}", answer::clip(&answer, self.width.saturating_sub(used).max(ANSWER)))
            }
        }
    }

    fn visit(&mut self, tree: &TreeView, now: Timestamp, events: &mut Vec<Event>) {
        for run in &tree.request.runs {
            let name = name(&tree.request, run);
            let response = tree.responses.iter().find(|response| response.run == run.id);
            if let Some((at, answer)) = response.and_then(|response| self.answered(response)) {
                events.push(Event { at, name: name.clone(), what: What::Answered(answer) });
            }
            if let Some((at, phase)) = self.moved(run, now) {
                events.push(Event { at, name, what: What::Moved(phase) });
            }
        }
        for child in &tree.children {
            self.visit(child, now, events);
        }
    }

    fn moved(&mut self, run: &RunView, now: Timestamp) -> Option<(Timestamp, String)> {
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
        Some((at.unwrap_or(now), format!("{phase}{note}")))
    }

    fn answered(&mut self, response: &ResponseView) -> Option<(Timestamp, String)> {
        let at = response.received_at;
        if self.answers.insert(response.run, at) == Some(at) {
            return None;
        }
        Some((at, answer::short(response)))
    }
}

/// One thing that happened to a run.
struct Event {
    at: Timestamp,
    name: String,
    what: What,
}

/// What happened to it.
enum What {
    /// Its phase and why.
    Moved(String),
    /// It answered this.
    Answered(String),
}

/// What a run is called: its topic, its function where the topic has several, and the parameters, which tell apart
/// what fans out.
pub(crate) fn name(request: &RequestView, run: &RunView) -> String {
    let mut name = request.topic.to_string();
    if request.runs.len() > 1 {
        name += " › ";
        name += run.function.as_str();
    }
    let params: Vec<String> = request.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let params = answer::clip(&escape::line(&params.join(" ")), PARAMS);
    let gap = if params.is_empty() { "" } else { " " };
    format!("{}{gap}{params}", escape::line(&name))
}

/// Whether nothing in the tree runs or waits any more.
pub(crate) fn is_quiet(tree: &TreeView) -> bool {
    tree.request.runs.iter().all(|run| run.phase.is_final()) && tree.children.iter().all(is_quiet)
}

/// Whether each run of the tree succeeded.
pub(crate) fn all_succeeded(tree: &TreeView) -> bool {
    tree.request.runs.iter().all(|run| run.phase == Phase::Succeeded) && tree.children.iter().all(all_succeeded)
}

/// Every run of the tree with its request, parents first.
pub(crate) fn runs(tree: &TreeView) -> Vec<(&RequestView, &RunView)> {
    let mut all: Vec<_> = tree.request.runs.iter().map(|run| (&tree.request, run)).collect();
    all.extend(tree.children.iter().flat_map(runs));
    all
}

/// Whether each run of the request itself succeeded.
pub(crate) fn own_succeeded(tree: &TreeView) -> bool {
    tree.request.runs.iter().all(|run| run.phase == Phase::Succeeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tree::samples;
    use gitfaas_server::api::wire::Body;

    fn plain(lines: &[String]) -> String {
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn what_happened_is_told_once_and_in_its_order() {
        let mut live = Live::new(100);
        let now = samples::time("2026-11-23T15:04:08Z");
        insta::assert_snapshot!(plain(&live.lines(&samples::pipeline(), now)), @r#"
        0.2s  convert zone=eu     running
        1.5s  collect zone=eu     answered {"files":["a.csv.gz","b.csv.gz"]}
        1.5s  convert zone=eu     answered (17 bytes, application/x-thing)
        2.6s  collect zone=eu     succeeded
        2.6s  uncompress zone=eu  succeeded
        2.6s  uncompress zone=eu  failed: exit code 1
        "#);
        assert_eq!(live.lines(&samples::pipeline(), now), Vec::<String>::new());
        let mut later = samples::pipeline();
        let last = &mut later.children[0].children[0].request.runs[0];
        last.phase = Phase::Succeeded;
        last.finished_at = Some(now);
        assert_eq!(plain(&live.lines(&later, now)), "  2.8s  convert zone=eu     succeeded");
    }

    #[test]
    fn the_time_never_goes_backwards() {
        let mut live = Live::new(100);
        let mut tree = samples::pipeline();
        // Seen by a clock that goes twelve seconds before the server's.
        tree.children[0].children[0].request.runs[0].phase = Phase::Pending;
        let text = plain(&live.lines(&tree, samples::time("2026-11-23T15:04:17.125Z")));
        assert_eq!(text.lines().last(), Some("   12s  convert zone=eu     pending"), "{text}");
        let late = &mut tree.children[0].children[0].request.runs[0];
        late.phase = Phase::Succeeded;
        late.finished_at = Some(samples::time("2026-11-23T15:04:08.125Z"));
        let text = plain(&live.lines(&tree, samples::time("2026-11-23T15:04:18Z")));
        assert_eq!(text, "   12s  convert zone=eu     succeeded");
    }

    #[test]
    fn an_answer_fills_its_line_and_no_more() {
        let mut tree = samples::pipeline();
        tree.responses.clear();
        samples::answer(&mut tree, 0, Body::Text("word ".repeat(50)));
        let text = plain(&Live::new(70).lines(&tree, samples::time("2026-11-23T15:04:08Z")));
        let answer = text.lines().find(|line| line.contains("collect zone=eu     answered word")).expect("a line");
        assert_eq!(answer.width(), 70, "{text}");
    }

    #[test]
    fn functions_are_named_where_there_are_several() {
        let tree = samples::two_functions();
        let text = plain(&Live::new(100).lines(&tree, samples::time("2026-11-23T15:04:08Z")));
        assert!(text.contains("orders › ship.yaml zone=eu       failed: 2 attempts, exit code 3"), "{text}");
    }

    #[test]
    fn a_tree_is_quiet_when_nothing_in_it_moves() {
        let mut tree = samples::pipeline();
        assert!(!is_quiet(&tree) && !all_succeeded(&tree) && own_succeeded(&tree));
        tree.children[0].children.clear();
        assert!(is_quiet(&tree) && !all_succeeded(&tree));
        tree.children.pop();
        assert!(all_succeeded(&tree));
    }

    #[test]
    fn nothing_that_is_told_can_write_to_the_terminal() {
        let mut tree = samples::two_functions();
        tree.request.params.insert("\x1b[2J".to_owned(), "\u{202e}\n".to_owned());
        samples::answer(&mut tree, 0, Body::Text("\x1b]0;x\x07".to_owned()));
        let text = plain(&Live::new(100).lines(&tree, samples::time("2026-11-23T15:04:08Z")));
        assert!(!text.chars().any(|c| escape::is_hostile(c) && c != '\n'), "{text:?}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
