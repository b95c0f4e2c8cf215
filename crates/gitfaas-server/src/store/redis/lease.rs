//! The lease of this life and that of leading, and what is measured each time they are renewed: how much room there is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::Value;

use super::inspect::{self, Inspection};
use super::link::Ask;
use super::reply;
use super::scripts;
use super::{LONGEST_WINDOW, RedisStore, SCHEMA};
use crate::store::{Lease, Store as _, StoreError};

/// How long a lease holds.
const LASTS: Duration = Duration::from_secs(10);

/// How much of the memory is kept for settling what is there already: a tenth, and no more than so many bytes.
const KEPT: u64 = 256 << 20;

/// What a request takes beside its own bytes: keys, places in indexes.
const BESIDE: u64 = 2048;

impl RedisStore {
    pub(super) async fn write_lease(&self, may_lead: bool) -> Result<Lease, StoreError> {
        self.link.follow().await;
        let lasts = LASTS.as_millis();
        let ask = Ask::again(&scripts::RENEW, &self.prefix).with(&self.who).with(self.epoch()).with(lasts);
        let answer = self.link.ask(ask.with(u8::from(may_lead)).with(&self.known_by)).await?;
        // What is not known leaves everything as it was.
        if let Ok(found) = inspect::look(&self.link).await {
            self.room.measured(Some(found.used_memory), found.max_memory);
            self.may_lose(&found);
        }
        let (word, rest) = reply::outcome(answer)?;
        let mut rest = rest.into_iter();
        match word.as_str() {
            "held" => {
                self.lives_as(life(rest.next().unwrap_or(Value::Nil))?);
                let leads = reply::number(&rest.next().unwrap_or(Value::Nil))? > 0;
                let lives = rest.map(life).collect::<Result<BTreeSet<_>, _>>()?;
                Ok(Lease { leads, lives, lasts: LASTS })
            }
            "headless" => {
                self.give_head().await?;
                Err(gone())
            }
            "another" => Err(another()),
            _ => Err(reply::unexpected()),
        }
    }

    /// How much it may lose from now on: settings are changed, and replicas come and go, while servers run.
    fn may_lose(&self, found: &Inspection) {
        let (before, now) = (self.window.load(Ordering::Relaxed), millis(found.window_of_loss()));
        if before != now {
            tracing::warn!(before, now, "redis may lose more, or less, than before (milliseconds)");
            self.window.store(now, Ordering::Relaxed);
        }
    }

    /// From now on this life has this number.
    fn lives_as(&self, epoch: u64) {
        let before = self.epoch.swap(epoch, Ordering::Relaxed);
        if before != epoch {
            tracing::warn!(
                before,
                epoch,
                "redis has forgotten that this server began its life; it goes on as another one"
            );
        }
    }

    async fn give_head(&self) -> Result<(), StoreError> {
        tracing::error!("redis has lost the ledger, with all that was acknowledged; it begins anew");
        let ask = Ask::again(&scripts::HEAD, &self.prefix).with(SCHEMA).with(&self.secret).with(self.epoch());
        self.link.ask(ask).await.map(drop)
    }

    /// What gives the leases back.
    pub(super) fn leaving(&self) -> Ask<'_> {
        Ask::again(&scripts::LEAVE, &self.prefix).with(&self.who).with(self.epoch())
    }

    pub(super) async fn check_ready(&self) -> Result<(), StoreError> {
        let answer = self.link.ask(Ask::again(&scripts::READY, &self.prefix).with(&self.known_by)).await?;
        if reply::outcome(answer)?.0 == "ready" { Ok(()) } else { Err(gone()) }
    }
}

/// A window of loss in milliseconds.
pub(super) fn millis(window: Option<Duration>) -> u64 {
    u64::try_from(window.unwrap_or(LONGEST_WINDOW).as_millis()).unwrap_or(u64::MAX)
}

/// That the head of the ledger is not there, or not the one that was opened.
pub(super) fn gone() -> StoreError {
    StoreError::Unavailable(
        "redis has not the ledger that was opened: it has lost it, and gets its head again in a moment, or another one is \
         in its place: bring that one back, or restart this server"
            .to_owned(),
    )
}

fn another() -> StoreError {
    StoreError::Unavailable(
        "redis has another ledger in place of the one that was opened: bring that one back, or restart this server"
            .to_owned(),
    )
}

fn life(epoch: Value) -> Result<u64, StoreError> {
    reply::text(epoch)?.parse().map_err(|_| reply::unexpected())
}

/// How much memory there is, as it was measured last.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Bytes that may be taken yet, and whether that is known.
    left: AtomicU64,
    bounded: AtomicBool,
}

impl Room {
    pub(super) fn measured(&self, used: Option<u64>, most: Option<u64>) {
        let bound = most.filter(|most| *most > 0);
        if let (Some(used), Some(most)) = (used, bound) {
            let kept = (most / 10).min(KEPT);
            self.left.store((most - kept).saturating_sub(used), Ordering::Relaxed);
        }
        self.bounded.store(bound.is_some(), Ordering::Relaxed);
    }

    /// Takes room for so many bytes, until it is measured again.
    pub(super) fn admit(&self, bytes: usize) -> Result<(), StoreError> {
        if !self.bounded.load(Ordering::Relaxed) {
            return Ok(());
        }
        // What is asked for is rounded up, and copied on its way.
        let bytes = bytes as u64 / 2 * 3 + BESIDE;
        let take = |left: u64| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|_| {
            StoreError::Unavailable(
                "redis is nearly out of memory, and what is left is for ending what was accepted: raise its maxmemory, \
                 or keep requests for a shorter time"
                    .to_owned(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_memory_is_kept_for_ending_what_was_accepted() {
        let room = Room::default();
        assert_eq!(room.admit(1 << 40), Ok(()), "nothing was measured");
        room.measured(Some(80_000), Some(100_000));
        assert_eq!(room.admit(3_900), Ok(()));
        assert!(room.admit(3_900).is_err(), "that was taken");
        assert_eq!(room.admit(0), Ok(()), "and there is yet room for less");
        room.measured(Some(95_000), Some(100_000));
        assert!(room.admit(0).is_err());
        room.measured(Some(95_000), Some(0));
        assert_eq!(room.admit(1 << 40), Ok(()), "without a bound there is always room");
    }
}
