//! What the config file asks of a topic's messages and lets its functions do, for people.

use gitfaas_server::api::wire::{MessageRulesView, ParamView, TopicView};
use serde_json::Value;

use crate::output::escape;
use crate::output::table::{self, Field};

/// Lines about the rules of one topic, an empty one before each part; nothing where it has none.
pub(super) fn draw(topic: &TopicView, width: Option<u16>) -> Vec<String> {
    let mut lines = Vec::new();
    if !topic.params.is_empty() {
        let header = ["PARAMETER", "TYPE", "DEFAULT", "RULES", "DESCRIPTION"];
        lines.push(String::new());
        lines.push(table::draw(header, topic.params.iter().map(row).collect(), width));
    }
    let sentences: Vec<String> = message(topic.message.as_ref()).into_iter().chain(publishes(topic)).collect();
    if !sentences.is_empty() {
        lines.push(String::new());
        lines.extend(sentences.iter().map(|sentence| escape::line(sentence)));
    }
    lines
}

fn row(param: &ParamView) -> [Field; 5] {
    let default = match &param.default {
        Some(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(value) => text(value),
        None => "(required)".to_owned(),
    };
    let description = param.description.as_deref().unwrap_or_default();
    [(&param.name).into(), (&param.kind).into(), default.into(), rules(param).into(), description.into()]
}

fn rules(param: &ParamView) -> String {
    let mut rules = Vec::new();
    rules.extend(between(param.minimum.as_ref().map(text), param.maximum.as_ref().map(text), ""));
    let length = |bound: Option<u32>| bound.map(|bound| bound.to_string());
    rules.extend(between(length(param.min_length), length(param.max_length), " characters"));
    rules.extend(param.pattern.as_ref().map(|pattern| format!("matches {pattern}")));
    if !param.choices.is_empty() {
        rules.push(format!("one of {}", param.choices.iter().map(text).collect::<Vec<_>>().join(", ")));
    }
    rules.join("; ")
}

fn between(least: Option<String>, most: Option<String>, what: &str) -> Option<String> {
    match (least, most) {
        (None, None) => None,
        (Some(least), None) => Some(format!("at least {least}{what}")),
        (None, Some(most)) => Some(format!("at most {most}{what}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{what}")),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn message(rules: Option<&MessageRulesView>) -> Option<String> {
    let rules = rules?;
    let schema = rules.schema.as_ref().map(|path| format!("fits {path}"));
    let size = rules.max_bytes.map(|most| format!("has at most {most} bytes"));
    Some(format!("a message {}", schema.into_iter().chain(size).collect::<Vec<_>>().join(" and ")))
}

fn publishes(topic: &TopicView) -> Option<String> {
    let globs = topic.publishes.as_ref()?;
    Some(match globs.as_slice() {
        [] => "its functions may publish to nothing".to_owned(),
        globs => format!("its functions may publish to {}", globs.join(", ")),
    })
}
