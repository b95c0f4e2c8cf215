//! Opening a local cluster: finding again what an earlier server left, running or ended.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gitfaas_core::run::JobState;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::attempt;
use super::disk;
use super::drive::blocking;
use super::folder::{End, Folder, Record};
use super::jobs::{Job, Shared, Standing, Stop};
use super::names::FileName;
use super::{LocalCluster, Settings};
use crate::cluster::ClusterError;

/// A server that is ending gives its lock back within this time.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_AGAIN: Duration = Duration::from_millis(20);
/// How often what nobody asks for any more is removed.
const TIDY: Duration = Duration::from_hours(1);

/// What an earlier server left.
#[derive(Default)]
struct Left {
    /// Jobs that are over.
    over: Vec<Arc<Job>>,
    /// Jobs of which something was started, or was to be.
    begun: Vec<Arc<Job>>,
    /// Jobs without one, the oldest first.
    waiting: Vec<(Timestamp, Arc<Job>)>,
}

impl LocalCluster {
    /// Opens the cluster in the data folder, takes over what runs and goes on with what waits.
    ///
    /// A record that cannot be read is logged and left as it is; its Job is not told by [`watch`], and its name stays
    /// taken. Must be called within a Tokio runtime, in which the cluster then works.
    ///
    /// # Errors
    /// When the data folder cannot be used: it is not writable, or another server uses it.
    ///
    /// [`watch`]: crate::cluster::Cluster::watch
    pub async fn open(settings: Settings) -> Result<Self, ClusterError> {
        let place = settings.data.join("jobs");
        let refused = |error: io::Error| ClusterError { message: format!("cannot use {}: {error}", place.display()) };
        let shared = prepare(settings).await.map_err(refused)?;
        let looked = Arc::clone(&shared);
        let left = blocking(move || looked.left()).await.map_err(refused)?;
        left.over.iter().for_each(|job| shared.insert(job));
        left.waiting.iter().for_each(|(_, job)| shared.insert(job));
        // What runs has its slot before anything new gets one.
        let begun: Vec<_> = left.begun.into_iter().map(|job| (shared.take_slot(), job)).collect();
        for (slot, job) in begun {
            shared.insert(&job);
            shared.drive(job, slot);
        }
        left.waiting.into_iter().for_each(|(_, job)| shared.enqueue(job));
        shared.keep_tidy();
        Ok(Self { shared })
    }
}

async fn prepare(mut settings: Settings) -> io::Result<Arc<Shared>> {
    settings.functions = settings.functions.canonicalize()?;
    if let Some(objects) = &settings.objects {
        settings.objects = Some(objects.canonicalize().map_err(|error| {
            io::Error::new(error.kind(), format!("the folder of objects, {}: {error}", objects.display()))
        })?);
    }
    settings.max_live = settings.max_live.max(1);
    let folder = Folder::make(&settings.data)?;
    if let Some(path) = [folder.path(), &settings.functions].into_iter().find(|path| path.to_str().is_none()) {
        return Err(io::Error::other(format!("the path {} is not UTF-8", path.display())));
    }
    let locked = timeout(LOCK_PATIENCE, async {
        loop {
            match folder.lock()? {
                Some(lock) => return Ok(lock),
                None => sleep(LOCK_AGAIN).await,
            }
        }
    });
    let lock = locked.await.unwrap_or_else(|_| Err(io::Error::other("another server uses this data folder")))?;
    Ok(Shared::new(settings, folder, lock))
}

impl Shared {
    fn left(&self) -> io::Result<Left> {
        self.folder.clear_unfinished()?;
        let (jobs, foreign) = self.folder.jobs()?;
        // A server that was killed between writing a record and making it durable left that to this one.
        self.folder.sync_jobs()?;
        for path in foreign {
            tracing::warn!(file.path = %path.display(), "a file among the jobs is none of ours and is left alone");
        }
        let mut left = Left::default();
        for file in jobs {
            if let Err(error) = self.find_again(&file, &mut left) {
                tracing::error!(file.path = %self.folder.record(&file).display(), %error, "a job cannot be read and is left alone");
            }
        }
        left.waiting.sort_by(|(a, one), (b, other)| (a, &one.file).cmp(&(b, &other.file)));
        Ok(left)
    }

    fn find_again(&self, file: &FileName, left: &mut Left) -> io::Result<()> {
        let Some(record) = disk::read::<Record>(&self.folder.record(file))? else { return Ok(()) };
        if FileName::of(&record.key) != *file {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is the record of {}", record.key)));
        }
        let end: Option<End> = disk::read(&self.folder.end(file))?;
        let starts = self.folder.starts(file)?;
        let mut attempts = 0;
        for start in &starts {
            if attempt::started(&self.folder.start(file, start))?.is_some() {
                attempts = attempts.max(start.attempt);
            }
        }
        let standing = match &end {
            Some(end) => Standing { state: end.state.clone(), attempts: end.attempts },
            None if attempts > 0 => Standing { state: JobState::Running, attempts },
            None => Standing { state: JobState::Pending { reason: None }, attempts },
        };
        let owner = record.owner();
        let job = Arc::new(Job::new(file.clone(), record.key, owner, standing));
        job.ending.store(self.folder.ending(file).exists(), Ordering::SeqCst);
        match end {
            Some(_) => left.over.push(job),
            None if starts.is_empty() => left.waiting.push((record.created_at, job)),
            None => left.begun.push(job),
        }
        Ok(())
    }

    fn keep_tidy(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut stop = shared.stop.subscribe();
            loop {
                let tidied = Arc::clone(&shared);
                if let Err(error) = blocking(move || tidied.tidy()).await {
                    tracing::warn!(%error, "cannot remove what the local cluster needs no more; trying again");
                }
                tokio::select! {
                    () = sleep(TIDY) => {}
                    _ = stop.wait_for(|stop| *stop != Stop::No) => return,
                }
            }
        });
    }
}
