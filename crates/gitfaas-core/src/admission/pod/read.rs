//! Reads of an object only what matters, from any deserializer, and complains of what could be read in two ways.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::findings::Findings;
use super::place::{At, lookalike};

/// What is done with the members of one mapping.
pub(in crate::admission) trait Reader<'de>: Sized {
    /// The keys that matter, at most 32.
    fn keys(&self) -> &'static [&'static str];

    /// Reads the value of one of them.
    fn member<A: MapAccess<'de>>(&mut self, key: &'static str, member: &mut Member<'_, A>) -> Result<(), A::Error>;

    /// Reads the value of any other key; `member` is at the mapping itself.
    fn other<A: MapAccess<'de>>(&mut self, _key: &str, member: &mut Member<'_, A>) -> Result<(), A::Error> {
        member.skip()
    }

    /// Only a message decides what is there.
    fn unknown(&mut self) {}

    /// All members were read.
    fn end(&mut self, _at: &At<'_>, _findings: &mut Findings) {}
}

/// What a field that may be true or false says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Given {
    #[default]
    Nothing,
    Yes,
    No,
    /// Only a message decides, or it was complained about.
    Unknown,
}

/// A value that is expected to be no structure.
pub(in crate::admission) enum Scalar<'de> {
    Null,
    Bool(bool),
    /// A whole number; whether it is zero.
    Whole {
        zero: bool,
    },
    Text(Cow<'de, str>),
    /// Only a message decides.
    Unknown,
    Other,
}

/// The value of a member that is not yet read.
pub(in crate::admission) struct Member<'m, A> {
    pub(super) map: &'m mut A,
    pub(super) at: At<'m>,
    pub(super) findings: &'m mut Findings,
}

impl<'de, A: MapAccess<'de>> Member<'_, A> {
    pub(super) fn skip(&mut self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(drop)
    }

    /// Whether there is anything but null; what only a message decides counts as nothing.
    pub(super) fn is_given(&mut self) -> Result<bool, A::Error> {
        Ok(!matches!(self.map.next_value()?, Scalar::Null | Scalar::Unknown))
    }

    pub(super) fn flag(&mut self) -> Result<Given, A::Error> {
        Ok(match self.map.next_value()? {
            Scalar::Null => Given::Nothing,
            Scalar::Bool(true) => Given::Yes,
            Scalar::Bool(false) => Given::No,
            Scalar::Unknown => Given::Unknown,
            _ => {
                self.findings.unclear(&self.at, "is neither true nor false");
                Given::Unknown
            }
        })
    }

    /// Whether it is a text that `allowed` does not know.
    pub(super) fn text_but(&mut self, allowed: impl Fn(&str) -> bool) -> Result<Given, A::Error> {
        Ok(match self.map.next_value()? {
            Scalar::Null => Given::Nothing,
            Scalar::Text(text) if allowed(&text) => Given::No,
            Scalar::Text(_) => Given::Yes,
            Scalar::Unknown => Given::Unknown,
            _ => {
                self.findings.unclear(&self.at, "is no string");
                Given::Unknown
            }
        })
    }

    /// Whether it is a whole number other than zero.
    pub(super) fn number(&mut self) -> Result<Given, A::Error> {
        Ok(match self.map.next_value()? {
            Scalar::Null => Given::Nothing,
            Scalar::Whole { zero } if zero => Given::No,
            Scalar::Whole { .. } => Given::Yes,
            Scalar::Unknown => Given::Unknown,
            _ => {
                self.findings.unclear(&self.at, "is no whole number");
                Given::Unknown
            }
        })
    }

    pub(super) fn mapping<R: Reader<'de>>(&mut self, reader: &mut R) -> Result<(), A::Error> {
        self.map.next_value_seed(Mapping { reader, at: &self.at, findings: self.findings })
    }

    /// Reads a list of mappings, and hands on what became of each reader.
    pub(super) fn mappings<R: Reader<'de> + Default>(
        &mut self,
        mut each: impl FnMut(usize, R),
    ) -> Result<(), A::Error> {
        self.map.next_value_seed(List {
            at: &self.at,
            findings: self.findings,
            item: Mappings(&mut each, std::marker::PhantomData),
        })
    }

    /// Reads a list of strings; `None` is handed on for one that only a message decides.
    pub(super) fn strings(
        &mut self,
        mut each: impl FnMut(&At<'_>, Option<&str>, &mut Findings),
    ) -> Result<(), A::Error> {
        self.map.next_value_seed(List { at: &self.at, findings: self.findings, item: Strings(&mut each) })
    }
}

