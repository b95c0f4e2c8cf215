//! What this life of the server holds of a ledger that others may share: that it lives, and whether it leads.
//!
//! It is judged by our own clock, which goes on while the machine sleeps, counted from before the store was asked: who was
//! stopped for longer than a lease lasts knows it at once when it goes on, before the store is asked again. `workers`
//! renew it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gitfaas_core::run::{Phase, Run};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use super::{Engine, EngineError, jitter};
use crate::cluster::Reach;

/// The longest time between two renewals, where a lease lasts for good.
const LONGEST: Duration = Duration::from_hours(1);
/// How often a lease is renewed while it lasts: three may fail before it is over.
const RENEWALS: u32 = 4;

/// How long one that leads may be cut off from the cluster before another one is let lead.
const CUT_OFF: Duration = Duration::from_secs(10);

/// What was held when it was last renewed.
#[derive(Debug, Default)]
pub(super) struct Holding {
    held: Mutex<Held>,
    standing: watch::Sender<Standing>,
}

#[derive(Debug, Default)]
struct Held {
    /// Since when it has been held without a gap, by the clock that marks are written by; `None` before the first time.
    since: Option<Timestamp>,
    /// A moment of [`uptime`]; `None` is for good.
    until: Option<Duration>,
    leads: bool,
}

/// How this server stands among those that share its ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it leads.
    pub leads: bool,
    /// The lives that held a lease when it last renewed its own.
    pub lives: BTreeSet<u64>,
}

impl Holding {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the lease is held without a gap; `None` when it is not.
    fn since(&self) -> Option<Timestamp> {
        self.lock().unbroken()
    }

    fn leads(&self) -> bool {
        let held = self.lock();
        held.leads && held.unbroken().is_some()
    }
}

impl Held {
    fn unbroken(&self) -> Option<Timestamp> {
        self.since.filter(|_| self.until.is_none_or(|until| uptime() < until))
    }
}

impl Engine {
    /// Renews what this life holds; returns when to do so again.
    ///
    /// # Errors
    /// The store's. What was held is over when its time is, and then this server leads no more.
    pub async fn renew_lease(&self) -> Result<Duration, EngineError> {
        let (begun, epoch) = (uptime(), self.parts.store.epoch());
        match self.parts.store.renew(self.may_lead()).await {
            Ok(lease) => {
                let mut held = self.lease.lock();
                // What was marked by a life that is another's now may be taken by that one.
                let unbroken = held.unbroken().filter(|_| self.parts.store.epoch() == epoch);
                // A broken one is held from the answer on: before it, somebody may have taken what we marked.
                let since = unbroken.or_else(|| Some(self.now()));
                *held = Held { since, until: begun.checked_add(lease.lasts), leads: lease.leads };
                drop(held);
                if unbroken.is_none() {
                    // While it was broken nothing was dispatched.
                    self.queued.notify_one();
                }
                self.stand(Standing { leads: lease.leads, lives: lease.lives });
                Ok((lease.lasts / RENEWALS).min(LONGEST))
            }
            Err(error) => {
                if self.lease.since().is_none() {
                    // Not in one expression: who looks at it must have done so before it can be changed.
                    let before = self.lease.standing.borrow().clone();
                    self.stand(Standing { leads: false, ..before });
                }
                Err(error.into())
            }
        }
    }

    /// Whether it is of use as the one that leads. One that is cut off from the cluster is not, when others live.
    fn may_lead(&self) -> bool {
        let Reach::Down { since, .. } = &*self.reach.borrow() else { return true };
        let standing = self.lease.standing.borrow();
        let for_long = Duration::try_from(self.now().duration_since(*since)).is_ok_and(|time| time >= CUT_OFF);
        standing.lives.len() <= 1 || (standing.leads && !for_long)
    }

