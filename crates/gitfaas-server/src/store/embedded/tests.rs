//! The contract on the embedded store, and what only a file can do: locks, versions, damage, power.

use std::sync::Arc;

use async_trait::async_trait;

use super::EmbeddedStore;
use crate::store::Store;
use crate::store::contract::{Ground, contract};

/// A folder of its own.
struct Folder(tempfile::TempDir);

#[async_trait]
impl Ground for Folder {
    async fn fresh() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    async fn open(&self) -> Arc<dyn Store> {
        let folder = self.0.path().join("data");
        let open = tokio::task::spawn_blocking(move || EmbeddedStore::open(&folder));
        Arc::new(open.await.expect("no panic").expect("opened"))
    }
}

contract!(Folder);
