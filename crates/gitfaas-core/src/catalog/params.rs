//! The parameters that a topic declares: their types, bounds and defaults.
//!
//! A parameter is text when it comes, from a query. What is checked here is that text against its rule; what a template
//! makes of it is the template's to say.

mod sample;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::message::Params;

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 1000;
/// Bytes that a compiled pattern may take; matching is linear in the value.
const PATTERN_SIZE: usize = 64 << 10;

/// The parameters that a topic declares, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParamRules(BTreeMap<String, ParamRule>);

/// What the value of a declared parameter has to be. Bounds are inclusive; each belongs to some types only, which the
/// config file's reader sees to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParamRule {
    /// Its type, which is also that of a value that a template puts in by itself (`replicas: {{replicas}}`).
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// The least value, as JSON writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<String>,
    /// The greatest value, as JSON writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<String>,
    /// The fewest characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u32>,
    /// The most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// What has to be found in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// The only values it may have; none means any.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The value when the caller gives none; without one the caller has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    /// Text, also when it looks like a number.
    String,
    /// A whole number that fits 64 bits, in the only way to write it: `7`, not `07` or `7.0`.
    Integer,
    /// A number as JSON writes it.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl ParamType {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::String, Self::Integer, Self::Number, Self::Boolean];

    /// The word, as in the config file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// Whether `text` is a value of this type.
    pub fn has(self, text: &str) -> bool {
        match self {
            Self::String => true,
            Self::Integer => text.len() <= 20 && text.parse::<i64>().is_ok_and(|number| number.to_string() == text),
            Self::Number => is_number(text),
            Self::Boolean => matches!(text, "true" | "false"),
        }
    }
}

impl std::fmt::Display for ParamType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether `text` is a finite number as JSON writes it, and short enough for any reader.
fn is_number(text: &str) -> bool {
    let shaped = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    shaped
        && serde_json::from_str::<serde_json::Number>(text)
            .is_ok_and(|number| number.as_f64().is_some_and(f64::is_finite))
}

