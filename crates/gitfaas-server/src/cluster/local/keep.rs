//! Making objects exist, exactly once, and letting them go. Everything here blocks.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gitfaas_core::manifest::Manifest;
use gitfaas_core::run::{JobState, ObjectKey, Reason};
use jiff::Timestamp;

use super::disk;
use super::folder::{Ending, Object, Record, Released};
use super::jobs::{Job, Shared, Standing};
use super::names::FileName;
use super::spec::{Refused, Spec};
use crate::cluster::{ApplyError, Owner};

/// For so long at least, a released Job's try is known and not started again.
const REMEMBERED: Duration = Duration::from_hours(24);

impl Shared {
    /// Makes a Job exist: the Job if it did not before, and so is to be started.
    pub(super) fn create_job(&self, owner: Owner, manifest: &Manifest) -> Result<Option<Arc<Job>>, ApplyError> {
        if let Err(Refused::Malformed(reason)) = Spec::read(&manifest.json) {
            return Err(ApplyError::Final { reason });
        }
        let file = FileName::of(&manifest.key);
        let _alone = self.stripe(&file);
        if self.exists(&file, &manifest.key, owner)? {
            return self.known(file, &manifest.key, owner).map_err(passing);
        }
        let record = Record {
            key: manifest.key.clone(),
            run: owner.run,
            try_no: owner.try_no,
            created_at: self.settings.clock.now(),
            object: manifest.json.clone(),
        };
        // What an earlier Job of this name may have left must not be taken for this one's.
        disk::remove(&self.folder.end(&file)).map_err(passing)?;
        disk::remove(&self.folder.ending(&file)).map_err(passing)?;
        disk::remove_tree(&self.folder.work(&file)).map_err(passing)?;
        if !disk::create(&self.folder.record(&file), &record).map_err(passing)? {
            return Err(passing(io::Error::other("another server uses this data folder")));
        }
        let standing = Standing { state: JobState::Pending { reason: None }, attempts: 0 };
        let job = Arc::new(Job::new(file, record.key, owner, standing));
        self.insert(&job);
        Ok(Some(job))
    }

    /// A Job that exists already: it is to be started all the same if the call that made it ended with an error
    /// (its record was written, and the disk failed to say so), as nobody has it in hand then.
    fn known(&self, file: FileName, key: &ObjectKey, owner: Owner) -> io::Result<Option<Arc<Job>>> {
        if self.job(&file).is_some() || !self.folder.record(&file).exists() {
            return Ok(None);
        }
        disk::sync_dir_of(&self.folder.record(&file))?;
        let standing = Standing { state: JobState::Pending { reason: None }, attempts: 0 };
        let job = Arc::new(Job::new(file, key.clone(), owner, standing));
        self.insert(&job);
        Ok(Some(job))
    }

    /// Whether the owner's Job of this name exists, or did; an error when it is somebody else's.
    fn exists(&self, file: &FileName, key: &ObjectKey, owner: Owner) -> Result<bool, ApplyError> {
        if let Some(record) = disk::read::<Record>(&self.folder.record(file)).map_err(unreadable)? {
            return if record.owner() == owner { Ok(true) } else { Err(taken(key, record.owner())) };
        }
        match disk::read::<Released>(&self.folder.released(file)).map_err(unreadable)? {
            Some(released) if released.owner() == owner => Ok(true),
            Some(released) if released.name_free_at > self.settings.clock.now() => Err(taken(key, released.owner())),
            _ => Ok(false),
        }
    }

    /// Records an object that is not run here.
    pub(super) fn record_object(&self, owner: Owner, manifest: &Manifest) -> Result<(), ApplyError> {
        let file = FileName::of(&manifest.key);
        let _alone = self.stripe(&file);
        let path = self.folder.object(&file);
        let now = self.settings.clock.now();
        let object = Object {
            key: manifest.key.clone(),
            run: owner.run,
            try_no: owner.try_no,
            applied_at: now,
            forget_at: manifest.unique.then(|| later(now, REMEMBERED)),
            json: manifest.json.clone(),
        };
        if !manifest.unique {
            return disk::replace(&path, &object).map_err(passing);
        }
        if disk::create(&path, &object).map_err(passing)? {
            return Ok(());
        }
        match disk::read::<Object>(&path).map_err(unreadable)? {
            Some(there) if (there.run, there.try_no) != (owner.run, owner.try_no) => {
                Err(taken(&manifest.key, Owner { run: there.run, try_no: there.try_no }))
            }
            _ => Ok(()),
        }
    }

