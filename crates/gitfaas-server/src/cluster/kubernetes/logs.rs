//! The logs of a Job's containers, as far as they still exist.

mod follow;
mod starts;
mod tail;

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;

pub(super) use self::follow::follow;
use self::starts::{Start, starts};
use self::tail::Tail;
use super::calls::Calls;
use super::feed::{self, Trouble};
use super::kinds::get;
use super::objects::{Job, Pod};
use super::refused::unexpected;
use super::watch::pods_of;
use crate::cluster::{ClusterError, LogPart};

/// Logs that are read at once.
const AT_ONCE: usize = 4;
/// How long reading the logs of a Job may take. What still runs after the end of its Job is waited for so long.
const PATIENCE: Duration = Duration::from_secs(45);
/// The most bytes that are kept of a Job's logs as a whole, but for the very last of each.
const MOST: u64 = 64 * 1024 * 1024;
/// What is kept of each start when there are too many, in bytes.
const LEAST: u64 = 4 * 1024;

/// Where a Job is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) job: String,
}

/// The last `tail` bytes of each start of each container.
pub(super) async fn read(
    calls: &Calls,
    place: &Place,
    job: Option<&Job>,
    tail: u64,
) -> Result<Vec<LogPart>, ClusterError> {
    let pods = pods(calls, place, job).await?;
    // What is left of a Job that is over is about to end, and its last words count.
    let is_over = job.is_none_or(|job| job.is_over() || job.metadata.deletion_timestamp.is_some());
    let deadline = Instant::now() + PATIENCE;
    let starts = starts(&pods);
    let fair = MOST / u64::try_from(starts.len().max(1)).unwrap_or(u64::MAX);
    let tail = tail.min(fair.max(LEAST));
    let reads = starts.into_iter().map(|start| async move {
        let reading = Reading { calls, place, start: &start, follow: is_over && start.runs };
        reading.tail(tail, deadline).await
    });
    let parts: Vec<Option<LogPart>> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    Ok(parts.into_iter().flatten().collect())
}

/// The pods of a Job that exist; not those of an earlier one of the same name.
async fn pods(calls: &Calls, place: &Place, job: Option<&Job>) -> Result<Vec<Pod>, ClusterError> {
    let listed = feed::list(calls, &pods_of(&place.job, Some(&place.namespace))).await;
    let mut pods: Vec<Pod> = listed.map_err(|trouble| ClusterError {
        message: match trouble {
            Trouble::Refused(answer) => return unexpected("list the pods of the Job", &answer),
            Trouble::Failed(why) => why,
            Trouble::Expired | Trouble::Left => "the list of pods broke off".to_owned(),
        },
    })?;
    let uid = job.map(|job| &*job.metadata.uid);
    pods.retain(|pod| pod.metadata.job().is_some_and(|(_, job)| uid.is_none_or(|uid| uid == job)));
    Ok(pods)
}

/// A log that is read.
struct Reading<'a> {
    calls: &'a Calls,
    place: &'a Place,
    start: &'a Start,
    /// Whether to read on until the container has ended.
    follow: bool,
}

impl Reading<'_> {
    /// The answer as it comes in; `None` when there is no log (any more, or yet).
    async fn open(&self) -> Result<Option<Body>, ClusterError> {
        let Start { pod, container, previous, .. } = self.start;
        let place = format!(
            "/api/v1/namespaces/{}/pods/{pod}/log?container={}&follow={}&previous={previous}",
            self.place.namespace,
            utf8_percent_encode(container, NON_ALPHANUMERIC),
            self.follow,
        );
        let mut request = get(&place).map(Body::from);
        // Compressed, what is followed would be held back until there is enough of it.
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = self.calls.open(request).await?;
        match response.status() {
            status if status.is_success() => Ok(Some(response.into_body())),
            // The pod is gone, or the container: it waits to be started, or was removed.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(None),
            _ => Err(unexpected("read a log", &self.calls.read(response).await?)),
        }
    }

    async fn tail(&self, most: u64, deadline: Instant) -> Result<Option<LogPart>, ClusterError> {
        let Some(mut body) = self.open().await? else { return Ok(None) };
        let mut tail = Tail::new(most);
        loop {
            let silent = if self.follow { deadline } else { deadline.min(Instant::now() + self.calls.timeout) };
            match tokio::time::timeout_at(silent, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        tail.push(data);
                    }
                }
                Ok(Some(Err(error))) => {
                    return Err(ClusterError { message: format!("a log broke off: {error}") });
                }
                Ok(None) => break,
                Err(_) => {
                    tail.push("\n[the rest of the log did not come in time]\n".into());
                    break;
                }
            }
        }
        let (text, cut) = tail.into_parts();
        Ok(Some(LogPart { attempt: self.start.attempt, container: self.start.container.to_string(), text, cut }))
    }
}
