//! What is found wrong while a template is compiled.

use crate::problem::{Position, Problem};

/// Most problems that are told of one file.
const MAX_PROBLEMS: usize = 100;

/// Collects problems and warnings of one file.
pub(super) struct Report {
    file: String,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Report {
    pub(super) fn of(file: &str) -> Self {
        Self { file: file.to_owned(), problems: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn problem(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::at(&self.file, at, message).help(help));
    }

    /// The problems in the order of the file; so many that nobody reads them all are counted instead.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| problem.position);
        problems.dedup();
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        if more > 0 {
            problems.truncate(MAX_PROBLEMS);
            problems.push(Problem::of_file(self.file, format!("{more} more problems")).help("correct these first"));
        }
        problems
    }

    pub(super) fn warning(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.warnings.push(Problem::at(&self.file, at, message).help(help));
    }
}
