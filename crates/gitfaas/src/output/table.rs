//! Tables without lines, as `kubectl` draws them.

use anstyle::AnsiColor;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use gitfaas_core::run::Phase;

use super::{escape, style};

/// A cell: its text, which may come from anywhere, and its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    text: String,
    color: Option<AnsiColor>,
}

impl<T: std::fmt::Display> From<T> for Field {
    fn from(value: T) -> Self {
        Self { text: escape::line(&value.to_string()), color: None }
    }
}

impl Field {
    /// A phase in its colour.
    pub(crate) fn phase(phase: Phase) -> Self {
        Self { text: phase.to_string(), color: Some(style::color(phase)) }
    }

    /// Text in a colour.
    pub(crate) fn colored(text: &str, color: AnsiColor) -> Self {
        Self { text: escape::line(text), color: Some(color) }
    }
}

/// Draws a table; one that is wider than `width` folds its cells.
pub(crate) fn draw<const N: usize>(header: [&str; N], rows: Vec<[Field; N]>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).enforce_styling().set_header(header);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for row in rows {
        table.add_row(row.each_ref().map(cell));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

fn cell(field: &Field) -> Cell {
    let cell = Cell::new(if field.text.is_empty() { "-" } else { &field.text });
    match field.color {
        Some(AnsiColor::Red) => cell.fg(Color::DarkRed),
        Some(AnsiColor::Green) => cell.fg(Color::DarkGreen),
        Some(AnsiColor::Yellow) => cell.fg(Color::DarkYellow),
        Some(AnsiColor::Magenta) => cell.fg(Color::DarkMagenta),
        Some(AnsiColor::Cyan) => cell.fg(Color::DarkCyan),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(table: &str) -> String {
        anstream::adapter::strip_str(table).to_string()
    }

    #[test]
    fn columns_stand_under_their_headings() {
        let rows = vec![
            ["collect".into(), Field::phase(Phase::Succeeded), "".into()],
            ["météo".into(), Field::phase(Phase::Failed), "exit code 3".into()],
        ];
        let table = draw(["TOPIC", "PHASE", "REASON"], rows, None);
        assert!(table.contains("\x1b[38;5;1mfailed"), "{table:?}");
        insta::assert_snapshot!(plain(&table), @r"
        TOPIC    PHASE      REASON
        collect  succeeded  -
        météo    failed     exit code 3
        ");
    }

    #[test]
    fn a_cell_cannot_draw_its_own_rows() {
        let table = draw(["A"], vec![["x\ny\x1b[2J".into()]], None);
        assert_eq!(plain(&table), "A\nx\\ny\\x1b[2J");
    }

    #[test]
    fn a_terminal_is_not_overrun() {
        let table = draw(["A", "B"], vec![["x".into(), "word ".repeat(40).into()]], Some(40));
        assert!(plain(&table).lines().count() > 3);
        assert!(plain(&table).lines().all(|line| line.chars().count() <= 40), "{table}");
    }
}
