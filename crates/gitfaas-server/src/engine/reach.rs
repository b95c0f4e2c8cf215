//! Whether the cluster can be reached: while it cannot, messages are accepted and nothing is sent to it.

use std::time::Duration;

use gitfaas_core::run::Reason;
use tokio::sync::watch;

use super::Engine;
use crate::cluster::Reach;

/// After so many failures in a row something is asked for seldom only.
const OFTEN: u32 = 10;
/// The time between two tries then.
const SELDOM: Duration = Duration::from_mins(10);

impl Engine {
    /// Whether the cluster can be reached, now and whenever that changes. The channel is closed when that never does.
    pub fn reach(&self) -> watch::Receiver<Reach> {
        self.reach.clone()
    }

    /// Why nothing can be applied now; `None` when it can, as far as is known.
    pub(super) fn cut_off(&self) -> Option<Reason> {
        match &*self.reach.borrow() {
            Reach::Up => None,
            Reach::Down { since, why } => {
                let message =
                    format!("the cluster cannot be reached since {since} ({why}); it is applied when that is over");
                Some(Reason::new("ClusterUnreachable", message))
            }
        }
    }

    /// Waits before something is asked of the cluster again that failed so often: while it cannot be reached, until it
    /// can. False when the server stops.
    pub(super) async fn wait_to_ask_again(&self, failures: u32) -> bool {
        let mut reach = self.reach();
        let down = *reach.borrow_and_update() != Reach::Up;
        let back = async {
            if reach.wait_for(|reach| *reach == Reach::Up).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        // What fails so often wants a person, a right for example.
        let wait = if failures > OFTEN { SELDOM } else { self.settings.backoff.ceiling(failures) };
        tokio::select! {
            () = tokio::time::sleep(wait), if !down => true,
            () = back, if down => true,
            () = self.stopping.cancelled() => false,
        }
    }
}

/// Returns when it changes whether the cluster can be reached.
pub(crate) async fn changed(reach: &mut watch::Receiver<Reach>) {
    if reach.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
