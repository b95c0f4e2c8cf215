//! The HTTP client of one look: whom it trusts, who it says it is, and by which proxy it goes. It decides nothing about
//! answers.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use reqwest::{Certificate, Client, Identity, Proxy, Url, redirect};

use super::super::address::{Refused, checked_user};
use super::super::look::Bounds;
use crate::secret::{Secret, UnusableFile, read_file};
use crate::source::{Fault, SourceError};

/// What it takes to read a repository by HTTP. Files are read at each look.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// Who asks, where the URL does not say it.
    pub user: Option<String>,
    /// The file of the token.
    pub token: Option<PathBuf>,
    /// The certificates of the authorities that are trusted, and no others, in PEM.
    pub ca: Option<PathBuf>,
    /// The certificate to identify with, and those between it and its authority, in PEM.
    pub client_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    pub client_key: Option<PathBuf>,
    /// The proxy to go by.
    pub proxy: Option<ProxySettings>,
}

/// A proxy.
#[derive(Debug, Clone)]
pub struct ProxySettings {
    url: Url,
    user: String,
    password: Option<PathBuf>,
}

impl ProxySettings {
    /// The proxy at `http://[USER@]HOST[:PORT]`, and the file of the user's password.
    ///
    /// # Errors
    /// Why it is none; a password in it is not repeated.
    pub fn parse(text: &str, password: Option<PathBuf>) -> Result<Self, Refused> {
        let refuse = |why: &str| Err(Refused(why.to_owned()));
        let Ok(mut url) = Url::parse(text) else { return refuse("the proxy is given as http://HOST:PORT") };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return refuse("the proxy is given as http://HOST:PORT or https://HOST:PORT");
        }
        if url.password().is_some() {
            return refuse(
                "the proxy's URL has a password in it, which everybody who lists processes can read: give a file with it",
            );
        }
        let user = url.username().to_owned();
        if !user.is_empty() {
            checked_user(&user)?;
        }
        if user.is_empty() && password.is_some() {
            return refuse("the proxy's password is whose? give the user as http://USER@HOST:PORT");
        }
        if url.set_username("").is_err() {
            return refuse("the proxy is given as http://HOST:PORT");
        }
        Ok(Self { url, user, password })
    }

    fn proxy(&self) -> Result<Proxy, SourceError> {
        let proxy = Proxy::all(self.url.clone())
            .map_err(|error| SourceError::new(Fault::Credentials, format!("the proxy cannot be used: {error}")))?;
        if self.user.is_empty() {
            return Ok(proxy);
        }
        let password = self.password.as_deref().map(|path| Secret::read(path, "the proxy's password")).transpose()?;
        // As a header: in an address, which is what `basic_auth` makes of it, a `%` would mean something else.
        Ok(proxy.custom_http_auth(basic(&encoded(&self.user, password.as_ref().map_or("", Secret::reveal)))?))
    }
}

/// Who asks, and what must not be shown of it.
pub(super) struct Credentials {
    pub(super) user: String,
    token: Secret,
    encoded: String,
}

impl Credentials {
    /// Those of the settings, for a URL that names `user` or nobody.
    pub(super) fn read(settings: &HttpSettings, user: Option<&str>) -> Result<Option<Self>, SourceError> {
        let Some(path) = &settings.token else { return Ok(None) };
        let token = Secret::read(path, "the token")?;
        // A server that goes by the token alone wants some name.
        let user = settings.user.as_deref().or(user).unwrap_or("git").to_owned();
        let encoded = encoded(&user, token.reveal());
        Ok(Some(Self { user, token, encoded }))
    }

    pub(super) fn header(&self) -> Result<HeaderValue, SourceError> {
        basic(&self.encoded)
    }

    /// Takes them out of what a server says.
    pub(super) fn redact(&self, text: &str) -> String {
        text.replace(self.token.reveal(), "…").replace(&self.encoded, "…")
    }
}

/// A user and what proves that it is them, as they are sent.
fn encoded(user: &str, secret: &str) -> String {
    STANDARD.encode(format!("{user}:{secret}"))
}

/// The header that says who asks, which is not to be shown.
fn basic(encoded: &str) -> Result<HeaderValue, SourceError> {
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .map_err(|_| SourceError::new(Fault::Credentials, "the token cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client for one look.
///
/// # Errors
/// [`Fault::Credentials`] and [`Fault::ClientCertificate`], when a file that is named cannot be used.
pub(super) fn build(settings: &HttpSettings, bounds: &Bounds) -> Result<Client, SourceError> {
    // Somebody else of this process may have installed one, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("git/2.0 (gitfaas ", env!("CARGO_PKG_VERSION"), ")"))
        // Followed by hand: a token must not go along to another server.
        .redirect(redirect::Policy::none())
        .connect_timeout(bounds.stall);
    if let Some(path) = &settings.ca {
        builder = builder.tls_certs_only(authorities(path)?);
    }
    if let Some(certificate) = &settings.client_cert {
        builder = builder.identity(identity(certificate, settings.client_key.as_deref())?);
    }
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(proxy.proxy()?);
    }
    builder.build().map_err(|error| {
        let why = super::refused::innermost(&error);
        SourceError::new(Fault::Local, format!("no HTTP client can be made: {why}"))
    })
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, SourceError> {
    let what = "the certificate authorities";
    let pem = read_file(path, what)?;
    let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if found.is_empty() {
        return Err(UnusableFile::new(path, what, "are no certificates in PEM (`-----BEGIN CERTIFICATE-----`)").into());
    }
    Ok(found)
}

fn identity(certificate: &Path, key: Option<&Path>) -> Result<Identity, SourceError> {
    let what = "the client certificate";
    let mut pem = read_file(certificate, what)?;
    if let Some(key) = key {
        pem.push(b'\n');
        pem.extend(read_file(key, "the client certificate's key")?);
    }
    Identity::from_pem(&pem).map_err(|_| SourceError {
        fault: Fault::ClientCertificate,
        ..UnusableFile::new(
            certificate,
            what,
            "and its key are not a certificate and an unencrypted private key in PEM",
        )
        .into()
    })
}