    /// Ends a Job for good. What runs of it is ended by its task, here or in the next server.
    pub(super) fn end(self: &Arc<Self>, key: &ObjectKey) -> io::Result<()> {
        let Some(job) = self.job(&FileName::of(key)) else { return Ok(()) };
        let _alone = self.stripe(&job.file);
        let ending = self.folder.ending(&job.file);
        if job.standing().state.is_final() || ending.exists() {
            return Ok(());
        }
        let reason = Reason::new("Cancelled", "it was ended because its run was cancelled");
        disk::replace(&ending, &Ending { state: JobState::Interrupted { reason } })?;
        self.hurry(job);
        Ok(())
    }

    /// Lets a Job go, now or as soon as it is over.
    pub(super) fn release(&self, key: &ObjectKey) -> io::Result<()> {
        let Some(job) = self.job(&FileName::of(key)) else { return Ok(()) };
        job.release.store(true, Ordering::SeqCst);
        // Read after the wish is told: either this sees the end, or who ends the Job sees the wish.
        if job.standing().state.is_final() { self.release_now(&job) } else { Ok(()) }
    }

    /// Lets a Job go that is over: what is left says that it existed.
    pub(super) fn release_now(&self, job: &Job) -> io::Result<()> {
        let file = &job.file;
        let _alone = self.stripe(file);
        let Some(record) = disk::read::<Record>(&self.folder.record(file))?.filter(|it| it.owner() == job.owner) else {
            return Ok(());
        };
        let now = self.settings.clock.now();
        let ttl = Spec::read(&record.object).ok().and_then(|spec| spec.ttl).unwrap_or(self.settings.ttl);
        let released = Released {
            key: record.key,
            run: record.run,
            try_no: record.try_no,
            name_free_at: later(now, ttl),
            forget_at: later(now, ttl.max(REMEMBERED)),
        };
        // In this order: at no instant can the same try be taken for a new one.
        disk::replace(&self.folder.released(file), &released)?;
        disk::remove(&self.folder.record(file))?;
        disk::sync_dir_of(&self.folder.record(file))?;
        disk::remove(&self.folder.end(file))?;
        disk::remove(&self.folder.ending(file))?;
        self.forget(file);
        disk::remove_tree(&self.folder.work(file))
    }

    /// Removes what nobody asks for any more, and what a server that died was about to remove.
    pub(super) fn tidy(&self) -> io::Result<()> {
        self.folder.tidy(self.settings.clock.now())?;
        for job in self.folder.abandoned()? {
            let _alone = self.stripe(&job);
            // A new Job may have taken the name since.
            if !self.folder.record(&job).exists() {
                disk::remove_tree(&self.folder.work(&job))?;
            }
        }
        Ok(())
    }

    /// Removes the folders of a Job's pods but these. What resists (a function may have become another user) must
    /// not keep the Job from going on.
    pub(super) fn remove_pods(&self, job: &Job, but: &BTreeSet<u32>) -> io::Result<()> {
        for pod in self.folder.pods(&job.file)?.into_iter().filter(|pod| !but.contains(pod)) {
            let folder = self.folder.pod(&job.file, pod);
            if let Err(error) = disk::remove_tree(&folder) {
                tracing::warn!(file.path = %folder.display(), %error, "cannot remove the folder of a pod that has ended");
            }
        }
        Ok(())
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn passing(error: io::Error) -> ApplyError {
    let reason = Reason::new("Storage", format!("the data folder cannot be written: {error}"));
    ApplyError::Passing { reason, retry_after: None }
}

fn unreadable(error: io::Error) -> ApplyError {
    if error.kind() == io::ErrorKind::InvalidData {
        return ApplyError::Final { reason: Reason::new("Damaged", format!("this name is taken: {error}")) };
    }
    passing(error)
}

fn taken(key: &ObjectKey, owner: Owner) -> ApplyError {
    let Owner { run, try_no } = owner;
    let message = format!("the name of {key} belongs to run {run}, try {try_no}; make it unique by {{{{RANDOM}}}}");
    ApplyError::Final { reason: Reason::new("AlreadyExists", message) }
}
