//! What happens to Jobs, told to each that watches: bounded, and never without the end.
//!
//! A watcher that is slow finds the newest of each Job instead of every step, so what waits for it is at most one
//! event for each Job.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::Notify;

use super::names::FileName;
use crate::cluster::ClusterEvent;

/// All that watch.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    watchers: Mutex<Vec<Weak<Feed>>>,
}

/// What waits for one that watches.
#[derive(Debug, Default)]
struct Feed {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Which Job is next; `None` stands for [`ClusterEvent::Synced`].
    order: VecDeque<Option<FileName>>,
    newest: HashMap<FileName, ClusterEvent>,
    /// Whether nothing will follow.
    closed: bool,
}

impl Waiting {
    fn put(&mut self, job: FileName, event: ClusterEvent) {
        if self.newest.insert(job.clone(), event).is_none() {
            self.order.push_back(Some(job));
        }
    }

    /// The next event; `None` when there is none now.
    fn next(&mut self) -> Option<ClusterEvent> {
        match self.order.pop_front()? {
            Some(job) => self.newest.remove(&job),
            None => Some(ClusterEvent::Synced),
        }
    }
}

impl Feeds {
    /// Begins to watch: first what `standing` returns, then [`ClusterEvent::Synced`], then what is told.
    pub(super) fn watch(
        &self,
        standing: impl FnOnce() -> Vec<(FileName, ClusterEvent)>,
    ) -> BoxStream<'static, ClusterEvent> {
        let feed = Arc::new(Feed::default());
        // Before the Jobs are asked, so that no change falls between; what then comes twice is no harm.
        self.lock().push(Arc::downgrade(&feed));
        for (job, event) in standing() {
            let mut waiting = feed.lock();
            // What was told meanwhile is newer.
            if !waiting.newest.contains_key(&job) {
                waiting.put(job, event);
            }
        }
        feed.lock().order.push_back(None);
        stream::unfold(feed, |feed| async move {
            let event = feed.next().await?;
            Some((event, feed))
        })
        .boxed()
    }

    /// Tells it to all that watch.
    pub(super) fn tell(&self, job: &FileName, event: &ClusterEvent) {
        self.each(|waiting| waiting.put(job.clone(), event.clone()));
    }

    /// Ends all streams, after what still waits in them.
    pub(super) fn close(&self) {
        self.each(|waiting| waiting.closed = true);
    }

    fn each(&self, change: impl Fn(&mut Waiting)) {
        self.lock().retain(|watcher| {
            let feed = watcher.upgrade();
            if let Some(feed) = &feed {
                change(&mut feed.lock());
                feed.more.notify_one();
            }
            feed.is_some()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Feed>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    async fn next(&self) -> Option<ClusterEvent> {
        loop {
            let (next, closed) = {
                let mut waiting = self.lock();
                (waiting.next(), waiting.closed)
            };
            if next.is_some() || closed {
                return next;
            }
            self.more.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::FutureExt;
    use gitfaas_core::id::{RequestId, RunId, Try};
    use gitfaas_core::run::machine::Observation;
    use gitfaas_core::run::{JobState, ObjectKey};

    use super::*;

    fn event(name: &str, state: JobState) -> (FileName, ClusterEvent) {
        let job = ObjectKey { api_version: "batch/v1".into(), kind: "Job".into(), namespace: None, name: name.into() };
        let run = RunId::derive(RequestId::from_bytes([3; 16]), &"f.yaml".parse().expect("a function"));
        let file = FileName::of(&job);
        (file, ClusterEvent::Job { run, observation: Observation { try_no: Try(2), job, state, attempts: 1 } })
    }

    fn now(stream: &mut BoxStream<'static, ClusterEvent>) -> Poll<Option<ClusterEvent>> {
        stream.next().now_or_never().map_or(Poll::Pending, Poll::Ready)
    }

    #[test]
    fn first_how_all_stand_then_synced_then_changes() {
        let feeds = Feeds::default();
        let (job, running) = event("a", JobState::Running);
        let mut stream = feeds.watch(|| vec![(job.clone(), running.clone())]);
        assert_eq!(now(&mut stream), Poll::Ready(Some(running.clone())));
        assert_eq!(now(&mut stream), Poll::Ready(Some(ClusterEvent::Synced)));
        assert_eq!(now(&mut stream), Poll::Pending);
        feeds.tell(&job, &running);
        assert_eq!(now(&mut stream), Poll::Ready(Some(running)));
    }

    #[test]
    fn who_is_slow_finds_the_end_of_each_job_and_no_more() {
        let feeds = Feeds::default();
        let mut stream = feeds.watch(Vec::new);
        assert_eq!(now(&mut stream), Poll::Ready(Some(ClusterEvent::Synced)));
        for state in [JobState::Pending { reason: None }, JobState::Running, JobState::Succeeded] {
            for name in ["a", "b"] {
                let (job, event) = event(name, state.clone());
                feeds.tell(&job, &event);
            }
        }
        feeds.close();
        assert_eq!(now(&mut stream), Poll::Ready(Some(event("a", JobState::Succeeded).1)));
        assert_eq!(now(&mut stream), Poll::Ready(Some(event("b", JobState::Succeeded).1)));
        assert_eq!(now(&mut stream), Poll::Ready(None));
    }

    #[test]
    fn what_changes_while_a_watch_begins_is_not_overwritten_by_how_it_stood() {
        let feeds = Feeds::default();
        let (job, ended) = event("a", JobState::Succeeded);
        let mut stream = feeds.watch(|| {
            feeds.tell(&job, &ended);
            vec![event("a", JobState::Running)]
        });
        assert_eq!(now(&mut stream), Poll::Ready(Some(ended)));
    }
}
