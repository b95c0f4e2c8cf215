//! Identifiers, and how they are spelled.
//!
//! A [`RequestId`] is a `UUIDv7`; everything else about a request derives from it, so that an id alone says which
//! request it belongs to. Ids are made elsewhere (they need a clock and randomness); here they are parsed and derived.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::topic::FunctionName;

/// What was given is no id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {wanted}")]
pub struct InvalidId {
    given: String,
    wanted: &'static str,
}

impl InvalidId {
    pub(crate) fn new(given: &str, wanted: &'static str) -> Self {
        // An id that is wrong may be of any size: an error shows the beginning.
        let given = given.chars().take(100).collect();
        Self { given, wanted }
    }
}

/// One accepted publish. On the wire a plain lower-case UUID; the `r-` of the Python version is accepted when read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// Wraps a `UUIDv7`, whose order is the order of acceptance.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// What no id given at `time` or later is before, and every id given earlier is: to the millisecond, which is what
    /// an id tells of its time.
    pub fn first_at(time: jiff::Timestamp) -> Self {
        // 48 bits of milliseconds since 1970; what is before that was never accepted.
        let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or(0).min((1 << 48) - 1);
        Self(Uuid::from_u128(u128::from(milliseconds) << 80))
    }

    /// The id as 16 bytes, big endian: their order is the order of acceptance.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id that these 16 bytes stand for.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for RequestId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let plain = text.strip_prefix("r-").unwrap_or(text);
        let invalid = || InvalidId::new(text, "a request id (a UUID such as 0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e)");
        if plain.len() != 36 {
            return Err(invalid());
        }
        Uuid::try_parse(plain).map(Self).map_err(|_| invalid())
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const REQUEST_DIGITS: usize = 26;
const FUNCTION_DIGITS: usize = 6;

/// One function executed for one request: 32 characters of `[0-9a-v]`, so that it fits a label and leaves half of a
/// Job's name to its author.
///
/// The first 26 spell the request id in base 32 (their order is the order of acceptance), the last 6 are taken from
/// the SHA-256 of the function's name. The same function of the same request therefore always has the same run id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; REQUEST_DIGITS + FUNCTION_DIGITS]);

impl RunId {
    /// The run of `function` for `request`.
    pub fn derive(request: RequestId, function: &FunctionName) -> Self {
        let mut digits = [0; REQUEST_DIGITS + FUNCTION_DIGITS];
        spell(u128::from_be_bytes(*request.as_bytes()), &mut digits[..REQUEST_DIGITS]);
        let hash = Sha256::digest(function.as_str());
        let low = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        spell(u128::from(low), &mut digits[REQUEST_DIGITS..]);
        Self(digits)
    }

    /// What the ids of all runs of `request` begin with, and of no other's: 26 characters. A run of a later request is
    /// behind it in the order of text.
    pub fn beginning(request: RequestId) -> String {
        let mut digits = [0; REQUEST_DIGITS];
        spell(u128::from_be_bytes(*request.as_bytes()), &mut digits);
        digits.map(char::from).iter().collect()
    }

    /// The request this run belongs to.
    pub fn request(&self) -> RequestId {
        let number = self.0[..REQUEST_DIGITS].iter().fold(0_u128, |n, digit| n << 5 | u128::from(value(*digit)));
        RequestId::from_bytes(number.to_be_bytes())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes the low bits of `number`, five a digit, the last digit lowest.
fn spell(number: u128, digits: &mut [u8]) {
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = ALPHABET[(number >> (5 * place) & 31) as usize];
    }
}

/// What a digit of [`ALPHABET`] counts; 0 for anything else, which parsing has refused before.
fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'v' => digit - b'a' + 10,
        _ => 0,
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a run id (32 characters of 0-9 and a-v)");
        let digits: [u8; 32] = text.as_bytes().try_into().map_err(|_| invalid())?;
        // 26 digits hold 130 bits, so a request id never begins with more than 7.
        let spelled = digits.iter().all(|digit| ALPHABET.contains(digit)) && digits[0] <= b'7';
        if spelled { Ok(Self(digits)) } else { Err(invalid()) }
    }
}

/// Which making of a run: 1 at first, one more for each redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Try(pub u32);

impl Try {
    /// The first making of a run.
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
pub(crate) use serde_as_text;
serde_as_text!(RequestId, RunId);

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestId {
        "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e".parse().expect("a uuid")
    }

    #[test]
    fn request_ids_are_read_with_and_without_the_old_prefix() {
        assert_eq!("r-0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e".parse(), Ok(request()));
        assert_eq!("0199D3B4-58C1-7A52-9D3E-1F2A3B4C5D6E".parse(), Ok(request()));
        assert_eq!(request().to_string(), "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e");
    }

    #[test]
    fn ids_of_a_moment_begin_with_its_first() {
        let first = |text: &str| RequestId::first_at(text.parse().expect("a time"));
        assert!(first("2025-10-11T14:37:15.841Z") <= request(), "that is when it was given");
        assert!(first("2025-10-11T14:37:15.842Z") > request());
        assert_eq!(first("1969-07-20T20:17:00Z"), RequestId::from_bytes([0; 16]));
        assert!(first("9999-01-01T00:00:00Z") > request());
    }

    #[test]
    fn other_spellings_of_uuids_are_no_request_ids() {
        for text in ["", "r-", "{0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e}", "0199d3b458c17a529d3e1f2a3b4c5d6e", "../etc"] {
            assert!(text.parse::<RequestId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_id_is_a_label_and_leads_back_to_its_request() {
        let run = RunId::derive(request(), &"jobs/collect.yaml".parse().expect("a function"));
        assert_eq!(run.as_str().len(), 32);
        assert!(run.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert_eq!(run.request(), request());
        assert_eq!(run.to_string().parse(), Ok(run));
    }

    #[test]
    fn run_ids_differ_by_function_and_by_request() {
        let a: FunctionName = "a.yaml".parse().expect("a function");
        let b: FunctionName = "b.yaml".parse().expect("a function");
        let other = RequestId::from_bytes([0xff; 16]);
        assert_ne!(RunId::derive(request(), &a), RunId::derive(request(), &b));
        assert_ne!(RunId::derive(request(), &a), RunId::derive(other, &a));
        assert_eq!(RunId::derive(other, &a).request(), other);
    }

    #[test]
    fn what_no_run_could_be_called_is_refused() {
        for text in [
            "",
            "short",
            "00000000000000000000000000000w00",
            "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
            "é0000000000000000000000000000000",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
