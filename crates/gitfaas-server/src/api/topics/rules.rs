//! The rules of a topic as they are shown.

use gitfaas_core::catalog::params::{ParamRule, ParamType};
use gitfaas_core::catalog::rules::TopicRules;
use serde_json::Value;

use crate::api::wire::{MessageRulesView, ParamView, TopicView};

/// Says what the config file asks of messages and lets functions do.
pub(super) fn fill(view: &mut TopicView, rules: &TopicRules) {
    view.params = rules.params.iter().map(|(name, rule)| param(name, rule)).collect();
    view.message = (!rules.message.is_default()).then(|| MessageRulesView {
        schema: rules.message.schema.clone(),
        max_bytes: rules.message.max_bytes.map(Into::into),
    });
    view.publishes = rules.publishes.as_ref().map(|globs| globs.iter().map(ToString::to_string).collect());
}

fn param(name: &str, rule: &ParamRule) -> ParamView {
    let value = |text: &String| value(rule.kind, text);
    ParamView {
        name: name.to_owned(),
        kind: rule.kind.to_string(),
        required: rule.default.is_none(),
        default: rule.default.as_ref().map(value),
        minimum: rule.minimum.as_ref().map(value),
        maximum: rule.maximum.as_ref().map(value),
        min_length: rule.min_length,
        max_length: rule.max_length,
        pattern: rule.pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
        choices: rule.choices.iter().map(value).collect(),
        description: rule.description.clone(),
    }
}

/// A value in its type; a rule keeps numbers and truths as JSON writes them.
fn value(kind: ParamType, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match kind {
        ParamType::String => as_text(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
    }
}
