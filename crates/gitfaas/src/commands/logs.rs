//! `gitfaas logs`: what a run has written.

use anyhow::bail;
use gitfaas_core::id::{RequestId, RunId};
use gitfaas_server::api::wire::RequestView;
use std::time::Duration;

use crate::cli::{self, Format, RunOrRequest};
use crate::client::{Client, LogLines};
use crate::exit::Outcome;
use crate::output::{self, Out, escape, json};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Logs, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let run = match arguments.run {
        RunOrRequest::Run(run) => run,
        RunOrRequest::Request(request) => only_run(&client, request).await?,
    };
    if arguments.output.format == Format::Json {
        return objects(client.log_objects(run, arguments.follow, arguments.try_no).await?).await;
    }
    let mut lines = client.logs(run, arguments.follow, arguments.try_no).await?;
    while let Some(line) = lines.next().await? {
        // A program gets the bytes as they were written; a terminal must not obey them.
        if out.is_terminal() {
            output::line(&escape::lines(&String::from_utf8_lossy(&line)))?;
        } else {
            output::bytes(&line)?;
        }
    }
    Ok(Outcome::Done)
}

/// One object a line, as the server wrote it.
async fn objects(mut lines: LogLines) -> anyhow::Result<Outcome> {
    while let Some(line) = lines.next().await? {
        output::line(&json::one_line(&String::from_utf8_lossy(&line)))?;
    }
    Ok(Outcome::Done)
}

async fn only_run(client: &Client, request: RequestId) -> anyhow::Result<RunId> {
    let request = client.request_view(request, Duration::ZERO).await?.value;
    match request.runs.as_slice() {
        [run] => Ok(run.id),
        _ => bail!("{}", which(&request)),
    }
}

fn which(request: &RequestView) -> String {
    let mut lines = vec![format!("request {} has {} runs; name one of them:", request.id, request.runs.len())];
    lines
        .extend(request.runs.iter().map(|run| format!("  gitfaas logs {}  # {}, {}", run.id, run.function, run.phase)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tree::samples;

    #[test]
    fn a_request_with_several_runs_tells_what_to_type() {
        let request = samples::two_functions().request;
        let text = which(&request);
        assert_eq!(text.lines().count(), 3);
        for run in &request.runs {
            assert!(text.contains(&format!("gitfaas logs {}  # {}", run.id, run.function)), "{text}");
        }
    }
}
