//! `gitfaas new function`: a manifest to begin with, a program for it, and its place in the config file.
//!
//! Nothing that exists is overwritten, and the config file keeps its layout; it is replaced in one step, or not at all.
//! What was made before something failed is taken away again.

mod config;
mod made;
mod starter;

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use gitfaas_core::catalog::config::Config;
use gitfaas_core::topic::TopicName;
use gitfaas_server::engine::CONFIG_FILES;
use serde::Serialize;

use self::made::Made;
use crate::cli::{self, Format};
use crate::exit::{Outcome, Usage};
use crate::output;

/// What was made, for programs.
#[derive(Serialize)]
struct Report<'a> {
    function: &'a str,
    topic: &'a TopicName,
    /// Files that are new.
    created: [&'a str; 2],
    /// The file that was changed, or made.
    changed: &'a str,
}

/// Runs the command.
pub(crate) fn function(arguments: &cli::NewFunction) -> anyhow::Result<Outcome> {
    let topic = match &arguments.topic {
        Some(topic) => topic.clone(),
        None => ask()?,
    };
    let (manifest, program) = (format!("{}.yaml", arguments.name), starter::program_path(arguments));
    let config_path = arguments.dir.join(&arguments.config_path);
    if CONFIG_FILES.contains(&manifest.as_str()) || config_path == arguments.dir.join(&manifest) {
        return Err(Usage(format!("{manifest} would be taken for the config file: choose another name")).into());
    }
    let (config, is_new) = match fs::read_to_string(&config_path) {
        Ok(text) => (text, false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(other) = CONFIG_FILES.into_iter().find(|name| arguments.dir.join(name).exists()) {
                bail!("the config file is {other}, and only JSON can be edited: add a function there by hand");
            }
            (config::EMPTY.to_owned(), true)
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", config_path.display())),
    };
    let changed = config::with_function(&arguments.config_path, &config, &topic, &manifest)?;
    if let Err(problems) = Config::parse(&arguments.config_path, changed.as_bytes()) {
        bail!("{} would be wrong with it: {}", config_path.display(), problems[0]);
    }
    let files = [
        (manifest.as_str(), starter::manifest(arguments, &program)),
        (program.as_str(), starter::program(arguments.lang)),
    ];
    // Looked for before anything is made, so that a mistake leaves nothing half done.
    if let Some((path, _)) = files.iter().find(|(path, _)| arguments.dir.join(path).exists()) {
        bail!("{} exists: choose another name", arguments.dir.join(path).display());
    }
    let mut made = Made::default();
    for (path, text) in &files {
        let path = arguments.dir.join(path);
        made.file(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    replace(&config_path, &changed)?;
    made.keep();
    tell(arguments, &topic, [&manifest, &program], is_new)
}

/// Asks for the topic where somebody sits at a terminal.
fn ask() -> anyhow::Result<TopicName> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Usage("say with --topic what the function listens on".to_owned()).into());
    }
    let mut stderr = anstream::stderr();
    write!(stderr, "topic that it listens on: ").and_then(|()| stderr.flush()).context("cannot write to stderr")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    answer.trim().parse().map_err(|error| Usage(format!("{error}")).into())
}

/// Puts the whole file in the place of the old one, with its rights.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        // A link stays one: what it names is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut draft = tempfile::Builder::new().prefix(".gitfaas-").tempfile_in(folder)?;
        draft.write_all(text.as_bytes())?;
        let rights = fs::metadata(&path).map(|file| file.permissions());
        draft
            .as_file()
            .set_permissions(rights.unwrap_or_else(|_| std::os::unix::fs::PermissionsExt::from_mode(0o644)))?;
        draft.as_file().sync_all()?;
        draft.persist(&path).map(drop).map_err(|error| error.error)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn tell(
    arguments: &cli::NewFunction,
    topic: &TopicName,
    created: [&str; 2],
    config_is_new: bool,
) -> anyhow::Result<Outcome> {
    let changed = arguments.config_path.as_str();
    if arguments.output.format == Format::Json {
        let report = Report { function: &arguments.name, topic, created, changed };
        output::server_json(&serde_json::to_string(&report)?)?;
        return Ok(Outcome::Done);
    }
    let (dir, [manifest, program]) = (arguments.dir.display(), created);
    let did = if config_is_new { "made" } else { "changed" };
    output::line(&format!(
        "made {manifest} and {program}, and {did} {changed}: {manifest} listens on {topic}\n\n\
         try it:\n  gitfaas dev {dir}\n  gitfaas publish {topic} -d hello --wait\n\n\
         in a cluster, its image has to hold {program}"
    ))?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests;
