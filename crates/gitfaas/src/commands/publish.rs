//! `gitfaas publish` and `gitfaas replay`: sends a message, and waits for what comes of it when asked to.

use std::time::Duration;

use gitfaas_server::api::wire::Receipt;
use gitfaas_server::clock::{Clock as _, SystemClock};

use anstyle::AnsiColor;

use super::wait::{self, Deadline, Logs};
use crate::cli::{self, Format};
use crate::client::{Answer, Client};
use crate::exit::Outcome;
use crate::output::table::{self, Field};
use crate::output::tree::{self, Look};
use crate::output::{self, Out, live};
use crate::publication;

/// Runs the command.
pub(crate) async fn run(arguments: cli::Publish, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let message = publication::read(&arguments.message)?;
    let receipt = client.publish(&arguments.topic, &message, arguments.idempotency_key.as_deref()).await?;
    let waiting = Waiting { wait: arguments.wait, follow: arguments.follow, timeout: arguments.timeout };
    see(&client, receipt, waiting, arguments.output.format, out).await
}

/// Runs `gitfaas replay`, which is a publish of what was published.
pub(crate) async fn replay(arguments: cli::Replay, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let receipt = client.replay(arguments.request, arguments.at.as_str()).await?;
    let waiting = Waiting { wait: arguments.wait, follow: arguments.follow, timeout: arguments.timeout };
    see(&client, receipt, waiting, arguments.output.format, out).await
}

/// What is waited for after the receipt.
struct Waiting {
    wait: bool,
    follow: bool,
    timeout: Option<Duration>,
}

/// Shows the receipt, and what comes of it when that is waited for.
async fn see(
    client: &Client,
    receipt: Answer<Receipt>,
    waiting: Waiting,
    format: Format,
    out: Out,
) -> anyhow::Result<Outcome> {
    let deadline = Deadline::after(waiting.timeout);
    let json = format == Format::Json;
    if !(waiting.wait || waiting.follow) {
        if json {
            output::server_json(&receipt.json)?;
        } else {
            output::line(&report(&receipt.value, out.table_width()))?;
        }
        return Ok(if receipt.value.error { Outcome::Failed } else { Outcome::Done });
    }
    // With -o json, stdout is for the one document at the end.
    let say = |text: &str| if json { output::remark(text) } else { output::line(text) };
    say(&report(&receipt.value, out.table_width()))?;
    let request = receipt.value.request_uid;
    let in_time = if waiting.follow {
        wait::follow(client, request, deadline, Logs::Follow, out.width(), &say).await?
    } else {
        wait::until_ended(client, request, deadline).await?
    };
    let tree = wait::patiently(|| client.tree(request)).await?;
    if json {
        output::server_json(&tree.json)?;
    } else {
        let look = Look { width: out.width(), ids: false, now: SystemClock.now() };
        output::line(&format!("\n{}", tree::draw(&tree.value, look)))?;
    }
    if !in_time {
        output::remark(&format!("the time is up, and it goes on: gitfaas get {request}"))?;
    }
    let succeeded = if waiting.follow { live::all_succeeded(&tree.value) } else { live::own_succeeded(&tree.value) };
    Ok(match (in_time, succeeded) {
        (false, _) => Outcome::TimeUp,
        (true, true) => Outcome::Done,
        (true, false) => Outcome::Failed,
    })
}

fn report(receipt: &Receipt, width: Option<u16>) -> String {
    let mut text = format!("request {}", receipt.request_uid);
    if receipt.applies.is_empty() {
        return text;
    }
    let rows = receipt.applies.iter().map(|apply| {
        let verdict =
            if apply.error { Field::colored(&apply.message, AnsiColor::Red) } else { Field::from(&apply.message) };
        [Field::from(&apply.path), Field::from(apply.run_id), verdict]
    });
    text += "\n\n";
    text += &table::draw(["FUNCTION", "RUN", "REPORT"], rows.collect(), width);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tree::samples;
    use gitfaas_core::run::ObjectKey;
    use gitfaas_server::api::wire::ApplyReport;

    #[test]
    fn a_receipt_tells_what_became_of_each_function() {
        let request = samples::two_functions().request;
        let job = ObjectKey {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            namespace: None,
            name: "collect-a1b2".to_owned(),
        };
        let apply = |index: usize, error: bool, message: &str, objects: Vec<ObjectKey>| ApplyReport {
            path: request.runs[index].function.clone(),
            error,
            message: message.to_owned(),
            run_id: request.runs[index].id,
            objects,
        };
        let applies = vec![
            apply(0, false, "applied Job collect-a1b2", vec![job]),
            apply(1, true, "the cluster refused it:\x1b[2J no such kind", vec![]),
        ];
        let receipt = Receipt { request_uid: request.id, applies, error: true, responses: None };
        insta::assert_snapshot!(anstream::adapter::strip_str(&report(&receipt, None)), @r#"
        request 0199d3b4-58c1-7a52-9d3e-000000000007

        FUNCTION        RUN                               REPORT
        ship.yaml       01j79r8m61f999qfg000000007j89i49  applied Job collect-a1b2
        audit/log.yaml  01j79r8m61f999qfg00000000742bsrk  the cluster refused it:\x1b[2J no such kind
        "#);
    }
}
