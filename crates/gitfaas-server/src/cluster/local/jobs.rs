//! The Jobs of a local cluster as they stand now, and the slots they wait for.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gitfaas_core::id::RunId;
use gitfaas_core::run::machine::Observation;
use gitfaas_core::run::{JobState, ObjectKey, Reason};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::feed::Feeds;
use super::folder::Folder;
use super::limits::Limits;
use super::names::FileName;
use super::sandbox::Sandbox;
use super::settings::Settings;
use super::step::Memory;
use crate::cluster::{ClusterEvent, Owner};

/// Enough that two Jobs that are applied at once rarely wait for each other.
const STRIPES: usize = 64;
/// How many look at logs at once; each does so for less than a millisecond.
const LOOKS: usize = 8;

/// A Job that has not been released.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) file: FileName,
    pub(super) key: ObjectKey,
    pub(super) owner: Owner,
    standing: Mutex<Standing>,
    memory: Mutex<Memory>,
    /// Whether its end is certain: it then waits for nothing.
    pub(super) ending: AtomicBool,
    /// Wakes its task.
    pub(super) wake: Notify,
    /// Whether it is to be released as soon as it is over.
    pub(super) release: AtomicBool,
}

/// How a Job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: JobState,
    pub(super) attempts: u32,
}

impl Job {
    pub(super) fn new(file: FileName, key: ObjectKey, owner: Owner, standing: Standing) -> Self {
        let standing = Mutex::new(standing);
        Self {
            file,
            key,
            owner,
            standing,
            memory: Mutex::default(),
            ending: AtomicBool::new(false),
            wake: Notify::new(),
            release: AtomicBool::new(false),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        lock(&self.standing).clone()
    }

    /// What its task knows of its starts.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    fn observation(&self, standing: Standing) -> Observation {
        let Standing { state, attempts } = standing;
        Observation { try_no: self.owner.try_no, job: self.key.clone(), state, attempts }
    }

    /// How it ended, and of which run it is; `None` while it is not over.
    pub(super) fn end(&self) -> Option<(RunId, Observation)> {
        let standing = self.standing();
        standing.state.is_final().then(|| (self.owner.run, self.observation(standing)))
    }

    fn event(&self, standing: &Standing) -> ClusterEvent {
        ClusterEvent::Job { run: self.owner.run, observation: self.observation(standing.clone()) }
    }
}

/// Whether the cluster is to stop, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Not at all.
    No,
    /// What runs goes on without us.
    Leave,
    /// What runs is ended within this grace.
    End(Duration),
}

/// What all parts of a local cluster work on.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) folder: Folder,
    pub(super) sandbox: Sandbox,
    pub(super) limits: Limits,
    pub(super) feeds: Feeds,
    pub(super) stop: watch::Sender<Stop>,
    pub(super) tasks: TaskTracker,
    /// Changes whenever a slot is given back.
    pub(super) freed: watch::Sender<()>,
    /// Held by each who looks at logs: a thousand who follow them must not be a thousand threads with buffers.
    pub(super) looks: Arc<Semaphore>,
    /// Itself, for what outlives a call.
    own: Weak<Shared>,
    jobs: Mutex<HashMap<FileName, Arc<Job>>>,
    queue: Mutex<Queue>,
    /// One of these is held while the files of a name are made or removed.
    stripes: [Mutex<()>; STRIPES],
    hasher: RandomState,
    lock: Mutex<Option<File>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Job>>,
    live: usize,
}

impl Shared {
    pub(super) fn new(settings: Settings, folder: Folder, lock: File) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            own: Weak::clone(own),
            freed: watch::Sender::new(()),
            looks: Arc::new(Semaphore::new(LOOKS)),
            sandbox: Sandbox::new(settings.bubblewrap.clone()),
            limits: Limits::new(settings.control_group.clone(), folder.path()),
            settings,
            folder,
            feeds: Feeds::default(),
            stop: watch::Sender::new(Stop::No),
            tasks: TaskTracker::new(),
            jobs: Mutex::default(),
            queue: Mutex::default(),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            hasher: RandomState::new(),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Adds a Job, and tells it.
    pub(super) fn insert(&self, job: &Arc<Job>) {
        lock(&self.jobs).insert(job.file.clone(), Arc::clone(job));
        self.feeds.tell(&job.file, &job.event(&lock(&job.standing)));
    }

