//! JSON with places: bytes to a tree, and the mistakes of JSON in words.
//!
//! The tree is that of YAML, which knows all that JSON does; a key that is given twice is in it twice. What it means is
//! for the reader of the config file to say.

use std::cell::Cell;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, parse_to_ast};

use super::words::quoted;
use crate::problem::{Position, Problem};
use crate::yaml::{Entry, Node, Value};

/// Turns places in a text into lines and columns.
struct Places<'t> {
    text: &'t str,
    /// The place asked for last. Places are mostly asked for in the order of the text, so counting goes on from it.
    last: Cell<(usize, Position)>,
}

const START: (usize, Position) = (0, Position { line: 1, column: 1 });

impl<'t> Places<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, last: Cell::new(START) }
    }

    /// The position of the character at byte `offset`; of the end for an offset behind it.
    fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let (from, mut position) = if self.last.get().0 <= offset { self.last.get() } else { START };
        for character in self.text[from..offset].chars() {
            if character == '\n' {
                position = Position { line: position.line.saturating_add(1), column: 1 };
            } else {
                position.column = position.column.saturating_add(1);
            }
        }
        self.last.set((offset, position));
        position
    }

    /// A value of the parser with its places. How deep it goes is bounded by the parser.
    fn node(&self, value: &ast::Value<'_>) -> Node {
        let position = self.position(value.start());
        let value = match value {
            ast::Value::StringLit(text) => Value::String(text.value.to_string()),
            ast::Value::NumberLit(number) => number_of(number.value),
            ast::Value::BooleanLit(truth) => Value::Bool(truth.value),
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::Array(list) => Value::Sequence(list.elements.iter().map(|item| self.node(item)).collect()),
            ast::Value::Object(object) => {
                let entry = |property: &ast::ObjectProp<'_>| Entry {
                    key: property.name.as_str().to_owned(),
                    position: self.position(property.name.start()),
                    value: self.node(&property.value),
                };
                Value::Mapping(object.properties.iter().map(entry).collect())
            }
        };
        Node { position, plain: false, value }
    }

    /// The byte at which a line, counted from 1, begins.
    fn line_start(&self, line: usize) -> usize {
        let breaks = self.text.match_indices('\n').map(|(place, _)| place + 1);
        std::iter::once(0).chain(breaks).nth(line.saturating_sub(1)).unwrap_or(self.text.len())
    }
}

/// A number as JSON writes it: whole where it is written so and fits.
fn number_of(text: &str) -> Value {
    let float = || Value::Float(text.parse().unwrap_or_default());
    text.parse().map_or_else(|_| float(), Value::Int)
}

/// The text of a file, if it is one.
fn text<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Problem> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        let message = "the file begins with a byte order mark, which JSON does not allow";
        return Err(Problem::at(file, START.1, message).help("save it as UTF-8 without BOM"));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Problem::at(file, START.1, "the file is UTF-16").help("save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        let position = Places::of(&String::from_utf8_lossy(valid)).position(valid.len());
        let byte = rest.first().copied().unwrap_or_default();
        Problem::at(file, position, format!("the byte {byte:#04x} is not UTF-8")).help("save the file as UTF-8")
    })?;
    if text.trim().is_empty() {
        let message = "the file is empty";
        return Err(Problem::at(file, START.1, message).help("the least it can say is {\"topics\": []}"));
    }
    Ok(text)
}

/// What the bytes of a file say: the tree, where there is one at all, and what is not JSON about it.
pub(in crate::catalog) fn read(file: &str, bytes: &[u8]) -> (Option<Node>, Vec<Problem>) {
    let text = match text(file, bytes) {
        Ok(text) => text,
        Err(problem) => return (None, vec![problem]),
    };
    let places = Places::of(text);
    let (tree, problem) = match parse(text, &strict()) {
        Ok(tree) => (tree, beyond_json(file, &places)),
        Err(error) => {
            let (message, help) = explain(&error, text);
            let mut problem = Problem::at(file, places.position(error.range().start), message);
            problem.help = help.map(str::to_owned);
            (parse(text, &ParseOptions::default()).ok().flatten(), Some(problem))
        }
    };
    (tree.map(|tree| places.node(&tree)), Vec::from_iter(problem))
}

