//! A Git repository as a source: one branch, tag or commit of it.
//!
//! Each look asks the server what the reference points to, and fetches that commit alone when it is not here already.
//! Files are read from the commit's objects; nothing is checked out and no configuration of Git is read or written, so
//! that nothing in a repository and nothing on this machine can change what is done.
//!
//! Git is spoken by gitoxide, which blocks; this is the only place that knows it. When to look is decided elsewhere.

mod address;
mod command;
mod fetch;
#[cfg(test)]
mod hostile_tests;
mod http;
mod look;
mod objects;
mod reference;
mod signatures;
mod ssh;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gitfaas_core::topic::FunctionName;
use gix_transport::Protocol;
use gix_transport::client::blocking_io::http::Transport as HttpTransport;

pub use self::address::{Address, Refused, checked_user};
pub use self::http::{HttpSettings, ProxySettings};
pub use self::look::Bounds;
pub use self::reference::Reference;
pub use self::ssh::SshSettings;

use self::address::{USER, Way};
use self::http::{Greeting, Web};
use self::look::Look;
use self::objects::Shelf;
use self::reference::ReferenceKind;
use self::signatures::Signers;
use self::ssh::SshAddress;
use self::tree::Tree;
use super::{Commit, Fault, Snapshot, Source, SourceError};
use crate::clock::{Clock as _, SystemClock};

/// What is followed, and what it takes to read it.
#[derive(Debug, Clone)]
pub struct GitSettings {
    /// Where the repository is.
    pub address: Address,
    /// What is followed in it.
    pub reference: Reference,
    /// The config file's path in it.
    pub config_path: String,
    /// What it takes by HTTP.
    pub http: HttpSettings,
    /// What it takes by ssh.
    pub ssh: SshSettings,
    /// The files of those whom the commit has to be signed by; nobody asks for a signature where there are none.
    pub signers: Vec<PathBuf>,
    /// What a look may cost.
    pub bounds: Bounds,
    /// How long to wait between two looks; `None` looks only when asked to.
    pub poll: Option<Duration>,
}

/// A Git repository.
pub struct GitSource {
    settings: Arc<GitSettings>,
    full_name: String,
    shelf: Arc<Mutex<Shelf>>,
    greeting: Arc<Greeting>,
}

impl GitSource {
    /// Follows a repository; its objects are kept in `folder`, which is a cache and this source's own. Nothing is
    /// connected to yet.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn open(settings: GitSettings, folder: PathBuf) -> io::Result<Self> {
        if settings.address.is_in_the_clear() {
            tracing::warn!(source.location = %settings.address, "the repository is read without TLS: whoever is on the way can change the functions");
        }
        let shelf = Arc::new(Mutex::new(Shelf::open(folder)?));
        let full_name = settings.reference.full_name();
        Ok(Self { full_name, settings: Arc::new(settings), shelf, greeting: Arc::default() })
    }
}

#[async_trait]
impl Source for GitSource {
    fn describe(&self) -> String {
        self.settings.address.to_string()
    }

    fn config_path(&self) -> &str {
        &self.settings.config_path
    }

    fn reference(&self) -> Option<&str> {
        Some(&self.full_name)
    }

