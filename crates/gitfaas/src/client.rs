//! The HTTP client of the commands: one method for each route, typed answers, errors a person can act on.
//!
//! It prints nothing and decides nothing; it keeps the body of each answer for `-o json`.

mod address;
mod error;
mod logs;

use std::time::Duration;

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::topic::TopicName;
use gitfaas_server::api::wire;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;

pub(crate) use address::Token;
pub(crate) use error::Error;
pub(crate) use logs::LogLines;

use crate::cli;
use crate::exit::Usage;
use crate::publication::Publication;

/// How long a connection may take: a server that is there answers in far less.
const CONNECT: Duration = Duration::from_secs(5);
/// How long any answer may take beyond the time the server was asked to wait.
const ANSWER: Duration = Duration::from_mins(1);
/// How long a refresh may take: a large repository over a slow line, and the refresh before it.
const REFRESH: Duration = Duration::from_mins(30);
/// The most that is read of one answer, so that something that is not gitfaas cannot fill the memory.
const MAX_ANSWER: usize = 256 << 20;

/// An answer: the value, and the text it was read from.
#[derive(Debug, Clone)]
pub(crate) struct Answer<T> {
    /// What it says.
    pub(crate) value: T,
    /// The JSON as the server wrote it.
    pub(crate) json: String,
}

/// What `GET /api/v1/requests` is filtered by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Query parameters by name.
    pub(crate) query: Vec<(&'static str, String)>,
}

/// Talks to one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Token>,
}

impl Client {
    /// A client for the server that the arguments name, with the token of the environment.
    ///
    /// # Errors
    /// When the address or the token cannot be used.
    pub(crate) fn new(arguments: &cli::ServerAddress) -> anyhow::Result<Self> {
        Self::at(&arguments.server, Token::from_environment()?)
    }

