//! What can only be checked once values are known: keys that become equal, and strings that the kernel refuses.

use std::collections::HashSet;

use super::decorate::PREFIX;
use super::filled::Filled;
use super::name::{self, unfilled};
use super::places::{Path, matches};
use super::render::{Refusal, RenderCode};
use super::report::Report;
use super::text::{Reserved, Symbol, Text};
use super::tree::{Tree, Value};
use crate::problem::Position;

/// Longest string that Linux hands to a program, its final zero included: `MAX_ARG_STRLEN`.
pub(super) const MAX_STRING: usize = 128 << 10;

/// Where the labels of objects and of their pods are; custom kinds may have labels of another sort elsewhere.
const LABELS: [&str; 2] = ["metadata labels *", "spec template metadata labels *"];

/// The checks of one object.
#[derive(Debug, Default)]
pub(super) struct Checks {
    keys: Vec<Keys>,
    strings: Vec<LongString>,
    labels: Vec<(Position, Text)>,
}

/// The keys of a mapping in which a placeholder is part of one.
#[derive(Debug)]
struct Keys {
    texts: Vec<(Position, Text)>,
    /// Whether keys that belong to gitfaas have no place here.
    guarded: bool,
}

/// A string that a process of the run gets.
#[derive(Debug)]
struct LongString {
    position: Position,
    /// The variable; `None` for a word of `command` or `args`.
    variable: Option<Text>,
    text: Text,
}

impl Checks {
    /// The checks that `object` needs for every message; what is wrong for all of them is reported at once.
    pub(super) fn of(object: &Tree, report: &mut Report) -> Self {
        let mut checks = Self::default();
        checks.collect(object, None, report);
        checks
    }

    fn collect(&mut self, tree: &Tree, path: Option<&Path<'_>>, report: &mut Report) {
        match &tree.value {
            Value::Sequence(items) => {
                let path = Path::item(path);
                for item in items {
                    self.collect(item, Some(&path), report);
                }
            }
            Value::Mapping(entries) => {
                if entries.iter().any(|entry| entry.key.fixed().is_none()) {
                    let texts = entries.iter().map(|entry| (entry.position, entry.key.clone())).collect();
                    let keys = Keys { texts, guarded: matches(path, "** metadata labels|annotations") };
                    keys.report_twice(report);
                    self.keys.push(keys);
                }
                if matches(path, "** containers [] env []") {
                    self.variable(tree, report);
                }
                for entry in entries {
                    self.collect(&entry.value, Some(&Path::key(path, &entry.key)), report);
                }
            }
            Value::Text(text) if matches(path, "** containers [] command|args []") => {
                self.string(LongString { position: tree.position, variable: None, text: text.clone() }, report);
            }
            Value::Text(text) if LABELS.iter().any(|labels| matches(path, labels)) => {
                self.label(tree.position, text, report);
            }
            Value::Text(text) if matches(path, "** containers [] image") => {
                if let Some(word) = unfilled(text) {
                    let help = format!("replace `{word}` by the name of an image");
                    report.problem(tree.position, format!("`{word}` is still to be filled in"), help);
                }
            }
            _ => {}
        }
    }

    fn variable(&mut self, variable: &Tree, report: &mut Report) {
        let name = variable.get("name").and_then(Tree::text);
        if let (Some(name), Some(value)) = (name, variable.get("value"))
            && let Some(text) = value.text()
        {
            let variable = Some(name.clone());
            self.string(LongString { position: value.position, variable, text: text.clone() }, report);
        }
    }

    /// Keeps what can become no label.
    fn label(&mut self, position: Position, text: &Text, report: &mut Report) {
        if let Err(why) = name::LABEL_VALUE.check_text(text) {
            let message = format!("`{}` cannot be the value of a label: {why}", text.written(str::to_owned));
            report.problem(position, message, "write it as an annotation instead");
        } else if text.symbols().into_iter().any(|symbol| !is_safe(symbol)) {
            self.labels.push((position, text.clone()));
        }
    }

