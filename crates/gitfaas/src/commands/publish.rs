//! `gitfaas publish` and `gitfaas replay`: sends a message, and waits for what comes of it when asked to.

use std::time::Duration;

use gitfaas_server::api::wire::Receipt;
use gitfaas_server::clock::{Clock as _, SystemClock};

use anstyle::AnsiColor;
use tokio::time::Instant;

use super::wait::{self, Deadline, Logs};
use crate::cli::{self, Format};
use crate::client::{Answer, Client, Error};
use crate::exit::Outcome;
use crate::output::table::{self, Field};
use crate::output::tree::{self, Look};
use crate::output::{self, Out, live};
use crate::publication;

/// For how long what would not fit into a queue is sent again.
const ROOM: Duration = Duration::from_secs(30);

/// Runs the command.
pub(crate) async fn run(arguments: cli::Publish, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let message = publication::read(&arguments.message)?;
    let key = arguments.idempotency_key.as_deref();
    let receipt = when_there_is_room(ROOM, || client.publish(&arguments.topic, &message, key)).await?;
    let waiting = Waiting { wait: arguments.wait, follow: arguments.follow, timeout: arguments.timeout };
    see(&client, receipt, waiting, arguments.output.format, out).await
}

/// Runs `gitfaas replay`, which is a publish of what was published.
pub(crate) async fn replay(arguments: cli::Replay, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let at = arguments.at.as_str();
    let receipt = when_there_is_room(ROOM, async || Ok(client.replay(arguments.request, at).await?)).await?;
    let waiting = Waiting { wait: arguments.wait, follow: arguments.follow, timeout: arguments.timeout };
    see(&client, receipt, waiting, arguments.output.format, out).await
}

/// Sends what is refused because a queue is full again, as often as the server says and for as long as `patience` lasts.
async fn when_there_is_room<T>(
    patience: Duration,
    mut send: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let give_up = Instant::now() + patience;
    let mut told = false;
    loop {
        let refused = match send().await {
            Ok(accepted) => return Ok(accepted),
            Err(refused) => refused,
        };
        let wait = refused.downcast_ref::<Error>().and_then(Error::wait_for_room);
        let Some(wait) = wait.filter(|wait| Instant::now() + *wait < give_up) else { return Err(refused) };
        if !std::mem::replace(&mut told, true) {
            output::remark(&format!("{refused:#}\ntrying again for {} seconds", patience.as_secs()))?;
        }
        tokio::time::sleep(wait).await;
    }
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

    /// What a server says so often, with this wait, before it accepts; and how often it was asked.
    async fn sent(full: u32, code: &str, retry_after: u64) -> (anyhow::Result<()>, u32) {
        let said = format!(
            r#"{{"type": "urn:x", "title": "x", "status": 429, "code": "{code}", "detail": "it is full", "error": true}}"#
        );
        let mut asked = 0;
        let accepted = when_there_is_room(Duration::from_secs(30), async || {
            asked += 1;
            if asked > full {
                return Ok(());
            }
            let headers = [(reqwest::header::RETRY_AFTER, retry_after.into())].into_iter().collect();
            let status = reqwest::StatusCode::TOO_MANY_REQUESTS;
            Err(Error::of_refusal("http://here", status, &headers, said.as_bytes()).into())
        });
        (accepted.await, asked)
    }

    #[tokio::test]
    async fn what_a_full_queue_refuses_is_sent_again_for_a_while() {
        assert!(matches!(sent(1, "queue-full", 0).await, (Ok(()), 2)));
        let (refused, asked) = sent(9, "queue-full", 31).await;
        assert_eq!(
            (refused.expect_err("it takes too long").to_string().as_str(), asked),
            ("the server said no: it is full", 1)
        );
        let (refused, asked) = sent(9, "too-many-waiting", 0).await;
        assert!(refused.is_err() && asked == 1, "something else was refused");
    }

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
