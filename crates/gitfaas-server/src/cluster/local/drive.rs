//! The tasks that carry Jobs on: one for each attempt that runs, and one for each wait between two.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gitfaas_core::run::{JobState, Reason};
use jiff::Timestamp;
use rustix::process::{Signal, pidfd_send_signal};
use tokio::net::unix::pipe::Receiver;
use tokio::time::{sleep, timeout};

use super::jobs::{Job, Shared, Slot, Stop};
use super::launch::Live;
use super::step::Step;

/// A supervisor tells who it is as soon as it lives.
const BEGINS: Duration = Duration::from_millis(20);
/// A disk that fails may work again.
const TROUBLE: Duration = Duration::from_secs(5);
/// How long a killed function and then its supervisor have to be gone.
const KILL: Duration = Duration::from_millis(1500);

impl Shared {
    /// Carries a Job on with a slot that it has, for one attempt.
    pub(super) fn drive(self: &Arc<Self>, job: Arc<Job>, slot: Slot) {
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            let next = shared.attempt(&job).await;
            drop(slot);
            match next {
                // The Job stands as its files say, and the next server goes on from there.
                Next::Leave => {}
                Next::Queue => shared.enqueue(job),
                Next::Wait(until) => shared.wait(job, until).await,
            }
        });
    }

    /// Waits without a slot, then for one.
    async fn wait(self: &Arc<Self>, job: Arc<Job>, until: Timestamp) {
        let left = Duration::try_from(until - self.settings.clock.now()).unwrap_or_default();
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = sleep(left) => self.enqueue(job),
            // Who sends it is as good as gone if it is.
            _ = stop.wait_for(|stop| *stop != Stop::No) => {}
        }
    }

    async fn attempt(self: &Arc<Self>, job: &Arc<Job>) -> Next {
        let mut may_start = true;
        loop {
            let (shared, asked) = (Arc::clone(self), Arc::clone(job));
            let step = blocking(move || shared.step(&asked, may_start && !shared.stopping())).await;
            match self.take(job, step).await {
                // What comes after its end waits for its turn again.
                None => may_start = false,
                Some(next) => return next,
            }
        }
    }

    /// Does what a step asks for: what is next for the Job, or `None` to look again.
    async fn take(self: &Arc<Self>, job: &Arc<Job>, step: io::Result<Step>) -> Option<Next> {
        match step {
            Ok(Step::Ready) if self.stopping() => Some(Next::Leave),
            Ok(Step::Ready) => Some(Next::Queue),
            Ok(Step::Begins) if *self.stop.borrow() == Stop::Leave => Some(Next::Leave),
            Ok(Step::Begins) => {
                sleep(BEGINS).await;
                None
            }
            Ok(Step::Runs(attempt, live)) => {
                self.stand(job, JobState::Running, attempt);
                match self.watch_over(live).await {
                    Ok(true) => None,
                    Ok(false) => Some(Next::Leave),
                    Err(error) => Some(self.trouble(job, &error)),
                }
            }
            Ok(Step::Wait { until, attempts, reason }) => {
                self.stand(job, JobState::Pending { reason: Some(reason) }, attempts);
                Some(Next::Wait(until))
            }
            Ok(Step::Over { state, attempts }) => Some(self.over(job, state, attempts).await),
            Err(error) => Some(self.trouble(job, &error)),
        }
    }

    async fn over(self: &Arc<Self>, job: &Arc<Job>, state: JobState, attempts: u32) -> Next {
        let (shared, ended, written) = (Arc::clone(self), Arc::clone(job), state.clone());
        if let Err(error) = blocking(move || shared.finish(&ended, &written, attempts)).await {
            return self.trouble(job, &error);
        }
        self.stand(job, state, attempts);
        if job.release.load(Ordering::SeqCst) {
            let (shared, ended) = (Arc::clone(self), Arc::clone(job));
            if let Err(error) = blocking(move || shared.release_now(&ended)).await {
                tracing::warn!(job.name = %job.key.name, %error, "cannot release a job that has ended; it is asked for again");
            }
        }
        Next::Leave
    }

    fn trouble(&self, job: &Job, error: &io::Error) -> Next {
        tracing::warn!(job.name = %job.key.name, %error, "cannot carry on a job; trying again");
        let reason = Some(Reason::new("Trouble", error.to_string()));
        self.stand(job, JobState::Pending { reason }, job.standing().attempts);
        Next::Wait(self.settings.clock.now().checked_add(TROUBLE).unwrap_or(Timestamp::MAX))
    }

    /// Waits for the end of a supervisor, and brings it about when the cluster stops: `false` when it is left running.
    async fn watch_over(&self, live: Live) -> io::Result<bool> {
        // A process handle is no pipe, but all that is done with this one is to wait until it is readable, which the
        // runtime does for any descriptor. (Its type for any descriptor cannot be made without unsafe code.)
        let ended = Receiver::from_owned_fd_unchecked(live.handle.try_clone()?)?;
        let mut stop = self.stop.subscribe();
        let stop = tokio::select! {
            ended = ended.readable() => {
                ended?;
                Stop::No
            }
            stop = stop.wait_for(|stop| *stop != Stop::No) => stop.map_or(Stop::Leave, |stop| *stop),
        };
        match stop {
            Stop::No => {}
            Stop::Leave => return Ok(false),
            Stop::End(grace) => end(&live.handle, &ended, grace).await?,
        }
        blocking(move || live.collect()).await.map(|()| true)
    }
}

/// What is next for a Job.
enum Next {
    Leave,
    Queue,
    Wait(Timestamp),
}

/// Ends a function and its supervisor: asks, insists, kills.
async fn end(handle: &OwnedFd, ended: &Receiver, grace: Duration) -> io::Result<()> {
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
