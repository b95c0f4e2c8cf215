//! Where functions reach the server.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// A URL that functions put paths behind: `http` or `https`, an authority, perhaps a path; without a `/` at the end.
///
/// It holds only characters that need no escape in JSON, YAML or a shell word, so that it can be filled in anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Arc<str>);

/// What was given cannot be a [`BaseUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write it as http://HOST:PORT or https://HOST, without a query, a user or blanks")]
pub struct InvalidBaseUrl;

impl BaseUrl {
    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An address of a listener, over plain HTTP.
impl From<SocketAddr> for BaseUrl {
    fn from(address: SocketAddr) -> Self {
        Self(format!("http://{address}").into())
    }
}

/// Where `gitfaas dev` listens unless it is told otherwise.
impl Default for BaseUrl {
    fn default() -> Self {
        Self::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 5000)))
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        let url = text.trim_end_matches('/');
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).ok_or(InvalidBaseUrl)?;
        let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte));
        let host = rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
        if plain && host && url.len() <= 1024 { Ok(Self(url.into())) } else { Err(InvalidBaseUrl) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_ends_without_a_slash() {
        for (given, taken) in [
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("https://faas.example/team/a/", "https://faas.example/team/a"),
            ("http://[::1]:81/", "http://[::1]:81"),
        ] {
            assert_eq!(given.parse::<BaseUrl>().map(|url| url.to_string()).as_deref(), Ok(taken));
        }
    }

    #[test]
    fn what_would_need_an_escape_or_names_no_host_is_refused() {
        for given in [
            "",
            "gitfaas:5000",
            "ftp://x",
            "http://",
            "http:///x",
            "http://a\"b",
            "http://a b",
            "http://u:p@x",
            "http://x?y",
            "http://x\n",
        ] {
            assert_eq!(given.parse::<BaseUrl>(), Err(InvalidBaseUrl), "{given:?}");
        }
    }
}
