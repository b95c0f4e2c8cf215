//! Which runs this process has in hand, so that nothing is done to one twice at once, and what nobody has in hand can be
//! told from what somebody has.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use gitfaas_core::id::RunId;

/// Runs that somebody has in hand for one purpose.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<HashSet<RunId>>>);

/// A run in hand; given back when dropped, however its task ends.
#[derive(Debug)]
pub(super) struct Hold {
    held: Held,
    run: RunId,
}

impl Held {
    /// Takes a run in hand; `None` while somebody else has it.
    pub(super) fn hold(&self, run: RunId) -> Option<Hold> {
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run);
        fresh.then(|| Hold { held: self.clone(), run })
    }

    /// Whether somebody has a run in hand.
    pub(super) fn has(&self, run: RunId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&run)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
    }
}
