//! A disk as a power loss may leave it.
//!
//! What was written since a file was synced may be there or not, in any part and any order, and so may the names of files
//! since their folder was. A sector of 512 bytes is written as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::trace::Event;

const SECTOR: usize = 512;

/// Names, and which contents they stand for.
type Names = BTreeMap<String, usize>;
/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Something that may be on the disk or not.
#[derive(Debug, Clone)]
enum Change {
    Write { file: usize, at: usize, data: Vec<u8> },
    Resize { file: usize, length: usize },
    Link(String, usize),
    Unlink(String),
}

/// What is certainly there, and what may be.
#[derive(Debug, Default)]
pub(super) struct Disk {
    contents: Vec<Vec<u8>>,
    names: Names,
    pending: Vec<Change>,
    /// The names as a process sees them.
    seen: Names,
    /// Files of which the syncs do nothing, as of a disk that lies.
    lies_about: Option<&'static str>,
}

/// Which of the pending changes are there: of each by its place, the bytes from and to, within its data.
type Choice = Vec<(usize, usize, usize)>;

impl Disk {
    pub(super) fn lying_about(file: Option<&'static str>) -> Self {
        Self { lies_about: file, ..Self::default() }
    }

    /// Whether this is a moment with more unsynced than before: right before a sync.
    pub(super) fn settles(&self, event: &Event) -> bool {
        matches!(event, Event::SyncFile(_) | Event::SyncFolder) && !self.pending.is_empty()
    }

    pub(super) fn happens(&mut self, event: &Event) {
        match event {
            Event::Open(name) => {
                if !self.seen.contains_key(name) {
                    self.contents.push(Vec::new());
                    let file = self.contents.len() - 1;
                    self.seen.insert(name.clone(), file);
                    self.pending.push(Change::Link(name.clone(), file));
                }
            }
            Event::Write { file, at, data } => {
                let file = self.seen[file];
                self.pending.push(Change::Write { file, at: *at, data: data.clone() });
            }
            Event::Resize(file, length) => {
                self.pending.push(Change::Resize { file: self.seen[file], length: *length });
            }
            Event::Remove(name) => {
                self.seen.remove(name);
                self.pending.push(Change::Unlink(name.clone()));
            }
            Event::Rename(from, to) => {
                // One change in truth; two are more than can happen, and the worse for it.
                let file = self.seen.remove(from).expect("a file");
                self.seen.insert(to.clone(), file);
                self.pending.push(Change::Link(to.clone(), file));
                self.pending.push(Change::Unlink(from.clone()));
            }
            Event::SyncFile(name) if self.lies_about == Some(name) => {}
            Event::SyncFile(name) => self.settle(Some(self.seen[name])),
            Event::SyncFolder => self.settle(None),
            Event::Say(_) => {}
        }
    }

    /// What is pending of a file, or of the names, is there for good.
    fn settle(&mut self, of: Option<usize>) {
        let (now, later) = std::mem::take(&mut self.pending).into_iter().partition(|change| match change {
            Change::Write { file, .. } | Change::Resize { file, .. } => of == Some(*file),
            Change::Link(..) | Change::Unlink(_) => of.is_none(),
        });
        self.pending = later;
        let now: Vec<Change> = now;
        for change in now {
            apply(&change, (0, usize::MAX), &mut self.contents, &mut self.names);
        }
    }

    /// The states in which a power loss may leave the disk now, of which there are too many to try all: with nothing of
    /// what is pending, all of it, the first so many, all but one, one alone; and with one torn between two sectors after
    /// what came before it, and among all the others. Of these at most so many, spread evenly.
    pub(super) fn states(&self, most: usize) -> impl Iterator<Item = Files> + '_ {
        let choices: Vec<Choice> = self.choices().into_iter().collect();
        let count = choices.len().min(most.max(1));
        (0..count).map(move |n| self.with(&choices[n * choices.len() / count]))
    }

    fn choices(&self) -> BTreeSet<Choice> {
        let whole = |n: usize| (n, 0, usize::MAX);
        let all = || (0..self.pending.len()).map(whole);
        let mut choices = BTreeSet::from([Vec::new(), all().collect()]);
        for n in 0..self.pending.len() {
            choices.insert(all().take(n).collect());
            choices.insert(all().filter(|(other, ..)| *other != n).collect());
            choices.insert(vec![whole(n)]);
            for (from, to) in tears(&self.pending[n]) {
                choices.insert(all().take(n).chain([(n, from, to)]).collect());
                choices.insert(all().map(|other| if other.0 == n { (n, from, to) } else { other }).collect());
            }
        }
        choices
    }

    fn with(&self, choice: &Choice) -> Files {
        let (mut contents, mut names) = (self.contents.clone(), self.names.clone());
        for (n, from, to) in choice {
            apply(&self.pending[*n], (*from, *to), &mut contents, &mut names);
        }
        names.into_iter().map(|(name, file)| (name, contents[file].clone())).collect()
    }
}

/// The parts of a write that a power loss within it may leave: what is before and what is behind the border of two
/// sectors, of the first, the middle and the last such border.
fn tears(change: &Change) -> Vec<(usize, usize)> {
    let Change::Write { at, data, .. } = change else { return Vec::new() };
    let first = SECTOR - at % SECTOR;
    let borders: Vec<usize> = (first..data.len()).step_by(SECTOR).collect();
    let Some(last) = borders.last() else { return Vec::new() };
    let mut chosen = vec![borders[0], borders[borders.len() / 2], *last];
    chosen.dedup();
    chosen.into_iter().flat_map(|border| [(0, border), (border, data.len())]).collect()
}

fn apply(change: &Change, (from, to): (usize, usize), contents: &mut [Vec<u8>], names: &mut Names) {
    match change {
        Change::Write { file, at, data } => {
            let to = to.min(data.len());
            let content = &mut contents[*file];
            if content.len() < at + to {
                content.resize(at + to, 0);
            }
            content[at + from..at + to].copy_from_slice(&data[from..to]);
        }
        Change::Resize { file, length } => contents[*file].resize(*length, 0),
        Change::Link(name, file) => {
            names.insert(name.clone(), *file);
        }
        Change::Unlink(name) => {
            names.remove(name);
        }
    }
}

/// Puts the files into an empty folder.
pub(super) fn lay_out(files: &Files, folder: &Path) {
    std::fs::create_dir(folder).expect("made");
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("written");
    }
}
