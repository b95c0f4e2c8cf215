use rstest::rstest;
use serde_json::json;

use super::*;

const NO_CHOICE: &str =
    "does not fit `schemas/collect.json`: no choice of it (`anyOf`, `oneOf`, `not` and the like) is met";

fn compile(schema: &str) -> Result<MessageSchema, Vec<String>> {
    let path = "schemas/collect.json".parse().expect("a path");
    let compiled = MessageSchema::compile(&path, &Bytes::copy_from_slice(schema.as_bytes()));
    compiled.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn refused(schema: &Value, message: &Value) -> Option<String> {
    compile(&schema.to_string()).expect("a schema").refuses(message.to_string().as_bytes())
}

#[test]
fn what_does_not_fit_is_told_with_its_place_and_without_its_value() {
    let schema = json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "string", "pattern": "^[a-z]+$"},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        },
        "additionalProperties": false,
        "$defs": {"item": {"type": "object", "properties": {"size": {"maximum": 10}}}},
    });
    let told = |message: Value| refused(&schema, &message);
    assert_eq!(told(json!({"id": "abc", "items": [{"size": 10}]})), None);
    for (message, expected) in [
        (json!({}), "\"id\" is a required property"),
        (json!({"id": "SECRET"}), "`/id`: the value does not match \"^[a-z]+$\""),
        (
            json!({"id": "a", "items": [{}, {"size": 11}]}),
            "`/items/1/size`: the value is greater than the maximum of 10",
        ),
        (json!({"id": "a", "itms": 1}), "additional properties are not allowed ('itms' was unexpected)"),
        (json!(["SECRET"]), "the value is not of type \"object\""),
    ] {
        assert_eq!(told(message), Some(format!("does not fit `schemas/collect.json`: {expected}")));
    }
}

#[test]
fn what_is_no_json_or_too_deep_is_refused() {
    let schema = compile("{}").expect("a schema");
    assert_eq!(schema.refuses(b"{\"a\": }").as_deref(), Some("is not JSON: expected value at line 1 column 7"));
    assert!(schema.refuses(b"").is_some_and(|why| why.starts_with("is not JSON")));
    assert!(schema.refuses(b"\xff").is_some());
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    assert!(schema.refuses(deep.as_bytes()).is_some_and(|why| why.contains("recursion limit")));
}

#[test]
fn what_fits_no_choice_is_refused_and_what_is_told_is_bounded() {
    let schema = json!({"anyOf": [{"items": {"type": "string"}}, {"type": "object"}]});
    let many = json!(vec![1; 100_000]);
    assert_eq!(refused(&schema, &many).as_deref(), Some(NO_CHOICE));
    let keys: serde_json::Map<_, _> = (0..1000).map(|key| (format!("\u{1b}[2J{key}"), json!(1))).collect();
    let told = refused(&json!({"additionalProperties": false}), &Value::Object(keys)).expect("refused");
    assert!(told.len() < 1000 && !told.contains('\u{1b}'), "{told}");
}

#[rstest]
#[case::not_json("{\"type\": }", "1:10: expected a value, found `}`")]
#[case::no_schema("[]", "1:1: this is not a JSON Schema: [] is not of types \"boolean\", \"object\"")]
#[case::unknown_type(
    "{\"properties\":\n  {\"a\": {\"type\": \"strin\"}}}",
    "2:18: there is no type `strin` (did you mean `string`?)"
)]
#[case::a_property_called_type(
    "{\"properties\": {\"type\": \"a\"}}",
    "1:25: this is not a JSON Schema: \"a\" is not of types \"boolean\", \"object\""
)]
#[case::no_pattern("{\"pattern\": \"(\"}", "1:13: this is not a JSON Schema: \"(\" is not a \"regex\"")]
#[case::looks_around("{\"pattern\": \"(?=x)\"}", "1:13: this is not a JSON Schema: \"(?=x)\" is not a \"regex\"")]
#[case::huge_pattern(
    "{\"pattern\": \"(a{1000}){1000}\"}",
    "1:13: this is not a JSON Schema: \"(a{1000}){1000}\" is not a \"regex\""
)]
#[case::remote(
    "{\"items\": {\"$ref\": \"https://evil.example/a\"}}",
    "1:20: `https://evil.example/a` is outside of this file, and nothing else is read (put it under `$defs` of this file and write `#/$defs/…`)"
)]
#[case::remote_where_nothing_leads(
    "{\"$defs\": {\"a\": {\"$ref\": \"other.json\"}}}",
    "1:26: `other.json` is outside of this file, and nothing else is read (put it under `$defs` of this file and write `#/$defs/…`)"
)]
#[case::other_file(
    "{\"$ref\": \"file:///etc/passwd\"}",
    "1:10: `file:///etc/passwd` is outside of this file, and nothing else is read (put it under `$defs` of this file and write `#/$defs/…`)"
)]
#[case::nowhere("{\"$ref\": \"#/$defs/no\"}", "1:10: `#/$defs/no` leads nowhere in this file (see how it is spelt)")]
#[case::inner_id(
    "{\"$defs\": {\"a\": {\"$id\": \"https://a.example\"}}}",
    "1:25: a schema inside of the schema has an `$id` of its own (name it by `$anchor`, or refer to it by its place: `#/$defs/…`)"
)]
fn a_mistake_in_a_schema_is_told_with_its_place(#[case] schema: &str, #[case] expected: &str) {
    let problems = compile(schema).expect_err("a mistake");
    assert_eq!(problems, [format!("schemas/collect.json:{expected}")]);
}

