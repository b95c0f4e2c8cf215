//! Git over HTTP: how what speaks Git sends its requests.
//!
//! A token goes to the server that was named, and to no other one, whatever that one answers. Redirects are followed
//! for the first request only, as Git does, and never to a place without TLS from one with it.

mod client;
mod exchange;
mod greeting;
mod refused;

use std::any::Any;
use std::io::{self, BufRead, BufReader, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use gix_error::Error;
use gix_transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse};
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response, Url};
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

pub(super) use self::greeting::Greeting;

pub use self::client::{HttpSettings, ProxySettings};

use self::client::Credentials;
use self::exchange::{Body, Came, Head, Question};
use super::look::{Look, Received};
use crate::source::{Fault, SourceError};

/// How often the first request may be sent elsewhere.
const REDIRECTS: u32 = 5;
/// The most of a refusal that is read, in bytes.
const REFUSAL: u64 = 4096;

/// One look at a repository by HTTP.
pub(super) struct Web {
    server: Arc<Server>,
    greeting: Arc<Greeting>,
    redirected: Option<Url>,
}

/// The server that is asked, and who asks.
struct Server {
    client: Client,
    credentials: Option<Credentials>,
    authorization: Option<HeaderValue>,
    /// The repository as it was named: where the token goes.
    url: Url,
    look: Arc<Look>,
}

type Incoming = Box<dyn BufRead + Send>;

impl Web {
    /// A look at the repository at `url`, which names `user` or nobody.
    ///
    /// # Errors
    /// [`Fault::Credentials`] and [`Fault::ClientCertificate`], when what is needed cannot be read.
    pub(super) fn new(
        settings: &HttpSettings,
        url: &Url,
        user: Option<&str>,
        greeting: Arc<Greeting>,
        look: Arc<Look>,
    ) -> Result<Self, SourceError> {
        let credentials = Credentials::read(settings, user)?;
        let authorization = credentials.as_ref().map(Credentials::header).transpose()?;
        let client = client::build(settings, &look.bounds)?;
        let server = Server { client, credentials, authorization, url: url.clone(), look };
        Ok(Self { server: Arc::new(server), greeting, redirected: None })
    }

    /// What the server says first, kept for the next look unless that is said elsewhere.
    fn greeted(&mut self, url: &str, base: &str, headers: &[(String, String)]) -> Result<Came, Error> {
        let response = self.find(url, base, headers);
        let came = response.and_then(|response| self.server.came(response)).map_err(Error::from_error)?;
        match self.redirected {
            Some(_) => Ok(came),
            None => self.greeting.keep(came).map_err(Error::from_error),
        }
    }

    /// Sends the first request, and goes where it is sent.
    fn find(&mut self, url: &str, base: &str, headers: &[(String, String)]) -> Result<Response, SourceError> {
        let server = &self.server;
        let tail = url.strip_prefix(base.trim_end_matches('/')).unwrap_or_default().to_owned();
        let mut url = server.parse(url)?;
        for _ in 0..REDIRECTS {
            let response = server.send(server.request(Method::GET, &url, headers)?)?;
            let next = redirection(&response).and_then(|next| url.join(&next).ok()).filter(|next| {
                let as_safe = next.scheme() == "https" || next.scheme() == url.scheme();
                // Where to go on from there is known only if the end of the way is the same.
                as_safe && next.username().is_empty() && next.as_str().ends_with(&tail)
            });
            let Some(next) = next else { return server.checked(response) };
            let base = next.as_str().strip_suffix(&tail).unwrap_or_default();
            tracing::info!(source.location = server.look.place, elsewhere = base, "the repository is elsewhere now");
            self.redirected = Some(server.parse(base)?);
            url = next;
        }
        let message = format!("{}: the server sends from place to place", server.look.place);
        Err(server.look.fail(SourceError::new(Fault::Malformed, message)))
    }
}

