//! Who waits for which request, and how they are woken.
//!
//! Holds no state of requests: a waiter subscribes first, then reads the store, then waits for the next change, so
//! that nothing falls between.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gitfaas_core::id::RequestId;
use tokio::sync::watch;

/// Wakes those who wait for a request.
#[derive(Debug, Default)]
pub struct Hub {
    waiters: Mutex<HashMap<RequestId, watch::Sender<()>>>,
}

impl Hub {
    /// Subscribes to changes of a request from now on.
    pub fn subscribe(self: &Arc<Self>, request: RequestId) -> Subscription {
        let changes = self.lock().entry(request).or_default().subscribe();
        Subscription { hub: self.clone(), request, changes: Some(changes) }
    }

    /// Tells everybody who waits for `request` that something changed.
    pub fn wake(&self, request: RequestId) {
        if let Some(sender) = self.lock().get(&request) {
            sender.send_replace(());
        }
    }

    /// Tells everybody who waits that something may have changed.
    pub fn wake_all(&self) {
        for sender in self.lock().values() {
            sender.send_replace(());
        }
    }

    /// How many wait, for any request.
    pub fn waiting(&self) -> usize {
        self.lock().values().map(watch::Sender::receiver_count).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, watch::Sender<()>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's wait for changes of one request.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    request: RequestId,
    changes: Option<watch::Receiver<()>>,
}

impl Subscription {
    /// Returns at the next change since the last call (or since subscribing).
    pub async fn changed(&mut self) {
        match &mut self.changes {
            // The hub keeps the sender for as long as anybody is subscribed.
            Some(changes) => drop(changes.changed().await),
            None => std::future::pending().await,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut waiters = self.hub.lock();
        self.changes = None;
        if waiters.get(&self.request).is_some_and(|sender| sender.receiver_count() == 0) {
            waiters.remove(&self.request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_between_subscribing_and_waiting_is_not_missed() {
        let hub = Arc::new(Hub::default());
        let request = RequestId::from_bytes([1; 16]);
        let mut subscription = hub.subscribe(request);
        hub.wake(request);
        subscription.changed().await;
    }

    #[test]
    fn nobody_is_remembered_who_waits_no_more() {
        let hub = Arc::new(Hub::default());
        let request = RequestId::from_bytes([1; 16]);
        let (one, two) = (hub.subscribe(request), hub.subscribe(request));
        drop(one);
        assert_eq!(hub.lock().len(), 1);
        assert_eq!(hub.waiting(), 1);
        drop(two);
        assert!(hub.lock().is_empty());
    }
}
