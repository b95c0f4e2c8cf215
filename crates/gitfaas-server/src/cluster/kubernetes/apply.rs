//! Makes objects exist: creates what belongs to one run, applies what has a name of its own.

use std::time::Duration;

use gitfaas_core::manifest::Manifest;
use gitfaas_core::run::{ObjectKey, Reason};
use http::{Method, Request, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::calls::{Answer, Calls};
use super::kinds::{Kind, Kinds, get};
use super::lifetime;
use super::ports;
use super::refused::{is_taken, refused, unknown};
use crate::cluster::{ApplyError, Owner};

/// What a segment of a path may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
/// What we are called where a server notes who manages which field.
pub(super) const MANAGER: &str = "gitfaas";

/// What applying needs to know.
pub(super) struct Applying<'a> {
    pub(super) calls: &'a Calls,
    pub(super) kinds: &'a Kinds,
    /// The namespace of what names none.
    pub(super) namespace: &'a str,
    pub(super) ttl_floor: Duration,
}

/// What is looked at of an object that exists.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Existing {
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    status: JobStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) uid: String,
    labels: std::collections::BTreeMap<String, String>,
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobStatus {
    conditions: Vec<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
}

impl Existing {
    /// Whether it was made for this try of this run: told by labels where it is the run's own, else by annotations.
    fn is_of(&self, owner: Owner) -> bool {
        let Metadata { labels, annotations, .. } = &self.metadata;
        let (run, try_no) = (owner.run.to_string(), owner.try_no.to_string());
        [labels, annotations]
            .into_iter()
            .any(|words| words.get("gitfaas.io/run") == Some(&run) && words.get("gitfaas.io/try") == Some(&try_no))
    }

    /// Whether gitfaas made it, or was told that it may have it.
    pub(super) fn is_ours(&self) -> bool {
        self.metadata.labels.get("app.kubernetes.io/managed-by").is_some_and(|by| by == MANAGER)
    }

    /// Whether it belongs to one run alone.
    pub(super) fn is_unique(&self) -> bool {
        self.metadata.labels.contains_key("gitfaas.io/run")
    }

    fn is_over(&self) -> bool {
        let ends = |condition: &Condition| matches!(condition.r#type.as_str(), "Complete" | "Failed");
        self.status.conditions.iter().any(|condition| ends(condition) && condition.status == "True")
    }
}

impl Applying<'_> {
    /// Makes the object exist; where it then is.
    pub(super) async fn apply(&self, owner: Owner, manifest: &Manifest) -> Result<ObjectKey, ApplyError> {
        let kind = self.kinds.of(self.calls, &manifest.key).await.map_err(|error| unknown(&manifest.key, error))?;
        let namespace = manifest.key.namespace.as_deref().unwrap_or(self.namespace);
        let key = ObjectKey { namespace: kind.namespaced.then(|| namespace.to_owned()), ..manifest.key.clone() };
        let path = kind.path(namespace);
        if manifest.unique {
            self.create(owner, &key, &path, manifest).await?;
        } else {
            self.apply_fixed(owner, &key, &path, manifest).await?;
        }
        if kind.group == "apiextensions.k8s.io" && key.kind == "CustomResourceDefinition" {
            self.kinds.expect(&manifest.json);
        }
        Ok(key)
    }

    async fn create(&self, owner: Owner, key: &ObjectKey, path: &str, manifest: &Manifest) -> Result<(), ApplyError> {
        let raised = if key.is_job() { lifetime::raised(&manifest.json, self.ttl_floor) } else { None };
        let body = raised.unwrap_or_else(|| manifest.json.clone());
        // What it does not know is a mistake, as for `kubectl`; servers before v1.25 pass over it.
        let place = format!("{path}?fieldManager={MANAGER}&fieldValidation=Strict");
        let request = write(Method::POST, &place, "application/json", body);
        let answer = self.calls.call(request).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        if !is_taken(&answer) {
            return Err(self.no(key, &answer));
        }
        match self.existing(key, path).await? {
            Some(existing) if existing.is_of(owner) => Ok(()),
            Some(_) => Err(taken(key)),
            None => {
                let reason = Reason::new("NameTaken", format!("the name of the {key} was taken a moment ago"));
                Err(ApplyError::Passing { reason, retry_after: None })
            }
        }
    }

