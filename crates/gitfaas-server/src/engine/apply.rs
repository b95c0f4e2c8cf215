//! Apply: bring a marked run to the cluster and settle the verdict.
//!
//! Only marked runs come here. Applying is safe to repeat for one try.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitfaas_core::admission::{Admitted, Refusal, admit_all};
use gitfaas_core::manifest::{Fillings, Manifest, RecordedManifest};
use gitfaas_core::run::machine::{ApplyFailure, Event};
use gitfaas_core::run::{ObjectKey, Reason, Run};
use jiff::Timestamp;

use super::{Engine, jitter};
use crate::cluster::{ApplyError, ClusterError, Owner};
use crate::store::StoreError;

/// The part of the time that a cluster keeps Jobs after which one is not counted on any more: clocks differ.
const SPARE: u32 = 24;

/// Whether an earlier round may have sent a try to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// No.
    Never,
    /// It may have been.
    Perhaps,
    /// It may have been, so long ago that a Job of it may have been collected since.
    LongAgo,
}

/// The Jobs of a try that exist.
struct Jobs {
    /// Whether each of its Jobs does.
    all: bool,
    /// Those that cannot be another run's.
    own: Vec<ObjectKey>,
}

impl Engine {
    /// Applies a marked run of which it is known whether an earlier round may have sent it.
    pub(super) async fn apply_stored(self: &Arc<Self>, run: Run, sent: Sent) {
        let recorded = async {
            let manifests = self.parts.store.manifests(run.id).await?;
            let message = self.parts.store.message(run.request()).await?.ok_or(StoreError::NotFound)?;
            Ok::<_, StoreError>((manifests, STANDARD.encode(&message.payload)))
        };
        let failure = match recorded.await {
            Ok((manifests, payload)) => match self.known_of(&run, sent, &manifests, &payload).await {
                None => return drop(self.apply(run, &manifests, &payload).await),
                Some(event) => return drop(self.settle_verdict(run, event).await),
            },
            Err(StoreError::Unavailable(message)) => {
                let retry_at = self.retry_at(&run, None);
                let reason = Reason::new("StoreUnavailable", message);
                ApplyFailure::Passing { retry_at, counts: Duration::ZERO, answered: true, reason }
            }
            Err(error) => ApplyFailure::Final { reason: Reason::new("RecordDamaged", error.to_string()) },
        };
        self.settle_verdict(run, Event::ApplyFailed(Vec::new(), failure)).await;
    }

    /// The verdict on a run that was sent before, where that is not to be found out by sending it again: it may have been
    /// made so long ago that it is gone, or the policy has become stricter since. `None` when it is to be sent.
    async fn known_of(&self, run: &Run, sent: Sent, manifests: &[RecordedManifest], payload: &str) -> Option<Event> {
        let fillings = self.fillings(run, payload);
        let refusal = admit_all(manifests, &fillings, &self.settings.policy).err();
        if sent == Sent::Never || (sent == Sent::Perhaps && refusal.is_none()) {
            return None;
        }
        let jobs = match self.jobs_there(run, manifests, &fillings).await {
            Ok(jobs) => jobs,
            Err(error) => {
                let failure = self.passing(run, Reason::new(ApplyError::NO_ANSWER, error.message), None);
                return Some(Event::ApplyFailed(Vec::new(), failure));
            }
        };
        match refusal {
            _ if sent == Sent::LongAgo && !jobs.all => {
                Some(Event::ApplyFailed(jobs.own, ApplyFailure::Unknown { reason: forgotten_reason() }))
            }
            None => None,
            // What was made when it was admitted is not made undone by a later policy.
            Some(_) if jobs.all && !jobs.own.is_empty() => Some(Event::Applied(jobs.own)),
            Some(refusal) => Some(Event::ApplyFailed(jobs.own, not_admitted(&refusal))),
        }
    }

    /// Which of the Jobs exist that a try makes. One that the cluster told of did, whatever became of it.
    async fn jobs_there(
        &self,
        run: &Run,
        manifests: &[RecordedManifest],
        fillings: &Fillings<'_>,
    ) -> Result<Jobs, ClusterError> {
        let mut jobs = Jobs { all: true, own: Vec::new() };
        for manifest in manifests {
            let key = manifest.fill(fillings).key;
            if !key.is_job() {
                continue;
            }
            if let Some(made) = made_before(run, &key) {
                jobs.own.push(made.clone());
            } else if !self.parts.cluster.exists(&key).await? {
                jobs.all = false;
            } else if manifest.unique {
                jobs.own.push(self.parts.cluster.in_full(&key));
            }
        }
        Ok(jobs)
    }

