//! What a manifest says about itself, read from the JSON that would be sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Refusal;
use super::pod::{Annotations, At, Down, Findings, Mapping, PodSpec, lookalike};
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

/// The way to the pods of an object, and what is found to be wrong with them.
pub(super) struct Pods<'f> {
    pub(super) way: &'static [&'static str],
    pub(super) findings: &'f mut Findings,
}

impl<'j> Head<'j> {
    /// Reads the head, and on the way the pods of an object that has any.
    pub(super) fn read(json: &'j str, pods: Option<Pods<'_>>) -> Result<Self, Refusal> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let head = HeadVisitor { pods }.deserialize(&mut deserializer);
        head.and_then(|head| deserializer.end().map(|()| head)).map_err(|error| {
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

struct HeadVisitor<'f> {
    pods: Option<Pods<'f>>,
}

impl<'de> DeserializeSeed<'de> for HeadVisitor<'_> {
    type Value = Head<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Head<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeadVisitor<'_> {
    type Value = Head<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Head<'de>, A::Error> {
        let (mut api_version, mut kind, mut metadata, mut pods, mut has_items) = (None, None, None, None, false);
        let to_pods = self.pods.as_ref().map(|pods| pods.way.first().copied().unwrap_or("spec"));
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "apiVersion" => set(&mut api_version, "apiVersion", map.next_value::<Text<'_>>()?)?,
                "kind" => set(&mut kind, "kind", map.next_value::<Text<'_>>()?)?,
                "metadata" => {
                    let pod = self.pods.as_mut().filter(|pods| pods.way.is_empty());
                    let seed = MetadataVisitor { pod: pod.map(|pods| &mut *pods.findings) };
                    set(&mut metadata, "metadata", map.next_value_seed(seed)?)?;
                }
                key if Some(key) == to_pods => {
                    let Pods { way, findings } = self.pods.as_mut().ok_or_else(|| A::Error::custom(OWN))?;
                    set(&mut pods, to_pods.unwrap_or_default(), read_pods(way, findings, &mut map)?)?;
                }
                _ => {
                    refuse_lookalike(&key, &["apiVersion", "kind", "metadata"])?;
                    to_pods.map_or(Ok(()), |known| refuse_lookalike(&key, &[known]))?;
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
            namespace,
            name: name.ok_or_else(|| missing("metadata.name"))?,
            has_items,
        })
    }
}

/// Reads what the first key of the way to the pods leads to.
fn read_pods<'de, A: MapAccess<'de>>(
    way: &'static [&'static str],
    findings: &mut Findings,
    map: &mut A,
) -> Result<(), A::Error> {
    match way {
        [] => {
            let at = At::key(&At::TOP, "spec");
            map.next_value_seed(Mapping { reader: &mut PodSpec::default(), at: &at, findings })
        }
        [first, way @ ..] => {
            let at = At::key(&At::TOP, first);
            map.next_value_seed(Mapping { reader: &mut Down { way }, at: &at, findings })
        }
    }
}

struct Metadata<'j> {
    name: Option<Cow<'j, str>>,
    namespace: Option<Cow<'j, str>>,
}

struct MetadataVisitor<'f> {
    /// Where to complain of annotations, if this is the metadata of a pod.
    pod: Option<&'f mut Findings>,
}

impl<'de> DeserializeSeed<'de> for MetadataVisitor<'_> {
    type Value = Metadata<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Metadata<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MetadataVisitor<'_> {
    type Value = Metadata<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the metadata of an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Metadata<'de>, A::Error> {
        let (mut name, mut namespace, mut annotations) = (None, None, None);
        while let Some(Text(key)) = map.next_key()? {
            match (key.as_ref(), self.pod.as_mut()) {
                ("name", _) => set(&mut name, "metadata.name", map.next_value::<Option<Text<'_>>>()?)?,
                ("namespace", _) => set(&mut namespace, "metadata.namespace", map.next_value::<Option<Text<'_>>>()?)?,
                ("annotations", Some(findings)) => {
                    let metadata = At::key(&At::TOP, "metadata");
                    let at = At::key(&metadata, "annotations");
                    let seed = Mapping { reader: &mut Annotations, at: &at, findings };
                    set(&mut annotations, "metadata.annotations", map.next_value_seed(seed)?)?;
                }
                (_, pod) => {
                    refuse_lookalike(&key, &["name", "namespace"])?;
                    pod.map_or(Ok(()), |_| refuse_lookalike(&key, &["annotations"]))?;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let text = |text: Option<Option<Text<'de>>>| text.flatten().map(|text| text.0);
        Ok(Metadata { name: text(name), namespace: text(namespace) })
    }
}

/// Some readers do not mind the case of a key: they would see another object than the one that is looked at here.
fn refuse_lookalike<E: serde::de::Error>(key: &str, known: &[&'static str]) -> Result<(), E> {
    match lookalike(key, known) {
        None => Ok(()),
        Some(known) => Err(E::custom(format_args!("{OWN} a key `{key}` that could be taken for `{known}`"))),
    }
}

fn set<T, E: serde::de::Error>(place: &mut Option<T>, name: &str, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom(format_args!("{OWN} `{name}` twice"))),
    }
}