    /// A client for the server at `address`.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub(crate) fn at(address: &str, token: Option<Token>) -> anyhow::Result<Self> {
        let base = address::parse(address)?;
        // No client can be built without it, not even one for http. It fails only when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // An answer that points elsewhere is shown, not followed: the token and the message are for this server.
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("gitfaas/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "http" {
            // The certificates of the machine are needed for https only, and may be missing.
            builder = builder.tls_certs_only([]);
        }
        if address::is_loopback(&base) {
            builder = builder.no_proxy();
        }
        Ok(Self { http: builder.build()?, base, token })
    }

    /// The server's address, for people.
    pub(crate) fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Publishes a message.
    pub(crate) async fn publish(
        &self,
        topic: &TopicName,
        message: &Publication,
        idempotency_key: Option<&str>,
    ) -> anyhow::Result<Answer<wire::Receipt>> {
        let mut url = self.url(&["publish", topic.as_str()])?;
        address::set_query(&mut url, message.params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut request = self.request(Method::POST, url).timeout(ANSWER);
        if let Some(content_type) = &message.content_type {
            let value = HeaderValue::from_str(content_type)
                .map_err(|_| Usage(format!("`{content_type}` cannot be a content type")))?;
            request = request.header(CONTENT_TYPE, value);
        }
        if let Some(key) = idempotency_key {
            let value = HeaderValue::from_str(key).map_err(|_| Usage(format!("`{key}` cannot be a key")))?;
            request = request.header("idempotency-key", value);
        }
        let size = message.payload.len();
        let sent = request.body(message.payload.clone()).send().await;
        let response = sent.map_err(|error| Error::of_upload(self.server(), size, &error))?;
        Ok(self.read(response).await?)
    }

    /// All topics.
    pub(crate) async fn topics(&self) -> Result<Answer<wire::List<wire::TopicView>>, Error> {
        self.get(&["api", "v1", "topics"], &[], Duration::ZERO).await
    }

    /// One topic.
    pub(crate) async fn topic(&self, topic: &TopicName) -> Result<Answer<wire::TopicView>, Error> {
        self.get(&["api", "v1", "topics", topic.as_str()], &[], Duration::ZERO).await
    }

    /// Pauses a topic.
    pub(crate) async fn pause(&self, topic: &TopicName) -> Result<Answer<wire::TopicView>, Error> {
        self.post(&["api", "v1", "topics", &format!("{topic}:pause")], &[]).await
    }

    /// Resumes a topic.
    pub(crate) async fn resume(&self, topic: &TopicName) -> Result<Answer<wire::TopicView>, Error> {
        self.post(&["api", "v1", "topics", &format!("{topic}:resume")], &[]).await
    }

    /// Whether it can serve.
    pub(crate) async fn ready(&self) -> Result<Answer<wire::Ready>, Error> {
        self.get(&["readyz"], &[], Duration::ZERO).await
    }

    /// Where functions come from, and what is wrong there.
    pub(crate) async fn source(&self) -> Result<Answer<wire::SourceView>, Error> {
        self.get(&["api", "v1", "source"], &[], Duration::ZERO).await
    }

    /// Has the source read now, which may take as long as the server lets it.
    pub(crate) async fn refresh(&self) -> Result<Answer<wire::Refreshed>, Error> {
        let request = self.request(Method::POST, self.url(&["refresh"])?).header(ACCEPT, "application/json");
        let sent = request.timeout(REFRESH).send().await;
        self.read(sent.map_err(|error| Error::of_transport(self.server(), &error))?).await
    }

    /// A page of requests.
    pub(crate) async fn requests(&self, filter: &Filter) -> Result<Answer<wire::List<wire::RequestView>>, Error> {
        self.get(&["api", "v1", "requests"], &filter.query, Duration::ZERO).await
    }

    /// A request; answered when all its runs have ended, or after `wait` (at most a minute, in whole seconds).
    pub(crate) async fn request_view(&self, id: RequestId, wait: Duration) -> Result<Answer<wire::RequestView>, Error> {
        let query = match wait.as_secs() {
            0 => vec![],
            seconds => vec![("wait", seconds.to_string())],
        };
        self.get(&["api", "v1", "requests", &id.to_string()], &query, wait).await
    }

    /// The answers of a request.
    pub(crate) async fn responses(&self, id: RequestId) -> Result<Answer<wire::List<wire::ResponseView>>, Error> {
        self.get(&["api", "v1", "requests", &id.to_string(), "responses"], &[], Duration::ZERO).await
    }

    /// A request with all that came of it.
    pub(crate) async fn tree(&self, id: RequestId) -> Result<Answer<wire::TreeView>, Error> {
        self.get(&["api", "v1", "requests", &id.to_string(), "tree"], &[], Duration::ZERO).await
    }

    /// The logs of a try of a run, the present one if none is named, as plain text; with `follow` until the run ends,
    /// however long that takes.
    pub(crate) async fn logs(&self, run: RunId, follow: bool, try_no: Option<u32>) -> Result<LogLines, Error> {
        self.log_lines(run, follow, try_no, "text/plain").await
    }

    /// The same, each line a JSON object: [`wire::LogLine`].
    pub(crate) async fn log_objects(&self, run: RunId, follow: bool, try_no: Option<u32>) -> Result<LogLines, Error> {
        self.log_lines(run, follow, try_no, "application/x-ndjson").await
    }

    async fn log_lines(
        &self,
        run: RunId,
        follow: bool,
        try_no: Option<u32>,
        accept: &'static str,
    ) -> Result<LogLines, Error> {
        let mut url = self.url(&["api", "v1", "runs", run.as_str(), "logs"])?;
        address::set_query(
            &mut url,
            try_no.map(|number| ("try", number.to_string())).iter().map(|(name, value)| (*name, value.as_str())),
        );
        let mut timeout = Some(ANSWER);
        if follow {
            address::set_query(&mut url, [("follow", "true")]);
            timeout = None;
        }
        let mut request = self.request(Method::GET, url).header(ACCEPT, accept);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let response = request.send().await.map_err(|error| Error::of_transport(self.server(), &error))?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        Ok(LogLines::new(self.server(), response))
    }

    /// Cancels the runs of a request.
    pub(crate) async fn cancel(&self, id: RequestId, descendants: bool) -> Result<Answer<wire::CancelledView>, Error> {
        let query = if descendants { vec![("descendants", "true".to_owned())] } else { vec![] };
        self.post(&["api", "v1", "requests", &format!("{id}:cancel")], &query).await
    }

    /// Publishes the message of a request once more, with the functions that `at` names.
    pub(crate) async fn replay(&self, id: RequestId, at: &str) -> Result<Answer<wire::Receipt>, Error> {
        self.post(&["api", "v1", "requests", &format!("{id}:replay")], &[("at", at.to_owned())]).await
    }

    /// A page of dead letters.
    pub(crate) async fn dead_letters(&self, filter: &Filter) -> Result<Answer<wire::List<wire::RunView>>, Error> {
        self.get(&["api", "v1", "dead-letters"], &filter.query, Duration::ZERO).await
    }

    /// Does something (`redrive`, `purge`) to one dead letter.
    pub(crate) async fn dead_letter(
        &self,
        verb: &str,
        run: RunId,
        filter: &Filter,
    ) -> Result<Answer<wire::RunView>, Error> {
        self.post(&["api", "v1", "dead-letters", &format!("{run}:{verb}")], &filter.query).await
    }

    /// Does something (`redrive`, `purge`) to the dead letters that the filter chooses, as many as one answer takes.
    pub(crate) async fn all_dead_letters(&self, verb: &str, filter: &Filter) -> Result<Answer<wire::BulkView>, Error> {
        self.post(&["api", "v1", &format!("dead-letters:{verb}")], &filter.query).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&'static str, String)],
    ) -> Result<Answer<T>, Error> {
        let mut url = self.url(path)?;
        address::set_query(&mut url, query.iter().map(|(name, value)| (*name, value.as_str())));
        let request = self.request(Method::POST, url).header(ACCEPT, "application/json").timeout(ANSWER);
        let response = request.send().await.map_err(|error| Error::of_transport(self.server(), &error))?;
        self.read(response).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&'static str, String)],
        wait: Duration,
    ) -> Result<Answer<T>, Error> {
        let mut url = self.url(path)?;
        address::set_query(&mut url, query.iter().map(|(name, value)| (*name, value.as_str())));
        let request = self.request(Method::GET, url).header(ACCEPT, "application/json").timeout(wait + ANSWER);
        let response = request.send().await.map_err(|error| Error::of_transport(self.server(), &error))?;
        self.read(response).await
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.header(reqwest::header::AUTHORIZATION, token.header()),
            None => request,
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        address::join(&self.base, path)
            .ok_or_else(|| Error::strange(self.server(), "no path can be added to this address"))
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<Answer<T>, Error> {
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let body = self.body(response).await?;
        let json = String::from_utf8(body).map_err(|_| Error::strange(self.server(), "its answer is no text"))?;
        match serde_json::from_str(&json) {
            Ok(value) => Ok(Answer { value, json }),
            Err(error) => Err(Error::strange(self.server(), format!("its answer is not what gitfaas says: {error}"))),
        }
    }

    async fn refusal(&self, response: Response) -> Error {
        let status = response.status();
        let headers = response.headers().clone();
        match self.body(response).await {
            Ok(body) => Error::of_refusal(self.server(), status, &headers, &body),
            Err(error) => error,
        }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| Error::of_transport(self.server(), &error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Error::strange(self.server(), format!("its answer is larger than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests;