#[test]
fn references_inside_the_file_are_followed_however_they_are_written() {
    for to in ["#/$defs/a~1b", "#/%24defs/a~1b", "#named", "https://own.example/x#named"] {
        let schema = json!({
            "$id": "https://own.example/x",
            "$ref": to,
            "$defs": {"a/b": {"$anchor": "named", "type": "string"}},
        });
        assert_eq!(refused(&schema, &json!("a")), None, "{to}");
        assert!(refused(&schema, &json!(1)).is_some(), "{to}");
    }
}

/// Each of `levels` refers twice to the next by `keyword`.
fn doubling(keyword: &str, levels: usize) -> Value {
    let level = |level: usize| {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        (format!("d{level}"), json!({keyword: [next.clone(), next]}))
    };
    let mut defs: serde_json::Map<_, _> = (0..levels).map(level).collect();
    defs.insert(format!("d{levels}"), json!({"type": "string"}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

#[test]
fn a_schema_that_multiplies_is_refused_before_it_is_compiled() {
    for keyword in ["allOf", "anyOf"] {
        let problems = compile(&doubling(keyword, 30).to_string()).expect_err("refused");
        assert!(problems[0].contains("asks for more than 20000 checks"), "{problems:?}");
        assert!(refused(&doubling(keyword, 10), &json!(1)).is_some());
    }
    let chain: serde_json::Map<_, _> = (0..5000)
        .map(|level| (format!("d{level}"), json!({"$ref": format!("#/$defs/d{}", (level + 1) % 5000)})))
        .collect();
    let problems = compile(&json!({"$ref": "#/$defs/d0", "$defs": chain}).to_string()).expect_err("refused");
    assert!(problems[0].contains("nested more than 100 deep"), "{problems:?}");
    assert!(compile(&format!("{{\"description\": \"{}\"}}", "a".repeat(300_000))).is_err());
}

#[test]
fn a_schema_that_leads_to_itself_is_checked_in_bounded_time_and_space() {
    let node = |required: &str| json!({"properties": {"c": {"$ref": "#/$defs/n"}}, "required": [required]});
    let mut message = json!({});
    for _ in 0..120 {
        message = json!({"c": message, "x": 1});
    }
    let choices = json!({"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [node("x"), node("y")]}}});
    assert_eq!(refused(&choices, &message).as_deref(), Some(NO_CHOICE));
    let both = json!({"$ref": "#/$defs/n", "$defs": {"n": {"allOf": [node("x"), node("x")]}}});
    assert_eq!(refused(&both, &message).as_deref(), Some("does not fit `schemas/collect.json`"));
    let plain = json!({"$ref": "#/$defs/n", "$defs": {"n": node("x")}});
    let told = refused(&plain, &message).expect("refused");
    assert!(told.contains("`/c/c/c") && told.len() < 1000, "{told}");
    assert_eq!(refused(&json!({"$ref": "#"}), &json!(1)), None, "says nothing");
    // As many levels in each of as many levels of the message as there may be.
    let mut defs: serde_json::Map<_, _> = (0..45)
        .map(|level| (format!("d{level}"), json!({"allOf": [{"$ref": format!("#/$defs/d{}", level + 1)}]})))
        .collect();
    defs.insert("d45".to_owned(), json!({"properties": {"c": {"$ref": "#/$defs/d0"}}, "required": ["x"]}));
    assert!(refused(&json!({"$ref": "#/$defs/d0", "$defs": defs}), &message).is_some());
}

#[test]
fn a_pattern_cannot_take_long() {
    let schema = json!({"pattern": "^(a+)+$"});
    assert!(refused(&schema, &json!(format!("{}!", "a".repeat(100_000)))).is_some());
}
