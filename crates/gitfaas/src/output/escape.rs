//! Makes text from elsewhere harmless for a terminal.
//!
//! A function's answer, a log or a file name may hold sequences that move the cursor, hide text, rename the window or
//! type for the user; others make text read in another order than it is written. They are shown, not sent.

use std::fmt::Write as _;

/// One line: line breaks are shown as `\n` too.
pub(crate) fn line(text: &str) -> String {
    escape(text, "\t")
}

/// Several lines: line breaks stay, also those of other systems.
pub(crate) fn lines(text: &str) -> String {
    escape(&text.replace("\r\n", "\n"), "\t\n")
}

fn escape(text: &str, kept: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if !is_hostile(character) || kept.contains(character) {
            escaped.push(character);
            continue;
        }
        // Writing to a String cannot fail.
        let _ = match character {
            '\n' => write!(escaped, "\\n"),
            '\r' => write!(escaped, "\\r"),
            '\0'..='\x7f' => write!(escaped, "\\x{:02x}", u32::from(character)),
            _ => write!(escaped, "\\u{{{:x}}}", u32::from(character)),
        };
    }
    escaped
}

/// Control characters, and what changes the order of text or cannot be seen.
pub(crate) fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_character() {
        assert_eq!(line("\x1b[2J\x1b]0;owned\x07"), "\\x1b[2J\\x1b]0;owned\\x07");
        assert_eq!(line("a\u{9b}31m"), "a\\u{9b}31m");
        assert_eq!(line("a\rb\nc\td"), "a\\rb\\nc\td");
        assert_eq!(lines("a\r\nb\rc\n"), "a\nb\\rc\n");
    }

    #[test]
    fn text_is_read_in_the_order_it_is_written() {
        assert_eq!(line("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(line("x\u{200b}y\u{2066}"), "x\\u{200b}y\\u{2066}");
    }

    #[test]
    fn letters_of_all_scripts_stay() {
        assert_eq!(line("été 日本 🎉 \\n"), "été 日本 🎉 \\n");
    }

    #[test]
    fn nothing_hostile_is_left_of_any_character() {
        let all: String = ('\0'..=char::MAX).collect();
        assert!(line(&all).chars().all(|character| !is_hostile(character) || character == '\t'));
    }
}