    fn poll_every(&self) -> Option<Duration> {
        self.settings.poll
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError> {
        let bounds = self.settings.bounds;
        let look = Look::new(self.describe(), bounds);
        let (settings, kept, looking) = (self.settings.clone(), self.shelf.clone(), look.clone());
        let greeting = self.greeting.clone();
        let work = tokio::task::spawn_blocking(move || visit(&settings, &kept, &greeting, &looking));
        match tokio::time::timeout(bounds.time, work).await {
            Ok(Ok(tree)) => {
                Ok(Box::new(GitSnapshot { tree: Arc::new(tree?), reference: self.settings.reference.clone() }))
            }
            Ok(Err(_)) => {
                let message = format!("{}: what the server sent cannot be right", look.place);
                Err(SourceError::new(Fault::Malformed, message))
            }
            Err(_) => {
                look.call_off();
                let message = format!("{}: it could not be read within {:?}", look.place, bounds.time);
                Err(SourceError::new(Fault::Stalled, message))
            }
        }
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }
}

/// One look, and the commit that was found. What was built upon objects that turn out to be no ground is built anew.
fn visit(
    settings: &GitSettings,
    shelf: &Mutex<Shelf>,
    greeting: &Arc<Greeting>,
    look: &Arc<Look>,
) -> Result<Tree, SourceError> {
    let mut shelf = lock(shelf);
    let seen = match look_once(settings, &mut shelf, greeting, look) {
        // Another answers there now, or it learned something else.
        Err(error) if may_be_outdated(error.fault) && greeting.forget() => {
            look_once(settings, &mut shelf, greeting, &look.again())
        }
        seen => seen,
    };
    match seen {
        Err(error) if matches!(error.fault, Fault::Malformed | Fault::Local) && shelf.was_built_upon() => {
            tracing::warn!(%error, "fetching everything anew");
            shelf.discard();
            look_once(settings, &mut shelf, greeting, &look.again())
        }
        seen => seen,
    }
}

/// Whether a look may have failed for relying on what the server said long before.
const fn may_be_outdated(fault: Fault) -> bool {
    use Fault::{Forbidden, Interrupted, Malformed, NotFound, Server, Unauthorized};
    matches!(fault, Malformed | NotFound | Server | Interrupted | Unauthorized | Forbidden)
}

fn look_once(
    settings: &GitSettings,
    shelf: &mut Shelf,
    greeting: &Arc<Greeting>,
    look: &Arc<Look>,
) -> Result<Tree, SourceError> {
    let (objects, tip) = match (&settings.address.way, shelf.current()) {
        // What is named by its content does not change.
        (_, Some((objects, tip))) if settings.reference.is(&tip.to_string()) => (objects, tip),
        (Way::Http(url), _) => {
            let web = Web::new(&settings.http, url, settings.address.user.as_deref(), greeting.clone(), look.clone())?;
            let transport = HttpTransport::new_http(web, fetch::url(url)?, Protocol::V2, false);
            fetch::look_at(transport, &settings.reference, shelf, look)?
        }
        (Way::Ssh { host, port, path }, _) => {
            let user = settings.address.user.as_deref().unwrap_or(USER);
            let address = SshAddress { user, host, port: *port };
            command::look_at(&settings.ssh, address, path, &settings.reference, shelf, look)?
        }
    };
    let mut tree = Tree::at(objects.clone(), tip).map_err(|error| look.fail(error))?;
    shelf.set(&objects, tip).map_err(|error| fetch::local(look, &error))?;
    if !settings.signers.is_empty() {
        let signers = Signers::read(&settings.signers)?;
        let signer = signers.verify(&tree.raw, SystemClock.now()).map_err(|error| {
            let message = format!("{}: commit {}: {}", look.place, tree.commit.id, error.message);
            SourceError { message, ..error }
        })?;
        tree.commit.signer = Some(signer);
    }
    Ok(tree)
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One commit.
struct GitSnapshot {
    tree: Arc<Tree>,
    reference: Reference,
}

#[async_trait]
impl Snapshot for GitSnapshot {
    async fn read(&self, path: &FunctionName, max: u64) -> Result<Bytes, String> {
        let (tree, path) = (self.tree.clone(), path.clone());
        tokio::task::spawn_blocking(move || tree.read(path.as_str(), max))
            .await
            .unwrap_or_else(|_| Err("could not be read".to_owned()))
    }

    fn revision(&self, _: &BTreeMap<FunctionName, Result<Bytes, String>>) -> String {
        let id = &self.tree.commit.id;
        let hash = if id.len() == 40 { "sha1" } else { "sha256" };
        match self.reference.kind {
            ReferenceKind::Commit => format!("{hash}:{id}"),
            ReferenceKind::Branch | ReferenceKind::Tag => format!("{}@{hash}:{id}", self.reference.name),
        }
    }

    fn commit(&self) -> Option<Commit> {
        Some(self.tree.commit.clone())
    }
}
