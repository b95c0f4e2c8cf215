//! The contract on the embedded store, and what only a file can do: locks, versions, damage, power.

mod backup;
mod child;
mod claims;
mod crash;
mod damage;
mod disk;
mod flips;
mod killed;
mod log;
mod loss;
mod retention;
mod steps;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;

use super::EmbeddedStore;
use crate::store::contract::{Ground, accept, accepted, contract};
use crate::store::{Accept, Store, StoreError};

/// A folder of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// The file as `SQLite` sees it, for doing to it what no program of ours does.
    fn tamper(&self) -> Connection {
        Connection::open(self.data().join("ledger.db")).expect("opened")
    }
}

#[async_trait]
impl Ground for Folder {
    async fn fresh() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    async fn open(&self) -> Arc<dyn Store> {
        opened(&self.data()).await.expect("opened")
    }
}

contract!(Folder);

/// Opens a ledger on a thread that may block.
async fn opened(folder: &Path) -> Result<Arc<dyn Store>, StoreError> {
    let folder = folder.to_owned();
    let open = tokio::task::spawn_blocking(move || EmbeddedStore::open(&folder)).await.expect("no panic")?;
    Ok(Arc::new(open))
}

/// What was acknowledged is there, whole.
async fn is_whole(store: &dyn Store, accept: &Accept) {
    let id = accept.request.id;
    assert_eq!(store.request(id).await, Ok(Some(accept.request.clone())), "{id}");
    let payload = store.message(id).await.expect("read").map(|message| message.payload);
    assert_eq!(payload, Some(accept.payload.clone()), "{id}");
    let runs: Vec<_> = accept.runs.iter().map(|(run, _)| run.clone()).collect();
    assert_eq!(store.runs(id).await, Ok(runs), "{id}");
    for (run, manifests) in &accept.runs {
        assert_eq!(store.manifests(run.id).await, Ok(manifests.clone()), "{id}");
    }
}

/// So many accepts, one after the other.
async fn some_accepted(store: &dyn Store, count: i64) -> Vec<Accept> {
    let mut done = Vec::new();
    for n in 0..count {
        let accept = accept(n, "collect", &["b.yaml", "a.yaml"]);
        accepted(store, &accept).await;
        done.push(accept);
    }
    done
}
