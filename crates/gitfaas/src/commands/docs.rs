//! What the program says about itself for others to show: `completions`, `man` and the hidden `docs`.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};

use crate::cli::{self, Cli, reference};
use crate::exit::Outcome;
use crate::output;

const NAME: &str = "gitfaas";

/// Writes a shell's completions to stdout.
pub(crate) fn completions(arguments: &cli::Completions) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut commands(), NAME, &mut script);
    output::bytes(&script).map(|()| Outcome::Done)
}

/// Writes the manual to stdout, or a page for each command into a folder.
pub(crate) fn man(arguments: &cli::Man) -> anyhow::Result<Outcome> {
    let Some(folder) = &arguments.dir else {
        return output::bytes(&page(commands())?).map(|()| Outcome::Done);
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(folder, NAME, page(commands())?)?;
    for command in commands().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("{NAME}-{}", command.get_name());
        // Its own name on its page, and the words that are typed in its synopsis.
        let typed = format!("{NAME} {}", command.get_name());
        write(folder, &name, page(command.clone().name(name.clone()).bin_name(typed))?)?;
    }
    Ok(Outcome::Done)
}

/// Writes a document that is made from the program to stdout.
pub(crate) fn docs(document: cli::Document) -> anyhow::Result<Outcome> {
    let text = match document {
        cli::Document::Config => reference::settings(&commands()),
    };
    output::line(&text).map(|()| Outcome::Done)
}

fn commands() -> Command {
    Cli::command().mut_args(|flag| flag.hide_env_values(true))
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

fn write(folder: &Path, name: &str, page: Vec<u8>) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_a_page_for_each_command_and_tells_the_exit_codes() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("man1");
        man(&cli::Man { dir: Some(dir.clone()) }).expect("written");
        let main = fs::read_to_string(dir.join("gitfaas.1")).expect("the first page");
        assert!(main.contains("Exit codes"), "{main}");
        let publish = fs::read_to_string(dir.join("gitfaas-publish.1")).expect("a page");
        assert!(publish.contains("\\-\\-timeout"), "{publish}");
        assert!(!dir.join("gitfaas-supervise.1").exists());
    }
}
