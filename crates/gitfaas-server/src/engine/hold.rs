//! What this process has in hand, so that nothing is done to one thing twice at once, and what nobody has in hand can be
//! told from what somebody has.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What somebody has in hand for one purpose: runs, by their ids, for the most part.
#[derive(Debug)]
pub(super) struct Held<K: Eq + Hash>(Arc<Mutex<HashSet<K>>>);

/// A thing in hand; given back when dropped, however its task ends.
#[derive(Debug)]
pub(super) struct Hold<K: Eq + Hash> {
    held: Held<K>,
    thing: K,
}

impl<K: Eq + Hash + Clone> Held<K> {
    /// Takes a thing in hand; `None` while somebody else has it.
    pub(super) fn hold(&self, thing: K) -> Option<Hold<K>> {
        let fresh = self.lock().insert(thing.clone());
        fresh.then(|| Hold { held: Self(self.0.clone()), thing })
    }

    /// Whether somebody has a thing in hand.
    pub(super) fn has(&self, thing: &K) -> bool {
        self.lock().contains(thing)
    }
}

impl<K: Eq + Hash> Held<K> {
    fn lock(&self) -> MutexGuard<'_, HashSet<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Default for Held<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash> Drop for Hold<K> {
    fn drop(&mut self) {
        self.held.lock().remove(&self.thing);
    }
}
