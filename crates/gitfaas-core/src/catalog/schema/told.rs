//! What is told of a message that does not fit: where, and what is wrong there.
//!
//! To tell why a value fits none of several schemas, a validator collects what is wrong by each of them, and again in
//! each of those; a message can make that grow beyond any memory. So this asks a schema without choices: what is found
//! by it is wrong in any case, and where it finds nothing, it is a choice that nothing fits.

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::catalog::config::words::harmless;

/// The most characters that are told.
const MOST: usize = 300;

/// Keywords that choose.
const CHOICES: [&str; 9] =
    ["anyOf", "oneOf", "not", "if", "then", "else", "contains", "unevaluatedItems", "unevaluatedProperties"];

/// Keywords under which the keys are names.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"];

/// Finds the first thing that is wrong with a message.
pub(super) struct Teller(Validator);

impl Teller {
    /// The teller for a schema; none where telling itself could take too long.
    pub(super) fn of(mut schema: Value, is_recursive: bool) -> Option<Self> {
        let mut conjunctions = 0;
        without_choices(&mut schema, true, &mut conjunctions);
        // Two of these on each level of a message double with every level.
        if is_recursive && conjunctions > 0 {
            return None;
        }
        super::build(&schema).ok().map(Self)
    }

    /// What is wrong, and where.
    pub(super) fn tell(&self, message: &Value) -> Option<String> {
        let error = self.0.validate(message).err()?;
        let path = error.instance_path().as_str();
        let place = if path.is_empty() { String::new() } else { format!("`{}`: ", brief(path)) };
        let text = brief(&error.masked_with("the value").to_string());
        let mut characters = text.chars();
        let first = characters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
        Some(format!("{place}{first}{}", characters.as_str()))
    }
}

/// Takes out what chooses, and counts what asks for several things of one value. Under `properties` and the like the
/// keys are names, not keywords.
fn without_choices(schema: &mut Value, are_keywords: bool, conjunctions: &mut usize) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| without_choices(item, true, conjunctions)),
        Value::Object(members) => {
            if are_keywords {
                members.retain(|key, _| !CHOICES.contains(&key.as_str()));
                *conjunctions += usize::from(asks_for_several(members));
            }
            for (key, value) in members.iter_mut() {
                // What these hold is compared, not applied.
                if !(are_keywords && ["const", "enum", "default", "examples"].contains(&key.as_str())) {
                    without_choices(value, !(are_keywords && NAMED.contains(&key.as_str())), conjunctions);
                }
            }
        }
        _ => {}
    }
}

fn asks_for_several(members: &Map<String, Value>) -> bool {
    let has = |keys: &[&str]| keys.iter().any(|key| members.contains_key(*key));
    has(&["allOf", "patternProperties", "dependentSchemas", "dependencies"])
        || has(&["$ref", "$dynamicRef", "$recursiveRef"])
            && has(&["properties", "additionalProperties", "items", "prefixItems"])
}

/// The text with nothing in it that a terminal would obey, cut where it is long.
pub(super) fn brief(text: &str) -> String {
    let shown: String = text.chars().take(MOST).collect();
    let cut = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    format!("{}{cut}", harmless(&shown))
}
