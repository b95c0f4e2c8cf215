//! What is found wrong while a template is compiled.

use crate::problem::{Position, Problem};

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

    pub(super) fn warning(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.warnings.push(Problem::at(&self.file, at, message).help(help));
    }
}
