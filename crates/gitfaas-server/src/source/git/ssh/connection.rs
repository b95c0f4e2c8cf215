//! The way to a running command: connect, check the server, authenticate, start. Each step has until the deadline.

use std::borrow::Cow;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::client::{self, AuthResult, Handle};
use russh::keys::ssh_key::HashAlg;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg};
use russh::{ChannelMsg, ChannelReadHalf, Error, Preferred, SshId, cipher, compression, kex};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::guard::{Ending, Guard, Notes};
use super::host_key::{Judge, fingerprint};
use super::session::{Line, Remote, Session};
use super::socket::Socket;
use super::{SshAddress, SshSettings, shown};
use crate::source::{Fault, SourceError};

/// How much the server may send before we say that we have it. Over a long way this bounds how fast a pack comes:
/// 4 MiB at 100 ms are 40 MiB a second.
const WINDOW: u32 = 4 * 1024 * 1024;

/// A connection to a server that is who it should be.
pub(super) struct Connection {
    handle: Handle<Guard>,
    place: String,
    deadline: Instant,
    stall: Duration,
    notes: Notes,
    // Ends everything that goes on in the background for this connection.
    cut: DropGuard,
}

impl Connection {
    /// Connects and checks who answers.
    pub(super) async fn to(
        address: SshAddress<'_>,
        judge: Judge,
        settings: &SshSettings,
        deadline: Instant,
    ) -> Result<Self, SourceError> {
        let (notes, cut) = (Notes::default(), CancellationToken::new());
        let place = address.place();
        let socket = Socket::to(address, deadline, cut.clone(), notes.clone()).await?;
        let cut = cut.drop_guard();
        let config = Arc::new(config(&judge));
        let connecting = client::connect_stream(config, socket, Guard::new(judge, notes.clone()));
        let Ok(connected) = tokio::time::timeout_at(deadline, connecting).await else {
            let why = if notes.heard_anything() { "does not finish the key exchange" } else { "does not say anything" };
            return Err(late(&place, why, settings));
        };
        let handle = connected.map_err(|error| notes.explain(&place, &error))?;
        Ok(Self { handle, place, deadline, stall: settings.stall, notes, cut })
    }

    /// Proves who asks. `file` is where the key is from.
    pub(super) async fn authenticate(
        &mut self,
        address: SshAddress<'_>,
        key: PrivateKey,
        file: &Path,
    ) -> Result<(), SourceError> {
        let mut why = "add its public key there, as a deploy key that may read or to the user's keys";
        let key = Arc::new(key);
        let mut hashes = vec![None];
        if key.algorithm().is_rsa() {
            why = "add its public key there; where it is already, the server takes no signatures of RSA but those with SHA-1, which are not made here: use a key of ed25519";
            hashes = self.rsa_hashes().await?;
        }
        for hash in hashes {
            let asking =
                self.handle.authenticate_publickey(address.user, PrivateKeyWithHashAlg::new(key.clone(), hash));
            let answer = tokio::time::timeout_at(self.deadline, asking).await;
            match answer.map_err(|_| self.late())?.map_err(|error| self.notes.explain(&self.place, &error))? {
                AuthResult::Success => return Ok(()),
                AuthResult::Failure { partial_success: true, .. } => {
                    return Err(refused(address, &key, file, "it asks for more than a key"));
                }
                AuthResult::Failure { .. } if self.handle.is_closed() => {
                    return Err(match self.notes.ending() {
                        Some(Ending::Said(words)) => refused(address, &key, file, &format!("it says `{words}`")),
                        _ => self.notes.explain(&self.place, &Error::Disconnect),
                    });
                }
                AuthResult::Failure { .. } => {}
            }
        }
        Err(refused(address, &key, file, why))
    }

    /// What to sign with, when the key is one of RSA: what the server says, or else what it may take without saying.
    async fn rsa_hashes(&self) -> Result<Vec<Option<HashAlg>>, SourceError> {
        let both = [Some(HashAlg::Sha512), Some(HashAlg::Sha256)];
        Ok(match self.within(self.handle.best_supported_rsa_hash()).await? {
            // Servers name what they know, and still may be told not to take it.
            None | Some(Some(HashAlg::Sha512)) => both.to_vec(),
            Some(Some(HashAlg::Sha256)) => vec![Some(HashAlg::Sha256)],
            Some(_) => Vec::new(),
        })
    }

