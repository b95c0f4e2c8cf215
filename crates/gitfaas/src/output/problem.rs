//! A mistake in a file, drawn where it is: the line, a caret under the place, and what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use gitfaas_core::problem::{Position, Problem};

use super::escape;

/// A longer line is named instead of drawn.
const MAX_LINE: usize = 400;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// It does not work.
    Error,
    /// It works, probably not as meant.
    Warning,
}

/// Draws a problem; `source` is the text of its file, where that can be read.
pub(crate) fn draw(problem: &Problem, severity: Severity, source: Option<&str>, width: usize) -> String {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let file = escape::line(&problem.file);
    let place = problem.position.and_then(|position| Some((position, line_of(source?, position)?)));
    let group = Group::with_title(level.primary_title(escape::line(&problem.message)));
    let group = match &place {
        Some((position, line)) => {
            let snippet = Snippet::source(line.as_str())
                .line_start(position.line as usize)
                .path(file.as_str())
                .annotation(AnnotationKind::Primary.span(word_at(line, *position)));
            group.element(snippet)
        }
        None => group.element(origin(&file, problem.position)),
    };
    let group = match &problem.help {
        Some(help) => group.element(Level::HELP.message(escape::line(help))),
        None => group,
    };
    Renderer::styled().term_width(width).render(&[group])
}

fn origin(file: &str, position: Option<Position>) -> Origin<'_> {
    let origin = Origin::path(file);
    match position {
        Some(Position { line, column }) => origin.line(line as usize).char_column(column as usize),
        None => origin,
    }
}

/// The line with the position, harmless and with the same number of characters.
fn line_of(source: &str, position: Position) -> Option<String> {
    let line = source.lines().nth((position.line as usize).checked_sub(1)?)?;
    if line.chars().count() > MAX_LINE {
        return None;
    }
    let harmless = |character| if escape::is_hostile(character) && character != '\t' { '\u{fffd}' } else { character };
    Some(line.chars().map(harmless).collect())
}

/// The bytes of the word that begins at the position; none at the end of the line.
fn word_at(line: &str, position: Position) -> std::ops::Range<usize> {
    let skipped = (position.column as usize).saturating_sub(1);
    let start = line.char_indices().nth(skipped).map_or(line.len(), |(place, _)| place);
    let rest = &line[start..];
    let length = match rest.chars().next() {
        None => 0,
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
        Some('{') if rest.starts_with("{{") => rest.find("}}").map_or(2, |end| end + 2),
        Some(first) => {
            let tail = rest[first.len_utf8()..].find(|c: char| !(c.is_alphanumeric() || "-_./".contains(c)));
            tail.map_or(rest.len(), |end| first.len_utf8() + end)
        }
    };
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(problem: &Problem, severity: Severity, source: Option<&str>) -> String {
        anstream::adapter::strip_str(&draw(problem, severity, source, 100)).to_string()
    }

    #[test]
    fn a_mistake_is_drawn_where_it_is() {
        let source = "{\"topics\": [\n  {\"name\": \"météo\", \"confgs\": []}\n]}\n";
        let problem = Problem::at("config.json", Position { line: 2, column: 21 }, "unknown key `confgs`")
            .help("did you mean `configs`?");
        insta::assert_snapshot!(plain(&problem, Severity::Error, Some(source)), @r#"
        error: unknown key `confgs`
         --> config.json:2:21
          |
        2 |   {"name": "météo", "confgs": []}
          |                     ^^^^^^^^
          |
          = help: did you mean `configs`?
        "#);
    }

    #[test]
    fn a_mistake_at_the_end_of_a_line_is_drawn_too() {
        let problem = Problem::at("a.yaml", Position { line: 1, column: 6 }, "the value is missing");
        insta::assert_snapshot!(plain(&problem, Severity::Warning, Some("name:\n")), @r#"
        warning: the value is missing
         --> a.yaml:1:6
          |
        1 | name:
          |      ^
        "#);
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let whole = Problem::of_file("no.yaml", "does not exist");
        insta::assert_snapshot!(plain(&whole, Severity::Error, None), @r#"
        error: does not exist
        --> no.yaml
        "#);
        let far = Problem::at("long.json", Position { line: 1, column: 900 }, "expected `,`");
        let drawn = plain(&far, Severity::Error, Some(&"x".repeat(1000)));
        assert!(drawn.contains("long.json:1:900") && drawn.len() < 200, "{drawn}");
    }

    #[test]
    fn a_file_cannot_write_to_the_terminal() {
        let problem =
            Problem::at("e\x1b[2J.yaml", Position { line: 1, column: 1 }, "bad \x1b]0;x\x07").help("\u{202e}");
        let drawn = plain(&problem, Severity::Error, Some("a\x1b[31m: \u{9b}b"));
        assert!(!drawn.chars().any(|c| escape::is_hostile(c) && c != '\n'), "{drawn:?}");
    }

    #[test]
    fn the_caret_covers_the_word() {
        let at = |line: &str, column| word_at(line, Position { line: 1, column });
        assert_eq!(at("name: \"a b\", c", 7), 6..11);
        assert_eq!(at("x: {{ NAME }}-z", 4), 3..13);
        assert_eq!(at("é: kind/x: y", 4), 4..10);
        assert_eq!(at("ab", 3), 2..2);
        assert_eq!(at("ab", 99), 2..2);
        assert_eq!(at("[é", 2), 1..3);
    }
}
