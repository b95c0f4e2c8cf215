//! How the program ends: the meaning of each exit code, and how a failure is told.
//!
//! [`CODES`] is the one place where the codes are written down; `--help` shows it.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use crate::client;
use crate::output::escape;

/// What each exit code means, as `--help` shows it.
pub(crate) const CODES: &str = "Exit codes:
  0  it is done
  1  what was asked about failed: a run failed, lint found mistakes, the server said no
  2  the command line is wrong, or the file of settings that it names
  3  no gitfaas answers at the server's address, or the connection broke
  4  the time of --timeout was up";

/// How a command ended that did what it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Done,
    /// What was asked about failed, and the output says so.
    Failed,
    /// It was not over when the time was up.
    TimeUp,
}

/// What was typed makes no sense, in a way that the argument parser cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A file that the command line names is wrong; the text is already drawn, and harmless.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongFile(pub(crate) String);

/// Tells a failure on stderr and gives the exit code.
pub(crate) fn report(ended: anyhow::Result<Outcome>) -> ExitCode {
    let error = match ended {
        Ok(outcome) => return ExitCode::from(code(outcome)),
        Err(error) => error,
    };
    if reader_left(&error) {
        return ExitCode::SUCCESS;
    }
    if let Some(WrongFile(drawn)) = error.downcast_ref() {
        let _ = writeln!(anstream::stderr(), "{drawn}");
        return ExitCode::from(code_of(&error));
    }
    // Errors may quote what a server or a repository wrote.
    let text = escape::lines(&format!("{error:#}"));
    // When stderr is gone as well there is nobody left to tell.
    let _ = writeln!(anstream::stderr(), "gitfaas: {text}");
    ExitCode::from(code_of(&error))
}

const fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Done => 0,
        Outcome::Failed => 1,
        Outcome::TimeUp => 4,
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<Usage>().is_some() || error.downcast_ref::<WrongFile>().is_some() {
        return 2;
    }
    match error.downcast_ref::<client::Error>() {
        Some(client::Error::Refused(_)) | None => 1,
        Some(_) => 3,
    }
}

/// Whether the program we write to has seen enough (`gitfaas list | head -1`), which is no failure.
fn reader_left(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_apart_who_is_to_act() {
        assert_eq!(code_of(&Usage("x".to_owned()).into()), 2);
        assert_eq!(code_of(&client::Error::unreachable("http://127.0.0.1:1", "refused").into()), 3);
        assert_eq!(code_of(&anyhow::anyhow!("broken")), 1);
        assert_eq!(code_of(&anyhow::Error::from(Usage("x".to_owned())).context("while reading")), 2);
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let left = anyhow::Error::from(std::io::Error::from(ErrorKind::BrokenPipe)).context("cannot write");
        assert!(reader_left(&left));
        assert!(!reader_left(&anyhow::Error::from(std::io::Error::from(ErrorKind::NotFound))));
    }

    #[test]
    fn every_code_is_written_down() {
        for outcome in [Outcome::Done, Outcome::Failed, Outcome::TimeUp] {
            assert!(CODES.contains(&format!("\n  {}  ", code(outcome))), "{outcome:?}");
        }
    }
}