    async fn apply_fixed(
        &self,
        owner: Owner,
        key: &ObjectKey,
        path: &str,
        manifest: &Manifest,
    ) -> Result<(), ApplyError> {
        let existing = self.existing(key, path).await?;
        match &existing {
            Some(existing) if !existing.is_ours() => return Err(not_ours(key)),
            Some(existing) if existing.is_unique() => return Err(taken(key)),
            // A Job runs once: applying it for this try again must not look like applying another one.
            Some(existing) if key.is_job() && existing.is_of(owner) => return Ok(()),
            _ => {}
        }
        let over = key.is_job() && existing.is_some_and(|existing| existing.is_over());
        // One that is over is not made this run's: it would be told of as its end.
        let try_out = if over { "&dryRun=All" } else { "" };
        let place = format!("{path}/{}?fieldManager={MANAGER}{try_out}", segment(&key.name));
        let request = write(Method::PATCH, &place, "application/apply-patch+yaml", applied(manifest));
        let answer = self.calls.call(request).await?;
        if !answer.status.is_success() {
            return Err(self.no(key, &answer));
        }
        if over { Err(already_over(key)) } else { Ok(()) }
    }

    async fn existing(&self, key: &ObjectKey, path: &str) -> Result<Option<Existing>, ApplyError> {
        let answer = self.calls.call(get(&format!("{path}/{}", segment(&key.name)))).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer.read()?)),
            _ => Err(self.no(key, &answer)),
        }
    }

    fn no(&self, key: &ObjectKey, answer: &Answer) -> ApplyError {
        if answer.status == StatusCode::NOT_FOUND {
            self.kinds.forget(&key.api_version);
        }
        refused(key, answer)
    }
}

/// Where a Job is.
pub(super) fn job_path(job: &ObjectKey, default_namespace: &str) -> String {
    let namespace = job.namespace.as_deref().unwrap_or(default_namespace);
    format!("{}/{}", Kind::job().path(namespace), segment(&job.name))
}

/// What is sent of an object that is applied.
pub(super) fn applied(manifest: &Manifest) -> String {
    let Manifest { key, json, .. } = manifest;
    let body = if key.api_version == "v1" && key.kind == "Service" { ports::with_protocols(json) } else { None };
    body.unwrap_or_else(|| json.clone())
}

/// A request with a body.
pub(super) fn write(
    method: Method,
    place: &str,
    content_type: &'static str,
    body: impl Into<Vec<u8>>,
) -> Request<Vec<u8>> {
    let mut request = get(place);
    *request.method_mut() = method;
    *request.body_mut() = body.into();
    request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    request
}

pub(super) fn segment(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, SEGMENT)
}

fn taken(key: &ObjectKey) -> ApplyError {
    let message = format!(
        "the {key} exists already and is not this run's; it was left as it is: put {{{{RANDOM}}}} into its name, or delete it"
    );
    ApplyError::Final { reason: Reason::new("NameTaken", message) }
}

pub(super) fn not_ours(key: &ObjectKey) -> ApplyError {
    let message = format!(
        "the {key} exists already and gitfaas did not make it; it was left as it is: take another name, or hand it over \
         with the label app.kubernetes.io/managed-by=gitfaas"
    );
    ApplyError::Final { reason: Reason::new("NameTaken", message) }
}

fn already_over(key: &ObjectKey) -> ApplyError {
    let message = format!(
        "the {key} exists already and has ended, and Kubernetes runs a Job once, so nothing would run for this message: \
         put {{{{RANDOM}}}} into its name, or let it be collected sooner (`ttlSecondsAfterFinished`)"
    );
    ApplyError::Final { reason: Reason::new("AlreadyOver", message) }
}
