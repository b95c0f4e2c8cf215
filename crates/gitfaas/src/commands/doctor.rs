//! `gitfaas doctor`: looks at all that a server needs, and says what to do about what is missing.

mod functions;
mod ledger;
mod machine;
mod redis;
mod server;

use anstyle::AnsiColor;
use serde::Serialize;

use super::backup;
use super::ledger::{self as store, Ledger};
use crate::cli::{self, Format};
use crate::exit::Outcome;
use crate::output::{self, escape, style};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// It works, not as well as it could.
    Warn,
    /// A server cannot work like this.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at; the same word each time.
    check: &'static str,
    state: State,
    message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Finding {
    fn new(check: &'static str, state: State, message: impl Into<String>) -> Self {
        Self { check, state, message: message.into(), help: None }
    }

    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, State::Ok, message)
    }

    fn warn(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, State::Warn, message)
    }

    fn fail(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, State::Fail, message)
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// What programs get.
#[derive(Serialize)]
struct Report<'a> {
    /// Whether nothing failed.
    ok: bool,
    checks: &'a [Finding],
}

/// Runs the command.
pub(crate) async fn run(arguments: cli::Doctor) -> anyhow::Result<Outcome> {
    let data = backup::folder(&arguments.folder);
    let mut findings = machine::look();
    let mut in_use = false;
    let kept = store::named(&arguments.folder.store);
    let embedded = matches!(kept, Ok(Ledger::Embedded));
    match data {
        Ok(data) => {
            let looked = tokio::task::spawn_blocking(move || {
                let mut findings = machine::folder(&data);
                if !embedded {
                    return (findings, false);
                }
                let (ledger, in_use) = ledger::look(&data);
                findings.push(ledger);
                (findings, in_use)
            });
            let (found, used) = looked.await?;
            findings.extend(found);
            in_use = used;
        }
        Err(error) => findings.push(Finding::fail("data folder", format!("{error:#}")).help("say where with --data")),
    }
    match kept {
        Ok(Ledger::Embedded) => {}
        Ok(Ledger::Redis(settings)) => {
            let (found, used) = redis::look(&settings).await;
            findings.extend(found);
            in_use |= used;
        }
        Err(error) => findings.push(Finding::fail("redis", format!("{error:#}"))),
    }
    findings.push(functions::look(&arguments.folder.dir, &arguments.policy).await);
    findings.extend(server::look(&arguments.address, in_use).await);
    let ok = findings.iter().all(|finding| finding.state != State::Fail);
    match arguments.output.format {
        Format::Json => output::server_json(&serde_json::to_string(&Report { ok, checks: &findings })?)?,
        Format::Table => output::line(&draw(&findings))?,
    }
    Ok(if ok { Outcome::Done } else { Outcome::Failed })
}

/// A line for each finding, and below it what to do.
fn draw(findings: &[Finding]) -> String {
    let widest = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for finding in findings {
        let (word, color) = match finding.state {
            State::Ok => ("ok  ", AnsiColor::Green),
            State::Warn => ("warn", AnsiColor::Yellow),
            State::Fail => ("FAIL", AnsiColor::Red),
        };
        let word = style::paint(color.on_default(), word);
        lines.push(format!("{word}  {:widest$}  {}", finding.check, escape::line(&finding.message)));
        let indent = " ".repeat(widest + 8);
        lines.extend(finding.help.iter().map(|help| format!("{indent}→ {}", escape::line(help))));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_with_what_to_do() {
        let findings = [
            Finding::ok("clock", "it is 2026"),
            Finding::warn("open files", "64 may be open").help("ulimit -n 4096"),
            Finding::fail("ledger", "it is \x1b[2Jdamaged").help("restore it from a backup"),
        ];
        insta::assert_snapshot!(anstream::adapter::strip_str(&draw(&findings)), @r"
        ok    clock       it is 2026
        warn  open files  64 may be open
                          → ulimit -n 4096
        FAIL  ledger      it is \x1b[2Jdamaged
                          → restore it from a backup
        ");
    }
}
