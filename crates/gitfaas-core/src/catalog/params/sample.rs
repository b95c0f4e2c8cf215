//! A value that a declared parameter may have, for trying a template without a message.

use super::{ParamRule, ParamType};

/// What is tried where a pattern asks for something; it is not worth more than a guess.
const WORDS: [&str; 6] = ["a", "A", "a1", "1a", "example.com", "2026-01-31"];
/// The longest value that is made up, in characters.
const LONGEST: u32 = 4096;

impl ParamRule {
    /// Its default, else the first of its choices, else something simple that fits; `None` where nothing that is tried
    /// does.
    pub fn sample(&self) -> Option<String> {
        let said = self.default.iter().chain(&self.choices).cloned();
        let made = match self.kind {
            ParamType::Boolean => vec!["true".to_owned()],
            ParamType::Integer | ParamType::Number => self.bounded(),
            ParamType::String => self.words(),
        };
        said.chain(made).find(|value| self.refuses(value).is_none())
    }

    fn bounded(&self) -> Vec<String> {
        let bounds = self.minimum.iter().chain(&self.maximum).cloned();
        std::iter::once("1".to_owned()).chain(bounds).collect()
    }

    fn words(&self) -> Vec<String> {
        let least = self.min_length.unwrap_or(1).clamp(1, LONGEST) as usize;
        let repeated = ["1", "a"].map(|character| character.repeat(least));
        repeated.into_iter().chain(WORDS.map(str::to_owned)).chain([String::new()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case(json!({"type": "integer", "minimum": "3", "default": "7"}), Some("7"))]
    #[case(json!({"type": "integer", "minimum": "3"}), Some("3"))]
    #[case(json!({"type": "integer", "maximum": "-3"}), Some("-3"))]
    #[case(json!({"type": "integer"}), Some("1"))]
    #[case(json!({"type": "number", "minimum": "1.5"}), Some("1.5"))]
    #[case(json!({"type": "boolean"}), Some("true"))]
    #[case(json!({"type": "string", "enum": ["small", "large"]}), Some("small"))]
    #[case(json!({"type": "string", "minLength": 3}), Some("111"))]
    #[case(json!({"type": "string", "minLength": 2, "pattern": "^[a-z]+$"}), Some("aa"))]
    #[case(json!({"type": "string", "maxLength": 0}), Some(""))]
    #[case(json!({"type": "string", "pattern": "^never-guessed$"}), None)]
    fn a_sample_is_a_value_that_the_rule_allows(#[case] rule: Value, #[case] sample: Option<&str>) {
        let rule: ParamRule = serde_json::from_value(rule).expect("a rule");
        assert_eq!(rule.sample().as_deref(), sample);
    }
}