    /// How this server stands, as it is now and whenever that changes.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.lease.standing.subscribe()
    }

    /// Whether it leads at this moment, by its own clock.
    pub fn leads(&self) -> bool {
        self.lease.leads()
    }

    fn stand(&self, now: Standing) {
        self.metrics.stands(now.leads, now.lives.len());
        self.lease.standing.send_if_modified(|standing| {
            if standing.leads != now.leads {
                let epoch = self.parts.store.epoch();
                if now.leads {
                    tracing::info!(epoch, "this server leads");
                } else {
                    tracing::warn!(epoch, "this server leads no more");
                }
            }
            let changed = *standing != now;
            *standing = now;
            changed
        });
    }

    /// Whether nobody has a marked run in hand, as far as this server may say: it says so of what it marked itself, and
    /// while it leads of what lives marked that are over. What it has in hand itself it knows by the run.
    pub(super) fn is_left(&self, run: &Run) -> bool {
        let Some(mark) = &run.mark else { return self.leads() };
        let own = mark.epoch == self.parts.store.epoch();
        own || (self.leads() && !self.lease.standing.borrow().lives.contains(&mark.epoch))
    }

    /// Whether a run was marked by a life that was not known when the lease was last renewed.
    pub(super) fn is_strange(&self, run: &Run) -> bool {
        let (own, standing) = (self.parts.store.epoch(), self.lease.standing.borrow());
        run.mark.as_ref().is_some_and(|mark| mark.epoch != own && !standing.lives.contains(&mark.epoch))
    }

    /// Whether a run that we marked is still ours to apply, asked before each call that makes something. While the lease
    /// is held without a gap since then, nobody else takes the run. When it is not, as after the process was stopped for
    /// long, the lease is taken again and the ledger is asked.
    pub(super) async fn is_still_ours(&self, run: &Run) -> bool {
        let mut failures = 0;
        let marked_at = run.mark.as_ref().map(|mark| mark.at);
        while self.lease.since() >= marked_at || self.lease.since().is_none() {
            match self.renewed_and_ours(run).await {
                Ok(ours) => return ours,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(run.id = %run.id, %error, "the lease has lapsed; the run is not applied before it is taken again");
                    tokio::select! {
                        () = tokio::time::sleep(self.settings.backoff.wait(failures, jitter())) => {}
                        () = self.stopping.cancelled() => return false,
                    }
                }
            }
        }
        true
    }

    async fn renewed_and_ours(&self, run: &Run) -> Result<bool, EngineError> {
        self.renew_lease().await?;
        let stands = self.parts.store.run(run.id).await?;
        Ok(stands.is_some_and(|stands| stands.phase == Phase::Applying && stands.mark == run.mark))
    }
}

/// How long the machine has been up, the time in which it slept among it.
fn uptime() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

#[cfg(test)]
impl Engine {
    /// As it is when the process stood still for longer than its lease.
    pub(super) fn lease_is_over(&self) {
        self.lease.lock().until = Some(uptime());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use gitfaas_core::run::Mark;

    use super::*;
    use crate::engine::tests::Bench;

    #[tokio::test]
    async fn a_lease_counts_from_before_it_was_asked_for_and_a_gap_is_known_afterwards() {
        let bench = Bench::start().await;
        let engine = &bench.engine;
        let long_ago = Timestamp::UNIX_EPOCH;
        assert!(engine.leads(), "nobody else has the file");
        let run = bench.applied().await;
        let marked = |at| Run { mark: Some(Mark { holder: "here".to_owned(), epoch: 1, at }), ..run.clone() };
        assert!(engine.is_still_ours(&marked(engine.now() + Duration::from_millis(1))).await);
        engine.lease_is_over();
        assert!(!engine.leads(), "the time is over");
        engine.renew_lease().await.expect("renewed");
        assert!(engine.leads());
        assert!(!engine.is_still_ours(&marked(long_ago)).await, "the ledger says that it is applied");
    }

    #[tokio::test]
    async fn when_a_lease_that_was_broken_is_held_again_what_is_queued_is_looked_at() {
        let bench = Bench::start().await;
        let engine = &bench.engine;
        // What the start woke it for.
        while engine.queued().now_or_never().is_some() {}
        engine.lease_is_over();
        engine.renew_lease().await.expect("renewed");
        tokio::time::timeout(crate::engine::tests::PATIENCE, engine.queued()).await.expect("a look");
    }

    #[tokio::test]
    async fn who_is_cut_off_from_the_cluster_for_long_leaves_leading_to_others_that_live() {
        let cluster = std::sync::Arc::new(crate::engine::tests::Scripted::willing());
        let bench = Bench::led(&cluster, |_| {}).await;
        let engine = &bench.engine;
        let lives = |leads, lives: &[u64]| engine.stand(Standing { leads, lives: lives.iter().copied().collect() });
        lives(true, &[1, 2]);
        assert!(engine.may_lead());
        // Since very long ago.
        cluster.reached(false);
        assert!(!engine.may_lead());
        lives(true, &[1]);
        assert!(engine.may_lead(), "there is nobody else");
        lives(false, &[1, 2]);
        cluster.cut_off_at(engine.now());
        assert!(!engine.may_lead(), "it is not the one to begin with it");
        lives(true, &[1, 2]);
        assert!(engine.may_lead(), "it may pass");
    }

    #[tokio::test]
    async fn what_another_life_marked_is_left_when_that_is_over_and_only_for_who_leads() {
        let bench = Bench::start().await;
        let engine = &bench.engine;
        let own = engine.parts.store.epoch();
        let run = bench.applied().await;
        let marked =
            |epoch| Run { mark: Some(Mark { holder: "there".to_owned(), epoch, at: engine.now() }), ..run.clone() };
        engine.stand(Standing { leads: true, lives: [own, own + 1].into() });
        assert!(!engine.is_left(&marked(own + 1)), "it lives");
        assert!(engine.is_left(&marked(own + 2)) && engine.is_left(&marked(own)));
        engine.lease.lock().leads = false;
        assert!(!engine.is_left(&marked(own + 2)), "another one leads, and takes it");
        assert!(engine.is_left(&marked(own)));
    }
}
