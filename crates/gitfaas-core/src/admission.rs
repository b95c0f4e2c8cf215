//! Admission: the policy on what may reach a cluster.
//!
//! [`admit`] looks at the object as it would be sent, not at what somebody says about it, and is the only maker of
//! [`Admitted`] values, which are the only ones a cluster takes. What the cluster's own rules allow beyond that is for
//! the cluster to say.

mod head;
pub(crate) mod pod;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use self::head::{Head, Pods};
use self::pod::{Findings, way_to_pods};
pub use self::pod::{InvalidPodPolicy, PodPolicy};
use crate::manifest::{Fillings, Manifest, RecordedManifest};
use crate::problem::Problem;
use crate::template::{Header, Namespace, Template};

/// What may be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    banned: Vec<BannedKind>,
    namespaces: Namespaces,
    pods: PodPolicy,
}

/// The namespaces that a manifest may name. One that names none goes to the server's own, which is always allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// Every one.
    #[default]
    Any,
    /// These.
    Only(BTreeSet<String>),
}

/// A kind that may not be created: `Role` (of any group) or `Ingress.networking.k8s.io`; case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannedKind {
    kind: String,
    group: Option<String>,
}

/// What was given cannot be a banned kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind (write `Role` or `Ingress.networking.k8s.io`, several of them separated by blanks)")]
pub struct InvalidBannedKind(String);

impl FromStr for BannedKind {
    type Err = InvalidBannedKind;

    fn from_str(word: &str) -> Result<Self, InvalidBannedKind> {
        let (kind, group) = word.split_once('.').map_or((word, None), |(kind, group)| (kind, Some(group)));
        if is_kind(kind) && group.is_none_or(is_group) {
            Ok(Self { kind: kind.to_owned(), group: group.map(str::to_owned) })
        } else {
            Err(InvalidBannedKind(word.chars().take(100).collect()))
        }
    }
}

impl fmt::Display for BannedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, ".{group}"))
    }
}

impl BannedKind {
    fn matches(&self, group: &str, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
            && self.group.as_ref().is_none_or(|banned| banned.eq_ignore_ascii_case(group))
    }
}

/// Why a manifest is refused, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({help})")]
pub struct Refusal {
    /// What is refused and why: lower case, no full stop.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Refusal {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl Default for Policy {
    /// What the Python version banned, in every namespace, with pods at `baseline`.
    fn default() -> Self {
        let banned = ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ServiceAccount", "Ingress"];
        let banned = banned.map(|kind| BannedKind { kind: kind.to_owned(), group: None }).to_vec();
        Self { banned, namespaces: Namespaces::Any, pods: PodPolicy::default() }
    }
}

impl Policy {
    /// The policy that bans the kinds in `banned`, separated by blanks, with pods at `baseline`.
    ///
    /// # Errors
    ///
    /// A word that cannot be a kind.
    pub fn new(banned: &str, namespaces: Namespaces) -> Result<Self, InvalidBannedKind> {
        let banned = banned.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { banned, namespaces, pods: PodPolicy::default() })
    }

    /// The same, in these namespaces.
    #[must_use]
    pub fn within(self, namespaces: Namespaces) -> Self {
        Self { namespaces, ..self }
    }

    /// The same with another pod policy.
    #[must_use]
    pub fn with_pods(mut self, pods: PodPolicy) -> Self {
        self.pods = pods;
        self
    }

    /// What is certain to be refused of `template` whatever the message is, in the order of its objects.
    pub fn problems(&self, template: &Template) -> Vec<Problem> {
        template.headers().iter().flat_map(|header| self.problems_of(header, template.path().as_str())).collect()
    }

    /// What is certain to be refused of one object of the template `file`; what only a message decides (a kind or
    /// namespace from a parameter) is not said here.
    pub(crate) fn problems_of(&self, header: &Header, file: &str) -> Vec<Problem> {
        let api_version = header.api_version.as_deref().unwrap_or_default();
        let kind = header.kind.as_deref().and_then(|kind| self.banned(api_version, kind));
        let head = kind.or_else(|| match &header.namespace {
            Namespace::Named(namespace) => self.foreign(namespace),
            Namespace::Own | Namespace::Open => None,
        });
        let head = head.map(|refusal| (header.position, refusal));
        let broken = header.violations.iter().filter(|(_, violation)| violation.breaks(self.pods));
        let pods = broken.map(|(position, violation)| (*position, violation.refusal(self.pods)));
        let problem =
            |(position, refusal): (_, Refusal)| Problem::at(file, position, refusal.message).help(refusal.help);
        head.into_iter().chain(pods).map(problem).collect()
    }

    fn banned(&self, api_version: &str, kind: &str) -> Option<Refusal> {
        let (group, kind) = (group_of(api_version).trim(), kind.trim());
        let banned = self.banned.iter().find(|banned| banned.matches(group, kind))?;
        Some(Refusal::new(
            format!("the kind `{banned}` is banned on this server"),
            "take it out of the template, or off the list of banned kinds: `--banned-kinds` of the server, `app.apply.bannedKubeRessources` of the chart",
        ))
    }

    fn foreign(&self, namespace: &str) -> Option<Refusal> {
        let Namespaces::Only(allowed) = &self.namespaces else { return None };
        if allowed.contains(namespace) {
            return None;
        }
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        let instead = match allowed.as_slice() {
            [] => "leave `metadata.namespace` out to use the server's own".to_owned(),
            _ => {
                format!("allowed are {}; or leave `metadata.namespace` out to use the server's own", allowed.join(", "))
            }
        };
        Some(Refusal::new(
            format!("the namespace `{}` is not allowed on this server", namespace.escape_debug()),
            instead,
        ))
    }
}

