//! Placeholders in a template's source, before it is YAML.
//!
//! Each placeholder is replaced by private-use characters, as many as it has itself: YAML then reads it as ordinary
//! text, so that `replicas: {{replicas}}` is a scalar, and every position stays right. What a scalar holds is found
//! again by [`Placeholders::parts`].

use crate::problem::Position;
use crate::yaml::YamlError;

/// Begins a mark.
const OPEN: char = '\u{10fd00}';
/// Ends a mark.
const CLOSE: char = '\u{10fd01}';
/// The first of 256 digits that number a placeholder.
const DIGIT: u32 = 0x10_fe00;
/// Most placeholders of one template: what the shortest of them, `{{A}}`, has room to count.
const MAX: usize = 1 << 24;

/// The names that gitfaas fills itself; no parameter can have one.
pub const RESERVED: [&str; 13] = [
    "RANDOM",
    "MESSAGE",
    "PAYLOAD",
    "REQUEST_UUID",
    "FUNCTION_UID",
    "RUN_ID",
    "RUN_TOKEN",
    "TOPIC",
    "REVISION",
    "NAMESPACE",
    "GITFAAS_URL",
    "MESSAGE_URL",
    "TRACEPARENT",
];

/// Whether a placeholder can have this name.
pub fn is_placeholder_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(allowed) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// What a mark stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The value of this name.
    Name(String),
    /// An escaped placeholder: this text.
    Literal(String),
}

/// One placeholder of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placeholder {
    pub(super) meaning: Meaning,
    pub(super) position: Position,
    /// Characters it takes in its line.
    pub(super) width: u32,
}

/// A part of a scalar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Placeholder(&'a Placeholder),
}

/// The placeholders of one source.
#[derive(Debug)]
pub(super) struct Placeholders(Vec<Placeholder>);

impl Placeholders {
    /// Takes the placeholders out of `source`: the source with marks, and what they mean.
    pub(super) fn extract(source: &str) -> Result<(String, Self), YamlError> {
        let mut marked = String::with_capacity(source.len());
        let mut found = Vec::new();
        let mut position = Position { line: 1, column: 1 };
        let mut rest = source;
        while let Some(character) = rest.chars().next() {
            if let Some((name, length)) = begin(rest) {
                let escaped = marked.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
                let written = &rest[..length];
                let mut placeholder = Placeholder {
                    meaning: Meaning::Name(name.to_owned()),
                    position,
                    width: u32::try_from(length).unwrap_or(u32::MAX),
                };
                if escaped {
                    marked.pop();
                    placeholder.meaning = Meaning::Literal(written.to_owned());
                    placeholder.width += 1;
                    placeholder.position.column -= 1;
                }
                mark(&mut marked, found.len(), placeholder.width);
                found.push(placeholder);
                position.column = position.column.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
                rest = &rest[length..];
            } else {
                if is_mark(character) {
                    return Err(reserved_character(position));
                }
                marked.push(character);
                rest = &rest[character.len_utf8()..];
                advance(&mut position, character, rest);
            }
        }
        if found.len() > MAX {
            return Err(YamlError::new(position, format!("more than {MAX} placeholders")));
        }
        Ok((marked, Self(found)))
    }

    /// The parts of a scalar's `text`; `None` when it holds characters that only marks may have.
    pub(super) fn parts<'a>(&'a self, text: &'a str) -> Option<Vec<Part<'a>>> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(is_mark) {
            if at > 0 {
                parts.push(Part::Text(&rest[..at]));
            }
            let (digits, after) = rest[at..].strip_prefix(OPEN)?.split_once(CLOSE)?;
            parts.push(Part::Placeholder(self.0.get(number(digits)?)?));
            rest = after;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest));
        }
        Some(parts)
    }

    /// `text` for people, with each mark as its author wrote it.
    pub(super) fn written(&self, text: &str) -> String {
        let part = |part| match part {
            Part::Text(text) => text.to_owned(),
            Part::Placeholder(Placeholder { meaning: Meaning::Literal(text), .. }) => format!("\\{text}"),
            Part::Placeholder(Placeholder { meaning: Meaning::Name(name), .. }) => format!("{{{{{name}}}}}"),
        };
        self.parts(text).map_or_else(|| "{{…}}".to_owned(), |parts| parts.into_iter().map(part).collect())
    }

    /// The placeholder that stands at or next to a place.
    pub(super) fn near(&self, at: Position) -> Option<&Placeholder> {
        self.0.iter().find(|placeholder| {
            let begin = placeholder.position.column;
            placeholder.position.line == at.line
                && (begin.saturating_sub(1)..=begin.saturating_add(placeholder.width)).contains(&at.column)
        })
    }
}

/// Says that a text has a character that only marks may have.
pub(super) fn reserved_character(at: Position) -> YamlError {
    YamlError::new(at, "a character between U+10FD00 and U+10FEFF is here, which gitfaas keeps for itself")
}

