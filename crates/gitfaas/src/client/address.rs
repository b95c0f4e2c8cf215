//! Where the server is, and with which right it is asked.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::exit::Usage;

/// Everything but the unreserved characters of RFC 3986: nothing else means the same to every proxy on the way.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A bearer token; never shown.
#[derive(Clone)]
pub(crate) struct Token(HeaderValue);

impl Token {
    /// The token in `GITFAAS_TOKEN`, if there is one.
    pub(super) fn from_environment() -> Result<Option<Self>, Usage> {
        match std::env::var_os("GITFAAS_TOKEN") {
            None => Ok(None),
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => value.to_str().and_then(Self::parse).map(Some).ok_or_else(|| {
                Usage("GITFAAS_TOKEN has characters that no token has (a line break at its end?)".to_owned())
            }),
        }
    }

    /// A token of visible ASCII characters.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        Some(Self(header))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Reads a server's address: `http://host:port`, `https://host/prefix`, or just `host:port`.
pub(super) fn parse(address: &str) -> Result<Url, Usage> {
    let full = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    // What is wrong is told without the address: it may hold a password.
    let refuse = |why: &str| Usage(format!("--server (GITFAAS_SERVER): {why}"));
    let url = Url::parse(&full).map_err(|error| refuse(&format!("it is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refuse("write it as http://host:port or https://host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("an address holds no user and password; put a token into GITFAAS_TOKEN"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it ends before the `?` or `#`"));
    }
    Ok(url)
}

/// Whether the server is on this machine, where no proxy can reach it.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    plain == "localhost" || plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address with these parts added to its path, each escaped. `None` for a part that a URL would resolve away.
pub(super) fn join(base: &Url, path: &[&str]) -> Option<Url> {
    let mut url = base.clone();
    let mut full = base.path().trim_end_matches('/').to_owned();
    for part in path {
        if matches!(*part, "" | "." | "..") {
            return None;
        }
        full.push('/');
        full.extend(utf8_percent_encode(part, ESCAPED));
    }
    url.set_path(&full);
    Some(url)
}

/// Sets the query, escaped so that a blank is `%20` and a plus `%2B`: both mean the same to every reader.
pub(super) fn set_query<'a>(url: &mut Url, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let escape = |text: &'a str| utf8_percent_encode(text, ESCAPED).to_string();
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    if !pairs.is_empty() {
        url.set_query(Some(&pairs.join("&")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_params_arrive_as_they_were_typed() {
        let base = parse("https://example.org/gitfaas/").expect("an address");
        let mut url = join(&base, &["publish", "météo:1"]).expect("a path");
        set_query(&mut url, [("a b", "1+1=2&x"), ("n", "\n%é")]);
        assert_eq!(
            url.as_str(),
            "https://example.org/gitfaas/publish/m%C3%A9t%C3%A9o%3A1?a%20b=1%2B1%3D2%26x&n=%0A%25%C3%A9"
        );
    }

    #[test]
    fn a_topic_of_dots_reaches_no_other_route() {
        let base = parse("127.0.0.1:5000").expect("an address");
        assert_eq!(join(&base, &["publish", ".."]), None);
        assert_eq!(join(&base, &["publish", "."]), None);
    }

    #[test]
    fn a_scheme_may_be_left_out() {
        assert_eq!(parse("localhost:5001").map(|url| url.to_string()).ok().as_deref(), Some("http://localhost:5001/"));
    }

    #[test]
    fn an_address_that_cannot_be_used_is_not_repeated() {
        for wrong in ["ftp://host", "http://", "http://u:secret@host", "http://host/?token=secret", "http://[secret"] {
            let error = parse(wrong).expect_err(wrong).to_string();
            assert!(error.starts_with("--server"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn proxies_are_left_out_on_this_machine() {
        for (address, loopback) in [
            ("localhost", true),
            ("127.0.0.9:5000", true),
            ("[::1]:80", true),
            ("10.0.0.1", false),
            ("localhost.x", false),
        ] {
            assert_eq!(is_loopback(&parse(address).expect("an address")), loopback, "{address}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::parse("s3cret").expect("a token");
        assert_eq!(format!("{token:?} {:?}", token.header()), "Token(…) Sensitive");
        assert!(Token::parse("two words").is_none());
        assert!(Token::parse("line\n").is_none());
    }
}
