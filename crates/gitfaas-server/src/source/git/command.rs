//! Git over ssh: what speaks Git, joined to the command that the server runs for it.
//!
//! How the server is reached is `ssh`'s, what is said is `fetch`'s. Here is what it means when the command fails.

use std::sync::Arc;

use gix_hash::ObjectId;
use gix_transport::Protocol;
use gix_transport::client::git::ConnectMode;
use gix_transport::client::git::blocking_io::Connection;

use super::fetch;
use super::look::{Look, Received, Sent};
use super::objects::{Objects, Shelf};
use super::reference::Reference;
use super::ssh::{self, Remote, SshAddress, SshSettings};
use crate::source::{Fault, SourceError};

/// What shells end with when there is no such program.
const NO_PROGRAM: u32 = 127;

/// Looks at what the server has in the repository at `path`, and fetches what is not here.
///
/// # Errors
/// Why it cannot be read, in the first words that were found for it.
pub(super) fn look_at(
    settings: &SshSettings,
    address: SshAddress<'_>,
    path: &str,
    wanted: &Reference,
    shelf: &mut Shelf,
    look: &Arc<Look>,
) -> Result<(Arc<Objects>, ObjectId), SourceError> {
    let command = ssh::upload_pack(path);
    let session = look.run(ssh::open(settings, address, &command, &[("GIT_PROTOCOL", "version=2")]));
    let session = session.map_err(|error| look.fail(error))?;
    let remote = session.remote();
    let (printed, input) = tokio::io::split(session);
    let (printed, input) = (Received::new(printed, look.clone()), Sent::new(input, look.clone()));
    let nobody = None::<(String, Option<u16>)>;
    let transport = Connection::new(printed, input, Protocol::V2, path, nobody, ConnectMode::Process, false);
    fetch::look_at(transport, wanted, shelf, look).map_err(|error| explained(error, &remote, &look.place))
}

/// What went wrong, in the server's own words where its command failed.
fn explained(error: SourceError, remote: &Remote, place: &str) -> SourceError {
    match remote.exit_status() {
        Some(status @ 1..) if matches!(error.fault, Fault::Interrupted | Fault::Malformed) => {
            let (fault, why) = failed(status, &remote.stderr());
            SourceError::new(fault, format!("{place}: {why}"))
        }
        _ => error,
    }
}

/// What it means when the command ends with `status` and `said`.
fn failed(status: u32, said: &str) -> (Fault, String) {
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let (fault, why) = if status == NO_PROGRAM {
        (Fault::Server, "the server has no Git, or not for this user")
    } else if says(&["not found", "could not be found", "not appear to be a git repo", "not exist", "no such file"]) {
        (Fault::NotFound, "there is no such repository, or none that this key may know of")
    } else if says(&["denied", "not allowed", "permission", "unauthorized", "forbidden"]) {
        (Fault::Forbidden, "this key may not read the repository")
    } else {
        (Fault::Server, "the server failed")
    };
    let said = if said.is_empty() { format!("status {status}") } else { said.to_owned() };
    (fault, format!("{why} ({said})"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(128, "fatal: '/srv/birds' does not appear to be a git repository", Fault::NotFound)]
    #[case(1, "ERROR: Repository not found.", Fault::NotFound)]
    #[case(1, "remote: The project you were looking for could not be found", Fault::NotFound)]
    #[case(1, "ERROR: access denied to birds", Fault::Forbidden)]
    #[case(127, "bash: git-upload-pack: command not found", Fault::Server)]
    #[case(128, "fatal: detected dubious ownership in repository at '/srv/birds'", Fault::Server)]
    #[case(3, "", Fault::Server)]
    fn what_a_command_says_when_it_fails_is_told_apart(#[case] status: u32, #[case] said: &str, #[case] fault: Fault) {
        let (told, why) = failed(status, said);
        assert_eq!(told, fault, "{why}");
        assert!(why.contains(said) && why.contains('('), "{why}");
    }
}
