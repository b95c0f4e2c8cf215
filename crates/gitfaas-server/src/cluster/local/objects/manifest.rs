//! `ConfigMap`s and Secrets as manifests.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gitfaas_core::yaml;
use serde_json::Value;

use super::super::spec::{Kind, ObjectName, is_key};
use super::Data;

/// What `object` holds, if one of the documents in `source` is it. Errors name places and keys, never what is there.
pub(super) fn find(source: &[u8], object: &ObjectName) -> Result<Option<Data>, String> {
    // What is wrong is not told in the reader's own words, which may quote what stands there.
    let said = |error: &yaml::YamlError| {
        format!("cannot be read as YAML from line {}, column {} on", error.position.line, error.position.column)
    };
    let text = yaml::text(source).map_err(|error| said(&error))?;
    let documents = yaml::read(text).map_err(|errors| errors.first().map(said).unwrap_or_default())?;
    for document in &documents {
        let document = json(document);
        let items = document.get("items").and_then(Value::as_array);
        let found = items.into_iter().flatten().chain([&document]).find(|document| is(document, object));
        if let Some(found) = found {
            return data(object.kind, found).map(Some);
        }
    }
    Ok(None)
}

fn is(document: &Value, object: &ObjectName) -> bool {
    let kind = format!("{:?}", object.kind);
    document["apiVersion"] == "v1"
        && document["kind"] == kind.as_str()
        && document["metadata"]["name"] == object.name.as_str()
}

/// What the object of this kind holds.
pub(super) fn data(kind: Kind, object: &Value) -> Result<Data, String> {
    let mut data = Data::new();
    let fields: [(&str, bool); 2] = match kind {
        Kind::ConfigMap => [("data", false), ("binaryData", true)],
        Kind::Secret => [("data", true), ("stringData", false)],
    };
    for (field, encoded) in fields {
        for (key, value) in object[field].as_object().into_iter().flatten() {
            let text = value.as_str().ok_or_else(|| format!("{field}.{key} is no text"))?;
            if !is_key(key) {
                return Err(format!("{field} has a key that is none: `{key}`"));
            }
            let bytes = if encoded {
                // The decoder's own words would quote what stands there.
                BASE64_STANDARD
                    .decode(text.replace(['\n', '\r'], ""))
                    .map_err(|_| format!("{field}.{key} is not base64"))?
            } else {
                text.as_bytes().to_vec()
            };
            data.insert(key.clone(), bytes);
        }
    }
    Ok(data)
}

fn json(node: &yaml::Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Bool(value) => Value::from(*value),
        yaml::Value::Int(value) => Value::from(*value),
        yaml::Value::Float(value) => Value::from(*value),
        yaml::Value::String(value) => Value::from(value.as_str()),
        yaml::Value::Sequence(items) => items.iter().map(json).collect(),
        yaml::Value::Mapping(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), json(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