/// Reads a mapping, if it is one.
pub(in crate::admission) struct Mapping<'m, R> {
    pub(in crate::admission) reader: &'m mut R,
    pub(in crate::admission) at: &'m At<'m>,
    pub(in crate::admission) findings: &'m mut Findings,
}

/// The values that are never what is wanted.
macro_rules! complain_of {
    ($complaint:literal: $($visit:ident $type:ty),+) => {
        $(fn $visit<E>(self, _: $type) -> Result<(), E> {
            self.findings.unclear(self.at, $complaint);
            Ok(())
        })+

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
    };
}

impl<'de, R: Reader<'de>> Visitor<'de> for Mapping<'_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    complain_of! { "is no mapping": visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64, visit_str &str }

    fn visit_none<E>(self) -> Result<(), E> {
        self.reader.unknown();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.findings.unclear(self.at, "is no mapping");
        IgnoredAny.visit_seq(items).map(drop)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reader, at, findings } = self;
        let keys = reader.keys();
        let mut seen = 0_u32;
        while let Some(key) = map.next_key()? {
            let Scalar::Text(key) = key else { continue };
            let Some(place) = keys.iter().position(|known| *known == key) else {
                if let Some(known) = lookalike(&key, keys) {
                    findings.unclear(&At::key(at, known), "is also there in another spelling");
                }
                reader.other(&key, &mut Member { map: &mut map, at: *at, findings })?;
                continue;
            };
            let at = At::key(at, keys[place]);
            if seen & (1 << place) != 0 {
                findings.unclear(&at, "is there twice");
            }
            seen |= 1 << place;
            reader.member(keys[place], &mut Member { map: &mut map, at, findings })?;
        }
        reader.end(at, findings);
        Ok(())
    }
}

impl<'de, R: Reader<'de>> DeserializeSeed<'de> for Mapping<'_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What is done with the items of a list.
trait Item<'de> {
    fn next<A: SeqAccess<'de>>(
        &mut self,
        at: At<'_>,
        index: usize,
        items: &mut A,
        findings: &mut Findings,
    ) -> Result<bool, A::Error>;
}

struct Mappings<'m, F, R>(&'m mut F, std::marker::PhantomData<R>);

impl<'de, R: Reader<'de> + Default, F: FnMut(usize, R)> Item<'de> for Mappings<'_, F, R> {
    fn next<A: SeqAccess<'de>>(
        &mut self,
        at: At<'_>,
        index: usize,
        items: &mut A,
        findings: &mut Findings,
    ) -> Result<bool, A::Error> {
        let mut reader = R::default();
        let read = items.next_element_seed(Mapping { reader: &mut reader, at: &at, findings })?;
        if read.is_some() {
            (self.0)(index, reader);
        }
        Ok(read.is_some())
    }
}

struct Strings<'m, F>(&'m mut F);

impl<'de, F: FnMut(&At<'_>, Option<&str>, &mut Findings)> Item<'de> for Strings<'_, F> {
    fn next<A: SeqAccess<'de>>(
        &mut self,
        at: At<'_>,
        _: usize,
        items: &mut A,
        findings: &mut Findings,
    ) -> Result<bool, A::Error> {
        match items.next_element()? {
            None => return Ok(false),
            Some(Scalar::Text(text)) => (self.0)(&at, Some(&text), findings),
            Some(Scalar::Unknown) => (self.0)(&at, None, findings),
            Some(_) => findings.unclear(&at, "is no string"),
        }
        Ok(true)
    }
}

/// Reads a list, if it is one.
struct List<'m, I> {
    at: &'m At<'m>,
    findings: &'m mut Findings,
    item: I,
}

impl<'de, I: Item<'de>> Visitor<'de> for List<'_, I> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    complain_of! { "is no list": visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64, visit_str &str }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.findings.unclear(self.at, "is no list");
        IgnoredAny.visit_map(map).map(drop)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            if !self.item.next(At::item(self.at, index), index, &mut items, self.findings)? {
                break;
            }
        }
        Ok(())
    }
}

impl<'de, I: Item<'de>> DeserializeSeed<'de> for List<'_, I> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_none<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Unknown)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Whole { zero: value == 0 })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Whole { zero: value == 0 })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Scalar<'de>, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar<'de>, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Scalar::Other)
    }
}
