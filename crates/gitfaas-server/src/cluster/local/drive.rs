//! The tasks that carry Jobs on: one for each Job of which something runs, and one for each wait.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use gitfaas_core::run::{JobState, Reason};
use jiff::Timestamp;
use rustix::process::{Signal, pidfd_send_signal};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::hand::Hand;
use super::jobs::{Job, Shared, Slot, Stop};
use super::launch::Live;
use super::step::{Standing, Step};

/// A supervisor tells who it is as soon as it lives.
const BEGINS: Duration = Duration::from_millis(20);
/// A disk that fails may work again.
const TROUBLE: Duration = Duration::from_secs(5);
/// How long a killed function and then its supervisor have to be gone.
const KILL: Duration = Duration::from_millis(1500);

impl Shared {
    /// Carries a Job on with a slot that it has, for as long as something of it runs.
    pub(super) fn drive(self: &Arc<Self>, job: Arc<Job>, slot: Slot) {
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            // What it had in hand is given back before the Job waits for its turn again.
            match shared.carry(&job, Hand::new(slot)).await {
                // The Job stands as its files say, and the next server goes on from there.
                Next::Leave => {}
                Next::Queue => shared.enqueue(job),
                Next::Wait(until) => shared.wait(job, until).await,
            }
        });
    }

    /// Waits without a slot, then for one.
    async fn wait(self: &Arc<Self>, job: Arc<Job>, until: Timestamp) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = sleep(self.time_left(until)) => self.enqueue(job),
            // What waits for nothing any more is not held up by the queue.
            () = job.wake.notified() => self.enqueue(Arc::clone(&job)),
            // Who sends it is as good as gone if it is.
            _ = stop.wait_for(|stop| *stop != Stop::No) => {}
        }
    }

    async fn carry(self: &Arc<Self>, job: &Arc<Job>, mut hand: Hand) -> Next {
        let mut signs = Signs { freed: self.freed.subscribe(), stop: self.stop.subscribe() };
        loop {
            let (shared, asked) = (Arc::clone(self), Arc::clone(job));
            signs.freed.mark_unchanged();
            let done = blocking(move || {
                let step = shared.step(&asked, &mut hand, !shared.stopping());
                Ok((step, hand))
            });
            // The work of a task that is gone is done by the next one.
            let Ok((step, back)) = done.await else { return Next::Wait(self.after(TROUBLE)) };
            hand = back;
            hand.drop_spare();
            let next = match step {
                Ok(step) => self.take(job, &mut hand, step, &mut signs).await,
                Err(error) => Err(error),
            };
            match next {
                Ok(None) => {}
                Ok(Some(next)) => return next,
                Err(error) => {
                    let next = self.trouble(job, &error);
                    if hand.lives.is_empty() || self.stopping() {
                        return next;
                    }
                    tokio::select! {
                        () = sleep(TROUBLE) => {}
                        _ = signs.stop.changed() => {}
                    }
                }
            }
        }
    }

    /// Does what a step asks for: what is next for the Job, or `None` to look again.
    async fn take(
        self: &Arc<Self>,
        job: &Arc<Job>,
        hand: &mut Hand,
        step: Step,
        signs: &mut Signs,
    ) -> io::Result<Option<Next>> {
        let asked = *self.stop.borrow();
        match (step, asked) {
            (Step::Over { state, attempts }, _) => self.over(job, state, attempts).await.map(Some),
            (Step::Goes(_) | Step::Ends(_), Stop::Leave) => Ok(Some(Next::Leave)),
            (Step::Goes(standing), Stop::End(_)) if hand.lives.is_empty() && !standing.begins => Ok(Some(Next::Leave)),
            (Step::Goes(standing), Stop::No) => self.go_on(job, hand, standing, signs).await,
            (Step::Goes(_) | Step::Ends(_), Stop::End(grace)) => self.end_lives(hand, grace, signs).await,
            (Step::Ends(patience), Stop::No) => self.end_lives(hand, patience, signs).await,
        }
    }

    /// Tells how the Job stands, and waits until there is something to do for it.
    async fn go_on(
        &self,
        job: &Job,
        hand: &mut Hand,
        standing: Standing,
        signs: &mut Signs,
    ) -> io::Result<Option<Next>> {
        let Standing { attempts, begins, wants_slot, until, reason, .. } = standing;
        let lives = begins || !hand.lives.is_empty();
        match reason {
            // A pod that lacks something is told, whatever else of the Job runs.
            Some(reason) if !lives || reason.code != "BackOff" => {
                self.stand(job, JobState::Pending { reason: Some(reason) }, attempts);
            }
            _ if lives => self.stand(job, JobState::Running, attempts),
            _ => {}
        }
        if !lives {
            return match until {
                _ if wants_slot => Ok(Some(Next::Queue)),
                Some(until) => Ok(Some(Next::Wait(until))),
                None => Err(io::Error::other("there is nothing to be done for a Job that is not over")),
            };
        }
        let until = until.map_or(Duration::MAX, |until| self.time_left(until));
        tokio::select! {
            ended = hand.one_ended() => ended?,
            () = sleep(if begins { BEGINS.min(until) } else { until }) => {}
            _ = signs.freed.changed(), if wants_slot => {}
            () = job.wake.notified() => {}
            _ = signs.stop.wait_for(|stop| *stop != Stop::No) => {}
        }
        Ok(None)
    }

    /// Ends what lives, and waits until it has ended.
    async fn end_lives(&self, hand: &mut Hand, grace: Duration, signs: &mut Signs) -> io::Result<Option<Next>> {
        if hand.lives.is_empty() {
            // It has not yet written down who it is.
            sleep(BEGINS).await;
            return Ok(None);
        }
        let now = *self.stop.borrow();
        let ends = hand.lives.values_mut().map(|live| end(live, grace));
        tokio::select! {
            ended = join_all(ends) => ended.into_iter().collect::<io::Result<()>>()?,
            // It is ended otherwise, or by the next server.
            _ = signs.stop.wait_for(|stop| *stop != now) => {}
        }
        Ok(None)
    }

    async fn over(self: &Arc<Self>, job: &Arc<Job>, state: JobState, attempts: u32) -> io::Result<Next> {
        let (shared, ended, written) = (Arc::clone(self), Arc::clone(job), state.clone());
        blocking(move || shared.finish(&ended, &written, attempts)).await?;
        self.stand(job, state, attempts);
        if job.release.load(Ordering::SeqCst) {
            let (shared, ended) = (Arc::clone(self), Arc::clone(job));
            if let Err(error) = blocking(move || shared.release_now(&ended)).await {
                tracing::warn!(job.name = %job.key.name, %error, "cannot release a job that has ended; it is asked for again");
            }
        }
        Ok(Next::Leave)
    }

    fn trouble(&self, job: &Job, error: &io::Error) -> Next {
        tracing::warn!(job.name = %job.key.name, %error, "cannot carry on a job; trying again");
        let reason = Some(Reason::new("Trouble", error.to_string()));
        self.stand(job, JobState::Pending { reason }, job.standing().attempts);
        Next::Wait(self.after(TROUBLE))
    }

    fn after(&self, wait: Duration) -> Timestamp {
        self.settings.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    fn time_left(&self, until: Timestamp) -> Duration {
        Duration::try_from(until - self.settings.clock.now()).unwrap_or_default()
    }
}

/// What is next for a Job.
enum Next {
    Leave,
    Queue,
    Wait(Timestamp),
}

/// What wakes a Job's task, beside its processes.
struct Signs {
    freed: watch::Receiver<()>,
    stop: watch::Receiver<Stop>,
}

/// Ends a function and its supervisor: asks, insists, kills.
async fn end(live: &mut Live, grace: Duration) -> io::Result<()> {
    let handle = live.handle.try_clone()?;
    let ended = live.ended()?;
    end_process(&handle, ended, grace).await
}

async fn end_process(handle: &OwnedFd, ended: &Receiver, grace: Duration) -> io::Result<()> {
    for (signal, patience) in [(Signal::TERM, grace), (Signal::USR1, KILL), (Signal::KILL, KILL)] {
        match pidfd_send_signal(handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        if timeout(patience, ended.readable()).await.is_ok() {
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "a killed supervisor does not end"))
}

/// Does what blocks where it may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}
