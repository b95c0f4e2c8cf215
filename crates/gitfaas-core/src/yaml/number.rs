//! Numbers as Go reads and prints them.

/// Go's `strconv.ParseInt(text, 0, 64)`, for text without underscores; also what only fits 64 bits without a sign,
/// which ends up as the nearest float, as in `kubectl`.
pub(super) fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = magnitude(digits)?;
    let signed = if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    match signed {
        Some(value) => Some(Number::Int(value)),
        // Go's ParseUint takes no sign at all.
        None if text.len() == digits.len() => Some(Number::Unsigned(magnitude)),
        None => None,
    }
}

fn magnitude(digits: &str) -> Option<u64> {
    let prefixed = |prefix: &str, radix| {
        let head = digits.get(..2)?;
        head.eq_ignore_ascii_case(prefix).then(|| (&digits[2..], radix))
    };
    let (digits, radix) = prefixed("0x", 16)
        .or_else(|| prefixed("0b", 2))
        .or_else(|| prefixed("0o", 8))
        .or_else(|| (digits.len() > 1 && digits.starts_with('0')).then(|| (&digits[1..], 8)))
        .unwrap_or((digits, 10));
    digits.bytes().all(|digit| digit.is_ascii_alphanumeric()).then(|| u64::from_str_radix(digits, radix).ok())?
}

/// go-yaml's own way with `0b`, which also takes a sign behind the prefix.
pub(super) fn signed_binary(text: &str) -> Option<i64> {
    i64::from_str_radix(text.strip_prefix("0b")?, 2).ok()
}

/// A number as go-yaml hands it on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// Fits an `i64`.
    Int(i64),
    /// Fits a `u64` only.
    Unsigned(u64),
    /// Anything else.
    Float(f64),
}

/// What matches go-yaml's `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, if it is finite.
pub(super) fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let formed = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    // Go says "out of range" where Rust says infinite; go-yaml then takes it as text.
    formed.then(|| text.parse().ok())?.filter(|value: &f64| value.is_finite())
}

/// Go takes underscores between the digits of a number that begins with a point.
pub(super) fn pointed_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let separated =
        (0..bytes.len()).all(|at| bytes[at] != b'_' || digit(at.checked_sub(1)) && digit(at.checked_add(1)));
    if separated { float(&text.replace('_', "")) } else { None }
}

/// A float as a key: Go's `FormatFloat(value, 'g', -1, 32)` with YAML's words for what is not finite.
pub(super) fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "kubectl makes keys of 32-bit floats")]
    let value = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Go leaves the plain form at these bounds when it prints the shortest digits.
    if (-4..6).contains(&exponent) {
        value.to_string()
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_go_s_prefixes() {
        let int = |text| match integer(text) {
            Some(Number::Int(value)) => Some(value),
            _ => None,
        };
        assert_eq!(int("0644"), Some(420));
        assert_eq!(int("0o17"), Some(15));
        assert_eq!(int("-0X1f"), Some(-31));
        assert_eq!(int("+0b11"), Some(3));
        assert_eq!(int("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("18446744073709551615"), Some(Number::Unsigned(u64::MAX)));
        for text in ["", "-", "0x", "08", "0x-1", "--1", "+18446744073709551615", "18446744073709551616", "1é", "0é"]
        {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn floats_are_those_of_the_yaml_pattern() {
        assert_eq!(float("1."), Some(1.0));
        assert_eq!(float("-.5e+1"), Some(-5.0));
        for text in [".", "e3", "1e", "1e400", "inf", "NaN", "0x1p4", "1_0"] {
            assert_eq!(float(text), None, "{text}");
        }
        assert_eq!(pointed_float(".5_0"), Some(0.5));
        for text in ["._5", ".5_", ".5__0"] {
            assert_eq!(pointed_float(text), None, "{text}");
        }
    }

    #[test]
    fn float_keys_are_printed_as_go_prints_them() {
        for (value, key) in [(1.5, "1.5"), (1e6, "1e+06"), (123_456.0, "123456"), (1e-5, "1e-05"), (-0.25, "-0.25")] {
            assert_eq!(float_key(value), key);
        }
        assert_eq!(float_key(f64::NEG_INFINITY), "-.inf");
    }
}
