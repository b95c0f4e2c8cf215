//! Taking what another server changed: waking who waits for it here. Decides nothing, and changes nothing in the ledger.

use futures_util::StreamExt as _;

use super::{Engine, EngineError};
use crate::store::Change;

impl Engine {
    /// Takes what other servers that share the ledger change, until the server stops.
    pub async fn take_changes(&self) {
        let mut changes = self.parts.store.changes();
        while let Some(change) = changes.next().await {
            if let Err(error) = self.take_change(change).await {
                // It is read again before the next look at the queues.
                tracing::warn!(%error, "what another server changed cannot be read yet");
            }
        }
    }

    async fn take_change(&self, change: Change) -> Result<(), EngineError> {
        match change {
            Change::Request(request) => self.hub.wake(request),
            Change::Queue => self.queued.notify_one(),
            Change::Gates => {
                self.read_gates().await?;
                self.queued.notify_one();
            }
            Change::Catalog => self.source_pushed(),
            Change::Missed => {
                self.hub.wake_all();
                self.queued.notify_one();
                self.read_gates().await?;
            }
        }
        Ok(())
    }
}
