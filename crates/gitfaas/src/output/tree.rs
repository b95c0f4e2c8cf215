//! A request and all that came of it, drawn as a tree: a line for each run, under the run that published for it.

use gitfaas_core::run::Phase;
use gitfaas_server::api::wire::{RequestView, ResponseView, RunView, TreeView};
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use super::{answer, escape, live, style, time};

/// A note is given at least this many columns, also where the terminal is narrow.
const NOTE: usize = 24;

/// How a tree is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Columns to fill.
    pub(crate) width: usize,
    /// Whether each line names its run.
    pub(crate) ids: bool,
    /// The time at which runs that have not ended are looked at.
    pub(crate) now: Timestamp,
}

/// Draws the tree, a line break after each line.
pub(crate) fn draw(tree: &TreeView, look: Look) -> String {
    let mut rows = vec![root(&tree.request, look)];
    branches(tree, "", look, &mut rows);
    let labels = rows.iter().map(|row| row.label.width()).max().unwrap_or(0);
    let times = rows.iter().map(|row| row.time.width()).max().unwrap_or(0);
    rows.iter().map(|row| row.text(labels, times, look.width)).collect()
}

/// One line before it is laid out.
struct Row {
    /// Branches and name.
    label: String,
    phase: Option<Phase>,
    time: String,
    id: Option<String>,
    note: String,
}

impl Row {
    fn remark(label: String) -> Self {
        Self { label, phase: None, time: String::new(), id: None, note: String::new() }
    }

    fn text(&self, labels: usize, times: usize, width: usize) -> String {
        let Some(phase) = self.phase else { return format!("{}\n", self.label) };
        let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.width()));
        let mut used = labels + 2 + 11 + 2 + times;
        let mut text = format!("{}{}  ", self.label, pad(&self.label, labels));
        text += &style::paint_phase(phase, phase.as_str());
        text.extend([&pad(phase.as_str(), 11), "  ", &pad(&self.time, times), &self.time]);
        if let Some(id) = &self.id {
            used += 2 + id.width();
            text.extend(["  ", &style::paint(style::FAINT, id)]);
        }
        if !self.note.is_empty() {
            text += "  ";
            text += &answer::clip(&self.note, width.saturating_sub(used + 2).max(NOTE));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

fn root(request: &RequestView, look: Look) -> Row {
    let ended = request.runs.iter().map(|run| run.finished_at).max().flatten();
    let end = if request.phase.is_final() { ended.unwrap_or(request.received_at) } else { look.now };
    Row {
        label: escape::line(request.topic.as_str()),
        phase: Some(request.phase),
        time: time::span(request.received_at, end),
        id: look.ids.then(|| request.id.to_string()),
        note: String::new(),
    }
}

/// The runs of `tree`'s request and, under each, what it published.
fn branches(tree: &TreeView, stem: &str, look: Look, rows: &mut Vec<Row>) {
    let mut entries: Vec<Entry> = tree.request.runs.iter().map(|run| Entry::Run(tree, run)).collect();
    // What names no run of this request as its parent is shown all the same, at the end.
    let strangers = tree.children.iter().filter(|child| !tree.request.runs.iter().any(|run| published(run, child)));
    entries.extend(strangers.flat_map(|child| child.request.runs.iter().map(move |run| Entry::Child(child, run))));
    entries.extend(tree.cut.then_some(Entry::Cut));
    draw_entries(&entries, stem, look, rows);
}

/// A line below another.
#[derive(Clone, Copy)]
enum Entry<'a> {
    /// A run of the request that was asked for.
    Run(&'a TreeView, &'a RunView),
    /// A run of a request that a run published.
    Child(&'a TreeView, &'a RunView),
    /// There is more than the server tells.
    Cut,
}

fn draw_entries(entries: &[Entry], stem: &str, look: Look, rows: &mut Vec<Row>) {
    for (place, entry) in entries.iter().enumerate() {
        let (branch, below) = if place + 1 == entries.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let (tree, run, name) = match *entry {
            Entry::Run(tree, run) => (tree, run, escape::line(run.function.as_str())),
            Entry::Child(tree, run) => (tree, run, live::name(&tree.request, run)),
            Entry::Cut => {
                rows.push(Row::remark(format!("{stem}{branch}… there is more than is shown here")));
                continue;
            }
        };
        let label = format!("{stem}{branch}{name}");
        rows.push(run_row(label, run, response_of(tree, run), look));
        let children = tree.children.iter().filter(|child| published(run, child));
        let mut below_entries: Vec<Entry> = Vec::new();
        for child in children {
            below_entries.extend(child.request.runs.iter().map(|run| Entry::Child(child, run)));
            below_entries.extend(child.cut.then_some(Entry::Cut));
        }
        draw_entries(&below_entries, &format!("{stem}{below}"), look, rows);
    }
}

fn published(run: &RunView, child: &TreeView) -> bool {
    child.request.parent == Some(run.id)
}

fn response_of<'a>(tree: &'a TreeView, run: &RunView) -> Option<&'a ResponseView> {
    tree.responses.iter().find(|response| response.run == run.id)
}

fn run_row(label: String, run: &RunView, response: Option<&ResponseView>, look: Look) -> Row {
    Row {
        label,
        phase: Some(run.phase),
        time: lasted(run, look.now),
        id: look.ids.then(|| run.id.to_string()),
        note: note(run, response),
    }
}

/// How long the run's processes have run; empty before the first.
pub(crate) fn lasted(run: &RunView, now: Timestamp) -> String {
    run.started_at.map(|start| time::span(start, run.finished_at.unwrap_or(now))).unwrap_or_default()
}

/// What there is to say about a run beside its phase: why it stands there, and what it answered.
pub(crate) fn note(run: &RunView, response: Option<&ResponseView>) -> String {
    let mut parts = Vec::new();
    if run.try_no.0 > 1 {
        parts.push(format!("try {}", run.try_no));
    }
    if run.attempts > 1 {
        parts.push(format!("{} attempts", run.attempts));
    }
    if let Some(reason) = run.reason.as_ref().filter(|_| run.phase != Phase::Succeeded) {
        parts.push(escape::line(&reason.message));
    }
    parts.extend(response.map(answer::short));
    parts.join(", ")
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
