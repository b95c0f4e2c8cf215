//! `POST /webhooks/{provider}`: somebody says that something was pushed.
//!
//! What a delivery is worth is decided in the core. A delivery is never kept whole, and leads to nothing but a look at
//! the source, which the refresher takes: who sends it does not wait for that.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use gitfaas_core::webhook::{Delivery, Provider, Refused, Secrets, Verdict};

use super::error::ApiError;
use super::params::Segment;
use super::wire::WebhookView;
use super::{App, Limits, body};
use crate::engine::{EngineError, ErrorCode};
use crate::secret::read_file;

/// The largest delivery: GitHub sends none above 25 MB, and the others far smaller ones.
const MOST: usize = 25 * 1024 * 1024;
/// Bytes a second that a delivery has to bring after the first seconds. No provider waits for more than ten seconds, and
/// who sends so much so slowly only wants a connection.
const RATE: u64 = 512 * 1024;

/// The file of the secrets that webhooks are signed with: one a line. It is read at each delivery, so that a secret can
/// be changed while the server runs.
#[derive(Debug, Clone)]
pub struct WebhookSecrets(Arc<Path>);

impl WebhookSecrets {
    /// The secrets in this file.
    ///
    /// # Errors
    /// When they cannot be read now.
    pub fn open(file: PathBuf) -> Result<Self, String> {
        let secrets = Self(file.into());
        secrets.read().map(|_| secrets)
    }

    fn read(&self) -> Result<Secrets, String> {
        let text = read_file(&self.0, "the webhook secrets").map_err(|unusable| unusable.to_string())?;
        Secrets::of_file(&text).map_err(|error| format!("the webhook secrets in {}: {error}", self.0.display()))
    }
}

/// Say that something was pushed
///
/// For the webhooks of GitHub, GitLab, Gitea and Forgejo, and of anybody who can sign (`generic`). A delivery has to be
/// signed with a secret that the server knows; a push to what the server follows leads to a look at the source soon after
/// the answer, and anything else to nothing. The same delivery may come again.
#[utoipa::path(
    post, path = "/webhooks/{provider}", operation_id = "webhook", tag = "source",
    params(
        ("provider" = String, Path, description = "Who sends it: `github`, `gitlab`, `gitea` (and Forgejo) or `generic`."),
        ("X-Hub-Signature-256" = Option<String>, Header, description = "`sha256=` and the HMAC-SHA-256 of the body in hex: GitHub."),
        ("X-GitHub-Event" = Option<String>, Header, description = "What happened: GitHub."),
        ("X-Gitlab-Token" = Option<String>, Header, description = "The secret itself: GitLab."),
        ("X-Gitlab-Event" = Option<String>, Header, description = "What happened: GitLab."),
        ("webhook-signature" = Option<String>, Header, description = "`v1,` and the HMAC-SHA-256 of id, time and body in base64, as Standard Webhooks have it: GitLab with a signing token, and `generic`."),
        ("webhook-id" = Option<String>, Header, description = "Its id, which is signed too."),
        ("webhook-timestamp" = Option<String>, Header, description = "Its time, which is signed too."),
        ("X-Gitea-Signature" = Option<String>, Header, description = "The HMAC-SHA-256 of the body in hex: Gitea, and Forgejo as `X-Forgejo-Signature`."),
        ("X-Gitea-Event" = Option<String>, Header, description = "What happened: Gitea, and Forgejo as `X-Forgejo-Event`."),
        ("X-Signature" = Option<String>, Header, description = "`sha256=` and the HMAC-SHA-256 of the body in hex: `generic`."),
    ),
    request_body(description = "What the provider sends. With `generic` anything; of a JSON object, `ref` is understood.", content(
        (serde_json::Value = "application/json"),
        (String = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "It is genuine, and nothing is to be done.", body = WebhookView),
        (status = 202, description = "It is genuine, and the source is looked at.", body = WebhookView),
    ),
)]
pub(super) async fn webhook(
    State(app): State<App>,
    Segment(provider): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<WebhookView>), ApiError> {
    let verdict = judge(&app, &provider, &headers, body).await?;
    Ok(match verdict {
        Verdict::Nothing(message) => (StatusCode::OK, Json(WebhookView { refresh: false, message })),
        Verdict::Look => {
            tracing::info!(webhook.provider = provider, "a webhook says that something was pushed");
            app.engine.source_pushed();
            let message = "the source is looked at; GET /api/v1/source tells what came of it".to_owned();
            (StatusCode::ACCEPTED, Json(WebhookView { refresh: true, message }))
        }
    })
}

/// Size first, then what the headers show, then the body piece by piece.
async fn judge(app: &App, provider: &str, headers: &HeaderMap, body: Body) -> Result<Verdict, EngineError> {
    let provider = Provider::named(provider).ok_or_else(|| {
        let known = Provider::ALL.map(Provider::as_str).join(", ");
        EngineError::new(ErrorCode::NotFound, format!("there are no webhooks for that; there are some for {known}"))
    })?;
    let limits = Limits { body: MOST, body_rate: app.limits.body_rate.max(RATE), ..app.limits };
    body::announced(headers, &limits, ADVICE)?;
    let secrets = secrets(app).await?;
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let mut delivery = Delivery::begin(provider, header, &secrets).map_err(|error| refused(&error))?;
    body::each(headers, body, &limits, ADVICE, |piece| delivery.take(piece)).await?;
    delivery.end(app.engine.source().reference()).map_err(|error| refused(&error))
}

const ADVICE: &str = "no provider sends as much";

async fn secrets(app: &App) -> Result<Secrets, EngineError> {
    let off = |detail: &str| EngineError::new(ErrorCode::WebhooksOff, detail);
    let Some(file) = app.webhooks.clone() else {
        return Err(off("webhooks are off: start the server with --webhook-secret-file"));
    };
    let read = tokio::task::spawn_blocking(move || file.read()).await;
    read.unwrap_or_else(|_| Err("they were not read".to_owned())).map_err(|why| {
        // The path is not for everybody who can send something here.
        tracing::warn!(error = why, "webhooks are off");
        off("webhooks are off: their secrets cannot be read; the log says why")
    })
}

fn refused(refused: &Refused) -> EngineError {
    let code = match refused {
        Refused::Unsigned(_) => ErrorCode::InvalidSignature,
        Refused::Malformed(_) => ErrorCode::InvalidRequest,
    };
    EngineError::new(code, refused.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_secrets_that_cannot_be_used_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        let refused = |text: &[u8]| {
            std::fs::write(&file, text).expect("written");
            WebhookSecrets::open(file.clone()).expect_err("refused")
        };
        for text in [&b""[..], b"\n", b"canary\n\ncanary", &vec![b'c'; 70_000]] {
            let why = refused(text);
            assert!(why.contains(&file.display().to_string()) && !why.contains("ccccc"), "{why}");
            assert!(!why.contains("canary"), "{why}");
        }
        let missing = WebhookSecrets::open(folder.path().join("none")).expect_err("refused");
        assert!(missing.contains("No such file"), "{missing}");
        std::fs::write(&file, "canary\n").expect("written");
        assert!(WebhookSecrets::open(file).is_ok());
    }
}
