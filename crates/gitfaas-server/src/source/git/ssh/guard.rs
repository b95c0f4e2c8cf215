//! What is answered to the server while the connection lasts, and what is remembered of it.
//!
//! The server is checked once, and may do nothing of its own accord: every channel that it wants to open is refused.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Error};

use super::host_key::Judge;
use super::shown;
use crate::source::{Fault, SourceError};

/// How much of the first words of the server is kept, in bytes: it may say 20 lines before it says who it is.
const FIRST_WORDS: usize = 6 * 1024;

/// Answers the server.
pub(super) struct Guard {
    judge: Judge,
    notes: Notes,
}

impl Guard {
    pub(super) const fn new(judge: Judge, notes: Notes) -> Self {
        Self { judge, notes }
    }
}

impl Handler for Guard {
    type Error = Error;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Error> {
        let judged = self.judge.check(offered);
        let accepted = judged.is_ok();
        self.notes.lock().refusal = judged.err();
        Ok(accepted)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        let ending = match reason {
            DisconnectReason::ReceivedDisconnect(said) => Ending::Said(shown(said.message.as_bytes(), 200)),
            DisconnectReason::Error(_) => Ending::Lost,
        };
        self.notes.lock().ending = Some(ending);
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        drop(refused);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        drop(refused);
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        drop(refused);
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        drop(refused);
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        drop(refused);
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        drop(refused);
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        drop(refused);
        Ok(())
    }
}

/// What is remembered of a connection, for the one who asks why it failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    first_words: Vec<u8>,
    refusal: Option<SourceError>,
    ending: Option<Ending>,
}

/// How a connection ended that we did not end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The server took its leave with these words.
    Said(String),
    Lost,
}

impl Notes {
    /// Keeps what the server says first.
    pub(super) fn hear(&self, bytes: &[u8]) {
        let mut noted = self.lock();
        let room = FIRST_WORDS - noted.first_words.len();
        noted.first_words.extend(bytes.iter().take(room));
    }

    /// How the connection ended, once it has.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.lock().ending.clone()
    }

    /// Whether the server said anything.
    pub(super) fn heard_anything(&self) -> bool {
        !self.lock().first_words.is_empty()
    }

    /// Why what was tried with the server at `place` failed with `error`.
    pub(super) fn explain(&self, place: &str, error: &Error) -> SourceError {
        let mut noted = self.lock();
        if let Some(refusal) = noted.refusal.take() {
            return refusal;
        }
        let failed = |fault, why: &str| SourceError::new(fault, format!("the ssh server {place} {why}"));
        let words = &noted.first_words;
        if !words.is_empty() && !words.starts_with(b"SSH-") && !words.windows(5).any(|words| words == b"\nSSH-") {
            return no_server(place, words);
        }
        match (error, &noted.ending) {
            (_, Some(Ending::Said(words))) => failed(Fault::Interrupted, &format!("ended the connection: {words}")),
            (Error::IO(_) | Error::Disconnect | Error::HUP | Error::SendError | Error::RecvError, _) => {
                let when = if words.is_empty() { "before it said who it is" } else { "in the middle" };
                failed(Fault::Interrupted, &format!("ended the connection {when}"))
            }
            (Error::NoCommonAlgo { kind, theirs, .. }, _) => {
                let theirs = shown(theirs.join(", ").as_bytes(), 300);
                failed(
                    Fault::Malformed,
                    &format!("only knows ways that are not used here any more ({kind:?}: {theirs})"),
                )
            }
            (Error::WrongServerSig, _) => {
                failed(Fault::Malformed, "cannot prove that it has the host key that it shows")
            }
            (other, _) => {
                let why = shown(other.to_string().as_bytes(), 300);
                failed(Fault::Malformed, &format!("does not keep to the protocol: {why}"))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That something else answers there: another kind of server, or an ssh server that has no time.
fn no_server(place: &str, words: &[u8]) -> SourceError {
    let busy = ["Exceeded MaxStartups", "Not allowed at this time"];
    let fault =
        if busy.iter().any(|busy| words.starts_with(busy.as_bytes())) { Fault::Throttled } else { Fault::Malformed };
    let words = words.split(|&byte| byte == b'\n').next().unwrap_or_default();
    SourceError::new(fault, format!("what answers at {place} is no ssh server; it says `{}`", shown(words, 100)))
}
