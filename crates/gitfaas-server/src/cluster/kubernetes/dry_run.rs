//! What an API server says of an object that is not made: it is asked to check everything and to keep nothing.

use gitfaas_core::manifest::Manifest;
use gitfaas_core::run::{ObjectKey, Reason};
use http::{Method, StatusCode};
use serde::Deserialize;

use super::apply::{Existing, MANAGER, applied, not_ours, segment, write};
use super::calls::{Answer, Calls};
use super::kinds::{KindError, Kinds, get};
use super::refused::{is_undeclared, refused, unexpected, unknown};
use crate::cluster::{ApplyError, ClusterError};

/// The minor version of Kubernetes 1 since which dry runs are there for good: an older one would make the objects.
const SINCE: u32 = 18;
/// What makes a request a dry run, and a server strict that can be.
const ASK: &str = "dryRun=All&fieldValidation=Strict";

/// An API server that can be asked.
pub struct DryRun<'a> {
    pub(super) calls: &'a Calls,
    pub(super) kinds: &'a Kinds,
    /// The namespace of what names none.
    pub(super) namespace: &'a str,
}

impl<'a> DryRun<'a> {
    /// Sees that the server answers, and that it has dry runs.
    pub(super) async fn over(calls: &'a Calls, kinds: &'a Kinds, namespace: &'a str) -> Result<Self, ClusterError> {
        #[derive(Deserialize)]
        struct Version {
            major: String,
            minor: String,
        }
        let answer = calls.call(get("/version")).await?;
        if !answer.status.is_success() {
            return Err(unexpected("ask the API server for its version", &answer));
        }
        let Version { major, minor } = answer.read()?;
        // Some say `20+`, and who built it alone may say nothing.
        let minor = minor.trim_end_matches('+').parse::<u32>();
        match minor {
            Ok(minor) if major == "1" && minor < SINCE => {
                let message =
                    format!("the API server has no dry run: it is v1.{minor}, and needs to be v1.{SINCE} or later");
                Err(ClusterError { message })
            }
            _ => Ok(Self { calls, kinds, namespace }),
        }
    }

    /// Why the server would refuse the object as things are now; `None` when it would take it.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn refusal(&self, manifest: &Manifest) -> Result<Option<Reason>, ClusterError> {
        let key = &manifest.key;
        let kind = match self.kinds.of(self.calls, key).await {
            Ok(kind) => kind,
            Err(KindError::Call(error)) => return Err(error.into()),
            Err(error) => return Ok(Some(reason(unknown(key, error)))),
        };
        let path = kind.path(key.namespace.as_deref().unwrap_or(self.namespace));
        let place = format!("{path}/{}", segment(&key.name));
        if manifest.unique {
            self.created(key, &path, &place, manifest).await
        } else {
            self.applied(key, &place, manifest).await
        }
    }

    async fn created(
        &self,
        key: &ObjectKey,
        path: &str,
        place: &str,
        manifest: &Manifest,
    ) -> Result<Option<Reason>, ClusterError> {
        let place_of_all = format!("{path}?fieldManager={MANAGER}&{ASK}");
        let request = write(Method::POST, &place_of_all, "application/json", manifest.json.clone());
        if let Some(reason) = verdict(key, &self.calls.call(request).await?)? {
            return Ok(Some(reason));
        }
        // Servers before v1.25 drop the fields that they do not know, and name them only of what is applied.
        let answer = self.apply(place, manifest).await?;
        Ok(is_undeclared(&answer).then(|| reason(refused(key, &answer))))
    }

    async fn applied(&self, key: &ObjectKey, place: &str, manifest: &Manifest) -> Result<Option<Reason>, ClusterError> {
        let answer = self.calls.call(get(place)).await?;
        if answer.status.is_success() {
            if !answer.read::<Existing>()?.is_ours() {
                return Ok(Some(reason(not_ours(key))));
            }
        } else if answer.status != StatusCode::NOT_FOUND {
            return verdict(key, &answer);
        }
        verdict(key, &self.apply(place, manifest).await?)
    }

    async fn apply(&self, place: &str, manifest: &Manifest) -> Result<Answer, ClusterError> {
        let place = format!("{place}?fieldManager={MANAGER}&{ASK}");
        let request = write(Method::PATCH, &place, "application/apply-patch+yaml", applied(manifest));
        Ok(self.calls.call(request).await?)
    }
}

fn verdict(key: &ObjectKey, answer: &Answer) -> Result<Option<Reason>, ClusterError> {
    match answer.status {
        status if status.is_success() => Ok(None),
        // These are about the server and us, not about the object.
        StatusCode::UNAUTHORIZED
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(unexpected(&format!("try the {key}"), answer)),
        _ => Ok(Some(reason(refused(key, answer)))),
    }
}

fn reason(error: ApplyError) -> Reason {
    match error {
        ApplyError::Passing { reason, .. } | ApplyError::Final { reason } => reason,
    }
}