    pub(super) fn job(&self, file: &FileName) -> Option<Arc<Job>> {
        lock(&self.jobs).get(file).cloned()
    }

    pub(super) fn forget(&self, file: &FileName) {
        lock(&self.jobs).remove(file);
    }

    /// Every Job as it stands.
    pub(super) fn standing(&self) -> Vec<(FileName, ClusterEvent)> {
        let jobs: Vec<Arc<Job>> = lock(&self.jobs).values().cloned().collect();
        jobs.into_iter().map(|job| (job.file.clone(), job.event(&lock(&job.standing)))).collect()
    }

    /// Sets how a Job stands and tells it; what is over stays as it is.
    pub(super) fn stand(&self, job: &Job, state: JobState, attempts: u32) {
        let mut standing = lock(&job.standing);
        let next = Standing { state, attempts };
        if *standing != next && !standing.state.is_final() {
            // Told while it is held, so that nobody is told in another order.
            self.feeds.tell(&job.file, &job.event(&next));
            *standing = next;
        }
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stop.borrow() != Stop::No
    }

    /// Holds what makes and removes the files of this name alone.
    pub(super) fn stripe(&self, file: &FileName) -> MutexGuard<'_, ()> {
        let stripe = self.hasher.hash_one(file) % STRIPES as u64;
        lock(&self.stripes[usize::try_from(stripe).unwrap_or(0)])
    }

    /// Lets another server have the folder.
    pub(super) fn unlock(&self) {
        lock(&self.lock).take();
    }

    /// Takes a slot for what runs already, whether or not one is free.
    pub(super) fn take_slot(&self) -> Slot {
        lock(&self.queue).live += 1;
        Slot(Weak::clone(&self.own))
    }

    /// Takes a slot that is free and that no other Job waits for.
    pub(super) fn free_slot(&self) -> Option<Slot> {
        let mut queue = lock(&self.queue);
        let free = queue.live < self.settings.max_live && queue.waiting.is_empty();
        free.then(|| {
            queue.live += 1;
            Slot(Weak::clone(&self.own))
        })
    }

    /// Lets a Job wait for a slot, behind all that wait already.
    pub(super) fn enqueue(self: &Arc<Self>, job: Arc<Job>) {
        {
            let mut queue = lock(&self.queue);
            if job.ending.load(Ordering::SeqCst) {
                drop(queue);
                return self.drive(job, self.take_slot());
            }
            if queue.live >= self.settings.max_live {
                let most = self.settings.max_live;
                let message = format!("{most} pods run at once on this machine; it is started when it is its turn");
                let reason = Some(Reason::new("WaitingForSlot", message));
                // Told while the queue is held, so that it cannot be told after the start.
                self.stand(&job, JobState::Pending { reason }, job.standing().attempts);
            }
            queue.waiting.push_back(job);
        }
        self.pump();
    }

    /// Lets the end of a Job come that waits, or of which something runs.
    pub(super) fn hurry(self: &Arc<Self>, job: Arc<Job>) {
        // Told before the queue is looked at: either it is found there, or who puts it there sees that.
        job.ending.store(true, Ordering::SeqCst);
        let waited = {
            let waiting = &mut lock(&self.queue).waiting;
            let place = waiting.iter().position(|other| Arc::ptr_eq(other, &job));
            place.and_then(|place| waiting.remove(place)).is_some()
        };
        if waited {
            let slot = self.take_slot();
            self.drive(job, slot);
        } else {
            job.wake.notify_one();
        }
    }

    /// Starts what waits, as far as there are slots.
    pub(super) fn pump(self: &Arc<Self>) {
        while !self.stopping() {
            let job = {
                let mut queue = lock(&self.queue);
                if queue.live >= self.settings.max_live {
                    return;
                }
                let Some(job) = queue.waiting.pop_front() else { return };
                queue.live += 1;
                job
            };
            self.drive(job, Slot(Weak::clone(&self.own)));
        }
    }
}

/// The right to run a pod; given back when dropped.
pub(super) struct Slot(Weak<Shared>);

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(shared) = self.0.upgrade() else { return };
        lock(&shared.queue).live -= 1;
        shared.pump();
        shared.freed.send_replace(());
    }
}

/// A lock is only poisoned by a panic, which is a defect reported elsewhere: what it guards is whole between any two
/// statements here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
