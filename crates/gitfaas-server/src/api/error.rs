//! Errors as `application/problem+json` (RFC 9457). The only place that knows status numbers.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::wire::{FailureView, ProblemView};
use crate::engine::{EngineError, ErrorCode};

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
        Self { status: StatusCode::METHOD_NOT_ALLOWED, code: "method-not-allowed".to_owned(), error }
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
        ErrorCode::InvalidRequest | ErrorCode::InvalidJson => StatusCode::BAD_REQUEST,
        ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::ForeignOrigin => StatusCode::FORBIDDEN,
        ErrorCode::UnknownTopic | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::SlowBody => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::AmbiguousAnswer => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Unplannable | ErrorCode::HopLimit => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::RecordDamaged | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TopicBroken
        | ErrorCode::NoCatalog
        | ErrorCode::StoreUnavailable
        | ErrorCode::SourceUnavailable
        | ErrorCode::ClusterUnavailable
        | ErrorCode::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(error.code = self.code, error.detail = self.error.detail, "answered with an error");
        }
        let failures = self.error.failures.into_iter().map(|failure| FailureView {
            function: failure.function,
            code: failure.code.as_str().to_owned(),
            message: failure.message,
            problem: failure.problem,
        });
        let problem = ProblemView {
            kind: format!("urn:gitfaas:error:{}", self.code),
            title: self.status.canonical_reason().unwrap_or_default().to_owned(),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.error.detail,
            error: true,
            failures: failures.collect(),
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
