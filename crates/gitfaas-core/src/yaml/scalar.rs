//! What a scalar means: the rules of go-yaml v2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Value;
use super::number::{self, Number};

/// A scalar's meaning before it is known whether it is a key or a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
}

/// The tags that say how to read a scalar; any other tag makes it text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Text,
    Binary,
    Bool,
    Int,
    Float,
    Null,
    Timestamp,
    Foreign,
}

impl Tag {
    /// The tag with this full name.
    pub(super) fn named(name: &str) -> Self {
        match name.strip_prefix("tag:yaml.org,2002:") {
            Some("str") => Self::Text,
            Some("binary") => Self::Binary,
            Some("bool") => Self::Bool,
            Some("int") => Self::Int,
            Some("float") => Self::Float,
            Some("null") => Self::Null,
            Some("timestamp") => Self::Timestamp,
            _ => Self::Foreign,
        }
    }
}

/// What `text` means under `tag`.
pub(super) fn resolve(text: &str, tag: Tag) -> Result<Scalar, String> {
    let short = |limit: usize| text.chars().take(limit).collect::<String>();
    let mismatch = |what: &str| format!("`{}` is no {what}, which its tag says it is", short(40));
    match (tag, untagged(text)) {
        (Tag::Text | Tag::Foreign, _) => Ok(Scalar::Text(text.to_owned())),
        (Tag::Binary, _) => binary(text),
        (Tag::Bool, bool @ Scalar::Bool(_)) => Ok(bool),
        (Tag::Bool, _) => Err(mismatch("boolean")),
        (Tag::Int, number @ Scalar::Number(Number::Int(_) | Number::Unsigned(_)))
        | (Tag::Float, number @ Scalar::Number(Number::Float(_))) => Ok(number),
        (Tag::Int, _) => Err(mismatch("integer")),
        (Tag::Float, Scalar::Number(Number::Int(value))) => {
            #[expect(clippy::cast_precision_loss, reason = "a float was asked for")]
            let value = value as f64;
            Ok(Scalar::Number(Number::Float(value)))
        }
        (Tag::Float, _) => Err(mismatch("float")),
        (Tag::Null, Scalar::Null) => Ok(Scalar::Null),
        (Tag::Null, _) => Err(mismatch("null")),
        (Tag::Timestamp, _) if is_dated(text) => Ok(Scalar::Text(text.to_owned())),
        (Tag::Timestamp, _) => Err(mismatch("timestamp")),
    }
}

fn binary(text: &str) -> Result<Scalar, String> {
    let base64: String = text.chars().filter(|character| !matches!(character, '\n' | '\r')).collect();
    let bytes = STANDARD.decode(base64).map_err(|_| "`!!binary` is not followed by base64".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| "`!!binary` holds bytes that are no text".to_owned())?;
    Ok(Scalar::Text(text))
}

fn is_dated(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 8 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

/// What a plain scalar without a tag means. Timestamps stay text, as go-yaml leaves them.
pub(super) fn untagged(text: &str) -> Scalar {
    let as_text = || Scalar::Text(text.to_owned());
    match text.as_bytes().first() {
        None => Scalar::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(text),
        Some(b'.') => infinity(text)
            .or_else(|| number::pointed_float(text))
            .map_or_else(as_text, |float| Scalar::Number(Number::Float(float))),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            let float = || infinity(text).or_else(|| number::float(&digits)).map(Number::Float);
            number::integer(&digits)
                .or_else(float)
                .or_else(|| number::signed_binary(&digits).map(Number::Int))
                .map_or_else(as_text, Scalar::Number)
        }
        Some(_) => as_text(),
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::Text(text.to_owned()),
    }
}

fn infinity(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ => None,
    }
}

impl Scalar {
    /// The scalar as a value.
    pub(super) fn into_value(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Text(text) => Value::String(text),
            Self::Number(Number::Int(value)) => Value::Int(value),
            #[expect(clippy::cast_precision_loss, reason = "kubectl reads what exceeds 64 bits as the nearest float")]
            Self::Number(Number::Unsigned(value)) => Value::Float(value as f64),
            Self::Number(Number::Float(value)) if value.is_finite() => Value::Float(value),
            Self::Number(Number::Float(_)) => {
                return Err("JSON, which Kubernetes reads, has no infinite number and no NaN".to_owned());
            }
        })
    }

    /// The scalar as a key.
    pub(super) fn into_key(self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Number(Number::Int(value)) => Ok(value.to_string()),
            Self::Number(Number::Float(value)) => Ok(number::float_key(value)),
            Self::Number(Number::Unsigned(value)) => Err(format!("the number {value} is too large for a key")),
            Self::Null => Err("null cannot be a key".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> Scalar {
        Scalar::Number(Number::Int(value))
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn words_of_yaml_1_1_are_booleans_and_nulls() {
        for word in ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"] {
            assert_eq!(untagged(word), Scalar::Bool(true), "{word}");
        }
        for word in ["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"] {
            assert_eq!(untagged(word), Scalar::Bool(false), "{word}");
        }
        for word in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(untagged(word), Scalar::Null, "{word}");
        }
        for word in ["yEs", "nULL", "tRUE", "oN", "yes ", "none"] {
            assert_eq!(untagged(word), text(word));
        }
    }

    #[test]
    fn numbers_are_those_of_go() {
        assert_eq!(untagged("0644"), int(420));
        assert_eq!(untagged("1_000"), int(1000));
        assert_eq!(untagged("0b-1"), int(-1));
        assert_eq!(untagged("08"), Scalar::Number(Number::Float(8.0)));
        assert_eq!(untagged("+.5"), Scalar::Number(Number::Float(0.5)));
        for not_a_number in ["1:30", "2001-01-01", "1.2.3", "0xg", "_1", "-", ".", "1e400", "0xFFFFFFFFFFFFFFFFFF"] {
            assert_eq!(untagged(not_a_number), text(not_a_number));
        }
    }

    #[test]
    fn tags_decide_or_complain() {
        assert_eq!(resolve("5", Tag::Text), Ok(text("5")));
        assert_eq!(resolve("12", Tag::Foreign), Ok(text("12")));
        assert_eq!(resolve("5", Tag::Float), Ok(Scalar::Number(Number::Float(5.0))));
        assert_eq!(resolve("aGk=", Tag::Binary), Ok(text("hi")));
        assert_eq!(resolve("2001-01-01", Tag::Timestamp), Ok(text("2001-01-01")));
        for (given, tag) in [
            ("5.5", Tag::Int),
            ("x", Tag::Float),
            ("1", Tag::Bool),
            ("x", Tag::Null),
            ("*", Tag::Binary),
            ("/w==", Tag::Binary),
            ("x", Tag::Timestamp),
        ] {
            assert!(resolve(given, tag).is_err(), "{given} {tag:?}");
        }
    }

    #[test]
    fn what_json_cannot_say_is_no_value() {
        for word in [".inf", "-.Inf", ".nan", "+.INF"] {
            assert!(untagged(word).into_value().is_err(), "{word}");
        }
        assert_eq!(untagged(".Inf").into_key().as_deref(), Ok(".inf"));
        assert!(untagged("~").into_key().is_err());
        assert!(untagged("9223372036854775808").into_key().is_err());
    }
}
