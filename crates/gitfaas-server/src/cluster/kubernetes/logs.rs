//! The logs of a Job's containers, as far as they still exist.

mod follow;
mod reading;
mod starts;
mod tail;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use tokio::time::Instant;

pub(super) use self::follow::follow;
pub(super) use self::reading::Reading;
use self::reading::{ReadError, lost};
pub(super) use self::starts::{Start, StartId, starts};
use super::calls::Calls;
use super::feed::{self, Trouble};
use super::objects::{Job, Pod};
use super::refused::unexpected;
use super::rescue::{Rescue, Text};
use super::watch::pods_of;
use crate::cluster::{ClusterError, LogPart};

/// Logs that are read at once.
const AT_ONCE: usize = 4;
/// How long reading the logs of a Job may take. What still runs after the end of its Job is waited for so long.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long a log is asked for that the server cannot get at, as when its node is away.
const GIVEN_UP: Duration = Duration::from_mins(10);
/// The most bytes that are kept of a Job's logs as a whole, but for the very last of each.
const MOST: u64 = 64 * 1024 * 1024;
/// What is kept of each start when there are too many, in bytes.
const LEAST: u64 = 4 * 1024;

/// Where a Job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) job: String,
}

/// The last `tail` bytes of each start of each container: from the server, or as they were rescued. `tried` is how long
/// that has been tried in vain.
pub(super) async fn read(
    calls: &Calls,
    rescue: &Rescue,
    place: &Place,
    job: Option<&Job>,
    tail: u64,
    tried: Duration,
) -> Result<Vec<LogPart>, ClusterError> {
    let deadline = Instant::now() + PATIENCE;
    // What is left of a Job that is over is about to end, and its last words count.
    let is_over = job.is_none_or(|job| job.is_over() || job.metadata.deletion_timestamp.is_some());
    let mut pods = pods(calls, place, job).await?;
    let mut rescued = HashMap::new();
    for (pod, texts) in rescue.of(place, job, is_over.then_some(deadline)).await {
        if pods.iter().all(|known| known.metadata.uid != pod.metadata.uid) {
            pods.push(pod);
        }
        rescued.extend(texts);
    }
    let starts = starts(&pods);
    let fair = MOST / u64::try_from(starts.len().max(1)).unwrap_or(u64::MAX);
    let tail = tail.min(fair.max(LEAST));
    let rescued = &rescued;
    let reads = starts.into_iter().map(|start| async move {
        let text = if let Some(text) = rescued.get(&start.id) {
            Some(shortened(text, tail))
        } else {
            let (namespace, follow) = (place.namespace.as_str(), is_over && start.runs);
            match (Reading { calls, namespace, start: &start, follow }).tail(tail, deadline).await {
                // A node that does not come back must not keep the other logs.
                Err(ReadError::Away(error)) if tried >= GIVEN_UP => Some((lost(&error), 0)),
                read => read?,
            }
        };
        let (attempt, container) = (start.attempt, start.container.to_string());
        Ok::<_, ClusterError>(text.map(|(text, cut)| LogPart { attempt, container, text, cut }))
    });
    let parts: Vec<Option<LogPart>> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    Ok(parts.into_iter().flatten().collect())
}

/// The last `tail` bytes of what was kept.
fn shortened((text, cut): &Text, tail: u64) -> Text {
    let too_many = text.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX));
    (text.slice(too_many..), cut + too_many as u64)
}

/// The pods of a Job that exist; not those of an earlier one of the same name.
pub(super) async fn pods(calls: &Calls, place: &Place, job: Option<&Job>) -> Result<Vec<Pod>, ClusterError> {
    let listed = feed::list(calls, &pods_of(&place.job, Some(&place.namespace))).await;
    let mut pods: Vec<Pod> = match listed {
        Ok(pods) => pods,
        // Waiting for the right would keep the Job for ever.
        Err(Trouble::Refused(answer)) if answer.status == StatusCode::FORBIDDEN => {
            let error = unexpected("list the pods of a Job", &answer);
            tracing::warn!(job = place.job, %error, "there will be no logs without that right");
            Vec::new()
        }
        Err(Trouble::Refused(answer)) => return Err(unexpected("list the pods of the Job", &answer)),
        Err(Trouble::Failed(message) | Trouble::Unreadable(message)) => return Err(ClusterError { message }),
        Err(Trouble::Expired | Trouble::Left) => {
            return Err(ClusterError { message: "the list of pods broke off".to_owned() });
        }
    };
    let uid = job.map(|job| &*job.metadata.uid);
    pods.retain(|pod| pod.metadata.job().is_some_and(|(_, job)| uid.is_none_or(|uid| uid == job)));
    Ok(pods)
}