    /// Starts the command.
    pub(super) async fn start(self, command: &str, environment: &[(&str, &str)]) -> Result<Session, SourceError> {
        let opened = tokio::time::timeout_at(self.deadline, self.handle.channel_open_session()).await;
        let channel = opened.map_err(|_| self.late())?.map_err(|error| match error {
            Error::ChannelOpenFailure(_) => self.forbidden("starts no commands for this user"),
            error => self.notes.explain(&self.place, &error),
        })?;
        let (mut reader, writer) = channel.split();
        for (name, value) in environment {
            self.within(writer.set_env(false, *name, *value)).await?;
        }
        self.within(writer.exec(true, command)).await?;
        let remote = Remote::default();
        let started = tokio::time::timeout_at(self.deadline, started(&mut reader, &remote)).await;
        let first = match started.map_err(|_| self.late())? {
            Start::Runs(first) => first,
            Start::Refused => {
                let command = shown(command.as_bytes(), 100);
                let said = remote.stderr();
                let said = if said.is_empty() { said } else { format!("; it says `{said}`") };
                return Err(self.forbidden(&format!("does not run `{command}` for this user{said}")));
            }
            Start::Lost => return Err(self.notes.explain(&self.place, &Error::Disconnect)),
        };
        let Self { handle, place, stall, notes, cut, .. } = self;
        Ok(Session::new((reader, writer), first, remote, Line { handle, place, stall, notes, cut }))
    }

    fn forbidden(&self, why: &str) -> SourceError {
        SourceError::new(Fault::Forbidden, format!("the ssh server {} {why}", self.place))
    }

    async fn within<T>(&self, doing: impl Future<Output = Result<T, Error>>) -> Result<T, SourceError> {
        let done = tokio::time::timeout_at(self.deadline, doing).await;
        done.map_err(|_| self.late())?.map_err(|error| self.notes.explain(&self.place, &error))
    }

    fn late(&self) -> SourceError {
        SourceError::new(Fault::Stalled, format!("the ssh server {} does not answer in time", self.place))
    }
}

fn refused(address: SshAddress<'_>, key: &PrivateKey, file: &Path, why: &str) -> SourceError {
    let print = fingerprint(key.public_key().key_data());
    let message = format!(
        "the ssh server {} does not let {} in with the key {print} ({}) in {}: {why}",
        address.place(),
        address.user,
        key.algorithm(),
        file.display()
    );
    SourceError::new(Fault::KeyRefused, message)
}

fn late(place: &str, why: &str, settings: &SshSettings) -> SourceError {
    SourceError::new(Fault::Stalled, format!("the ssh server {place} {why} within {:?}", settings.connect))
}

/// How it went to start a command.
enum Start {
    /// It runs, and may have said something already.
    Runs(Option<Bytes>),
    Refused,
    Lost,
}

async fn started(reader: &mut ChannelReadHalf, remote: &Remote) -> Start {
    loop {
        match reader.wait().await {
            Some(ChannelMsg::Success) => return Start::Runs(None),
            // There are servers whose commands are quicker than their answer.
            Some(ChannelMsg::Data { data }) => return Start::Runs(Some(data)),
            Some(ChannelMsg::ExtendedData { data, .. }) => remote.hear(&data),
            Some(ChannelMsg::Failure | ChannelMsg::Close) => return Start::Refused,
            Some(_) => {}
            None => return Start::Lost,
        }
    }
}

fn config(judge: &Judge) -> client::Config {
    let mut exchanges = Preferred::DEFAULT.kex.into_owned();
    // For servers that may only use what a standard of the United States names.
    exchanges.extend([kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521]);
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-gitfaas_", env!("CARGO_PKG_VERSION")))),
        window_size: WINDOW,
        channel_buffer_size: 128,
        preferred: Preferred {
            kex: Cow::Owned(exchanges),
            key: Cow::Owned(judge.kinds()),
            host_key_certificates: Cow::Owned(judge.certificate_kinds()),
            // Processors have instructions for the first two.
            cipher: Cow::Borrowed(&[
                cipher::AES_256_GCM,
                cipher::AES_128_GCM,
                cipher::CHACHA20_POLY1305,
                cipher::AES_256_CTR,
                cipher::AES_192_CTR,
                cipher::AES_128_CTR,
            ]),
            // Packs are compressed already.
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}