fn parse<'t>(text: &'t str, options: &ParseOptions) -> Result<Option<ast::Value<'t>>, ParseError> {
    parse_to_ast(text, &CollectOptions::default(), options).map(|result| result.value)
}

const fn strict() -> ParseOptions {
    ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

/// What the parser with places lets pass although it is not JSON: control characters in strings, blanks that are
/// not JSON's. What other tools could not read is refused here too.
fn beyond_json(file: &str, places: &Places<'_>) -> Option<Problem> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(places.text).err()?;
    let offset = places.line_start(error.line()) + error.column().saturating_sub(1);
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    Some(Problem::at(file, places.position(offset), format!("this is not JSON: {message}")))
}

/// A mistake in words, and what to do about it.
fn explain(error: &ParseError, text: &str) -> (String, Option<&'static str>) {
    use ParseErrorKind as Kind;
    let found = || match text[error.range().start..].chars().next() {
        Some(character) => quoted(&character.to_string()),
        None => "the end of the file".to_owned(),
    };
    let word = || quoted(text.get(error.range().start..error.range().end).unwrap_or_default());
    match error.kind() {
        Kind::CommentsNotAllowed | Kind::UnterminatedCommentBlock => {
            ("a comment is not allowed in JSON".to_owned(), Some("take it out"))
        }
        Kind::TrailingCommasNotAllowed => {
            ("a comma before the closing bracket is not allowed in JSON".to_owned(), Some("take it out"))
        }
        Kind::ExpectedComma => ("expected a comma or a closing bracket".to_owned(), None),
        Kind::ExpectedColonAfterObjectKey => (format!("expected `:` after the key, found {}", found()), None),
        Kind::ExpectedObjectValue => ("expected a value after `:`, found the end of the file".to_owned(), None),
        Kind::ExpectedStringObjectProperty | Kind::SingleQuotedStringsNotAllowed => {
            (format!("expected a double quote, found {}", found()), Some("write \"…\""))
        }
        Kind::UnterminatedObject => ("this `{` is never closed".to_owned(), Some("add the missing `}`")),
        Kind::UnterminatedArray => ("this `[` is never closed".to_owned(), Some("add the missing `]`")),
        Kind::UnexpectedTokenInObject => (format!("expected a key or `}}`, found {}", found()), None),
        Kind::UnexpectedWord => (format!("expected a value, found the word {}", word()), Some("write \"…\"")),
        Kind::MultipleRootJsonValues => (format!("expected the end of the file, found {}", found()), None),
        Kind::NestingDepthExceeded => ("the file is nested too deeply".to_owned(), None),
        Kind::String(ParseStringErrorKind::UnterminatedStringLiteral) => {
            ("this string is never closed".to_owned(), Some("add the missing `\"`"))
        }
        Kind::String(_) => ("this escape is not one of JSON's".to_owned(), Some("write `\\\\` for a backslash")),
        Kind::ExpectedDigit
        | Kind::ExpectedDigitFollowingNegativeSign
        | Kind::ExpectedPlusMinusOrDigitInNumberLiteral
        | Kind::BareDecimalPointNumbersNotAllowed
        | Kind::HexadecimalNumbersNotAllowed
        | Kind::NonFiniteNumbersNotAllowed
        | Kind::UnaryPlusNumbersNotAllowed => ("this is not a number of JSON".to_owned(), None),
        Kind::UnexpectedCloseBrace
        | Kind::UnexpectedCloseBracket
        | Kind::UnexpectedColon
        | Kind::UnexpectedComma
        | Kind::UnexpectedToken => (format!("expected a value, found {}", found()), None),
    }
}
