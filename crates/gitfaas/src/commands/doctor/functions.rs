//! The functions that a server would read.

use std::path::Path;

use gitfaas_server::source::directory::DirectorySource;

use super::super::{functions, lint};
use super::Finding;
use crate::cli::PolicyArgs;

const CHECK: &str = "functions";

/// What `lint` says of them, in a line.
pub(super) async fn look(dir: &Path, policy: &PolicyArgs) -> Finding {
    let lint = format!("gitfaas lint {} shows where", dir.display());
    match summary(dir, policy).await {
        Err(error) => Finding::fail(CHECK, format!("{error:#}")).help("say where they are with --dir"),
        Ok((0, 0, said)) => Finding::ok(CHECK, said),
        Ok((0, _, said)) => Finding::warn(CHECK, said).help(lint),
        Ok((_, _, said)) => Finding::fail(CHECK, said).help(lint),
    }
}

/// How many errors and warnings there are, and both in words.
async fn summary(dir: &Path, arguments: &PolicyArgs) -> anyhow::Result<(usize, usize, String)> {
    let policy = functions::policy(arguments)?;
    let source = DirectorySource::new(dir, &arguments.config_path)?;
    let report = lint::Report::of(&source, &policy).await?;
    Ok((report.errors.len(), report.warnings.len(), report.summary()))
}
