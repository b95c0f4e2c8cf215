//! Taking what another server changed: waking who waits for it here. Decides nothing, and changes nothing in the ledger.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt as _;
use tokio::sync::watch;

use super::{Engine, EngineError, ErrorCode, jitter};
use crate::store::Change;

/// How often another server may have begun to serve something newer, and how often it had when the source was last read.
#[derive(Debug, Default)]
pub(super) struct News {
    heard: AtomicU64,
    read: AtomicU64,
}

impl News {
    /// What was heard of so far; to be [marked](Self::read_up_to) when the source has been read.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    pub(super) fn read_up_to(&self, heard: u64) {
        self.read.fetch_max(heard, Ordering::Relaxed);
    }
}

impl Engine {
    /// Takes what other servers that share the ledger change, until the server stops.
    pub async fn take_changes(&self) {
        let mut changes = self.parts.store.changes();
        // How often the gates could not be read; `None` when they are as the ledger has them.
        let mut unread: Option<u32> = None;
        let mut listened = false;
        loop {
            let wait = unread.map(|failures| self.settings.backoff.wait(failures, jitter()));
            tokio::select! {
                change = changes.next() => {
                    let Some(change) = change else { return };
                    if change == Change::Missed && std::mem::replace(&mut listened, true) {
                        self.may_have_forgotten();
                    }
                    if !self.take_change(change) {
                        continue;
                    }
                    unread = Some(0);
                }
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
            let Some(failures) = unread else { continue };
            unread = match self.read_gates().await {
                Ok(()) => None,
                Err(error) => {
                    tracing::warn!(%error, "what holds topics back cannot be read yet");
                    Some(failures.saturating_add(1))
                }
            };
            self.queued.notify_one();
        }
    }

    /// Who could not listen for a while may have missed that the ledger lost its last moments.
    fn may_have_forgotten(&self) {
        if !self.parts.store.window_of_loss().is_zero() {
            self.forgot.send_replace(());
        }
    }

    /// Changes when the ledger may have lost its last moments: what it was told of the cluster then, and what became of
    /// runs that it says are being applied.
    pub fn forgot(&self) -> watch::Receiver<()> {
        self.forgot.subscribe()
    }

    /// Wakes whom it concerns; true when gates may have changed.
    fn take_change(&self, change: Change) -> bool {
        match change {
            Change::Request(request) => self.hub.wake(request),
            Change::Queue => self.queued.notify_one(),
            Change::Gates => return true,
            Change::Catalog => self.fall_behind(),
            Change::Missed => {
                self.hub.wake_all();
                self.source_pushed();
                return true;
            }
        }
        false
    }

    /// Has the source looked at: another server may serve something newer.
    fn fall_behind(&self) {
        self.news.heard.fetch_add(1, Ordering::Relaxed);
        self.source_pushed();
    }

    /// What is said instead of a refusal by what is served here, while another server may serve something newer.
    pub(super) fn unless_behind(&self, refusal: EngineError) -> EngineError {
        if self.news.read.load(Ordering::Relaxed) >= self.news.heard() {
            return refusal;
        }
        let detail = format!(
            "another server may serve newer functions by now, which this one has not read yet; try again in a moment (as it is: \
             {})",
            refusal.detail
        );
        EngineError::new(ErrorCode::NoCatalog, detail)
    }
}
