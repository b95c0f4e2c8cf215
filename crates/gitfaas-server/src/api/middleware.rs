//! What is around every handler: whose page asks, counting, security headers, the end of a connection, and a fault that
//! becomes an answer.

use std::panic::AssertUnwindSafe;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use super::error::ApiError;
use super::{App, body, origin};
use crate::engine::{EngineError, ErrorCode};

pub(super) async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = match allowed(&app, &request) {
        Err(refused) => ApiError::from(refused).into_response(),
        Ok(()) => handle(request, next).await,
    };
    app.engine.metrics().answered(route.as_deref().unwrap_or("(none)"), response.status().as_u16());
    secure(&mut response);
    if app.engine.is_leaving() {
        // Who keeps a connection has to come to another server by a new one.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn allowed(app: &App, request: &Request) -> Result<(), EngineError> {
    let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
    let own = app.engine.settings().base_url.as_str().parse::<Uri>().ok();
    let own = own.as_ref().and_then(Uri::host);
    if app.limits.loopback_only {
        origin::check_host(headers, own)?;
    }
    origin::check(method, path, headers, own)
}

async fn handle(request: Request, next: Next) -> Response {
    let handled = AssertUnwindSafe(next.run(body::lingering(request))).catch_unwind().await;
    handled.unwrap_or_else(|_| {
        let fault = EngineError::new(ErrorCode::Internal, "the server failed on this request; its log says where");
        ApiError::from(fault).into_response()
    })
}

/// Messages and answers are other people's bytes under other people's content types: a browser must neither guess
/// about them nor run them.
fn secure(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
