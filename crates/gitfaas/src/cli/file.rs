//! The file of `--config`: its keys are the names of flags, and stand in for their built-in defaults.
//!
//! So a flag goes before its variable, that before the file, and that before what is built in; and whatever checks a
//! flag checks the key. A key that another command knows is passed over, so that one file is for all of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use gitfaas_core::nearest::did_you_mean;
use gitfaas_core::problem::{Position, Problem};
use toml_span::value::ValueInner;
use toml_span::{Span, Value};

use crate::exit::{Usage, WrongFile};
use crate::output::problem::{self, Severity};

/// The name of the flag that names the file.
const FLAG: &str = "config";
/// The commands whose flags are the keys.
const SERVERS: [&str; 2] = ["serve", "dev"];
/// A file of settings that is larger is none.
const MAX_FILE: usize = 1 << 20;

/// The tree of commands, with the defaults of the file that `arguments` or the environment name, if any.
///
/// # Errors
/// [`Usage`] when the file cannot be read, [`WrongFile`] when it is wrong.
pub(super) fn with_defaults(commands: Command, arguments: &[OsString]) -> anyhow::Result<Command> {
    let Some((name, path)) = named(&commands, arguments) else { return Ok(commands) };
    let text = read(&path).map_err(|error| Usage(format!("{error:#}")))?;
    let (defaults, problems) = defaults(&commands, &path, &text);
    if !problems.is_empty() {
        let drawn = problems.iter().map(|problem| problem::draw(problem, Severity::Error, Some(&text), WIDTH));
        return Err(WrongFile(drawn.collect::<Vec<_>>().join("\n\n")).into());
    }
    Ok(commands.mut_subcommand(name, |command| defaults.into_iter().fold(command, give)))
}

/// Columns of a drawing; the lines of a file of settings are short.
const WIDTH: usize = 120;

/// The command that was typed and the file it is to read: whatever else is wrong with what was typed is told later.
fn named(commands: &Command, arguments: &[OsString]) -> Option<(String, PathBuf)> {
    let typed = commands.clone().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    let (name, typed) = typed.subcommand()?;
    let path = typed.try_get_one::<PathBuf>(FLAG).ok()??;
    Some((name.to_owned(), path.clone()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let read = || -> anyhow::Result<String> {
        let bytes = std::fs::read(path)?;
        anyhow::ensure!(bytes.len() <= MAX_FILE, "it is larger than {MAX_FILE} bytes");
        String::from_utf8(bytes).context("it is not UTF-8")
    };
    read().with_context(|| format!("cannot read the settings in {}", path.display()))
}

/// A flag's name and what the file says instead of its built-in default.
struct Default {
    id: String,
    values: Vec<String>,
}

fn give(command: Command, default: Default) -> Command {
    if !command.get_arguments().any(|flag| flag.get_id() == default.id.as_str()) {
        return command;
    }
    command.mut_arg(&default.id, |flag| flag.required(false).default_values(default.values))
}

/// The settings that a file may hold: every flag of a server that has a variable, but for the one that names the file.
pub(super) fn settings(commands: &Command) -> Vec<&Arg> {
    let mut known: Vec<&Arg> = Vec::new();
    for server in SERVERS.iter().filter_map(|name| commands.find_subcommand(name)) {
        for flag in server.get_arguments() {
            let is_setting = flag.get_env().is_some() && flag.get_id() != FLAG;
            if is_setting && known.iter().all(|other| other.get_id() != flag.get_id()) {
                known.push(flag);
            }
        }
    }
    known
}

/// How a setting is called in the file.
pub(super) fn key(flag: &Arg) -> String {
    flag.get_id().as_str().replace('_', "-")
}

/// What the file says, and all that is wrong with it.
fn defaults(commands: &Command, path: &Path, text: &str) -> (Vec<Default>, Vec<Problem>) {
    let file = path.display().to_string();
    let at = |span: Span, message: String| Problem::at(&file, position(text, span.start), message);
    let mut document = match toml_span::parse(text) {
        Ok(document) => document,
        Err(error) => return (Vec::new(), vec![at(error.span, format!("this is not TOML: {}", error.kind))]),
    };
    let ValueInner::Table(table) = document.take() else { return (Vec::new(), Vec::new()) };
    let known = settings(commands);
    let names: Vec<String> = known.iter().map(|flag| key(flag)).collect();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (name, value) in table {
        let span = value.span;
        let Some(flag) = known.iter().find(|flag| key(flag) == name.name) else {
            let unknown = at(name.span, format!("there is no setting `{}`", name.name));
            problems.push(match did_you_mean(&name.name, names.iter().map(String::as_str)) {
                Some(meant) => unknown.help(meant),
                None => unknown.help("docs/configuration.md, or `gitfaas docs config`, lists them all"),
            });
            continue;
        };
        match values(value).and_then(|values| checked(flag, values)) {
            Ok(values) => found.push(Default { id: flag.get_id().to_string(), values }),
            Err(why) => problems.push(at(span, format!("`{}`: {why}", name.name))),
        }
    }
    problems.sort_by_key(|problem| problem.position);
    (found, problems)
}

/// A value as what would be typed for it.
fn values(mut value: Value<'_>) -> Result<Vec<String>, String> {
    let one = |value: ValueInner<'_>| match value {
        ValueInner::String(text) => Ok(text.into_owned()),
        ValueInner::Integer(number) => Ok(number.to_string()),
        ValueInner::Float(number) => Ok(number.to_string()),
        ValueInner::Boolean(yes) => Ok(yes.to_string()),
        ValueInner::Array(_) | ValueInner::Table(_) => Err("write one value, or a list of them".to_owned()),
    };
    match value.take() {
        // Nothing at all would be the built-in default.
        ValueInner::Array(items) if items.is_empty() => Ok(vec![String::new()]),
        ValueInner::Array(items) => items.into_iter().map(|mut item| one(item.take())).collect(),
        single => one(single).map(|text| vec![text]),
    }
}

/// Reads the values as the flag's, to hear now what is wrong with them.
fn checked(flag: &Arg, values: Vec<String>) -> Result<Vec<String>, String> {
    if values.len() > 1 && !matches!(flag.get_action(), ArgAction::Append) {
        return Err("write one value, not a list".to_owned());
    }
    let alone = Arg::new("value").long("value").action(ArgAction::Append).value_parser(flag.get_value_parser().clone());
    let alone = Command::new("settings").no_binary_name(true).arg(alone);
    match alone.try_get_matches_from(values.iter().map(|value| format!("--value={value}"))) {
        Ok(_) => Ok(values),
        Err(error) => Err(complaint(&error)),
    }
}

/// What clap says of a value, without the words around it.
fn complaint(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::InvalidValue {
        let known = error.context().find_map(|(kind, value)| match (kind, value) {
            (clap::error::ContextKind::ValidValue, clap::error::ContextValue::Strings(known)) => Some(known.join(", ")),
            _ => None,
        });
        return known.map_or_else(|| "it needs a value".to_owned(), |known| format!("write one of {known}"));
    }
    let source = std::error::Error::source(error);
    source.map_or_else(|| "this is no value for it".to_owned(), ToString::to_string)
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Position {
        line: number(before.matches('\n').count() + 1),
        column: number(before[line_start..].chars().count() + 1),
    }
}

#[cfg(test)]
mod tests;
