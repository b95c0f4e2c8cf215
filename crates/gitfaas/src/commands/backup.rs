//! `gitfaas backup` and `restore`: the ledger as a file, and the file as a ledger.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use gitfaas_server::store::embedded::{self, Contents};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::ledger::{self, Ledger};
use super::machine;
use crate::cli::{self, Format};
use crate::exit::{Outcome, Usage};
use crate::output::{self, Out};

/// What stands for stdin and stdout.
const STANDARD: &str = "-";

/// What was written, for programs.
#[derive(Serialize)]
struct Report<'a> {
    /// The file, or the data folder.
    path: &'a Path,
    bytes: u64,
    requests: u64,
    runs: u64,
    schema: usize,
}

/// Runs `backup`.
pub(crate) fn back_up(arguments: &cli::Backup, out: Out) -> anyhow::Result<Outcome> {
    is_embedded(&arguments.folder, "backed up")?;
    let data = folder(&arguments.folder)?;
    if arguments.file == Path::new(STANDARD) {
        return stream(&data, out);
    }
    let file = std::path::absolute(&arguments.file)
        .with_context(|| format!("cannot tell where {} is", arguments.file.display()))?;
    may_be_written(&data, &file, arguments.force)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let draft = draft(folder)?;
    let contents = embedded::back_up(&data, draft.path())?;
    let cannot = || format!("cannot write {}", file.display());
    if arguments.force {
        draft.persist(&file).map_err(|error| error.error).with_context(cannot)?;
    } else {
        draft.persist_noclobber(&file).map_err(|error| error.error).with_context(cannot)?;
    }
    // The file is on the disk; now its name is too.
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(cannot)?;
    tell(arguments.output, &file, contents, "backed up to")
}

/// Refuses what a backup would destroy: the ledger itself, what is no file, and a file that nobody said to replace.
fn may_be_written(data: &Path, file: &Path, force: bool) -> anyhow::Result<()> {
    if embedded::is_of_ledger(data, file) {
        bail!("{} is a part of the ledger itself; choose another file", file.display());
    }
    match fs::symlink_metadata(file) {
        Ok(found) if !found.is_file() => {
            // A link would be replaced, not what it leads to: `/dev/stdout` is one.
            bail!("{} is no regular file, and only such a one is replaced; `-` is for stdout", file.display())
        }
        Ok(_) if !force => bail!("{} exists; --force replaces it", file.display()),
        // What is wrong with its folder is told when the draft is made there.
        _ => Ok(()),
    }
}

/// Writes the backup to stdout, by way of a file in the data folder: there is room for it, and only its owner reads it.
fn stream(data: &Path, out: Out) -> anyhow::Result<Outcome> {
    if out.is_terminal() {
        return Err(Usage("a backup is no text: send it to a file or a program".to_owned()).into());
    }
    let draft = draft(data)?;
    let contents = embedded::back_up(data, draft.path())?;
    let mut stdout = BufWriter::new(io::stdout().lock());
    let mut written = File::open(draft.path()).context("cannot read the backup")?;
    // A reader that leaves early has no backup: told as text, it is not taken for one that has seen enough.
    io::copy(&mut written, &mut stdout)
        .and_then(|_| stdout.flush())
        .map_err(|error| anyhow!("the backup was not written to stdout in full: {error}"))?;
    output::remark(&format!("backed up {}", sentence(contents)))?;
    Ok(Outcome::Done)
}

fn draft(folder: &Path) -> anyhow::Result<NamedTempFile> {
    let draft = tempfile::Builder::new().prefix(".gitfaas-backup-").tempfile_in(folder);
    draft.with_context(|| format!("cannot make a file in {}", folder.display()))
}

/// Runs `restore`.
pub(crate) fn restore(arguments: &cli::Restore) -> anyhow::Result<Outcome> {
    is_embedded(&arguments.folder, "restored")?;
    let data = folder(&arguments.folder)?;
    let backup: Box<dyn Read> = if arguments.file == Path::new(STANDARD) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&arguments.file).with_context(|| format!("cannot read {}", arguments.file.display()))?)
    };
    let contents = embedded::restore(backup, &data)?;
    tell(arguments.output, &data, contents, "restored into")
}

/// A ledger in Redis is a part of it, and so are its backups.
fn is_embedded(arguments: &cli::Folder, done: &str) -> anyhow::Result<()> {
    match ledger::named(&arguments.store)? {
        Ledger::Embedded => Ok(()),
        Ledger::Redis(settings) => Err(Usage(format!(
            "the ledger at {} is {done} with its Redis, by the means of Redis: copy its append-only files or a snapshot \
             (BGSAVE)",
            settings.address
        ))
        .into()),
    }
}

/// The data folder that the arguments mean.
///
/// # Errors
/// When they name none and there is no directory of functions to find it by.
pub(super) fn folder(arguments: &cli::Folder) -> anyhow::Result<PathBuf> {
    if let Some(data) = &arguments.data.data {
        return machine::data_folder(Some(data), Path::new("/"));
    }
    let dir = arguments.dir.canonicalize();
    machine::data_folder(
        None,
        &dir.with_context(|| format!("cannot find the functions in {}", arguments.dir.display()))?,
    )
}

fn tell(output: cli::Output, path: &Path, contents: Contents, done: &str) -> anyhow::Result<Outcome> {
    let Contents { version, requests, runs, bytes } = contents;
    match output.format {
        Format::Json => {
            let report = Report { path, bytes, requests, runs, schema: version };
            output::server_json(&serde_json::to_string(&report)?)?;
        }
        Format::Table => output::line(&format!("{done} {}: {}", path.display(), sentence(contents)))?,
    }
    Ok(Outcome::Done)
}

fn sentence(contents: Contents) -> String {
    let Contents { requests, runs, bytes, .. } = contents;
    let many = |number: u64, what: &str| if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") };
    format!("{} with {}, {}", many(requests, "request"), many(runs, "run"), many(bytes, "byte"))
}
