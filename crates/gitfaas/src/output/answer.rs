//! An answer in a few words, for a line of a tree or a table.

use gitfaas_server::api::wire::{Body, ResponseView};
use unicode_width::UnicodeWidthChar as _;

use super::escape;

/// The answer on one line; [`clip`] makes it short.
pub(crate) fn short(response: &ResponseView) -> String {
    match &response.body {
        Body::Json(value) => escape::line(&value.to_string()),
        Body::Text(text) => escape::line(text.trim_end()),
        Body::Base64(_) => {
            let kind = response.content_type.as_deref().unwrap_or("no content type");
            escape::line(&format!("({} bytes, {kind})", response.size))
        }
    }
}

/// The beginning of `text` that fits into `width` columns, marked with `…` where it was cut.
pub(crate) fn clip(text: &str, width: usize) -> String {
    let mut used = 0;
    let mut fits = 0;
    for (place, character) in text.char_indices() {
        used += character.width().unwrap_or(1);
        if used > width {
            return format!("{}…", &text[..fits]);
        }
        // One column is kept for the mark.
        if used < width {
            fits = place + character.len_utf8();
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_marked_and_fits() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abcde…");
        assert_eq!(clip("日本語", 5), "日本…");
        assert_eq!(clip("", 0), "");
        assert_eq!(clip("ab", 1), "…");
    }
}