    fn fillings<'a>(&self, run: &Run, payload: &'a str) -> Fillings<'a> {
        let (key, url) = (self.parts.store.ledger_key(), &self.settings.base_url);
        Fillings::new(key, run.id, run.try_no, url, Cow::Borrowed(payload))
    }

    /// Applies a marked run and settles what came of it; returns the run as it then stands.
    pub(super) async fn apply(self: &Arc<Self>, run: Run, manifests: &[RecordedManifest], payload: &str) -> Run {
        let fillings = self.fillings(&run, payload);
        // Admitted again: the policy may have become stricter since the run was accepted.
        let event = match admit_all(manifests, &fillings, &self.settings.policy) {
            Ok(admitted) => match self.apply_each(&run, &admitted, &fillings).await {
                Some(event) => event,
                None => return self.parts.store.run(run.id).await.ok().flatten().unwrap_or(run),
            },
            Err(refusal) => Event::ApplyFailed(Vec::new(), not_admitted(&refusal)),
        };
        self.settle_verdict(run, event).await
    }

    /// Applies each object of a run, until one fails; `None` when the run is not ours any more.
    async fn apply_each(&self, run: &Run, admitted: &[Admitted<Manifest>], fillings: &Fillings<'_>) -> Option<Event> {
        let owner = Owner { run: run.id, try_no: run.try_no };
        let mut applied: Vec<ObjectKey> = Vec::with_capacity(admitted.len());
        for manifest in admitted {
            // Made before, and perhaps gone since: made again it would run twice.
            if let Some(made) = made_before(run, &manifest.key) {
                applied.push(made.clone());
                continue;
            }
            if !self.is_still_ours(run).await {
                return None;
            }
            match self.parts.cluster.apply(owner, manifest).await {
                Ok(key) => applied.push(key),
                Err(error) => {
                    let failure = self.failure(run, error, fillings);
                    let failure = self.or_give_up(run, failure, admitted, &applied).await;
                    return Some(Event::ApplyFailed(applied, failure));
                }
            }
        }
        Some(Event::Applied(applied))
    }

    /// A cluster repeats what it refuses: the rights of the run are not to be read in its words.
    fn failure(&self, run: &Run, error: ApplyError, fillings: &Fillings<'_>) -> ApplyFailure {
        let redacted = |reason: Reason| Reason { message: fillings.redact(&reason.message), ..reason };
        match error {
            ApplyError::Final { reason } => ApplyFailure::Final { reason: redacted(reason) },
            ApplyError::Passing { reason, retry_after } => self.passing(run, redacted(reason), retry_after),
        }
    }

    fn passing(&self, run: &Run, reason: Reason, retry_after: Option<Duration>) -> ApplyFailure {
        let retry_at = self.retry_at(run, retry_after);
        let since_marked = run.mark.as_ref().map(|mark| retry_at.duration_since(mark.at));
        // Nothing of it is to be waited for while the cluster is away.
        let counts = since_marked.filter(|_| self.cut_off().is_none()).and_then(|time| time.try_into().ok());
        let answered = reason.code != ApplyError::NO_ANSWER;
        ApplyFailure::Passing { retry_at, counts: counts.unwrap_or_default(), answered, reason }
    }

    fn retry_at(&self, run: &Run, retry_after: Option<Duration>) -> Timestamp {
        let failures = run.apply_failures.saturating_add(1);
        let wait = self.settings.backoff.wait(failures, jitter()).max(retry_after.unwrap_or_default());
        self.now().checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// Gives up what fails for a passing reason when it has been tried again for as long as may be. Not while the last call
    /// may still be heard, to which nobody answered. An earlier one may have been heard: the Jobs that are not
    /// [known](made_before) to be made are looked for first, and while one exists, or nobody says whether it does, the run
    /// is tried again all the same.
    async fn or_give_up(
        &self,
        run: &Run,
        failure: ApplyFailure,
        admitted: &[Admitted<Manifest>],
        applied: &[ObjectKey],
    ) -> ApplyFailure {
        let ApplyFailure::Passing { counts, answered, reason, .. } = &failure else { return failure };
        let tried_for = Duration::from_millis(run.retried_millis).saturating_add(*counts);
        if counts.is_zero() || tried_for <= self.settings.max_age || !answered {
            return failure;
        }
        // Those that were applied just now are the first of them.
        for Manifest { key, .. } in admitted.iter().skip(applied.len()).map(AsRef::as_ref) {
            let unknown = key.is_job() && made_before(run, key).is_none();
            if unknown && !matches!(self.parts.cluster.exists(key).await, Ok(false)) {
                return failure;
            }
        }
        let message = format!(
            "it could not be applied for longer than {:?}, in {} tries; the last time: {}: {}",
            self.settings.max_age,
            run.apply_failures.saturating_add(1),
            reason.code,
            reason.message
        );
        ApplyFailure::Expired { reason: Reason::new("MaxAgeExceeded", message) }
    }

    /// Settles the verdict on a run, however long the store needs to take it: the run is in our hands, so nobody else
    /// will before the next start.
    pub(super) async fn settle_verdict(self: &Arc<Self>, run: Run, event: Event) -> Run {
        let mut failures = 0;
        loop {
            match self.tell_if(run.id, event.clone(), |stands| is_for(&event, &run, stands)).await {
                Ok(settled) => {
                    self.queued.notify_one();
                    return settled.unwrap_or(run);
                }
                Err(error) if !error.may_pass() => {
                    tracing::error!(run.id = %run.id, %error, "cannot settle the run");
                    return run;
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(run.id = %run.id, %error, "cannot settle the run yet");
                    let wait = self.settings.backoff.wait(failures, jitter());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        // The next start finds the mark and applies again, which starts nothing twice.
                        () = self.stopping.cancelled() => return run,
                    }
                }
            }
        }
    }
}

