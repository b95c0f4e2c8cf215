//! The Redis that a server would keep its ledger in.

use gitfaas_server::store::StoreError;
use gitfaas_server::store::redis::{self, Inspection, Settings};

use super::Finding;

const REDIS: &str = "redis";
const LEDGER: &str = "ledger";

/// How it is, what it can lose, and what is in it; whether a server has the ledger open.
pub(super) async fn look(settings: &Settings) -> (Vec<Finding>, bool) {
    match redis::inspect(settings).await {
        Ok(found) => (findings(settings, &found), found.ledger.is_some_and(|ledger| ledger.servers > 0)),
        Err(error) => {
            let help = match error {
                StoreError::Unavailable(_) => {
                    "see that it runs, and that --store, the user, the password and the certificates are right"
                }
                _ => "gitfaas's docs/redis.md says how one is set up",
            };
            (vec![Finding::fail(REDIS, error.to_string()).help(help)], false)
        }
    }
}

fn findings(settings: &Settings, found: &Inspection) -> Vec<Finding> {
    let used = found.used_memory >> 20;
    let memory = match found.max_memory {
        Some(most) => format!("{used} of {} MiB", most >> 20),
        None => format!("{used} MiB"),
    };
    let version = &found.version;
    let mut findings = vec![Finding::ok(REDIS, format!("version {version} at {}, uses {memory}", settings.address))];
    let warnings = found.warnings();
    findings.extend(warnings.into_iter().map(|warning| Finding::warn("durability", warning)));
    if found.window_of_loss().is_some_and(|window| window.is_zero()) {
        findings.push(Finding::ok("durability", "what is acknowledged is on its disk (appendfsync always)"));
    }
    findings.push(match &found.ledger {
        None => Finding::ok(
            LEDGER,
            format!("there is none under {:?} yet: it is made when a server starts", settings.prefix),
        ),
        Some(ledger) => Finding::ok(
            LEDGER,
            format!(
                "version {}, {} requests, {} runs, open in {}",
                ledger.schema,
                ledger.requests,
                ledger.runs,
                match ledger.servers {
                    1 => "1 server".to_owned(),
                    servers => format!("{servers} servers"),
                }
            ),
        ),
    });
    findings
}
