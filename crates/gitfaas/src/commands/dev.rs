//! `gitfaas dev`: serves a directory on this machine, and says at each save what changed and what is wrong.

use std::sync::Arc;

use gitfaas_core::problem::Problem;
use gitfaas_server::engine::Refreshed;
use gitfaas_server::server::Config;
use gitfaas_server::source::Source as _;
use gitfaas_server::source::directory::DirectorySource;
use tokio::sync::mpsc;

use super::functions;
use super::ledger::Ledger;
use super::machine::{self, Place, Stop};
use super::origin;
use super::reload::Reload;
use crate::cli;
use crate::exit::Outcome;
use crate::output::problem::Severity;
use crate::output::{self, Out, style};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Dev, out: Out) -> anyhow::Result<Outcome> {
    let logging = &arguments.settings.logging;
    machine::log(logging.log.as_deref().unwrap_or("warn"), logging.log_format)?;
    let mut stop = Stop::listen()?;
    let policy = &arguments.settings.policy;
    let config = machine::config(arguments.listen, &arguments.settings, policy.namespace(), functions::policy(policy)?);
    let config = Config { end_runs: true, grace: arguments.grace, ..config };
    let source = Arc::new(origin::local(&arguments.dir, &arguments.settings.policy.config_path)?);
    let data = machine::data_folder(arguments.settings.data.data.as_deref(), source.root())?;
    let (functions, cluster) = (source.root().to_owned(), machine::local(&arguments.settings));
    let place = Place { data: data.clone(), functions, cluster, ledger: Ledger::Embedded };
    let (reports, refreshes) = mpsc::unbounded_channel();
    let server = machine::start(source.clone(), place, config, Some(reports)).await?;
    let url = style::paint(style::STRONG, &server.url());
    output::line(&format!("gitfaas serves {} at {url}", source.root().display()))?;
    output::line(&style::paint(
        style::FAINT,
        &format!("data in {}; Ctrl-C stops it and its functions", data.display()),
    ))?;
    let told = tokio::select! {
        () = stop.asked() => Ok(()),
        told = tell(&source, refreshes, out) => told,
    };
    stop.orderly(server).await;
    told.map(|()| Outcome::Done)
}

/// Says what each refresh changed, until the server ends.
async fn tell(
    source: &DirectorySource,
    mut refreshes: mpsc::UnboundedReceiver<Refreshed>,
    out: Out,
) -> anyhow::Result<()> {
    let mut reload = Reload::default();
    while let Some(refreshed) = refreshes.recv().await {
        let said = reload.say(refreshed);
        for line in &said.lines {
            output::line(line)?;
        }
        if !said.problems.is_empty() {
            let snapshot = source.snapshot().await?;
            let problems: Vec<&Problem> = said.problems.iter().collect();
            output::line(&functions::draw(&*snapshot, &problems, Severity::Error, out.width()).await)?;
        }
    }
    Ok(())
}
