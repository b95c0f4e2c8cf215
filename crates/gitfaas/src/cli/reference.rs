//! The reference of the settings, made from the flags themselves: `docs/configuration.md`.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::file;

const HEAD: &str = "# Configuration

<!-- written by `gitfaas docs config`; a test compares -->

Every setting of `gitfaas serve` and `gitfaas dev` is a flag, a variable of the environment, and a key of one TOML file
that `--config FILE` (`GITFAAS_CONFIG`) names. A flag goes before its variable, that before the file, and the file
before what is built in. The keys are the names of the flags; a setting that may be given several times may be a list:

```toml
listen = \"0.0.0.0:5000\"
dir = \"/srv/functions\"
data = \"/var/lib/gitfaas\"
retention = \"168h\"
banned-kinds = [\"Role\", \"RoleBinding\"]
```

A key that is not known and a value that is wrong are errors with their place in the file. The same file is for `lint`
and `render`, so that they judge as the server does: each command takes from it what it knows.

Secrets are no settings: the token of a client is in `GITFAAS_TOKEN`, which no flag and no file can hold.

Times are written `90s`, `5m`, `1h30m`, or as a number of seconds; sizes are numbers of bytes.
";

/// The reference as Markdown.
pub(crate) fn settings(commands: &Command) -> String {
    let known = file::settings(commands);
    let mut headings: Vec<Option<&str>> = Vec::new();
    for heading in known.iter().map(|flag| flag.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    let mut text = HEAD.to_owned();
    for heading in headings {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {}\n", heading.unwrap_or("Server"));
        for flag in known.iter().filter(|flag| flag.get_help_heading() == heading) {
            text += &setting(commands, flag);
        }
    }
    text
}

fn setting(commands: &Command, flag: &Arg) -> String {
    let key = file::key(flag);
    let help = flag.get_long_help().or_else(|| flag.get_help()).map(ToString::to_string).unwrap_or_default();
    // What is built in but no value is said in words.
    let (help, in_words) = match help.split_once(" [default: ") {
        Some((help, rest)) => (help, Some(format!("default: {}", rest.trim_end_matches(']')))),
        None => (help.as_str(), None),
    };
    let mut facts = vec![spelled(commands, &key), format!("`{}`", variable(flag))];
    facts.extend(in_words.or_else(|| default(commands, flag)));
    let choices: Vec<String> =
        flag.get_possible_values().iter().map(|choice| format!("`{}`", choice.get_name())).collect();
    if !choices.is_empty() {
        facts.push(format!("one of {}", choices.join(", ")));
    }
    if !serves(commands, "serve", flag) {
        facts.push("`dev` alone".to_owned());
    }
    if !serves(commands, "dev", flag) {
        facts.push("`serve` alone".to_owned());
    }
    format!("\n### `{key}`\n\n{help}.\n\n{}\n", facts.join(" · "))
}

/// How it is typed: an argument without a name is said to be one.
fn spelled(commands: &Command, key: &str) -> String {
    let of = |server: &str| commands.find_subcommand(server).into_iter().flat_map(Command::get_arguments);
    let typed = of("serve").chain(of("dev")).find(|flag| file::key(flag) == key && !flag.is_positional());
    let names = typed.and_then(|flag| flag.get_value_names()).unwrap_or_default();
    let words: Vec<&str> = names.iter().map(clap::builder::Str::as_str).collect();
    format!("`--{key} {}`", words.join(" "))
}

fn variable(flag: &Arg) -> String {
    flag.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn serves(commands: &Command, server: &str, flag: &Arg) -> bool {
    find(commands, server, flag).is_some()
}

fn find<'a>(commands: &'a Command, server: &str, flag: &Arg) -> Option<&'a Arg> {
    commands.find_subcommand(server)?.get_arguments().find(|other| other.get_id() == flag.get_id())
}

/// What is built in, for `serve` and, where it is another one, for `dev`.
fn default(commands: &Command, flag: &Arg) -> Option<String> {
    let of = |server| {
        let values = find(commands, server, flag)?.get_default_values();
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        (!values.is_empty()).then(|| values.join(", "))
    };
    match (of("serve"), of("dev")) {
        (Some(serve), Some(dev)) if serve != dev => Some(format!("default {serve}, and {dev} for `dev`")),
        (Some(serve), _) => Some(format!("default {serve}")),
        (None, Some(dev)) => Some(format!("default {dev} for `dev`")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_reference_in_the_documents_is_what_the_program_says() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let written = std::fs::read_to_string(path).expect("docs/configuration.md");
        let said = settings(&crate::cli::Cli::command());
        assert!(written == said, "it is out of date; run: cargo run -- docs config > docs/configuration.md");
    }
}
