//! Which reference a delivery says was pushed, read from the beginning of its body.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};

/// The `ref` of a JSON object that begins like this; of a form, that of its field `payload`. `whole` says whether that is
/// all of it: else what is cut off is no mistake, and may have held the `ref`.
///
/// # Errors
/// Why it is no such object.
pub(super) fn pushed(body: &[u8], whole: bool, form: bool) -> Result<Option<String>, String> {
    let body = if form { payload(body).ok_or("the form has no field `payload`")? } else { Cow::Borrowed(body) };
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let read = reader.deserialize_map(Reading(&mut found)).and_then(|()| reader.end());
    match read {
        Err(error) if whole || !error.is_eof() => Err(format!("it is not read as JSON: {error}")),
        _ => Ok(found),
    }
}

/// Reads an object, and keeps its `ref` also when something later is wrong.
struct Reading<'f>(&'f mut Option<String>);

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut seen = false;
        while let Some(key) = object.next_key::<Cow<'de, str>>()? {
            if key != "ref" {
                object.next_value::<IgnoredAny>()?;
                continue;
            }
            if std::mem::replace(&mut seen, true) {
                return Err(A::Error::custom("there are two `ref`"));
            }
            *self.0 = object.next_value()?;
        }
        Ok(())
    }
}

/// The field `payload` of a form, decoded; an escape that is cut off at the end is left out.
fn payload(form: &[u8]) -> Option<Cow<'static, [u8]>> {
    let mut fields = form.split(|byte| *byte == b'&');
    let field = fields.find_map(|field| field.strip_prefix(b"payload="))?;
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                decoded.push(digit(high)? << 4 | digit(low)?);
                rest = after;
            }
            (b'%', _) => break,
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
    }
    Some(decoded.into())
}
