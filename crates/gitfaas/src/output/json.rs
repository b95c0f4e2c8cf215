//! Lays out JSON for reading without changing a value: numbers keep their digits, keys their order.

use std::fmt::Write as _;

use super::escape;

/// The JSON in `text`, indented. Characters that a terminal would obey are written as `\u…`, which means the same.
///
/// The text must be valid JSON; anything else comes out with odd line breaks.
pub(crate) fn pretty(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => string(&mut out, &mut characters),
            '{' | '[' => {
                out.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line_break(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line_break(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                line_break(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => out.push(character),
        }
    }
    out
}

/// The JSON in `text`, which has no line break outside of its end, on one line.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.trim_end().chars() {
        // In JSON on one line a character like this stands in a string only.
        if escape::is_hostile(character) { unicode(&mut out, character) } else { out.push(character) }
    }
    out
}

/// Writes a character as `\u…`.
fn unicode(out: &mut String, character: char) {
    let mut units = [0; 2];
    for unit in character.encode_utf16(&mut units) {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

fn line_break(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Copies the rest of a string, its closing quote included.
fn string(out: &mut String, characters: &mut impl Iterator<Item = char>) {
    out.push('"');
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                out.push('\\');
                out.extend(characters.next());
            }
            _ if escape::is_hostile(character) => unicode(out, character),
            _ => out.push(character),
        }
        if character == '"' {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn values_stay_what_they_are() {
        let text = r#"{"z":12345678901234567890.10,"a":[ ],"e":{},"s":"x: {\"y\", \\","l":[1,[true,null]]}"#;
        insta::assert_snapshot!(pretty(text), @r#"
        {
          "z": 12345678901234567890.10,
          "a": [],
          "e": {},
          "s": "x: {\"y\", \\",
          "l": [
            1,
            [
              true,
              null
            ]
          ]
        }
        "#);
    }

    #[test]
    fn a_terminal_gets_no_control_character_and_a_program_the_same_value() {
        let value = Value::String("\u{9b}31m \u{202e} \u{e0041} \u{7f} \x1b".to_owned());
        let text = pretty(&value.to_string());
        assert!(!text.chars().any(escape::is_hostile), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), value);
        assert_eq!(one_line(&format!("{value}\n")), text);
    }
}
