//! `gitfaas response`: what the functions of a request answered.
//!
//! The answer of a request with one run is printed alone and as it is, so that a program can take it from a pipe.

use gitfaas_core::id::RunId;
use gitfaas_server::api::wire::{Body, RequestView, ResponseView};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Outcome;
use crate::output::{self, Out, answer, escape, json, live, style};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Response, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let request = client.request_view(arguments.request, Duration::ZERO).await?.value;
    let answer = client.responses(arguments.request).await?;
    if arguments.output.format == Format::Json {
        output::server_json(&answer.json)?;
    } else {
        print(&request, &answer.value.items, out)?;
    }
    let answered = request.runs.iter().all(|run| answer.value.items.iter().any(|answer| answer.run == run.id));
    Ok(if answered { Outcome::Done } else { Outcome::Failed })
}

/// Prints the answers of a request, and on stderr which of its runs have none.
pub(super) fn print(request: &RequestView, answers: &[ResponseView], out: Out) -> anyhow::Result<()> {
    for run in &request.runs {
        let Some(response) = answers.iter().find(|response| response.run == run.id) else {
            output::remark(&format!("{} has not answered ({})", live::name(request, run), run.phase))?;
            continue;
        };
        if request.runs.len() > 1 {
            output::line(&heading(run.id, response))?;
        }
        body(response, out)?;
    }
    Ok(())
}

fn heading(run: RunId, response: &ResponseView) -> String {
    style::paint(style::STRONG, &format!("==> {} (run {run}) <==", escape::line(response.function.as_str())))
}

fn body(response: &ResponseView, out: Out) -> anyhow::Result<()> {
    match &response.body {
        Body::Json(value) => output::line(&json::pretty(&value.to_string())),
        Body::Text(text) if out.is_terminal() => output::line(&escape::lines(text)),
        Body::Text(text) => output::bytes(text.as_bytes()),
        Body::Base64(_) if out.is_terminal() => {
            output::line(&format!("{}; send it to a file to have it as it is", answer::short(response)))
        }
        Body::Base64(base64) => output::bytes(&STANDARD.decode(base64).context("the answer is no base64")?),
    }
}
