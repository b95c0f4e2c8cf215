//! `gitfaas pause` and `gitfaas resume`: hold the runs of a topic back, and let them go.

use gitfaas_server::api::wire::TopicView;

use crate::cli::{self, Format};
use crate::client::{Answer, Client};
use crate::exit::Outcome;
use crate::output;

/// Runs `gitfaas pause`.
pub(crate) async fn pause(arguments: cli::OneTopic) -> anyhow::Result<Outcome> {
    let answer = Client::new(&arguments.address)?.pause(&arguments.topic).await?;
    show(&answer, arguments.output.format, "is paused")
}

/// Runs `gitfaas resume`.
pub(crate) async fn resume(arguments: cli::OneTopic) -> anyhow::Result<Outcome> {
    let answer = Client::new(&arguments.address)?.resume(&arguments.topic).await?;
    show(&answer, arguments.output.format, "goes on")
}

fn show(answer: &Answer<TopicView>, format: Format, state: &str) -> anyhow::Result<Outcome> {
    match format {
        Format::Json => output::server_json(&answer.json)?,
        Format::Table => output::line(&sentence(&answer.value, state))?,
    }
    Ok(Outcome::Done)
}

fn sentence(topic: &TopicView, state: &str) -> String {
    let counts = topic.queued.zip(topic.live).map(|(queued, live)| format!("; {queued} queued, {live} live"));
    format!("the topic {} {state}{}", topic.name, counts.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_and_what_goes_on_is_told() {
        let topic = serde_json::json!({"name": "collect", "functions": [], "stale": false, "queued": 7, "live": 2});
        let mut topic: TopicView = serde_json::from_value(topic).expect("a topic");
        assert_eq!(sentence(&topic, "is paused"), "the topic collect is paused; 7 queued, 2 live");
        topic.queued = None;
        assert_eq!(sentence(&topic, "goes on"), "the topic collect goes on");
    }
}
