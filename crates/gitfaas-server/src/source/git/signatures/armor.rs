//! Bytes out of an armoured block: `-----BEGIN …-----`, base64, `-----END …-----`. What the bytes mean is not known here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Takes the bytes out of `text`, which has to be one block of this label and nothing else.
///
/// Headers (`Version: …`) are skipped, and a checksum at the end is not compared: RFC 9580 has readers ignore it, and what
/// was signed is verified by the signature.
pub(super) fn decode(text: &[u8], label: &str) -> Result<Vec<u8>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "its armour is no text")?.trim_end();
    let mut lines = text.lines().map(str::trim_end);
    if lines.next() != Some(&format!("-----BEGIN {label}-----")) {
        return Err("it does not begin as it should");
    }
    let mut lines: Vec<&str> = lines.collect();
    if lines.pop() != Some(&format!("-----END {label}-----")) {
        return Err("it does not end as it should");
    }
    // Where there are headers, or could be, an empty line ends them.
    if let Some(empty) = lines.iter().position(|line| line.is_empty()) {
        if lines[..empty].iter().any(|line| !line.contains(": ")) {
            return Err("there is an empty line in its armour");
        }
        lines.drain(..=empty);
    }
    lines.pop_if(|line| line.len() == 5 && line.starts_with('='));
    STANDARD.decode(lines.concat()).map_err(|_| "its armour is no base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(inner: &str) -> String {
        format!("-----BEGIN THING-----\n{inner}-----END THING-----\n")
    }

    #[test]
    fn blocks_have_headers_checksums_and_any_length_of_lines() {
        for inner in [
            "aGVs\nbG8=\n",
            "\naGVsbG8=\n",
            "Version: 1\nComment: a b\n\naGVsbG8=\n",
            "\naGVsbG8=\n=abcd\n",
            "aGVsbG8= \r\n",
        ] {
            assert_eq!(decode(block(inner).as_bytes(), "THING"), Ok(b"hello".to_vec()), "{inner:?}");
        }
    }

    #[test]
    fn nothing_may_be_around_or_between() {
        let good = block("aGVsbG8=\n");
        for text in [
            format!("tree 1\n{good}"),
            format!("{good}tree 1\n"),
            format!("{good}{good}"),
            block("aGVsbG8=\n\naGVsbG8=\n"),
            block("aGVsbG8\n"),
            block("aGVsbG9=\n"),
            block("aGVs bG8=\n"),
            "-----BEGIN THING-----".to_owned(),
            String::new(),
        ] {
            assert!(decode(text.as_bytes(), "THING").is_err(), "{text:?}");
        }
        assert!(decode(good.as_bytes(), "OTHER").is_err());
        assert!(decode(b"-----BEGIN THING-----\n\xff\n-----END THING-----", "THING").is_err());
    }
}
