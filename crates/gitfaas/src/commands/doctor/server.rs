//! The server that runs, if one answers.

use super::Finding;
use crate::cli::ServerAddress;
use crate::client::{Client, Error, Filter};
use gitfaas_server::api::wire::TopicView;

const CHECK: &str = "server";

/// How it is: whether it can serve, what, and what needs somebody.
pub(super) async fn look(address: &ServerAddress, in_use: bool) -> Vec<Finding> {
    let client = match Client::new(address) {
        Ok(client) => client,
        Err(error) => return vec![Finding::fail(CHECK, format!("{error:#}"))],
    };
    match client.ready().await {
        Ok(_) => {}
        Err(Error::Unreachable(_)) if !in_use => {
            return vec![Finding::ok(CHECK, format!("none answers at {}", client.server()))];
        }
        Err(Error::Unreachable(why)) => {
            return vec![
                Finding::warn(CHECK, format!("one has the ledger open, and {why}"))
                    .help("say where it answers with --server"),
            ];
        }
        Err(error) => return vec![Finding::fail(CHECK, format!("it cannot serve: {error}"))],
    }
    let mut findings = vec![Finding::ok(CHECK, format!("it serves at {}", client.server()))];
    findings.push(source(&client).await);
    findings.extend(topics(&client).await);
    findings.push(dead_letters(&client).await);
    findings
}

/// How many are counted: with more of them the number does not matter.
const COUNTED: usize = 100;

async fn dead_letters(client: &Client) -> Finding {
    const CHECK: &str = "dead letters";
    let filter = Filter { query: vec![("limit", COUNTED.to_string())] };
    match client.dead_letters(&filter).await {
        Err(error) => Finding::warn(CHECK, error.to_string()),
        Ok(answer) => {
            let more = if answer.value.next.is_some() { " or more" } else { "" };
            match answer.value.items.len() {
                0 => Finding::ok(CHECK, "no run gave up"),
                number => Finding::warn(CHECK, format!("runs that gave up: {number}{more}"))
                    .help("gitfaas dead-letters list shows them; redrive or purge them"),
            }
        }
    }
}

async fn source(client: &Client) -> Finding {
    const CHECK: &str = "source";
    match client.source().await {
        Err(error) => Finding::warn(CHECK, error.to_string()),
        Ok(answer) => match (answer.value.last_error, answer.value.revision) {
            (Some(error), _) => {
                let times = answer.value.failures;
                Finding::warn(CHECK, format!("it cannot be read, {times} times in a row: {}", error.message))
                    .help("what was served before is still served")
            }
            (None, Some(revision)) => Finding::ok(CHECK, format!("{revision} is served")),
            (None, None) => Finding::warn(CHECK, "nothing is served yet"),
        },
    }
}

async fn topics(client: &Client) -> Vec<Finding> {
    match client.topics().await {
        Err(error) => vec![Finding::warn("topics", error.to_string())],
        Ok(answer) => vec![newest(&answer.value.items), rights(&answer.value.items)],
    }
}

fn newest(topics: &[TopicView]) -> Finding {
    const CHECK: &str = "topics";
    let behind = topics.iter().filter(|topic| topic.stale || topic.revision.is_none());
    let behind: Vec<&str> = behind.map(|topic| topic.name.as_str()).collect();
    if behind.is_empty() {
        return Finding::ok(CHECK, format!("{} are up to date", topics.len()));
    }
    Finding::warn(CHECK, format!("not at their newest version: {}", behind.join(", "))).help("gitfaas topics says why")
}

fn rights(topics: &[TopicView]) -> Finding {
    const CHECK: &str = "rights";
    let forbidden = topics.iter().filter(|topic| !topic.forbidden.is_empty());
    let forbidden: Vec<&str> = forbidden.map(|topic| topic.name.as_str()).collect();
    if forbidden.is_empty() {
        return Finding::ok(CHECK, "none is known to be missing in the cluster");
    }
    Finding::warn(CHECK, format!("the cluster would refuse what functions make of {}", forbidden.join(", ")))
        .help("gitfaas topics says what is missing")
}
