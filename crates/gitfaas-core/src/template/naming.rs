//! The name and the namespace of an object, as its author gives them.

use super::Namespace;
use super::filled::Filled;
use super::name::{self, Rule, unfilled};
use super::render::Refusal;
use super::report::Report;
use super::text::{Piece, Placed, Reserved, Symbol, Text};
use super::tree::{Tree, Value};

/// The name of an object, and how its author wrote it.
pub(super) struct Name {
    pub(super) placed: Placed,
    /// The `name` or `generateName` as it was given.
    given: Text,
    generated: bool,
}

/// The name, made of `generateName` where there is none; the key `generateName` is taken away.
pub(super) fn of(tree: &mut Tree, index: usize, max: usize, report: &mut Report) -> Option<Name> {
    let position = tree.position;
    let Some(Tree { value: Value::Mapping(entries), .. }) = tree.get_mut("metadata") else { return None };
    let given = |key: &str| entries.iter().position(|entry| entry.key.is(key) && !entry.value.is_null());
    let (named, generated) = (given("name"), given("generateName"));
    let Some(place) = named.or(generated) else {
        report.problem(position, "`metadata.name` is missing", "write `name: something-{{RANDOM}}` below `metadata:`");
        return None;
    };
    // What is no string has been reported with all other strings.
    let mut entry = entries.remove(place);
    let given = entry.value.text()?.clone();
    let generated = named.is_none();
    let text = if generated { generated_name(&given, index, max) } else { given.clone() };
    entry.key = "name".into();
    entry.value.value = Value::Text(text.clone());
    let placed = Placed { position: entry.value.position, text };
    entries.retain(|entry| !entry.key.is("name") && !entry.key.is("generateName"));
    entries.insert(0, entry);
    Some(Name { placed, given, generated })
}

/// A name for each try of each run and each object of the template.
fn generated_name(prefix: &Text, index: usize, max: usize) -> Text {
    let index = index.to_string();
    let room = max.saturating_sub(Reserved::Random.length().unwrap_or(0) + index.len());
    let mut pieces = match prefix.fixed() {
        Some(fixed) => vec![Piece::Text(fixed.chars().take(room).collect())],
        // What is left open cannot be cut.
        None if prefix.has(|reserved| reserved.is_hole() && !reserved.is_id()) => prefix.0.clone(),
        None => vec![Piece::Prefix(prefix.clone(), room)],
    };
    pieces.push(Piece::Symbol(Symbol::Reserved(Reserved::Random)));
    pieces.push(Piece::Text(index));
    Text(pieces)
}

pub(super) fn check(name: &Name, rule: Rule, kind: &str, report: &mut Report) {
    let (position, written) = (name.placed.position, name.given.written(str::to_owned));
    if let Some(word) = unfilled(&name.given) {
        report.problem(position, format!("`{word}` is still to be filled in"), format!("replace `{word}` by a name"));
    } else if let Err(why) = rule.check_text(&name.placed.text) {
        let suggestion = rule.suggestion(&name.given, name.generated);
        let help = suggestion.map_or_else(|| format!("give the {kind} another name"), |name| format!("write `{name}`"));
        let what = if name.generated { "begin" } else { "be" };
        report.problem(position, format!("`{written}` cannot {what} the name of a {kind}: {why}"), help);
    }
}

pub(super) fn namespace(tree: &Tree, report: &mut Report) -> Option<Placed> {
    let value = tree.get("metadata")?.get("namespace")?;
    let text = value.text().filter(|text| !text.is(""))?;
    let help = "write the name of a namespace, or `{{NAMESPACE}}` for the one that gitfaas uses";
    if let Some(word) = unfilled(text) {
        let help = format!("replace `{word}` by the name of a namespace, or by `{{{{NAMESPACE}}}}`");
        report.problem(value.position, format!("`{word}` is still to be filled in"), help);
    } else if let Err(why) = name::NAMESPACE.check_text(text) {
        let written = text.written(str::to_owned);
        report.problem(value.position, format!("`{written}` cannot be a namespace: {why}"), help);
    }
    Some(Placed { position: value.position, text: text.clone() })
}

/// What is known of a namespace before any message.
pub(super) fn known(namespace: Option<&Placed>) -> Namespace {
    let Some(Placed { text, .. }) = namespace else { return Namespace::Own };
    match (text.0.as_slice(), text.fixed()) {
        ([Piece::Symbol(Symbol::Reserved(Reserved::Namespace))], _) => Namespace::Own,
        (_, Some(name)) => Namespace::Named(name.to_owned()),
        _ => Namespace::Open,
    }
}

impl Placed {
    /// Whether the name is one that `rule` allows; `what` says what it would be the name of.
    pub(super) fn check(&self, rule: Rule, what: &str, filled: &Filled<'_>) -> Result<(), Refusal> {
        rule.check(&filled.text(&self.text)).map_err(|why| {
            let message = format!("`{}` cannot be {what}: {why}", filled.shown(&self.text));
            Refusal::of(&self.text, self.position, message)
        })
    }
}
