//! Errors as `application/problem+json` (RFC 9457). The only place that knows status numbers.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::wire::{FailureView, ProblemView};
use crate::engine::{EngineError, ErrorCode};

/// The code of a route that is asked with a method it does not have; the engine knows nothing of methods.
const METHOD_NOT_ALLOWED: &str = "method-not-allowed";

/// An error on its way to the caller.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: String,
    error: EngineError,
}

impl ApiError {
    pub(crate) fn method_not_allowed(detail: String) -> Self {
        let error = EngineError::new(ErrorCode::InvalidRequest, detail);
        Self { status: StatusCode::METHOD_NOT_ALLOWED, code: METHOD_NOT_ALLOWED.to_owned(), error }
    }

    /// What the caller is told.
    pub(crate) fn view(self) -> ProblemView {
        let failures = self.error.failures.into_iter().map(|failure| FailureView {
            function: failure.function,
            code: failure.code.as_str().to_owned(),
            message: failure.message,
            problem: failure.problem,
        });
        ProblemView {
            kind: format!("urn:gitfaas:error:{}", self.code),
            title: self.status.canonical_reason().unwrap_or_default().to_owned(),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.error.detail,
            error: true,
            failures: failures.collect(),
        }
    }

    /// The code, for counting.
    pub(crate) const fn engine_code(&self) -> ErrorCode {
        self.error.code
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        // A message that cannot be planned has a code of its own for each cause: the first one stands for all.
        let code = match (error.code, error.failures.first()) {
            (ErrorCode::Unplannable, Some(failure)) => failure.code.as_str().to_owned(),
            (code, _) => code.as_str().to_owned(),
        };
        Self { status: status(error.code), code, error }
    }
}

/// The status of each code.
pub(crate) const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidRequest | ErrorCode::InvalidJson | ErrorCode::InvalidEvent => StatusCode::BAD_REQUEST,
        ErrorCode::InvalidToken | ErrorCode::InvalidSignature => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::ForeignOrigin | ErrorCode::WebhooksOff => StatusCode::FORBIDDEN,
        ErrorCode::UnknownTopic | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::SlowBody => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::AmbiguousAnswer | ErrorCode::NotDeadLetter | ErrorCode::NotSettled | ErrorCode::PausedByConfig => {
            StatusCode::CONFLICT
        }
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Unplannable | ErrorCode::HopLimit | ErrorCode::IdempotencyConflict => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorCode::QueueFull => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::RecordDamaged | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TopicBroken
        | ErrorCode::NoCatalog
        | ErrorCode::StoreUnavailable
        | ErrorCode::SourceUnavailable
        | ErrorCode::ClusterUnavailable
        | ErrorCode::TooManyWaiting
        | ErrorCode::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// After how many seconds asking again may help.
const fn retry_after(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Some("1"),
        // A queue that has filled up does not run empty in a moment.
        StatusCode::TOO_MANY_REQUESTS => Some("5"),
        _ => None,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        // What the repository or the operator has to mend is in their own log lines; a caller who asks again and again
        // must not fill the log with it.
        let told = matches!(
            self.error.code,
            ErrorCode::NoCatalog
                | ErrorCode::TopicBroken
                | ErrorCode::SourceUnavailable
                | ErrorCode::TooManyWaiting
                | ErrorCode::Stopping
        );
        if self.status.is_server_error() && !told {
            tracing::warn!(error.code = self.code, error.detail = self.error.detail, "answered with an error");
        }
        let status = self.status;
        // What to authenticate with: a signature is no scheme of HTTP's, and has a name here only.
        let scheme = if self.error.code == ErrorCode::InvalidSignature { "Signature" } else { "Bearer" };
        let mut response = (status, Json(self.view())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after(status) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gitfaas_core::plan::FailureCode;

    use super::*;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let names =
            std::fs::read_dir(folder).expect("a folder").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pages: BTreeSet<String> = names.filter_map(|name| Some(name.strip_suffix(".md")?.to_owned())).collect();
        let engine = ErrorCode::ALL.into_iter().map(ErrorCode::as_str);
        let codes = engine.chain(FailureCode::ALL.into_iter().map(FailureCode::as_str)).chain([METHOD_NOT_ALLOWED]);
        assert_eq!(pages, codes.map(str::to_owned).collect());
    }

    #[test]
    fn every_page_begins_with_its_code_and_the_status_it_is_answered_with() {
        for code in ErrorCode::ALL {
            let page = format!("{}/../../docs/errors/{}.md", env!("CARGO_MANIFEST_DIR"), code.as_str());
            let text = std::fs::read_to_string(page).expect("a page");
            let title = text.lines().next().unwrap_or_default();
            let begins = format!("# `{}` ({}", code.as_str(), status(code).as_u16());
            assert!(title.starts_with(&begins), "{title}: {begins}");
        }
    }
}