/// The group of an `apiVersion`; empty for the core group.
pub(crate) fn group_of(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// Whether a cluster could know a kind of this name (a DNS label, capitals allowed).
fn is_kind(kind: &str) -> bool {
    kind.starts_with(|c: char| c.is_ascii_alphabetic()) && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Whether this can be an API group.
fn is_group(group: &str) -> bool {
    !group.is_empty() && group.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

/// Whether this can be an `apiVersion`: `v1` or `batch/v1`, without anything a comparison could trip over.
fn is_api_version(api_version: &str) -> bool {
    let (group, version) = match api_version.split_once('/') {
        Some((group, version)) => (Some(group), version),
        None => (None, api_version),
    };
    group.is_none_or(is_group) && !version.is_empty() && version.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Proof that something went through [`admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted<T>(T);

impl<T> Admitted<T> {
    /// What was admitted, without the proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> AsRef<T> for Admitted<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Admitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Admits a manifest, or says why not.
///
/// # Errors
///
/// What the policy forbids, and what a cluster could understand otherwise than this function does.
pub fn admit(policy: &Policy, manifest: Manifest) -> Result<Admitted<Manifest>, Refusal> {
    let mut findings = Findings::of(policy.pods);
    let governed = policy.pods != PodPolicy::Off;
    // The kind it is recorded as is the kind it says it is: what differs is refused below.
    let way = way_to_pods(&manifest.key.api_version, &manifest.key.kind).filter(|_| governed);
    let head = Head::read(&manifest.json, way.map(|way| Pods { way, findings: &mut findings }))?;
    if let Some(refusal) = policy.banned(&head.api_version, &head.kind) {
        return Err(refusal);
    }
    well_formed(&head)?;
    if let Some(refusal) = head.namespace().and_then(|namespace| policy.foreign(namespace)) {
        return Err(refusal);
    }
    if !head.is_of(&manifest.key) {
        let message = format!("the object is not the {} it is recorded as", manifest.key);
        return Err(Refusal::new(message, "publish the message again"));
    }
    match findings.into_refusal() {
        Some(refusal) => Err(refusal),
        None => Ok(Admitted(manifest)),
    }
}

/// Fills recorded manifests for a try and admits them: all, or none.
///
/// # Errors
///
/// The first refusal.
pub fn admit_all(
    manifests: &[RecordedManifest],
    fillings: &Fillings<'_>,
    policy: &Policy,
) -> Result<Vec<Admitted<Manifest>>, Refusal> {
    manifests.iter().map(|manifest| admit(policy, manifest.fill(fillings))).collect()
}

fn well_formed(head: &Head<'_>) -> Result<(), Refusal> {
    let shown = |text: &str| text.chars().take(100).flat_map(char::escape_debug).collect::<String>();
    if !is_kind(&head.kind) {
        let message = format!("`{}` is not the name of a kind", shown(&head.kind));
        return Err(Refusal::new(message, "write it as `kubectl api-resources` does"));
    }
    if !is_api_version(&head.api_version) {
        let message = format!("`{}` is not an apiVersion", shown(&head.api_version));
        return Err(Refusal::new(message, "write `v1` or `group/version`"));
    }
    if head.has_items && head.kind.len() >= 4 && head.kind[head.kind.len() - 4..].eq_ignore_ascii_case("list") {
        let message = format!("a {} with items cannot be looked into", head.kind);
        return Err(Refusal::new(message, "write the items as documents of their own"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
