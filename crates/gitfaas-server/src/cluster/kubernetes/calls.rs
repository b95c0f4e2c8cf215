//! One request to the API server and its answer: within a time, of a bounded size, and never repeated.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::client::Body;
use kube::{Client, Error};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::circuit::{Circuit, CircuitOpen, chain};

/// The largest answer, in bytes. An object has at most 1.5 MiB in etcd.
const MOST: usize = 16 * 1024 * 1024;
/// The longest wait that a server can ask for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What asks.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) client: Client,
    pub(super) circuit: Arc<Circuit>,
    /// How long a request and its answer may take.
    pub(super) timeout: Duration,
}

/// What the server said.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long to wait before asking again, where the server said so.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum CallError {
    /// Nothing was sent.
    #[error(transparent)]
    Open(#[from] CircuitOpen),
    /// It was sent, perhaps, and nobody knows whether it was done.
    #[error("{0}")]
    Unanswered(String),
    /// The answer is larger than one may be.
    #[error("the API server's answer is larger than {MOST} bytes")]
    TooLarge,
}

impl Calls {
    /// Sends the request and reads the whole answer, whatever its status is.
    pub(super) async fn call(&self, request: Request<Vec<u8>>) -> Result<Answer, CallError> {
        let sent = Instant::now();
        tokio::time::timeout(self.timeout, self.ask(request)).await.unwrap_or_else(|_| Err(self.silent(sent)))
    }

    /// Sends the request and returns as soon as the answer begins: the body is for the caller to read, and to bound.
    pub(super) async fn open(&self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        let sent = Instant::now();
        if let Ok(answered) = tokio::time::timeout(self.timeout, self.client.send(request)).await {
            return answered.map_err(failed);
        }
        Err(self.silent(sent))
    }

    /// The rest of an answer that was opened and is not what was hoped for.
    pub(super) async fn read(&self, response: Response<Body>) -> Result<Answer, CallError> {
        let sent = Instant::now();
        tokio::time::timeout(self.timeout, whole(response)).await.unwrap_or_else(|_| Err(self.silent(sent)))
    }

    fn silent(&self, sent: Instant) -> CallError {
        let why = format!("the API server did not answer within {:?}", self.timeout);
        self.circuit.doubt(sent, why.clone());
        CallError::Unanswered(why)
    }

    async fn ask(&self, request: Request<Vec<u8>>) -> Result<Answer, CallError> {
        whole(self.client.send(request.map(Body::from)).await.map_err(failed)?).await
    }
}

async fn whole(response: Response<Body>) -> Result<Answer, CallError> {
    let (head, body) = response.into_parts();
    let body =
        Limited::new(body, MOST).collect().await.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => CallError::TooLarge,
            None => CallError::Unanswered(format!("the API server's answer broke off: {}", chain(&*error))),
        })?;
    Ok(Answer { status: head.status, retry_after: retry_after(&head.headers), body: body.to_bytes() })
}

impl Answer {
    /// The answer as this type.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| CallError::Unanswered(format!("the API server's answer is not understood: {error}")))
    }
}

fn failed(error: Error) -> CallError {
    match error {
        Error::Service(error) => match error.downcast::<CircuitOpen>() {
            Ok(open) => CallError::Open(*open),
            Err(error) => CallError::Unanswered(chain(&*error)),
        },
        error => CallError::Unanswered(chain(&error)),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}
