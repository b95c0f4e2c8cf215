//! One log, as the API server gives it.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;

use super::super::apply::segment;
use super::super::calls::Calls;
use super::super::kinds::get;
use super::super::refused::unexpected;
use super::starts::Start;
use super::tail::Tail;
use crate::cluster::ClusterError;

/// A log that is read.
pub(in super::super) struct Reading<'a> {
    pub(in super::super) calls: &'a Calls,
    pub(in super::super) namespace: &'a str,
    pub(in super::super) start: &'a Start,
    /// Whether to read on until the container has ended.
    pub(in super::super) follow: bool,
}

impl Reading<'_> {
    /// The answer as it begins.
    pub(super) async fn open(&self) -> Result<Opened, ClusterError> {
        let Start { pod, container, previous, .. } = self.start;
        let place = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&follow={}&previous={previous}",
            segment(self.namespace),
            segment(pod),
            utf8_percent_encode(container, NON_ALPHANUMERIC),
            self.follow,
        );
        let mut request = get(&place).map(Body::from);
        // Compressed, what is followed would be held back until there is enough of it.
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = self.calls.open(request).await?;
        match response.status() {
            status if status.is_success() => Ok(Opened::Body(response.into_body())),
            // The pod is gone, or the container: it waits to be started, or was removed.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(Opened::Nothing),
            StatusCode::FORBIDDEN => Ok(Opened::Forbidden(unexpected("read a log", &self.calls.read(response).await?))),
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => {
                Err(unexpected("read a log", &self.calls.read(response).await?))
            }
            _ => Ok(Opened::Away(unexpected("read a log", &self.calls.read(response).await?))),
        }
    }

    /// Its last bytes, and how many came before them.
    pub(in super::super) async fn tail(&self, most: u64, deadline: Instant) -> Result<Option<(Bytes, u64)>, ReadError> {
        let mut body = match self.open().await? {
            Opened::Body(body) => body,
            Opened::Nothing => return Ok(None),
            Opened::Away(error) => return Err(ReadError::Away(error)),
            // Waiting for the right would keep the Job for ever.
            Opened::Forbidden(error) => return Ok(Some((lost(&error), 0))),
        };
        let mut tail = Tail::new(most);
        loop {
            let silent = Instant::now() + self.calls.timeout;
            match tokio::time::timeout_at(if self.follow { deadline } else { deadline.min(silent) }, body.frame()).await
            {
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        tail.push(data);
                    }
                }
                Ok(Some(Err(error))) => {
                    return Err(ClusterError { message: format!("a log broke off: {error}") }.into());
                }
                Ok(None) => break,
                // The server is paused, perhaps; what it has left is still there when it goes on.
                Err(_) if !self.follow && silent <= deadline => {
                    let message = format!("a log broke off: nothing of it came for {:?}", self.calls.timeout);
                    return Err(ClusterError { message }.into());
                }
                Err(_) => {
                    tail.push("\n[the rest of the log did not come in time]\n".into());
                    break;
                }
            }
        }
        let (text, cut) = tail.into_parts();
        Ok(Some((if self.follow { without_trouble(text) } else { text }, cut)))
    }
}

/// How an answer begins.
pub(super) enum Opened {
    /// The log, as it comes in.
    Body(Body),
    /// There is none (any more, or yet).
    Nothing,
    /// It may not be read.
    Forbidden(ClusterError),
    /// The server cannot get at it now: its node is away, perhaps for good.
    Away(ClusterError),
}

/// Why a log was not read.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ReadError {
    /// The server did not answer, or not as it should.
    #[error(transparent)]
    Server(#[from] ClusterError),
    /// The server cannot get at it.
    #[error(transparent)]
    Away(ClusterError),
}

impl From<ReadError> for ClusterError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Server(error) | ReadError::Away(error) => error,
        }
    }
}

/// What stands for a log that cannot be read.
pub(super) fn lost(error: &ClusterError) -> Bytes {
    format!("[the log is lost: {error}]\n").into()
}

/// Without what a kubelet writes at the end of a log that is followed when its container is removed.
pub(super) fn without_trouble(mut text: Bytes) -> Bytes {
    const BEGIN: &[u8] = b"rpc error: code = NotFound desc = ";
    const LONGEST: usize = 300;
    let from = text.len().saturating_sub(LONGEST);
    let place = text[from..].windows(BEGIN.len()).rposition(|words| words == BEGIN);
    if let Some(place) = place
        && text.ends_with(b"not found")
    {
        text.truncate(from + place);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kubelet_says_is_no_part_of_a_log() {
        let said = "rpc error: code = NotFound desc = an error occurred when try to find container \"3e9f\": not found";
        for own in ["", "first\nlast\n", "no end of line"] {
            assert_eq!(without_trouble(format!("{own}{said}").into()), own);
        }
        for own in ["", "not found", "rpc error: code = NotFound desc = and more\n"] {
            assert_eq!(without_trouble(own.into()), own);
        }
    }
}
