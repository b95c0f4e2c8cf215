//! What an answer that is no success says, and why a request got none: as faults and sentences for people.

use std::error::Error;
use std::io;

use http::StatusCode;
use rustls::{AlertDescription, CertificateError};

use crate::source::{Fault, SourceError};

/// The most of what a server says that is repeated, in characters.
const SAID: usize = 200;

/// What a proxy that asks for credentials wants.
const PROXY: &str = "the proxy wants a user and a password that it accepts; give http://USER@HOST:PORT as --git-proxy, and --git-proxy-password-file";

/// What an answer with this status means; `user` asked, or nobody, and `said` is what the server added.
pub(super) fn answer(place: &str, status: StatusCode, user: Option<&str>, said: &str) -> SourceError {
    let number = status.as_u16();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let (fault, why) = match (status, user) {
        (StatusCode::UNAUTHORIZED, Some(user)) => {
            (Fault::Unauthorized, format!("the server does not accept the token of user `{user}`"))
        }
        (StatusCode::UNAUTHORIZED, None) => {
            (Fault::Unauthorized, "the server wants to know who asks; give --git-user and --git-token-file".to_owned())
        }
        (StatusCode::FORBIDDEN, Some(user)) => {
            (Fault::Forbidden, format!("user `{user}` may not read this repository with this token"))
        }
        (StatusCode::FORBIDDEN, None) => (Fault::Forbidden, "not everybody may read this repository".to_owned()),
        (StatusCode::NOT_FOUND, _) => {
            (Fault::NotFound, "there is no such repository, or none that this user may know of".to_owned())
        }
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, _) => (Fault::Unauthorized, PROXY.to_owned()),
        (StatusCode::BAD_REQUEST, _) if said.to_ascii_lowercase().contains("certificate") => {
            (Fault::ClientCertificate, "the server wants a client certificate that it accepts".to_owned())
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => (Fault::Throttled, "the server asks to wait".to_owned()),
        (status, _) if status.is_server_error() => (Fault::Server, "the server failed".to_owned()),
        (status, _) if status.is_redirection() => {
            (Fault::Malformed, "the server sends elsewhere, where is not followed".to_owned())
        }
        _ => (Fault::Malformed, "the server does not answer as a Git server does".to_owned()),
    };
    SourceError::new(fault, format!("{place}: {why} ({number}{said})"))
}

/// What text a server added to an answer, as one short line without markup and control characters.
pub(super) fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut plain = String::new();
    let mut in_markup = false;
    for c in text.chars() {
        match c {
            '<' => in_markup = true,
            '>' => {
                in_markup = false;
                plain.push(' ');
            }
            c if !in_markup => plain.push(if c.is_control() { ' ' } else { c }),
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(SAID).collect()
}

/// Why a request got no answer.
pub(super) fn no_answer(place: &str, error: &reqwest::Error) -> SourceError {
    let why = innermost(error);
    let (fault, sentence) = match certificate(error) {
        Some(problem) => problem,
        // That it is of a kind of its own is kept to themselves by those who know.
        None if why.contains("proxy authorization required") => (Fault::Unauthorized, PROXY.to_owned()),
        None if error.is_timeout() => (Fault::Unreachable, format!("nobody answers in time ({why})")),
        None if error.is_connect() => (Fault::Unreachable, format!("cannot be reached: {why}")),
        None => (Fault::Interrupted, format!("the connection ended before there was an answer: {why}")),
    };
    SourceError::new(fault, format!("{place}: {sentence}"))
}

/// What is wrong with a certificate, where that is why.
fn certificate(error: &reqwest::Error) -> Option<(Fault, String)> {
    let ours = |why: String| Some((Fault::ClientCertificate, why));
    let theirs = |why: String| Some((Fault::UntrustedCertificate, why));
    match chain(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())? {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::UnknownIssuer => theirs(
                "the server's certificate is from an authority that is not trusted; give that one's certificate as --git-ca-file".to_owned(),
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                theirs(format!("the server's certificate has expired ({problem})"))
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                theirs(format!("the server's certificate is for another name ({problem})"))
            }
            // As `openssl req -x509` makes them unless told otherwise; rustls has no name of its own for it.
            problem if format!("{problem:?}").contains("CaUsedAsEndEntity") => theirs(
                "the server's certificate is that of an authority, which a server must not identify with; give the server one with `basicConstraints=CA:FALSE`".to_owned(),
            ),
            problem => theirs(format!("the server's certificate is not trusted: {problem}")),
        },
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied),
        ) => ours(format!("the server wants a client certificate that it accepts ({alert:?})")),
        problem => Some((Fault::Unreachable, format!("TLS cannot be begun: {problem}"))),
    }
}

/// The cause of all, in words.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// An error and what caused it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

/// What an I/O error holds is not what it calls its source.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_a_fault_of_its_own() {
        let fault = |status: u16, user| {
            let status = StatusCode::from_u16(status).expect("a status");
            answer("https://host/birds", status, user, "").fault
        };
        assert_eq!(fault(401, None), Fault::Unauthorized);
        assert_eq!(fault(401, Some("ada")), Fault::Unauthorized);
        assert_eq!(fault(403, Some("ada")), Fault::Forbidden);
        assert_eq!(fault(404, None), Fault::NotFound);
        assert_eq!(fault(429, None), Fault::Throttled);
        assert_eq!(fault(500, None), Fault::Server);
        assert_eq!(fault(418, None), Fault::Malformed);
        assert_eq!(fault(307, None), Fault::Malformed);
    }

    #[test]
    fn what_a_server_says_is_one_plain_line() {
        assert_eq!(
            said(b"<html><head><title>400 No required SSL certificate</title>"),
            "400 No required SSL certificate"
        );
        assert_eq!(said(b"token\n\x1b[31mexpired\x07"), "token [31mexpired");
        assert_eq!(said(&[b'x'; 5000]).len(), SAID);
        assert_eq!(said(b""), "");
    }
}
