//! `gitfaas serve`: serves for good; what runs when it stops goes on, and is found again at the next start.

use gitfaas_server::api::WebhookSecrets;
use gitfaas_server::engine::{Refreshed, Settings};
use gitfaas_server::server::Config;
use rustix::system::uname;
use tokio::sync::mpsc;

use super::machine::{self, Place, Runner, Stop};
use super::origin::{self, Origin};
use super::{functions, ledger};
use crate::cli::{self, Cluster};
use crate::exit::{Outcome, Usage};
use crate::output;

/// Runs the command.
pub(crate) async fn run(arguments: cli::Serve) -> anyhow::Result<Outcome> {
    let logging = &arguments.settings.logging;
    machine::log(logging.log.as_deref().unwrap_or("info"), logging.log_format)?;
    let mut stop = Stop::listen()?;
    let settings = &arguments.settings;
    let Origin { source, data, functions } = origin::open(&arguments)?;
    let ledger = ledger::named(&arguments.store)?;
    let webhooks = arguments.following.webhook_secret_file.map(WebhookSecrets::open).transpose().map_err(Usage)?;
    let (cluster, config) = match arguments.cluster.cluster {
        Cluster::Local => {
            let policy = functions::policy(&settings.policy)?;
            let config = machine::config(arguments.listen, settings, settings.policy.namespace(), policy);
            (machine::local(settings), config)
        }
        Cluster::Kubernetes => {
            let runner = &arguments.cluster;
            let (cluster, namespaces) =
                machine::kubernetes(&runner.api_server, &settings.policy, runner.ttl_floor).await?;
            let policy = functions::policy_within(&settings.policy, namespaces)?;
            let config = machine::config(arguments.listen, settings, cluster.namespace(), policy);
            let own_address = if config.base_url.is_none() { cluster.own_address() } else { None };
            let config = Config { own_address, ..config };
            (Runner::Kubernetes(Box::new(cluster)), config)
        }
    };
    // Of several servers that share a ledger, people want to know which one.
    let holder = uname().nodename().to_string_lossy().into_owned();
    let settings = Settings { holder, ..config.settings };
    let config = Config { webhooks, settings, leave: arguments.leave_wait, ..config };
    let place = Place { data, functions, cluster, ledger };
    let (reports, refreshes) = mpsc::unbounded_channel();
    let server = machine::start(source.clone(), place, config, Some(reports)).await?;
    output::line(&format!("gitfaas serves {} at {}", source.describe(), server.url()))?;
    output::line(&format!("functions run on {}", server.engine().cluster()))?;
    tokio::select! {
        () = stop.asked() => {}
        () = log_refreshes(refreshes) => {}
    }
    tracing::info!("stopping");
    stop.orderly(server).await;
    Ok(Outcome::Done)
}

/// Logs what each refresh changed and what is wrong, that once for as long as it is the same; a source that cannot be read
/// is logged where that is retried.
async fn log_refreshes(mut refreshes: mpsc::UnboundedReceiver<Refreshed>) {
    let mut told = Vec::new();
    while let Some(refreshed) = refreshes.recv().await {
        let Ok(refresh) = refreshed else { continue };
        let revision = refresh.revision.as_deref().unwrap_or_default();
        for change in &refresh.changes {
            tracing::info!(topic.name = %change.topic, source.revision = revision, difference = ?change.difference, "topic changed");
        }
        if refresh.problems != told {
            for problem in &refresh.problems {
                tracing::warn!(source.revision = revision, %problem, "something is wrong with the functions");
            }
            told.clone_from(&refresh.problems);
        }
    }
}