    /// Keeps what can become too long.
    fn string(&mut self, string: LongString, report: &mut Report) {
        match string.fixed_length() {
            None => self.strings.push(string),
            Some(length) if length <= MAX_STRING => {}
            Some(length) => {
                let message = format!("this takes {length} bytes; Linux starts no program with more than {MAX_STRING}");
                report.problem(string.position, message, "put it into a ConfigMap and mount it as a file");
            }
        }
    }

    /// Whether the values are allowed.
    pub(super) fn check(&self, filled: &Filled<'_>) -> Result<(), Refusal> {
        self.strings.iter().try_for_each(|string| string.check(filled))?;
        for (position, text) in &self.labels {
            name::LABEL_VALUE.check(&filled.text(text)).map_err(|why| {
                let message = format!("`{}` cannot be the value of a label: {why}", filled.shown(text));
                Refusal::of(text, *position, message).help("give another value")
            })?;
        }
        self.keys.iter().try_for_each(|keys| keys.check(filled))
    }
}

/// Whether what stands for `symbol` always has the same length and only letters, digits and inner hyphens.
fn is_safe(symbol: &Symbol) -> bool {
    matches!(symbol, Symbol::Reserved(reserved) if reserved.length().is_some() || *reserved == Reserved::Try)
}

impl LongString {
    /// Its length if nothing is filled in, with `=` and the final zero.
    fn fixed_length(&self) -> Option<usize> {
        let name = self.variable.as_ref().map_or(Some(0), |name| Some(name.fixed()?.len() + 1))?;
        Some(name + self.text.fixed()?.len() + 1)
    }

    fn check(&self, filled: &Filled<'_>) -> Result<(), Refusal> {
        let name = self.variable.as_ref().map_or(0, |name| filled.length(name) + 1);
        let length = name + filled.length(&self.text) + 1;
        if length <= MAX_STRING {
            return Ok(());
        }
        let what = match &self.variable {
            Some(name) => format!("the environment variable `{}`", filled.shown(name)),
            None => "this argument".to_owned(),
        };
        let message = format!("{what} takes {length} bytes; Linux starts no program with more than {MAX_STRING}");
        Err(Refusal::new(RenderCode::TooLarge, self.position, message).help(
            "read the message from `{{MESSAGE_URL}}` with `{{RUN_TOKEN}}`, or use the function wrapper, \
             which takes messages of any size",
        ))
    }
}

impl Keys {
    /// Keys that are written alike are equal whatever is filled in.
    fn report_twice(&self, report: &mut Report) {
        let mut seen = HashSet::new();
        for (position, key) in &self.texts {
            let written = key.written(str::to_owned);
            if !seen.insert(written.clone()) {
                report.problem(*position, format!("the key `{written}` is given twice"), "remove one of them");
            }
        }
    }

    fn check(&self, filled: &Filled<'_>) -> Result<(), Refusal> {
        let mut keys: Vec<(String, &(Position, Text))> =
            self.texts.iter().map(|key| (filled.text(&key.1), key)).collect();
        keys.sort_by(|one, other| one.0.cmp(&other.0));
        if let Some([(_, one), (_, other)]) = keys.array_windows().find(|[one, other]| one.0 == other.0) {
            // Two fixed keys cannot be equal: one of them is filled in.
            let (position, key) = if one.1.fixed().is_none() { one } else { other };
            let message = format!("the key `{}` is there twice once it is filled in", filled.shown(key));
            return Err(Refusal::of(key, *position, message).help("give values that keep the keys apart"));
        }
        let ours = |(text, (_, key)): &&(String, &(Position, Text))| key.fixed().is_none() && text.starts_with(PREFIX);
        match keys.iter().find(ours).filter(|_| self.guarded) {
            None => Ok(()),
            Some((_, (position, key))) => {
                let message = format!("the key `{}` is for gitfaas to set", filled.shown(key));
                Err(Refusal::of(key, *position, message).help(format!("give a value without `{PREFIX}`")))
            }
        }
    }
}
