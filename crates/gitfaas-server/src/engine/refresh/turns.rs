//! Whose turn it is: one refresh at a time, and at most one more that waits for it, shared by all who ask meanwhile.
//!
//! Nobody is answered by a look at the source that began before they asked: what they pushed would be missing in it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use gitfaas_core::commit::Commit;
use tokio::sync::{mpsc, watch};

use super::Refresh;
use crate::engine::{Engine, EngineError, ErrorCode};

/// What came of a refresh, for all who share it.
pub type Refreshed = Result<Arc<Refresh>, EngineError>;

/// Where the outcome of each refresh goes, for somebody who shows it.
pub type Reports = Option<mpsc::UnboundedSender<Refreshed>>;

/// The refreshes of an engine.
#[derive(Debug)]
pub(in crate::engine) struct Turns {
    // Held by the one in flight.
    turn: tokio::sync::Mutex<()>,
    // The one that waits for it: its look is still to come, so whoever asks now shares it.
    next: Mutex<Option<watch::Receiver<Option<Refreshed>>>>,
    newest: watch::Sender<Option<Refreshed>>,
    reports: OnceLock<mpsc::UnboundedSender<Refreshed>>,
    // The commit that was read last, if nothing at all was wrong with it.
    compiled: Mutex<Option<Commit>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            next: Mutex::default(),
            newest: watch::Sender::new(None),
            reports: OnceLock::new(),
            compiled: Mutex::default(),
        }
    }
}

impl Turns {
    pub(in crate::engine) fn newest(&self) -> watch::Receiver<Option<Refreshed>> {
        self.newest.subscribe()
    }

    /// Whether what is served was compiled from this commit, in this life, and nothing was wrong.
    pub(super) fn is_compiled(&self, commit: Option<&Commit>) -> bool {
        commit.is_some() && lock(&self.compiled).as_ref() == commit
    }

    pub(super) fn compiled(&self, commit: Option<&Commit>) {
        *lock(&self.compiled) = commit.cloned();
    }

    fn tell(&self, outcome: &Refreshed) {
        self.newest.send_replace(Some(outcome.clone()));
        if let Some(reports) = self.reports.get() {
            // Nobody looks any more: that is no reason to stop.
            drop(reports.send(outcome.clone()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Reads the source and serves what is good in it, once for all who ask before that begins. It goes on when who asked
    /// goes away.
    ///
    /// # Errors
    /// When the source cannot be read at all, or the store cannot keep what was read: what was served goes on being
    /// served. When the server is about to stop.
    pub async fn refresh(self: &Arc<Self>) -> Refreshed {
        let mut told = self.next_refresh();
        let outcome = told.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        // The task tells something to its end, unless the runtime ends before.
        outcome.ok().flatten().unwrap_or_else(|| Err(stopping()))
    }

    /// Has the outcome of each refresh told to `reports`, from now on. Only the first call counts.
    pub fn report_refreshes(&self, reports: mpsc::UnboundedSender<Refreshed>) {
        // A second one is refused, and dropped.
        drop(self.refreshing.reports.set(reports));
    }

    /// The refresh that is still to begin.
    fn next_refresh(self: &Arc<Self>) -> watch::Receiver<Option<Refreshed>> {
        let begin = || {
            let (tell, told) = watch::channel(None);
            let engine = self.clone();
            self.tasks.spawn(async move { engine.take_turn(tell).await });
            told
        };
        lock(&self.refreshing.next).get_or_insert_with(begin).clone()
    }

    async fn take_turn(&self, tell: watch::Sender<Option<Refreshed>>) {
        let _turn = self.refreshing.turn.lock().await;
        // Who asks from here on needs a look that begins later.
        lock(&self.refreshing.next).take();
        // A stop does not wait for a server that does not answer.
        let looked = self.draining.run_until_cancelled(self.refresh_and_note()).await;
        let outcome = looked.unwrap_or_else(|| Err(stopping()));
        self.refreshing.tell(&outcome);
        tell.send_replace(Some(outcome));
    }
}

fn stopping() -> EngineError {
    EngineError::new(ErrorCode::Stopping, "the server is about to stop")
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
