//! The parameters that a topic declares, as the config file writes them.

use super::reader::{Keys, Members, Reader};
use super::rules::Placed;
use super::words::quoted;
use crate::catalog::params::{MAX_PATTERN, ParamRule, ParamRules, ParamType, Pattern, compare};
use crate::nearest::did_you_mean;
use crate::template::{RESERVED, is_placeholder_name};
use crate::yaml::{Node, Value};

pub(super) const PARAM: Keys = Keys {
    of: "a parameter",
    needed: &["type"],
    optional: &["minimum", "maximum", "minLength", "maxLength", "pattern", "enum", "default", "description"],
    later: &[],
};

/// The longest text of which a length can be asked.
const LONGEST: u32 = 1 << 20;
/// Parameters of one topic, and patterns of one file.
const MOST_PARAMS: usize = 100;
const MOST_PATTERNS: usize = 200;
/// Entries of one `enum`.
const MOST_CHOICES: usize = 1000;

impl Reader<'_> {
    /// The rules of all parameters, and where each is declared.
    pub(super) fn params(&mut self, node: &Node) -> (ParamRules, Placed<String>) {
        let Value::Mapping(entries) = &node.value else {
            self.wrong_type("`params`", "an object such as {\"replicas\": {\"type\": \"integer\"}}", node);
            return (ParamRules::default(), Vec::new());
        };
        if entries.len() > MOST_PARAMS {
            let message = format!("`params` has {} parameters; at most {MOST_PARAMS} are read", entries.len());
            self.report(node.position, message);
            return (ParamRules::default(), Vec::new());
        }
        let mut places: Placed<String> = Vec::new();
        let mut rules = Vec::new();
        for entry in entries {
            let (name, position) = (entry.key.clone(), entry.position);
            if let Some((_, first)) = places.iter().find(|(known, _)| *known == name) {
                let message = format!("the parameter {} is given twice (first in line {})", quoted(&name), first.line);
                self.report(position, message);
                continue;
            }
            if RESERVED.contains(&name.as_str()) {
                let message = format!("the parameter `{name}` is reserved for gitfaas itself");
                self.report(position, message).help = Some("give it another name".to_owned());
            } else if !is_placeholder_name(&name) {
                let message = format!("{} is not the name of a parameter", quoted(&name));
                self.report(position, message).help =
                    Some("letters, digits and `_` are allowed, and the first is no digit".to_owned());
            }
            places.push((name.clone(), position));
            rules.extend(self.param(&entry.value).map(|rule| (name, rule)));
        }
        (rules.into_iter().collect(), places)
    }

    fn param(&mut self, node: &Node) -> Option<ParamRule> {
        let members = self.object(node, &PARAM, "an object such as {\"type\": \"integer\"}")?;
        let kind = self.kind(&members.get("type")?.value)?;
        let mut rule = ParamRule::of(kind);
        let only = |kinds: &[ParamType], this: &mut Self, key: &str| {
            let entry = members.get(key)?;
            if kinds.contains(&kind) {
                return Some(&entry.value);
            }
            let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            let message = format!("`{key}` is for a parameter of type {}, and this is {kind}", words.join(" or "));
            this.report(entry.position, message).help = Some("take it out, or change the type".to_owned());
            None
        };
        let numbers = [ParamType::Integer, ParamType::Number];
        rule.minimum = only(&numbers, self, "minimum").and_then(|node| self.value(node, kind, "`minimum`"));
        rule.maximum = only(&numbers, self, "maximum").and_then(|node| self.value(node, kind, "`maximum`"));
        let text = [ParamType::String];
        let length = |this: &mut Self, node, what| this.number(node, what, 0, LONGEST);
        rule.min_length = only(&text, self, "minLength").and_then(|node| length(self, node, "`minLength`"));
        rule.max_length = only(&text, self, "maxLength").and_then(|node| length(self, node, "`maxLength`"));
        rule.pattern = only(&text, self, "pattern").and_then(|node| self.pattern(node));
        let choosable = [ParamType::String, ParamType::Integer, ParamType::Number];
        rule.choices = only(&choosable, self, "enum").map(|node| self.choices(node, kind)).unwrap_or_default();
        if let Some(entry) = members.get("description") {
            rule.description = self.text(&entry.value, "`description`", "text").map(str::to_owned);
        }
        self.bounds(&rule, &members);
        self.default(&mut rule, &members);
        Some(rule)
    }

    fn kind(&mut self, node: &Node) -> Option<ParamType> {
        let words: Vec<String> = ParamType::ALL.iter().map(|kind| format!("`{kind}`")).collect();
        let wanted = format!("one of {}", words.join(", "));
        let text = self.text(node, "the `type` of a parameter", &wanted)?;
        let kind = ParamType::ALL.into_iter().find(|kind| kind.as_str() == text);
        if kind.is_none() {
            let hint =
                did_you_mean(text, ParamType::ALL.map(ParamType::as_str)).unwrap_or_else(|| format!("write {wanted}"));
            self.report(node.position, format!("there is no type {}", quoted(text))).help = Some(hint);
        }
        kind
    }

    /// A value of the parameter's type, as text.
    fn value(&mut self, node: &Node, kind: ParamType, what: &str) -> Option<String> {
        let text = match (&node.value, kind) {
            (Value::String(text), ParamType::String) => text.clone(),
            (Value::Bool(truth), ParamType::Boolean) => truth.to_string(),
            (Value::Int(number), ParamType::Integer | ParamType::Number) => number.to_string(),
            (Value::Float(number), ParamType::Number) if number.is_finite() => float(*number),
            (Value::Float(_), ParamType::Integer) => {
                self.report(node.position, format!("{what} must be a whole number that fits 64 bits"));
                return None;
            }
            _ => {
                let wanted = match kind {
                    ParamType::String => "a string",
                    ParamType::Integer | ParamType::Number => "a number",
                    ParamType::Boolean => "true or false",
                };
                self.wrong_type(&format!("{what} of a parameter of type {kind}"), wanted, node);
                return None;
            }
        };
        Some(text)
    }

    fn pattern(&mut self, node: &Node) -> Option<Pattern> {
        let wanted = format!("a regular expression of at most {MAX_PATTERN} bytes");
        let text = self.text(node, "`pattern`", &wanted)?;
        self.patterns += 1;
        if self.patterns > MOST_PATTERNS {
            self.report(node.position, format!("this file has more than {MOST_PATTERNS} patterns")).help =
                Some("list the values that are allowed in `enum`, or let the function check them".to_owned());
            return None;
        }
        match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                self.report(node.position, format!("`pattern` is not a regular expression: {why}"));
                None
            }
        }
    }

    fn choices(&mut self, node: &Node, kind: ParamType) -> Vec<String> {
        let Some(list) = self.list(node, "`enum`", "a list of values") else { return Vec::new() };
        if list.is_empty() || list.len() > MOST_CHOICES {
            self.report(node.position, format!("`enum` must have between 1 and {MOST_CHOICES} values"));
        }
        list.iter().filter_map(|node| self.value(node, kind, "an entry of `enum`")).collect()
    }

    /// Bounds between which nothing lies.
    fn bounds(&mut self, rule: &ParamRule, members: &Members<'_>) {
        let numbers = rule.minimum.as_ref().zip(rule.maximum.as_ref());
        if numbers.is_some_and(|(least, most)| compare(least, most).is_some_and(std::cmp::Ordering::is_gt)) {
            self.nothing_between(members, "minimum", "maximum");
        }
        if rule.min_length.zip(rule.max_length).is_some_and(|(least, most)| least > most) {
            self.nothing_between(members, "minLength", "maxLength");
        }
    }

    fn nothing_between(&mut self, members: &Members<'_>, least: &str, most: &str) {
        if let Some(entry) = members.get(least) {
            self.report(entry.position, format!("`{least}` is more than `{most}`, so no value is allowed"));
        }
    }

    fn default(&mut self, rule: &mut ParamRule, members: &Members<'_>) {
        let Some(entry) = members.get("default") else { return };
        let Some(text) = self.value(&entry.value, rule.kind, "`default`") else { return };
        if let Some(why) = rule.refuses(&text) {
            self.report(entry.value.position, format!("the default {why}, like every value of this parameter"));
        }
        rule.default = Some(text);
    }
}

/// A number as JSON writes it; what is whole is written so.
fn float(number: f64) -> String {
    serde_json::Number::from_f64(number).map(|number| number.to_string()).unwrap_or_default()
}
