//! What to do about a mistake in syntax, in the words of the person who made it.

use granit_parser::{ErrorKind, ScanError};

use super::{YamlError, number};
use crate::problem::Position;

/// The error with a likely cure.
pub(super) fn explain(source: &str, position: Position, error: &ScanError) -> YamlError {
    let lines: Vec<&str> = source.lines().collect();
    let deeper = || deeper(&lines, position).filter(|_| *error.kind() == ErrorKind::MappingValueNotAllowed);
    if let Some(advice) = tab(&lines, position).or_else(|| indentation(&lines, position)).or_else(deeper) {
        return advice;
    }
    match error.kind() {
        ErrorKind::MappingValueNotAllowed if has_value(&lines, position) => {
            YamlError::new(position, "a second `:` follows in this line").help("a text with `: ` in it needs quotes")
        }
        ErrorKind::UnexpectedCharacter { character: '@' | '`' } => {
            YamlError::new(position, error.info()).help("a text that begins with it needs quotes")
        }
        ErrorKind::UnknownAnchor => YamlError::new(position, "no anchor of this name comes before this alias")
            .help("a text that begins with `*` needs quotes"),
        ErrorKind::RecursionLimitExceeded => {
            YamlError::new(position, format!("nested deeper than {} levels", super::MAX_DEPTH))
        }
        _ => YamlError::new(position, error.info()),
    }
}

/// Whether the line has a key and a value before the place.
fn has_value(lines: &[&str], position: Position) -> bool {
    let line = (position.line as usize).checked_sub(1).and_then(|at| lines.get(at)).copied().unwrap_or_default();
    let before: String = line.chars().take(position.column as usize - 1).collect();
    before.contains(": ")
}

/// Spaces that `line` begins with; `None` for a line that says nothing about indentation.
fn indent(line: &str) -> Option<usize> {
    let text = line.trim_start_matches(' ');
    (!text.trim().is_empty() && !text.starts_with('#')).then(|| line.len() - text.len())
}

fn tab(lines: &[&str], position: Position) -> Option<YamlError> {
    let at = (position.line as usize).checked_sub(1)?;
    let line = lines.get(at)?;
    let column = line.trim_start_matches(' ');
    if !column.starts_with('\t') || column.trim().is_empty() {
        return None;
    }
    let place = Position { line: position.line, column: number(line.len() - column.len() + 1) };
    Some(YamlError::new(place, "a tab cannot indent in YAML").help("write spaces"))
}

/// A line that returns to an indentation that nobody above has: the block above began too far to the right.
fn indentation(lines: &[&str], position: Position) -> Option<YamlError> {
    let at = (position.line as usize).checked_sub(1)?;
    let mine = indent(lines.get(at)?)?;
    let mut first_of_block = None;
    for (above, line) in lines[..at].iter().enumerate().rev() {
        match indent(line) {
            None => {}
            Some(theirs) if theirs > mine => first_of_block = Some((above, theirs)),
            Some(theirs) if theirs < mine => break,
            // Somebody has this indentation: it is not what is wrong.
            Some(_) => return None,
        }
    }
    let (above, theirs) = first_of_block?;
    let said = lines[above].trim().split(" #").next().unwrap_or_default().trim_end();
    let shown: String = said.chars().take(60).collect();
    let place = Position { line: position.line, column: number(mine + 1) };
    let message =
        format!("this line is indented by {mine} spaces, but its block begins in line {} with {theirs}", above + 1);
    let help = format!("write line {} as `{}{shown}`, with {mine} spaces", above + 1, " ".repeat(mine));
    Some(YamlError::new(place, message).help(help))
}

/// A line that is indented deeper than the one above, which has a value already.
fn deeper(lines: &[&str], position: Position) -> Option<YamlError> {
    let at = (position.line as usize).checked_sub(1)?;
    let mine = indent(lines.get(at)?)?;
    let (above, theirs) =
        lines[..at].iter().enumerate().rev().find_map(|(above, line)| Some((above, indent(line)?)))?;
    let has_value = lines[above].split_once(": ").is_some_and(|(_, value)| !value.trim().is_empty());
    if mine <= theirs || !has_value {
        return None;
    }
    let place = Position { line: position.line, column: number(mine + 1) };
    let above = above + 1;
    let message =
        format!("this line is indented by {mine} spaces, deeper than line {above}, which has a value already");
    Some(YamlError::new(place, message).help(format!("write it with {theirs} spaces")))
}
