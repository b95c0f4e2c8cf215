//! What somebody wrote, in words for a problem.

use crate::yaml::Value;

/// The type of a value as people call it.
pub(super) const fn name_of_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Int(_) | Value::Float(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Mapping(_) => "an object",
        Value::Sequence(_) => "a list",
        Value::Null => "null",
    }
}

/// What somebody wrote, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    let shown: String = text.chars().take(MOST).collect();
    let cut = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    format!("`{}{cut}`", harmless(&shown))
}

/// The text with nothing in it that a terminal would obey or that could not be seen.
pub(in crate::catalog) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}
