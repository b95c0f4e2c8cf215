//! The JSON Schema of the config file, as editors use it, says what the reader says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

use super::Config;
use super::params::PARAM;
use super::reader::Keys;
use super::rules::MESSAGE;
use super::topics::{FILE, TOPIC};
use crate::template::RESERVED;

const SCHEMA: &str = include_str!("../../../../../docs/config.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("JSON")
}

fn validator() -> Validator {
    jsonschema::options().offline().should_validate_formats(true).build(&schema()).expect("a JSON Schema")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn its_keys_are_those_of_the_reader() {
    let schema = schema();
    let known = |keys: &Keys| -> BTreeSet<String> { keys.known().map(str::to_owned).collect() };
    for (pointer, keys) in
        [("", &FILE), ("/$defs/topic", &TOPIC), ("/$defs/topic/properties/message", &MESSAGE), ("/$defs/param", &PARAM)]
    {
        let object = schema.pointer(pointer).expect("an object");
        let written: BTreeSet<String> =
            object["properties"].as_object().expect("keys").keys().map(ToOwned::to_owned).collect();
        assert_eq!(written, known(keys), "{pointer}");
        let needed: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(needed, keys.needed, "{pointer}");
        assert_eq!(object["additionalProperties"], false, "{pointer}");
    }
    let reserved = schema.pointer("/$defs/topic/properties/params/propertyNames/not/enum").expect("names");
    assert_eq!(reserved, &serde_json::json!(RESERVED));
}

#[test]
fn every_config_file_of_the_repository_fits_it() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("examples")).expect("examples") {
        let path = entry.expect("an example").path().join("config.json");
        found.push((path.display().to_string(), std::fs::read_to_string(&path).expect("a config file")));
    }
    let docs = std::fs::read_dir(root().join("docs")).expect("docs").map(|entry| entry.expect("a file").path());
    for path in docs.chain([root().join("README.md")]).filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&path).expect("a page");
        let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
        let configs = blocks.filter(|block| block.contains("\"topics\""));
        found.extend(configs.map(|block| (path.display().to_string(), block.to_owned())));
    }
    assert!(found.len() >= 4, "the examples and the README have some: {found:?}");
    for (path, text) in found {
        fits(&text, &path);
    }
    fits(EVERYTHING, "everything that can be said");
}

fn fits(text: &str, what: &str) {
    Config::parse("config.json", text.as_bytes()).unwrap_or_else(|problems| panic!("{what}: {problems:?}"));
    let told: Vec<String> = validator()
        .iter_errors(&serde_json::from_str(text).expect("JSON"))
        .map(|error| format!("{} {error}", error.instance_path()))
        .collect();
    assert!(told.is_empty(), "{what}: {told:?}");
}

const EVERYTHING: &str = r#"{
  "$schema": "http://127.0.0.1:5000/config.schema.json",
  "topics": [{
    "name": "météo:1.~_-",
    "configs": ["collect.yaml", "audit/..log.yaml"],
    "params": {
      "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1, "enum": [1, 2], "description": "…"},
      "ratio": {"type": "number", "minimum": 0.5, "maximum": 7, "default": 1, "enum": [1, 2.5]},
      "day": {"type": "string", "minLength": 1, "maxLength": 7, "pattern": "^[a-z]+$", "enum": ["a"], "default": "a"},
      "dry": {"type": "boolean", "default": true}
    },
    "message": {"schema": "schemas/collect.json", "maxBytes": 1048576},
    "concurrency": 5,
    "publishes": ["uncompress", "audit-*", "a?"],
    "paused": false
  }]
}"#;

/// What is wrong in a topic that is right otherwise: each refused by the reader, and by the schema.
const MISTAKES: [&str; 46] = [
    r#""name": 1"#,
    r#""name": """#,
    r#""name": "a b""#,
    r#""name": "a/b""#,
    r#""configs": "a""#,
    r#""configs": []"#,
    r#""configs": [1]"#,
    r#""configs": [""]"#,
    r#""configs": ["/etc/passwd"]"#,
    r#""configs": ["a/../b"]"#,
    r#""configs": ["./a"]"#,
    r#""configs": ["a//b"]"#,
    r#""configs": ["a/"]"#,
    r#""configs": ["a\\b"]"#,
    r#""configs": ["a\nb"]"#,
    r#""configs": ["a", "a"]"#,
    r#""colour": 1"#,
    r#""functions": []"#,
    r#""concurrency": 0"#,
    r#""concurrency": 1000001"#,
    r#""concurrency": 1.5"#,
    r#""concurrency": "5""#,
    r#""paused": "yes""#,
    r#""publishes": "a""#,
    r#""publishes": ["a b"]"#,
    r#""publishes": [""]"#,
    r#""message": []"#,
    r#""message": {"maxBytes": 0}"#,
    r#""message": {"maxBytes": 1073741825}"#,
    r#""message": {"schema": "../a"}"#,
    r#""message": {"shema": "a"}"#,
    r#""params": []"#,
    r#""params": {"7": {"type": "string"}}"#,
    r#""params": {"TOPIC": {"type": "string"}}"#,
    r#""params": {"a": {}}"#,
    r#""params": {"a": "string"}"#,
    r#""params": {"a": {"type": "int"}}"#,
    r#""params": {"a": {"type": "string", "minimum": 1}}"#,
    r#""params": {"a": {"type": "boolean", "enum": [true]}}"#,
    r#""params": {"a": {"type": "integer", "maxLength": 1}}"#,
    r#""params": {"a": {"type": "integer", "default": "1"}}"#,
    r#""params": {"a": {"type": "integer", "minimum": 0.5}}"#,
    r#""params": {"a": {"type": "number", "default": true}}"#,
    r#""params": {"a": {"type": "string", "enum": []}}"#,
    r#""params": {"a": {"type": "string", "pattern": "("}}"#,
    r#""params": {"a": {"type": "string", "min": 1}}"#,
];

#[test]
fn what_the_reader_refuses_it_refuses_too() {
    let validator = validator();
    let refused = |text: &str| {
        assert!(Config::parse("config.json", text.as_bytes()).is_err(), "the reader takes {text}");
        assert!(!validator.is_valid(&serde_json::from_str(text).expect("JSON")), "the schema takes {text}");
    };
    for mistake in MISTAKES {
        let right = [r#""name": "a""#, r#""configs": ["a.yaml"]"#];
        let key = mistake.split(':').next().expect("a key");
        let rest: Vec<&str> = right.into_iter().filter(|member| !member.starts_with(key)).collect();
        refused(&format!("{{\"topics\": [{{{}}}]}}", [&[mistake], &rest[..]].concat().join(", ")));
    }
    for text in ["[]", "{}", r#"{"topics": {}}"#, r#"{"topics": [1]}"#, r#"{"topics": [], "runtimes": {}}"#] {
        refused(text);
    }
    for text in
        [r#"{"topics": [], "$schema": 1}"#, r#"{"topics": [{"name": "a"}]}"#, r#"{"topics": [{"configs": ["a"]}]}"#]
    {
        refused(text);
    }
}