/// A regular expression, found anywhere in a value, matched in linear time.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// The pattern that `text` writes.
    ///
    /// # Errors
    ///
    /// What is wrong with it: lower case, no full stop.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("it is {} bytes long; at most {MAX_PATTERN} are allowed", text.len()));
        }
        let built = RegexBuilder::new(text).size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE).build();
        built.map(Self).map_err(|error| match error {
            // Several lines, of which the last says what it is.
            regex::Error::Syntax(text) => {
                let last = text.lines().last().unwrap_or_default();
                last.strip_prefix("error: ").unwrap_or(last).to_owned()
            }
            regex::Error::CompiledTooBig(_) => "it is too large; ask for fewer repetitions".to_owned(),
            other => other.to_string(),
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl ParamRule {
    /// A rule that asks for a type and nothing else.
    pub const fn of(kind: ParamType) -> Self {
        Self {
            kind,
            minimum: None,
            maximum: None,
            min_length: None,
            max_length: None,
            pattern: None,
            choices: Vec::new(),
            default: None,
            description: None,
        }
    }

    /// Why `value` is not allowed, in words that follow its name; `None` when it is.
    pub fn refuses(&self, value: &str) -> Option<String> {
        if !self.kind.has(value) {
            return Some(match self.kind {
                ParamType::Integer => "has to be a whole number, written like `7` or `-7`".to_owned(),
                ParamType::Number => "has to be a number, written like `7`, `-0.5` or `1e3`".to_owned(),
                ParamType::Boolean => "has to be `true` or `false`".to_owned(),
                ParamType::String => "has to be text".to_owned(),
            });
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| self.is_same(choice, value)) {
            let choices: Vec<String> = self.choices.iter().map(|choice| format!("`{choice}`")).collect();
            return Some(format!("has to be one of {}", choices.join(", ")));
        }
        self.beyond(value).or_else(|| self.shaped_otherwise(value))
    }

    fn beyond(&self, value: &str) -> Option<String> {
        let is = |bound: &String, wrong| compare(value, bound) == Some(wrong);
        if let Some(minimum) = self.minimum.as_ref().filter(|minimum| is(minimum, Ordering::Less)) {
            return Some(format!("has to be {minimum} or more"));
        }
        let maximum = self.maximum.as_ref().filter(|maximum| is(maximum, Ordering::Greater))?;
        Some(format!("has to be {maximum} or less"))
    }

    fn shaped_otherwise(&self, value: &str) -> Option<String> {
        if self.min_length.is_some() || self.max_length.is_some() {
            let length = u32::try_from(value.chars().count()).unwrap_or(u32::MAX);
            if let Some(least) = self.min_length.filter(|least| length < *least) {
                return Some(format!("has to have at least {least} characters"));
            }
            if let Some(most) = self.max_length.filter(|most| length > *most) {
                return Some(format!("has to have at most {most} characters"));
            }
        }
        let pattern = self.pattern.as_ref().filter(|pattern| !pattern.0.is_match(value))?;
        Some(format!("has to match `{}`", pattern.as_str()))
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        match self.kind {
            ParamType::Number => compare(one, other) == Some(Ordering::Equal),
            _ => one == other,
        }
    }
}

/// Compares two numbers as JSON writes them: exactly where both are whole and fit 64 bits.
pub(super) fn compare(one: &str, other: &str) -> Option<Ordering> {
    match (one.parse::<i64>(), other.parse::<i64>()) {
        (Ok(one), Ok(other)) => Some(one.cmp(&other)),
        _ => one.parse::<f64>().ok()?.partial_cmp(&other.parse::<f64>().ok()?),
    }
}

impl ParamRules {
    /// Whether none is declared.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule of the parameter `name`.
    pub fn get(&self, name: &str) -> Option<&ParamRule> {
        self.0.get(name)
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ParamRule)> {
        self.0.iter().map(|(name, rule)| (name.as_str(), rule))
    }

    /// The value of the parameter `name`: what the caller gives, else its default.
    pub fn value<'a>(&'a self, given: &'a Params, name: &str) -> Option<&'a str> {
        let default = || self.get(name)?.default.as_deref();
        given.get(name).map(String::as_str).or_else(default)
    }

    /// The type of the parameter `name`, if it is declared.
    pub fn kind(&self, name: &str) -> Option<ParamType> {
        self.get(name).map(|rule| rule.kind)
    }
}

impl FromIterator<(String, ParamRule)> for ParamRules {
    fn from_iter<I: IntoIterator<Item = (String, ParamRule)>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(minimum: &str, maximum: &str) -> ParamRule {
        let (minimum, maximum) = (Some(minimum.to_owned()), Some(maximum.to_owned()));
        ParamRule { minimum, maximum, ..ParamRule::of(ParamType::Integer) }
    }

    #[test]
    fn each_type_has_its_own_way_of_writing() {
        let cases: [(ParamType, &[&str], &[&str]); 4] = [
            (ParamType::String, &["", "7", "true", "a\nb: c"], &[]),
            (
                ParamType::Integer,
                &["0", "-7", "9223372036854775807"],
                &["", "07", "7.0", "+7", "1e3", " 7", "9223372036854775808", "٣"],
            ),
            (
                ParamType::Number,
                &["0", "-0.5", "1e3", "1.10", "-1E-7"],
                &["", "1e999", ".5", "5.", "01", "NaN", "inf", " 1", "0x1", "1}"],
            ),
            (ParamType::Boolean, &["true", "false"], &["", "True", "yes", "1", "true "]),
        ];
        for (kind, right, wrong) in cases {
            for value in right {
                assert_eq!(ParamRule::of(kind).refuses(value), None, "{kind}: {value:?}");
            }
            for value in wrong {
                assert!(ParamRule::of(kind).refuses(value).is_some(), "{kind}: {value:?}");
            }
        }
    }

    #[test]
    fn bounds_are_inclusive_and_exact() {
        let rule = integer("1", "9007199254740993");
        for (value, refused) in [
            ("0", Some("has to be 1 or more")),
            ("1", None),
            ("9007199254740993", None),
            // As floating point this is the same number as the bound.
            ("9007199254740994", Some("has to be 9007199254740993 or less")),
        ] {
            assert_eq!(rule.refuses(value).as_deref(), refused, "{value}");
        }
        let half = ParamRule { maximum: Some("0.5".to_owned()), ..ParamRule::of(ParamType::Number) };
        assert_eq!(half.refuses("5e-1"), None);
        assert_eq!(half.refuses("1").as_deref(), Some("has to be 0.5 or less"));
    }

    #[test]
    fn lengths_count_characters() {
        let rule = ParamRule { min_length: Some(2), max_length: Some(3), ..ParamRule::of(ParamType::String) };
        assert_eq!(rule.refuses("éàü"), None);
        assert_eq!(rule.refuses("é").as_deref(), Some("has to have at least 2 characters"));
        assert_eq!(rule.refuses("éàüö").as_deref(), Some("has to have at most 3 characters"));
    }

    #[test]
    fn a_pattern_is_looked_for_and_cannot_take_long() {
        let pattern = |text| Pattern::new(text).map(|pattern| pattern.as_str().to_owned());
        assert!(pattern("(").is_err_and(|why| why.contains("unclosed group")));
        assert!(pattern("(a{1000}){1000}").is_err_and(|why| why.contains("too large")));
        assert!(pattern(&"a".repeat(1001)).is_err());
        let rule = ParamRule { pattern: Pattern::new("^(a+)+$").ok(), ..ParamRule::of(ParamType::String) };
        assert!(rule.refuses(&format!("{}!", "a".repeat(100_000))).is_some());
        assert_eq!(rule.refuses("aaa"), None);
    }

    #[test]
    fn only_the_choices_are_allowed() {
        let choices = |kind, choices: &[&str]| ParamRule {
            choices: choices.iter().map(|&choice| choice.to_owned()).collect(),
            ..ParamRule::of(kind)
        };
        let rule = choices(ParamType::String, &["small", "large"]);
        assert_eq!(rule.refuses("large"), None);
        assert_eq!(rule.refuses("huge").as_deref(), Some("has to be one of `small`, `large`"));
        assert_eq!(choices(ParamType::Number, &["1"]).refuses("1.0"), None, "the same number");
    }

    #[test]
    fn a_default_stands_in_for_what_the_caller_leaves_out() {
        let rule = ParamRule { default: Some("7".to_owned()), ..integer("1", "9") };
        let rules = ParamRules::from_iter([("n".to_owned(), rule)]);
        assert_eq!(rules.value(&Params::new(), "n"), Some("7"));
        assert_eq!(rules.value(&Params::from([("n".to_owned(), "3".to_owned())]), "n"), Some("3"));
        assert_eq!(rules.value(&Params::new(), "m"), None);
    }

    #[test]
    fn rules_are_kept_as_they_are_written() {
        let rule = ParamRule { pattern: Pattern::new("^a").ok(), ..integer("1", "9") };
        let rules = ParamRules::from_iter([("n".to_owned(), rule)]);
        let text = serde_json::to_string(&rules).expect("JSON");
        assert_eq!(text, r#"{"n":{"type":"integer","minimum":"1","maximum":"9","pattern":"^a"}}"#);
        assert_eq!(serde_json::from_str::<ParamRules>(&text).expect("rules"), rules);
    }
}
