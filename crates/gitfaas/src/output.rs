//! What people and programs get to read: where it goes, and how it is drawn.
//!
//! The modules below make text out of values and know no server. Colours are written always and taken out on the way
//! where nobody would see them (`NO_COLOR`, no terminal). Text that comes from elsewhere goes through [`escape`].

pub(crate) mod answer;
pub(crate) mod escape;
pub(crate) mod json;
pub(crate) mod live;
pub(crate) mod problem;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod tree;

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;

/// Columns that are filled where there is no terminal to ask.
const WIDTH: usize = 120;

/// Where stdout goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    terminal: bool,
    width: Option<u16>,
}

impl Out {
    /// Of this process.
    pub(crate) fn standard() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let width = terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| width.0);
        Self { terminal, width }
    }

    /// Whether it is a terminal: bytes from elsewhere must not reach it as they are.
    pub(crate) const fn is_terminal(self) -> bool {
        self.terminal
    }

    /// Columns to fill.
    pub(crate) fn width(self) -> usize {
        self.width.map_or(WIDTH, usize::from)
    }

    /// Columns that a table has to fit into, if any: what a program reads is never folded.
    pub(crate) const fn table_width(self) -> Option<u16> {
        self.width
    }
}

/// Writes a line, or several, to stdout.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(stdout, "{text}{end}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// Writes bytes to stdout as they are.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// Writes a remark to stderr, beside the output proper.
pub(crate) fn remark(text: &str) -> anyhow::Result<()> {
    writeln!(anstream::stderr().lock(), "{text}").context("cannot write to stderr")
}

/// Writes the server's JSON, laid out for reading.
pub(crate) fn server_json(json: &str) -> anyhow::Result<()> {
    line(&json::pretty(json))
}
