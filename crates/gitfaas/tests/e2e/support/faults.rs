//! A proxy before the API server that breaks what passes it: the first request of each kind, about each object, so that
//! what is asked again gets through.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Api, way};

/// How long a slow answer takes: longer than a patient gitfaas waits.
const SLOW: Duration = Duration::from_secs(3);
/// What a busy server asks for, in seconds.
pub(crate) const RETRY_AFTER: u64 = 2;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done, and the answer comes too late.
    Slow,
    /// It is not done: 429, and when to ask again.
    Busy,
    /// It is not done: 500.
    Broken,
    /// It is done, and answered by 500.
    BrokenAfter,
    /// It is not done: the connection is reset.
    ResetBefore,
    /// It is done, and the connection is reset in place of an answer.
    ResetAfter,
    /// Watches only: what they begin at is gone. Told by the answer's status, then in a stream that had begun.
    Gone,
    /// Watches only: nothing is told, until all of it is [seen](Faults::see); then what they begin at is gone.
    Blind,
}

/// What passed.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    /// Its method and place, and the name of the object in it.
    pub(crate) what: String,
    pub(crate) at: Instant,
    pub(crate) fault: Option<Fault>,
}

/// The proxy, for as long as it is kept.
pub(crate) struct Faults {
    /// By which gitfaas goes through it.
    pub(crate) kubeconfig: PathBuf,
    state: Arc<State>,
    listening: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

struct State {
    fault: Fault,
    server: kube::Client,
    sees: watch::Sender<bool>,
    passed: Mutex<Vec<Passed>>,
}

/// The connection is to be reset.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset")
    }
}

impl std::error::Error for Reset {}

impl Faults {
    /// Before this API server.
    pub(crate) async fn before(api: &Api, fault: Fault) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let here = listener.local_addr().expect("an address");
        let (mut config, _) = way::kubeconfig(api);
        config["clusters"][0]["cluster"] = json!({ "server": format!("http://{here}") });
        config["users"][0]["user"] = json!({});
        let state = Arc::new(State {
            fault,
            server: api.asking_once().await,
            sees: watch::Sender::new(false),
            passed: Mutex::default(),
        });
        let listening = tokio::spawn(listen(listener, state.clone()));
        Self { kubeconfig: way::write(folder.path(), &config), state, listening, _folder: folder }
    }

    /// Ends the blindness.
    pub(crate) fn see(&self) {
        self.state.sees.send_replace(true);
    }

    /// What has passed so far.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.state.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (stream, twin) = twins(stream);
        let state = state.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let (state, twin) = (state.clone(), twin.try_clone().expect("a socket"));
                async move {
                    let answered = state.answer(request).await;
                    if answered.is_err() {
                        // When the last of its handles is closed, the connection is not ended but reset.
                        socket2::SockRef::from(&twin).set_linger(Some(Duration::ZERO)).expect("an option");
                    }
                    answered
                }
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
        });
    }
}

/// The same connection twice: once to speak over it, once to break it.
fn twins(stream: tokio::net::TcpStream) -> (tokio::net::TcpStream, TcpStream) {
    let stream = stream.into_std().expect("a socket");
    let twin = stream.try_clone().expect("a socket");
    (tokio::net::TcpStream::from_std(stream).expect("a socket"), twin)
}

impl State {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Reset> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
        let watches = head.uri.query().is_some_and(|query| query.contains("watch="));
        let name = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let name = name["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let verb = if watches { "WATCH" } else { head.method.as_str() };
        let fault = self.pass(format!("{verb} {} {name}", head.uri.path()), watches);
        let forwarded = Request::from_parts(head, Body::from(body));
        match fault {
            None => self.forward(forwarded).await,
            Some(Fault::Slow) => {
                let answered = self.forward(forwarded).await;
                tokio::time::sleep(SLOW).await;
                answered
            }
            Some(Fault::Busy) => Ok(status(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")),
            Some(Fault::Broken) => Ok(status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
            Some(Fault::BrokenAfter) => {
                self.forward(forwarded).await?;
                Ok(status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"))
            }
            Some(Fault::ResetBefore) => Err(Reset),
            Some(Fault::ResetAfter) => {
                self.forward(forwarded).await?;
                Err(Reset)
            }
            Some(Fault::Gone) if self.times("WATCH") == 1 => Ok(status(StatusCode::GONE, "Expired")),
            Some(Fault::Gone) => Ok(gone_meanwhile()),
            Some(Fault::Blind) => {
                drop(self.sees.subscribe().wait_for(|sees| *sees).await);
                Ok(status(StatusCode::GONE, "Expired"))
            }
        }
    }

    /// Notes what passes, and says what becomes of it.
    fn pass(&self, what: String, watches: bool) -> Option<Fault> {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let times = passed.iter().filter(|passed| passed.what == what).count();
        let broken = match self.fault {
            Fault::Gone => watches && times < 2,
            Fault::Blind => watches && !*self.sees.borrow(),
            _ => times < 1,
        };
        let fault = broken.then_some(self.fault);
        passed.push(Passed { what, at: Instant::now(), fault });
        fault
    }

    fn times(&self, verb: &str) -> usize {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.iter().filter(|passed| passed.what.starts_with(verb)).count()
    }

    /// Has the API server answer. In a task of its own: who hangs up does not undo what was sent.
    async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, Reset> {
        let server = self.server.clone();
        let answered = tokio::spawn(async move { server.send(request).await });
        answered.await.map_err(|_| Reset)?.map_err(|_| Reset)
    }
}

fn status(code: StatusCode, reason: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(failure(code, reason).to_string().into_bytes()));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert("content-type", "application/json".parse().expect("a value"));
    if code == StatusCode::TOO_MANY_REQUESTS {
        headers.insert("retry-after", RETRY_AFTER.into());
    }
    response
}

/// A watch that began well, and is told in its first line that it is too late.
fn gone_meanwhile() -> Response<Body> {
    let line = format!("{}\n", json!({ "type": "ERROR", "object": failure(StatusCode::GONE, "Expired") }));
    let mut response = Response::new(Body::from(line.into_bytes()));
    response.headers_mut().insert("content-type", "application/json".parse().expect("a value"));
    response
}

fn failure(code: StatusCode, reason: &str) -> Value {
    let message = "a fault that the test made";
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code.as_u16() })
}