/// Whether an earlier round may have sent a run, which is not marked by us yet, to a cluster that `keeps` Jobs for so long.
pub(super) fn sent_before(run: &Run, now: Timestamp, keeps: Duration) -> Sent {
    let in_doubt_since = run.in_doubt_since.or(run.mark.as_ref().map(|mark| mark.at));
    let age = in_doubt_since.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
    if age.is_some_and(|age| age >= keeps.saturating_sub(keeps / SPARE)) {
        Sent::LongAgo
    } else if in_doubt_since.is_some() || run.apply_failures > 0 {
        Sent::Perhaps
    } else {
        Sent::Never
    }
}

/// Whether a verdict is to be heard. A failure is not, when somebody else has taken the run in hand since: that one's is.
fn is_for(event: &Event, judged: &Run, stands: &Run) -> bool {
    !matches!(event, Event::ApplyFailed(..)) || judged.mark.is_none() || stands.mark == judged.mark
}

/// The Job of this try that an earlier round of applying it made.
fn made_before<'a>(run: &'a Run, wanted: &ObjectKey) -> Option<&'a ObjectKey> {
    let is_it = |made: &ObjectKey| {
        (&made.api_version, &made.kind, &made.name) == (&wanted.api_version, &wanted.kind, &wanted.name)
            && (wanted.namespace.is_none() || wanted.namespace == made.namespace)
    };
    super::ended::jobs(run).find(|made| is_it(made))
}

fn not_admitted(refusal: &Refusal) -> ApplyFailure {
    ApplyFailure::Final { reason: Reason::new("NotAdmitted", refusal.to_string()) }
}

fn forgotten_reason() -> Reason {
    let message = "it may have been sent to the cluster longer ago than a finished Job stays there, and not every Job of it \
                   is there: whether it ran is not known";
    Reason::new("Forgotten", message)
}

#[cfg(test)]
mod tests {
    use gitfaas_core::id::{RequestId, RunId};
    use gitfaas_core::run::Mark;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).expect("a time")
    }

    fn queued() -> Run {
        let function = "a.yaml".parse().expect("a function");
        let id = RunId::derive(RequestId::from_bytes([1; 16]), &function);
        Run::planned(id, "t".parse().expect("a topic"), function, 0, at(0))
    }

    #[test]
    fn only_what_may_have_been_made_is_in_doubt_and_only_when_a_job_may_be_gone() {
        let mark = Mark { holder: "here".to_owned(), epoch: 1, at: at(0) };
        let marked = Run { mark: Some(mark), due_at: None, ..queued() };
        // Also when what it was refused for since is another reason.
        let unanswered = Run { in_doubt_since: Some(at(0)), apply_failures: 7, due_at: Some(at(21)), ..queued() };
        for run in [&marked, &unanswered] {
            assert_eq!(sent_before(run, at(22), DAY), Sent::Perhaps);
            assert_eq!(sent_before(run, at(23), DAY), Sent::LongAgo, "a little earlier than the cluster says");
            assert_eq!(sent_before(run, at(99_999), Duration::MAX), Sent::Perhaps, "one that forgets nothing");
        }
        let unsent = Run { reason: Some(Reason::new("ClusterUnreachable", "down")), ..queued() };
        for run in [&queued(), &unsent] {
            assert_eq!(sent_before(run, at(99), DAY), Sent::Never);
        }
        let refused = Run { apply_failures: 1, ..unsent };
        assert_eq!(sent_before(&refused, at(99), DAY), Sent::Perhaps, "and perhaps not in vain before that");
    }
}
