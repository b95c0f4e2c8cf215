//! What is said to a server to read from it: which references it has, and what is wanted of one of them.
//!
//! It speaks through any transport, blocks, and knows nothing of files but where packs go. A pack is shallow: one
//! commit, its folders, and its files but those that are larger than anything that is read.

use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, PoisonError};

use gix_hash::{Kind, ObjectId};
use gix_pack::Bundle;
use gix_protocol::fetch::{Arguments, Response};
use gix_protocol::handshake::Ref;
use gix_protocol::ls_refs::RefPrefixes;
use gix_protocol::{Command, Handshake, LsRefsCommand};
use gix_transport::client::blocking_io::Transport;
use gix_transport::{Protocol, Service};
use gix_utils::progress::Discard;

use super::look::Look;
use super::objects::{LARGEST, Objects, Shelf};
use super::reference::{Reference, ReferenceKind};
use super::tree::commit_of;
use crate::source::{Fault, MAX_FILE, SourceError};

/// How many names are looked through for what was probably meant.
const CANDIDATES: usize = 1000;

/// Looks at what a server has, and fetches what is not here.
///
/// # Errors
/// Why it cannot be read, in the first words that were found for it.
pub(super) fn look_at<T: Transport>(
    mut transport: T,
    wanted: &Reference,
    shelf: &mut Shelf,
    look: &Look,
) -> Result<(Arc<Objects>, ObjectId), SourceError> {
    let mut server = Server::greet(&mut transport, look)?;
    let tip = server.tip(wanted)?;
    if let Some((objects, had)) = shelf.current()
        && had == tip
    {
        server.leave();
        return Ok((objects, tip));
    }
    let (objects, had) = shelf.place_for(server.kind()?).map_err(|error| local(look, &error))?;
    // What is shallow is a commit: a server takes the id of a tag there for an attack, and goes.
    let had = had.and_then(|had| commit_of(&objects, had).ok()).map(|(commit, _)| commit);
    server.fetch(tip, had, &objects)?;
    server.leave();
    Ok((objects, tip))
}

/// A server that has been greeted.
struct Server<'a, T> {
    transport: &'a mut T,
    look: &'a Look,
    handshake: Handshake,
}

impl<'a, T: Transport> Server<'a, T> {
    fn greet(transport: &'a mut T, look: &'a Look) -> Result<Self, SourceError> {
        // Who asks is said by the transport.
        let nobody = |_| Ok(None);
        let handshake = gix_protocol::handshake(&mut *transport, Service::UploadPack, nobody, Vec::new(), &mut Discard)
            .map_err(|error| trouble(look, "cannot be greeted", &error))?;
        Ok(Self { transport, look, handshake })
    }

    const fn version(&self) -> Protocol {
        self.handshake.server_protocol_version
    }

    /// Which hash its objects are named by.
    fn kind(&self) -> Result<Kind, SourceError> {
        let format = self.handshake.capabilities.capability("object-format").and_then(|format| format.value());
        match format.map(|format| format.as_ref() as &[u8]) {
            None | Some(b"sha1") => Ok(Kind::Sha1),
            Some(b"sha256") => Ok(Kind::Sha256),
            Some(_) => {
                let message = format!("{}: its objects are named by a hash that is not known", self.look.place);
                Err(SourceError::new(Fault::Malformed, message))
            }
        }
    }

    /// What the reference points to.
    fn tip(&mut self, wanted: &Reference) -> Result<ObjectId, SourceError> {
        let name = wanted.full_name();
        if wanted.kind == ReferenceKind::Commit {
            return ObjectId::from_hex(name.as_bytes())
                .map_err(|error| SourceError::new(Fault::NoSuchReference, error.to_string()));
        }
        let refs = self.references(Some(&name))?;
        match refs.iter().find(|found| *found.unpack().0 == *name).and_then(|found| found.unpack().1) {
            Some(tip) => Ok(tip.to_owned()),
            None => Err(self.no_such(wanted)),
        }
    }

    /// Its references, or only those whose name begins so.
    fn references(&mut self, prefix: Option<&str>) -> Result<Vec<Ref>, SourceError> {
        if let Some(refs) = &self.handshake.refs {
            return Ok(refs.clone());
        }
        let prefixes = prefix.map(|prefix| {
            let mut prefixes = RefPrefixes::new();
            prefixes.extend([prefix.into()]);
            prefixes
        });
        LsRefsCommand::new(prefixes, &self.handshake.capabilities, agent())
            .invoke_blocking(&mut *self.transport, &mut Discard, false)
            .map_err(|error| trouble(self.look, "does not tell its references", &error))
    }

    /// That the reference is not there, with what is.
    fn no_such(&mut self, wanted: &Reference) -> SourceError {
        let refs = match self.references(None) {
            Ok(refs) => refs,
            Err(error) => return error,
        };
        let place = &self.look.place;
        let existing = |found: &Ref| found.unpack().1.map(|_| found.unpack().0.to_string());
        let names: Vec<String> = refs.iter().filter_map(existing).take(CANDIDATES).collect();
        if names.is_empty() {
            return SourceError::new(
                Fault::Empty,
                format!("{place}: the repository has no commits yet; push some to the {wanted}"),
            );
        }
        let prefix = if wanted.kind == ReferenceKind::Tag { "refs/tags/" } else { "refs/heads/" };
        let alike = names.iter().filter_map(|name| name.strip_prefix(prefix));
        let nearest = gitfaas_core::nearest::nearest(&wanted.name, alike)
            .first()
            .map(|name| format!("; is `{}` meant?", name.escape_debug()))
            .unwrap_or_default();
        SourceError::new(Fault::NoSuchReference, format!("{place}: the repository has no {wanted}{nearest}"))
    }

