//! Whether a browser asks in the name of a page that is not ours.
//!
//! Any page that somebody visits can make their browser send requests to this server, simple ones even without asking
//! it first; on a developer's machine that would start processes. Programs send none of these headers and are not
//! affected. A server on loopback also answers to local names only, or a page could reach it under a name of its own
//! (DNS rebinding) and be of the same origin.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};

use crate::engine::{EngineError, ErrorCode};

/// Refuses what a page of another origin asks for, unless it only reads.
///
/// # Errors
/// [`ErrorCode::ForeignOrigin`].
pub(super) fn check(method: &Method, path: &str, headers: &HeaderMap, own: Option<&str>) -> Result<(), EngineError> {
    // Old clients refresh with GET.
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let changes = !reads || path == "/refresh";
    if changes && (is_foreign(headers) || (reads && is_mute(headers))) {
        return Err(EngineError::new(
            ErrorCode::ForeignOrigin,
            "a browser asks for this in the name of a page of another origin, which may not change anything here",
        ));
    }
    if changes && is_browser(headers) && !is_known(headers, own, |_| true) {
        return Err(EngineError::new(
            ErrorCode::ForeignOrigin,
            "a browser asks for this under a name that anybody could have led here; name the host with --base-url, or ask by the address",
        ));
    }
    Ok(())
}

/// Whether a browser asks, as far as it says so.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).map(header::HeaderValue::as_bytes).unwrap_or_default();
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN) || agent.starts_with(b"Mozilla/")
}

/// Whether the Host is an address that will do, a name of this machine or its network, or the server's own: a name that
/// somebody else can serve a page under could be led to this server afterwards (DNS rebinding).
fn is_known(headers: &HeaderMap, own: Option<&str>, will_do: impl Fn(IpAddr) -> bool) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let name = host.as_ref().map(|host| host.host().trim_matches(['[', ']']).to_ascii_lowercase());
    name.as_deref().is_some_and(|name| {
        let address = name.parse::<IpAddr>().is_ok_and(&will_do);
        // A name without a dot is this machine's or its network's: nobody can serve a page of the internet under it.
        let local = name.ends_with(".localhost") || !name.contains(['.', ':']);
        address || local || own.is_some_and(|own| own == name)
    })
}

/// Whether a browser asks without a word about whose page it asks for.
///
/// So does every browser where a page loads an image, or goes somewhere, over plain HTTP from a host that is not
/// loopback, and older ones everywhere. All browsers call themselves Mozilla; no page can make them say otherwise there.
fn is_mute(headers: &HeaderMap) -> bool {
    let says = |name| headers.contains_key(name);
    let agent = headers.get(header::USER_AGENT).map(header::HeaderValue::as_bytes).unwrap_or_default();
    agent.starts_with(b"Mozilla/") && !says("sec-fetch-site") && !says("origin")
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or_default());
    // What the browser itself says; a page cannot set it.
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    // Older browsers send only this, with every request that is no plain navigation.
    match (text("origin"), text("host")) {
        (None, _) => false,
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, origin)| origin != host),
        (Some(_), None) => true,
    }
}

/// Refuses a request to a server on loopback under a name that is not loopback's, nor the server's own.
///
/// # Errors
/// [`ErrorCode::ForeignOrigin`].
pub(super) fn check_host(headers: &HeaderMap, own: Option<&str>) -> Result<(), EngineError> {
    if is_known(headers, own, |address| address.is_loopback()) {
        return Ok(());
    }
    Err(EngineError::new(
        ErrorCode::ForeignOrigin,
        "this server listens on loopback and does not answer under this Host; ask for localhost, or name the host with --base-url",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn allowed(method: &Method, path: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        check(method, path, &headers(pairs), Some("faas.example")).is_ok()
    }

    #[test]
    fn a_page_of_another_origin_changes_nothing() {
        let host = ("host", "127.0.0.1:5000");
        for said in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "http://127.0.0.1:8080"),
            ("origin", "null"),
        ] {
            assert!(!allowed(&Method::POST, "/publish/t", &[host, said]), "{said:?}");
            assert!(!allowed(&Method::GET, "/refresh", &[host, said]), "{said:?}");
            assert!(allowed(&Method::GET, "/api/v1/topics", &[host, said]), "{said:?}: it cannot read the answer");
        }
    }

    #[test]
    fn a_browser_that_does_not_say_who_asks_does_not_refresh_by_get() {
        let host = ("host", "faas.example:5000");
        let browser = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)");
        assert!(!allowed(&Method::GET, "/refresh", &[host, browser]));
        assert!(!allowed(&Method::HEAD, "/refresh", &[host, browser]));
        assert!(allowed(&Method::GET, "/refresh", &[host, browser, ("sec-fetch-site", "none")]));
        assert!(allowed(&Method::GET, "/api/v1/topics", &[host, browser]));
        assert!(allowed(&Method::GET, "/refresh", &[host, ("user-agent", "python-requests/2.31.0")]));
    }

    #[test]
    fn a_browser_changes_nothing_under_a_name_that_could_be_anybody_s() {
        let same = ("sec-fetch-site", "same-origin");
        for (host, ok) in [
            ("evil.example:5000", false),
            ("127.0.0.1.evil.example", false),
            ("faas.example", true),
            ("192.168.7.7:5000", true),
            ("[2001:db8::1]:5000", true),
            ("gitfaas:5000", true),
            ("localhost:5000", true),
        ] {
            assert_eq!(allowed(&Method::POST, "/publish/t", &[("host", host), same]), ok, "{host}");
            let plain = [("host", host), ("user-agent", "curl/8")];
            assert!(allowed(&Method::POST, "/publish/t", &plain), "{host}: a program cannot be misled so");
        }
    }

    #[test]
    fn programs_and_our_own_pages_are_not_affected() {
        let host = ("host", "127.0.0.1:5000");
        assert!(allowed(&Method::POST, "/publish/t", &[host]));
        assert!(allowed(&Method::POST, "/publish/t", &[host, ("origin", "http://127.0.0.1:5000")]));
        let same = ("sec-fetch-site", "same-origin");
        assert!(allowed(&Method::POST, "/publish/t", &[host, same, ("origin", "http://127.0.0.1:5000")]));
        assert!(allowed(&Method::GET, "/refresh", &[host, ("sec-fetch-site", "none")]));
    }

    #[test]
    fn a_server_on_loopback_answers_to_loopback_s_names() {
        let known = |host: &'static str| check_host(&headers(&[("host", host)]), Some("faas.example")).is_ok();
        for host in [
            "localhost",
            "LOCALHOST:5000",
            "127.0.0.1:5000",
            "127.8.8.8",
            "[::1]:5000",
            "a.localhost:1",
            "gitfaas:5000",
            "faas.example",
        ] {
            assert!(known(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:5000",
            "localhost.evil.example",
            "10.0.0.1:5000",
            "[2001:db8::1]:5000",
            "127.0.0.1.evil.example",
        ] {
            assert!(!known(host), "{host}");
        }
        assert!(check_host(&HeaderMap::new(), None).is_ok(), "HTTP/1.0 has no Host, and no browser speaks it");
    }
}