fn is_mark(character: char) -> bool {
    ('\u{10fd00}'..='\u{10feff}').contains(&character)
}

/// Appends the mark number `index`, `width` characters long.
fn mark(marked: &mut String, index: usize, width: u32) {
    marked.push(OPEN);
    let digits = width - 2;
    for place in (0..digits).rev() {
        let digit = u32::try_from(index.checked_shr(8 * place).unwrap_or(0) & 0xff).unwrap_or(0);
        marked.push(char::from_u32(DIGIT + digit).unwrap_or(OPEN));
    }
    marked.push(CLOSE);
}

fn number(digits: &str) -> Option<usize> {
    digits.chars().try_fold(0_usize, |number, digit| {
        let digit = u32::from(digit).checked_sub(DIGIT)?;
        number.checked_mul(256)?.checked_add(digit as usize)
    })
}

fn advance(position: &mut Position, character: char, rest: &str) {
    match character {
        '\n' => *position = Position { line: position.line.saturating_add(1), column: 1 },
        '\r' if !rest.starts_with('\n') => *position = Position { line: position.line.saturating_add(1), column: 1 },
        // A byte order mark takes no column.
        '\u{feff}' if *position == (Position { line: 1, column: 1 }) => {}
        _ => position.column = position.column.saturating_add(1),
    }
}

/// The name and length of the placeholder that `text` begins with.
fn begin(text: &str) -> Option<(&str, usize)> {
    if !text.starts_with("{{") {
        return None;
    }
    [("{{{", "}}}"), ("{{", "}}")].into_iter().find_map(|(open, close)| {
        let inside = text.strip_prefix(open)?.trim_start_matches([' ', '\t']);
        let end =
            inside.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_')).unwrap_or(inside.len());
        let (name, after) = inside.split_at(end);
        let after = after.trim_start_matches([' ', '\t']).strip_prefix(close)?;
        let first = name.bytes().next()?;
        (!first.is_ascii_digit()).then_some((name, text.len() - after.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meanings(source: &str) -> Vec<String> {
        let (marked, placeholders) = Placeholders::extract(source).expect("placeholders");
        assert_eq!(marked.chars().count(), source.chars().count(), "columns stay right");
        let parts = placeholders.parts(&marked).expect("whole marks");
        parts
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => text.to_owned(),
                Part::Placeholder(Placeholder { meaning: Meaning::Name(name), .. }) => format!("<{name}>"),
                Part::Placeholder(Placeholder { meaning: Meaning::Literal(text), .. }) => format!("'{text}'"),
            })
            .collect()
    }

    #[test]
    fn two_or_three_braces_and_blanks_make_a_placeholder() {
        assert_eq!(meanings("a-{{X}}"), ["a-", "<X>"]);
        assert_eq!(meanings("{{ x_1\t}}{{{ Y }}}"), ["<x_1>", "<Y>"]);
        assert_eq!(meanings("{a: {{X}}}"), ["{a: ", "<X>", "}"]);
        assert_eq!(meanings("{{{X}}: 1}"), ["{", "<X>", ": 1}"]);
        assert_eq!(meanings("{{{{X}}}}"), ["{", "<X>", "}"]);
    }

    #[test]
    fn other_templates_languages_stay_as_they_are() {
        for source in
            ["{{.Id}}", "{{ a.b }}", "{{1a}}", "{{}}", "{{ }}", "{{a b}}", "{{a-b}}", "{{a\n}}", "{ {a}}", "{{é}}"]
        {
            assert_eq!(meanings(source), [source]);
        }
    }

    #[test]
    fn a_backslash_makes_it_text() {
        assert_eq!(meanings("\\{{X}}"), ["'{{X}}'"]);
        assert_eq!(meanings("a\\{{{ X }}}b"), ["a", "'{{{ X }}}'", "b"]);
        assert_eq!(meanings("\\\\{{X}}"), ["\\\\", "<X>"]);
        assert_eq!(meanings("\\\\\\{{X}}"), ["\\\\", "'{{X}}'"]);
    }

    #[test]
    fn marks_in_the_source_are_refused_where_they_stand() {
        let error = Placeholders::extract("a: é\n b\u{10fe01}").expect_err("a mark");
        assert_eq!(error.position, Position { line: 2, column: 3 });
        let (_, placeholders) = Placeholders::extract("{{X}}").expect("placeholders");
        for forged in ["\u{10fd00}", "\u{10fd01}", "\u{10fd00}\u{10fe09}\u{10fd01}", "\u{10fd00}x\u{10fd01}"] {
            assert_eq!(placeholders.parts(forged), None);
        }
    }

    #[test]
    fn more_than_256_placeholders_are_told_apart() {
        let sources: Vec<String> = (0..700).map(|n| format!("{{{{p{n}}}}}")).collect();
        let expected: Vec<String> = (0..700).map(|n| format!("<p{n}>")).collect();
        assert_eq!(meanings(&sources.concat()), expected);
    }
}