    /// Brings everything of `tip` that is not here for `had` already.
    fn fetch(&mut self, tip: ObjectId, had: Option<ObjectId>, objects: &Objects) -> Result<(), SourceError> {
        let look = self.look;
        let mut arguments = self.arguments(tip, had);
        let failed = |error: &gix_error::Error| trouble(look, "does not send what it has", error);
        let version = self.version();
        let mut reader =
            arguments.send(&mut *self.transport, true).map_err(|error| failed(&gix_error::Error::from_error(error)))?;
        let response = Response::from_line_reader(version, &mut reader, true, false).map_err(|error| failed(&error))?;
        if !response.has_pack() {
            let message = format!("{}: the server sends nothing of {tip}", look.place);
            return Err(look.fail(SourceError::new(Fault::Malformed, message)));
        }
        let said = Arc::new(Mutex::new(Vec::new()));
        let saying = said.clone();
        reader.set_progress_handler(Some(Box::new(move |is_error, text: &[u8]| {
            let mut said = saying.lock().unwrap_or_else(PoisonError::into_inner);
            if is_error && said.len() < 1024 {
                said.extend_from_slice(text);
            }
            std::ops::ControlFlow::Continue(())
        })));
        let options = gix_pack::bundle::write::Options {
            thread_limit: Some(2),
            alloc_limit_bytes: Some(LARGEST),
            ..gix_pack::bundle::write::Options::default()
        };
        let written = Bundle::write_to_directory(
            &mut reader,
            Some(&objects.packs()),
            &mut Discard,
            look.called_off(),
            Some(objects.reader()),
            objects.kind(),
            options,
        );
        let said = String::from_utf8_lossy(&said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        let written = written.map_err(|error| {
            if said.is_empty() {
                return failed(&error);
            }
            let message = format!("{}: the server failed: {}", look.place, said.trim().escape_debug());
            look.fail(SourceError::new(Fault::Server, message))
        })?;
        if let Some(keep) = written.keep_path {
            std::fs::remove_file(keep).map_err(|error| local(look, &error))?;
        }
        // What follows the pack has to be read for the connection to be of further use.
        io::copy(&mut reader.take(1 << 20), &mut io::sink())
            .map_err(|error| failed(&gix_error::Error::from_error(error)))?;
        Ok(())
    }

    fn arguments(&self, tip: ObjectId, had: Option<ObjectId>) -> Arguments {
        let version = self.version();
        let mut features = Command::Fetch.default_features(version, &self.handshake.capabilities);
        features
            .retain(|(name, _)| !matches!(*name, "sideband-all" | "packfile-uris" | "wait-for-done" | "include-tag"));
        features.push(agent());
        let mut arguments = Arguments::new(version, features, false);
        arguments.want(tip);
        if arguments.can_use_shallow() {
            arguments.deepen(1);
        }
        if arguments.can_use_filter() {
            arguments.filter(&format!("blob:limit={}", MAX_FILE + 1));
        }
        // Only the newer protocol can be told in one breath what is here and that this is all.
        if let Some(had) = had.filter(|_| version == Protocol::V2 && arguments.can_use_shallow()) {
            arguments.shallow(had);
            arguments.have(had);
        }
        arguments
    }

    /// Says that nothing more is wanted, to a server that would wait.
    fn leave(&mut self) {
        if self.version() == Protocol::V2 && self.transport.connection_persists_across_multiple_requests() {
            drop(gix_protocol::indicate_end_of_interaction(&mut *self.transport, false));
        }
    }
}

fn agent() -> gix_protocol::command::Feature {
    ("agent", Some(concat!("git/gitfaas-", env!("CARGO_PKG_VERSION")).into()))
}

/// A URL as what speaks Git has it.
pub(super) fn url(url: &reqwest::Url) -> Result<gix_url::Url, SourceError> {
    gix_url::parse(url.as_str()).map_err(|error| {
        SourceError::new(Fault::Malformed, format!("the URL of the repository cannot be read: {error}"))
    })
}

/// That this machine failed.
pub(super) fn local(look: &Look, error: &io::Error) -> SourceError {
    look.fail(SourceError::new(Fault::Local, format!("the objects of the repository cannot be kept: {error}")))
}

/// What went wrong, in the first words that were found for it; `what` says what was tried.
fn trouble(look: &Look, what: &str, error: &gix_error::Error) -> SourceError {
    if let Some(failure) = look.failure() {
        return failure;
    }
    let said: Vec<String> = error.iter_errors().map(ToString::to_string).collect();
    let io = error.iter_errors().find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
    let cause = error.iter_errors().last().map(ToString::to_string).unwrap_or_default();
    let cause: String = cause.escape_debug().take(400).collect();
    let (fault, why) = match io {
        Some(io::ErrorKind::UnexpectedEof) => {
            (Fault::Interrupted, "the connection ended before everything was there".to_owned())
        }
        Some(
            io::ErrorKind::StorageFull
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound,
        ) => (Fault::Local, format!("the objects of the repository cannot be kept: {cause}")),
        _ if said.iter().any(|said| said.contains("not our ref")) => {
            (Fault::NoSuchReference, format!("the server does not have it, or does not give it out: {cause}"))
        }
        _ if error.is_resource_exhausted() => {
            (Fault::TooLarge, format!("an object of it takes more than {LARGEST} bytes of memory"))
        }
        _ => (Fault::Malformed, format!("{what}: {cause}")),
    };
    look.fail(SourceError::new(fault, format!("{}: {why}", look.place)))
}