impl Server {
    fn request(&self, method: Method, url: &Url, headers: &[(String, String)]) -> Result<Request, SourceError> {
        let mut request = self.client.request(method, url.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = self.authorization.clone().filter(|_| same_server(url, &self.url)) {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.build().map_err(|error| self.look.fail(refused::no_answer(&self.look.place, &error)))
    }

    fn send(&self, request: Request) -> Result<Response, SourceError> {
        // The client bounds how long it connects by the first half: who is not reached is told from who says nothing.
        let bound = self.look.bounds.stall.saturating_mul(2);
        let sent = self.look.wait_at_most(bound, "nobody answered", self.client.execute(request))?;
        sent.map_err(|error| self.look.fail(refused::no_answer(&self.look.place, &error)))
    }

    fn parse(&self, url: &str) -> Result<Url, SourceError> {
        Url::parse(url).map_err(|error| {
            self.look.fail(SourceError::new(Fault::Malformed, format!("{}: no URL: {error}", self.look.place)))
        })
    }

    /// An answer that is a success; what it says where it is none.
    fn checked(&self, response: Response) -> Result<Response, SourceError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let mut body = Vec::new();
        // What was said before it ended is enough.
        drop(self.incoming(response).take(REFUSAL).read_to_end(&mut body));
        let mut said = refused::said(&body);
        if let Some(credentials) = &self.credentials {
            said = credentials.redact(&said);
        }
        let user = self.credentials.as_ref().map(|credentials| credentials.user.as_str());
        let mut error = refused::answer(&self.look.place, status, user, &said);
        if let Some(seconds) = wait.and_then(|wait| wait.parse::<u32>().ok()) {
            error = SourceError::new(Fault::Throttled, format!("{}; to be asked again in {seconds} s", error.message))
                .retry_after(Some(Duration::from_secs(seconds.into())));
        }
        Err(self.look.fail(error))
    }

    /// What came, if it is what a Git server sends.
    fn came(&self, response: Response) -> Result<Came, SourceError> {
        let response = self.checked(response)?;
        self.is_git(&response)?;
        let head = [b"content-type: ", content_type(&response).as_bytes(), b"\n"].concat();
        Ok((head, self.incoming(response)))
    }

    fn incoming(&self, response: Response) -> Incoming {
        let stream = response.bytes_stream().map_err(|error| io::Error::other(refused::innermost(&error)));
        let reader: Pin<Box<dyn AsyncRead + Send>> = Box::pin(StreamReader::new(stream));
        Box::new(BufReader::with_capacity(64 * 1024, Received::new(reader, self.look.clone())))
    }

    /// Whether an answer is what was asked for, and not a page for people.
    fn is_git(&self, response: &Response) -> Result<(), SourceError> {
        let kind = content_type(response);
        if kind.starts_with("application/x-git-upload-pack-") {
            return Ok(());
        }
        let message = format!(
            "{}: what answers is no Git server that can be read from (it sends `{}`): is this what `git clone` is given?",
            self.look.place,
            refused::said(kind.as_bytes())
        );
        Err(self.look.fail(SourceError::new(Fault::Malformed, message)))
    }
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn redirection(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    location.to_str().ok().map(ToOwned::to_owned)
}

fn same_server(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Headers, as what speaks Git gives them; who asks is said by the client.
fn pairs(headers: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<(String, String)> {
    let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    let pairs = headers.into_iter().filter_map(|line| pair(line.as_ref()));
    pairs.filter(|(name, _)| !name.eq_ignore_ascii_case("user-agent")).collect()
}

impl Http for Web {
    type Headers = Head;
    type ResponseBody = Body;
    type PostBody = Question;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<GetResponse<Head, Body>, Error> {
        let came = match self.greeting.recall() {
            Some(came) => came,
            None => self.greeted(url, base_url, &pairs(headers))?,
        };
        let (headers, body) = exchange::answered(came);
        Ok(GetResponse { headers, body })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> Result<PostResponse<Head, Body, Question>, Error> {
        let server = self.server.clone();
        let url = server.parse(url).map_err(Error::from_error)?;
        let mut request = server.request(Method::POST, &url, &pairs(headers)).map_err(Error::from_error)?;
        let (post_body, headers, body) = exchange::asking(Box::new(move |sent| {
            *request.body_mut() = Some(sent.into());
            server.came(server.send(request)?)
        }));
        Ok(PostResponse { post_body, headers, body })
    }

    fn configure(&mut self, _: &dyn Any) -> Result<(), Error> {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.as_ref().map(|url| url.as_str().to_owned())
    }
}
