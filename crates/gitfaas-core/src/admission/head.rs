//! What a manifest says about itself, read from the JSON that would be sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Refusal;
use crate::run::ObjectKey;

/// How the errors of this module begin.
const OWN: &str = "the object has";

/// The members of an object that decide where it goes.
pub(super) struct Head<'j> {
    pub(super) api_version: Cow<'j, str>,
    pub(super) kind: Cow<'j, str>,
    namespace: Option<Cow<'j, str>>,
    name: Cow<'j, str>,
    pub(super) has_items: bool,
}

impl<'j> Head<'j> {
    pub(super) fn read(json: &'j str) -> Result<Self, Refusal> {
        serde_json::from_str(json).map_err(|error| {
            let text = error.to_string();
            let message = match text.split_once(" at line ") {
                Some((own, _)) if own.starts_with(OWN) => own.to_owned(),
                // Any other message may quote from the object, which may hold a token.
                _ => format!("the object is malformed (at character {} of its JSON)", error.column()),
            };
            Refusal::new(message, "mend the template")
        })
    }

    /// The namespace it names; an empty name is none.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty())
    }

    /// Whether this is the object that `key` names.
    pub(super) fn is_of(&self, key: &ObjectKey) -> bool {
        self.api_version == key.api_version
            && self.kind == key.kind
            && self.name == key.name
            && self.namespace() == key.namespace.as_deref().filter(|namespace| !namespace.is_empty())
    }
}

/// A string, borrowed where JSON has it without escapes.
#[derive(Deserialize)]
struct Text<'j>(#[serde(borrow)] Cow<'j, str>);

#[derive(Deserialize)]
struct Metadata<'j> {
    #[serde(borrow)]
    name: Option<Text<'j>>,
    #[serde(borrow)]
    namespace: Option<Text<'j>>,
}

impl<'de> Deserialize<'de> for Head<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadVisitor)
    }
}

struct HeadVisitor;

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Head<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head<'de>, A::Error> {
        let (mut api_version, mut kind, mut metadata, mut has_items) = (None, None, None, false);
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "apiVersion" => set(&mut api_version, "apiVersion", map.next_value::<Text<'_>>()?)?,
                "kind" => set(&mut kind, "kind", map.next_value::<Text<'_>>()?)?,
                "metadata" => set(&mut metadata, "metadata", map.next_value::<Metadata<'_>>()?)?,
                // Some readers, the API server's among them, do not mind the case of a key: they would see another
                // object than the one that is looked at here.
                _ => {
                    let mut known = ["apiVersion", "kind", "metadata"].into_iter();
                    if let Some(known) = known.find(|known| key.eq_ignore_ascii_case(known)) {
                        let message = format_args!("{OWN} a key `{key}` that could be taken for `{known}`");
                        return Err(A::Error::custom(message));
                    }
                    has_items |= key.eq_ignore_ascii_case("items");
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let missing = |what| A::Error::custom(format_args!("{OWN} no `{what}`"));
        let Metadata { name, namespace } = metadata.ok_or_else(|| missing("metadata"))?;
        Ok(Head {
            api_version: api_version.ok_or_else(|| missing("apiVersion"))?.0,
            kind: kind.ok_or_else(|| missing("kind"))?.0,
            namespace: namespace.map(|text| text.0),
            name: name.ok_or_else(|| missing("metadata.name"))?.0,
            has_items,
        })
    }
}

fn set<T, E: serde::de::Error>(place: &mut Option<T>, name: &str, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom(format_args!("{OWN} `{name}` twice"))),
    }
}
