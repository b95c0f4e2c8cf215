//! Quantities as Kubernetes writes them: `500m`, `1.5`, `64Mi`, `2e3`.

use serde_json::Value;

/// Parts of one that are counted: nothing smaller can be asked for.
const NANO: i128 = 1_000_000_000;

/// An amount, in billionths of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cluster::local) struct Quantity(i128);

impl Quantity {
    /// So many whole ones.
    pub(in crate::cluster::local) fn whole(number: u64) -> Self {
        Self(i128::from(number) * NANO)
    }

    /// So many times as much, rounded up to whole ones.
    pub(in crate::cluster::local) fn times(self, number: i128) -> i128 {
        divide_up(self.0.saturating_mul(number), NANO)
    }

    /// Reads one, written as text or as a number; `None` when it is none, is negative, or is beyond all use.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || whole.len() > 19 || fraction.len() > 9 {
            return None;
        }
        let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
        let parts = digits(whole)? * NANO + digits(&format!("{fraction:0<9}"))?;
        let (times, by) = scale(suffix)?;
        // Rounded up, as Kubernetes does.
        parts.checked_mul(times).map(|parts| Self(divide_up(parts, by)))
    }

    /// How many of `unit` it is, rounded up.
    pub(in crate::cluster::local) fn in_units_of(self, unit: Self) -> i128 {
        divide_up(self.0, unit.0.max(1))
    }
}

fn divide_up(number: i128, by: i128) -> i128 {
    (number + by - 1).div_euclid(by)
}

/// What a suffix multiplies and divides by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    const LETTERS: &str = "kMGTPE";
    let thousands = |letter: &str| LETTERS.find(letter).and_then(|at| u32::try_from(at + 1).ok());
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, NANO),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "Ki" => (1024, 1),
        _ if suffix.len() == 1 && thousands(suffix).is_some() => (1000_i128.pow(thousands(suffix)?), 1),
        _ if suffix.len() == 2 && suffix.ends_with('i') && !suffix.starts_with('k') => {
            (1024_i128.pow(thousands(&suffix[..1])?), 1)
        }
        _ => match suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()? {
            power @ 0..=18 => (10_i128.pow(power.unsigned_abs()), 1),
            power @ -18..=-1 => (1, 10_i128.pow(power.unsigned_abs())),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!("500m"), "1", 1)]
    #[case(json!("500m"), "1m", 500)]
    #[case(json!(2), "1", 2)]
    #[case(json!(0.1), "1m", 100)]
    #[case(json!("1.5"), "1", 2)]
    #[case(json!("64Mi"), "1", 64 << 20)]
    #[case(json!("64Mi"), "1Mi", 64)]
    #[case(json!("1G"), "1Mi", 954)]
    #[case(json!("2e3"), "1k", 2)]
    #[case(json!("1Ki"), "1", 1024)]
    #[case(json!("1E"), "1", 1_000_000_000_000_000_000)]
    #[case(json!(".5"), "1m", 500)]
    fn amounts_are_counted_in_units_and_rounded_up(#[case] value: Value, #[case] unit: &str, #[case] count: i128) {
        let unit = Quantity::parse(unit).expect("a unit");
        assert_eq!(Quantity::read(&value).expect("a quantity").in_units_of(unit), count);
    }

    #[rstest]
    #[case(json!("a lot"))]
    #[case(json!("-1"))]
    #[case(json!("1kB"))]
    #[case(json!("1ki"))]
    #[case(json!("1.2.3"))]
    #[case(json!(""))]
    #[case(json!("m"))]
    #[case(json!("1e99"))]
    #[case(json!(null))]
    fn what_is_no_quantity_is_refused(#[case] value: Value) {
        assert_eq!(Quantity::read(&value), None);
    }
}
