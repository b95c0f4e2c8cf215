//! The config file with one function more, and otherwise as it was: comments of a layout, order and blanks stay.

use std::path::Path;

use anyhow::{Context as _, bail};
use gitfaas_core::topic::TopicName;
use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};

/// What a config file begins as.
pub(super) const EMPTY: &str = "{\n  \"topics\": []\n}\n";

/// `text` with the template `path` among those that listen on `topic`.
///
/// # Errors
/// When the file is none that can be edited: nothing is guessed.
pub(super) fn with_function(file: &str, text: &str, topic: &TopicName, path: &str) -> anyhow::Result<String> {
    if Path::new(file).extension().is_none_or(|ending| ending != "json") {
        bail!("{file} is no JSON, and only that can be edited: add `{path}` to the configs of `{topic}` by hand");
    }
    let wrong = || format!("{file} is not what a config file looks like; gitfaas lint says where it is wrong");
    serde_json::from_str::<serde_json::Value>(text).with_context(wrong)?;
    let root = CstRootNode::parse(text, &ParseOptions::default()).with_context(wrong)?;
    let topics = root.object_value().and_then(|root| root.array_value_or_create("topics")).with_context(wrong)?;
    let known = topics.elements().into_iter().filter_map(|element| element.as_object());
    let known = known.filter(|object| name(object).as_deref() == Some(topic.as_str())).last();
    let value = CstInputValue::String(path.to_owned());
    if let Some(object) = known {
        let configs = object.array_value_or_create("configs").with_context(wrong)?;
        configs.append(value);
    } else {
        topics.ensure_multiline();
        topics.append(CstInputValue::Object(vec![
            ("name".to_owned(), CstInputValue::String(topic.to_string())),
            ("configs".to_owned(), CstInputValue::Array(vec![value])),
        ]));
    }
    Ok(root.to_string())
}

fn name(topic: &CstObject) -> Option<String> {
    topic.get("name")?.value()?.as_string_lit()?.decoded_value().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, topic: &str) -> String {
        let topic = topic.parse().expect("a topic");
        with_function("config.json", text, &topic, "new.yaml").expect("edited")
    }

    #[test]
    fn a_new_topic_is_added_at_the_end_in_the_layout_of_the_file() {
        insta::assert_snapshot!(edited(EMPTY, "orders"), @r#"
        {
          "topics": [
            {
              "name": "orders",
              "configs": ["new.yaml"]
            }
          ]
        }
        "#);
        let tabs = "{\n\t\"topics\": [\n\t\t{ \"name\": \"a\",   \"configs\": [\"a.yaml\"] }\n\t]\n}\n";
        assert_eq!(
            edited(tabs, "orders"),
            "{\n\t\"topics\": [\n\t\t{ \"name\": \"a\",   \"configs\": [\"a.yaml\"] },\n\t\t{\n\t\t\t\"name\": \"orders\",\n\t\t\t\"configs\": [\"new.yaml\"]\n\t\t}\n\t]\n}\n"
        );
    }

    #[test]
    fn a_topic_that_is_there_gets_one_function_more() {
        let text = r#"{"topics": [{"configs": ["a.yaml"], "name": "orders"}, {"name":"b","configs":[]}]}"#;
        assert_eq!(edited(text, "orders"), text.replace(r#""a.yaml"]"#, r#""a.yaml", "new.yaml"]"#));
        assert_eq!(edited(text, "b"), text.replace("[]", r#"["new.yaml"]"#));
    }

    #[test]
    fn what_cannot_be_edited_is_refused() {
        let topic = "t".parse().expect("a topic");
        for text in
            ["", "{", "[]", "{\"topics\": {}}", "{\"topics\": [{\"name\": \"t\", \"configs\": 1}]}", "// no\n{}"]
        {
            assert!(with_function("config.json", text, &topic, "new.yaml").is_err(), "{text}");
        }
        let yaml = with_function("config.yaml", "topics: []\n", &topic, "new.yaml").expect_err("it is YAML");
        assert!(yaml.to_string().contains("by hand"), "{yaml}");
    }
}
