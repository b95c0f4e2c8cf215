//! What an API server would not let us do for the functions that are served, asked before anybody publishes.
//!
//! It is asked with reviews of our own access, each question once. Only what is certain is told: of an object whose
//! name a message decides nothing is, as rights can be for names.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Scope;
use super::apply::{segment, write};
use super::calls::Calls;
use super::kinds::{Kind, KindError, Kinds, get};
use super::refused::unexpected;
use super::watch::places;
use crate::cluster::{ClusterError, Denied, Lack, Need};
use gitfaas_core::run::ObjectKey;

/// How many questions are under way at once: nobody waits for the answers.
const AT_ONCE: usize = 4;
/// Where a server is asked what we may do.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// What asking needs to know.
pub(super) struct Access<'a> {
    pub(super) calls: &'a Calls,
    pub(super) kinds: &'a Kinds,
    /// The namespace of what names none.
    pub(super) namespace: &'a str,
    pub(super) scope: &'a Scope,
}

/// A right that is needed, as a review writes it; empty is none, or all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Right {
    namespace: String,
    group: String,
    resource: String,
    subresource: &'static str,
    name: String,
    verb: &'static str,
}

/// A need with where its objects are, and the rights that it takes.
struct Asked<'a> {
    need: &'a Need,
    kind: Kind,
    rights: Vec<Right>,
}

impl Access<'_> {
    /// Which needs would be refused.
    pub(super) async fn denied(&self, needs: &[Need]) -> Result<Vec<Denied>, ClusterError> {
        let (mut denied, mut asked) = (Vec::new(), Vec::new());
        for need in needs {
            match self.kinds.of(self.calls, &key(need)).await {
                Ok(kind) => {
                    let rights = rights(need, &kind, self.namespace, self.scope);
                    asked.push(Asked { need, kind, rights });
                }
                Err(error @ KindError::Unknown { .. }) => {
                    denied.push(Denied { need: need.clone(), lack: Lack::Kind, message: error.to_string() });
                }
                // A group whose own server is down may have it.
                Err(KindError::Refused(_) | KindError::Coming { .. }) => {}
                Err(KindError::Call(error)) => return Err(error.into()),
            }
        }
        let held = self.held(asked.iter().flat_map(|asked| &asked.rights).cloned().collect()).await?;
        for asked in &asked {
            let mut lacking: Vec<&Right> = asked.rights.iter().filter(|right| !held.contains(*right)).collect();
            if self.exists(asked, &lacking).await? {
                lacking.retain(|right| right.verb != "create");
            }
            denied.extend(told(asked.need, &lacking));
        }
        Ok(denied)
    }

    /// Those of these rights that we have.
    async fn held(&self, rights: BTreeSet<Right>) -> Result<BTreeSet<Right>, ClusterError> {
        let ask = |right: Right| async move { Ok(self.is_allowed(&right).await?.then_some(right)) };
        let asked = futures_util::stream::iter(rights).map(ask).buffer_unordered(AT_ONCE);
        asked.try_filter_map(|allowed| std::future::ready(Ok(allowed))).try_collect().await
    }

    async fn is_allowed(&self, right: &Right) -> Result<bool, ClusterError> {
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }
        #[derive(Deserialize)]
        struct Status {
            allowed: bool,
        }
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": right},
        });
        let answer = self.calls.call(write(Method::POST, REVIEWS, "application/json", review.to_string())).await?;
        if !answer.status.is_success() {
            return Err(unexpected("ask what gitfaas may do", &answer));
        }
        Ok(answer.read::<Review>()?.status.allowed)
    }

    /// Whether the one object of a need that may not be created exists, and so need not be.
    async fn exists(&self, asked: &Asked<'_>, lacking: &[&Right]) -> Result<bool, ClusterError> {
        let lacks = |verb| lacking.iter().any(|right| right.verb == verb);
        let Some(name) = asked.need.name.as_ref().filter(|_| lacks("create") && !lacks("get")) else {
            return Ok(false);
        };
        let path = asked.kind.path(asked.need.namespace.as_deref().unwrap_or(self.namespace));
        Ok(self.calls.call(get(&format!("{path}/{}", segment(name)))).await?.status.is_success())
    }
}

fn key(need: &Need) -> ObjectKey {
    ObjectKey {
        api_version: need.api_version.clone(),
        kind: need.kind.clone(),
        namespace: need.namespace.clone(),
        name: need.name.clone().unwrap_or_default(),
    }
}

/// The rights without which a need is certain to be refused, or its Jobs to be lost from sight.
fn rights(need: &Need, kind: &Kind, own: &str, scope: &Scope) -> Vec<Right> {
    let place = if kind.namespaced { need.namespace.as_deref().unwrap_or(own) } else { "" };
    let right = |resource: &str, group: &str, verb| Right {
        namespace: place.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: "",
        name: String::new(),
        verb,
    };
    let is_job = key(need).is_job();
    let verbs: &[&str] = match (need.unique, &need.name) {
        // There may be a right for just the name that a message gives.
        (false, None) => &[],
        _ if is_job => &["create", "get", "patch", "delete"],
        (true, _) => &["create", "get"],
        (false, Some(_)) => &["create", "get", "patch"],
    };
    let name = need.name.as_deref().filter(|_| !need.unique).unwrap_or_default();
    let own_kind = verbs.iter().map(|verb| Right { name: name.to_owned(), ..right(&kind.plural, &kind.group, verb) });
    let mut rights: Vec<Right> = own_kind.collect();
    if is_job {
        // A place that cannot be seen keeps all Jobs from being known.
        for place in places(scope, own) {
            let namespace = place.unwrap_or_default();
            for (resource, group) in [("jobs", "batch"), ("pods", "")] {
                let seen = |verb| Right { namespace: namespace.clone(), ..right(resource, group, verb) };
                rights.extend(["list", "watch"].map(seen));
            }
        }
        rights.push(Right { subresource: "log", ..right("pods", "", "get") });
    }
    rights
}

/// What a need lacks, in a sentence for each place.
fn told(need: &Need, lacking: &[&Right]) -> Vec<Denied> {
    let mut places: BTreeMap<&str, Vec<(String, Vec<&str>)>> = BTreeMap::new();
    for right in lacking {
        let resources = places.entry(&right.namespace).or_default();
        let resource = spelled(right);
        match resources.iter_mut().find(|(known, _)| *known == resource) {
            Some((_, verbs)) => verbs.push(right.verb),
            None => resources.push((resource, vec![right.verb])),
        }
    }
    let sentence = |(place, resources): (&str, Vec<(String, Vec<&str>)>)| {
        let (place, role) = match place {
            "" => ("in the whole cluster".to_owned(), "ClusterRole"),
            place => (format!("in the namespace `{place}`"), "Role"),
        };
        let what: Vec<String> =
            resources.into_iter().map(|(name, verbs)| format!("{} {name}", verbs.join(", "))).collect();
        let message = format!(
            "{place} gitfaas may not {}: give its service account a {role} with these rights (docs/kubernetes.md has \
             one; `rbac.extraRules` of the chart)",
            what.join("; ")
        );
        Denied { need: need.clone(), lack: Lack::Right, message }
    };
    places.into_iter().map(sentence).collect()
}

/// A resource as `kubectl` writes it, with the name of the one object that is meant.
fn spelled(right: &Right) -> String {
    let Right { group, resource, subresource, name, .. } = right;
    let mut spelled = resource.clone();
    for (sign, part) in [('.', group.as_str()), ('/', subresource)].into_iter().filter(|(_, part)| !part.is_empty()) {
        spelled.push(sign);
        spelled.push_str(part);
    }
    if name.is_empty() { spelled } else { format!("{spelled} `{name}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(kind: &str, name: Option<&str>, unique: bool) -> Need {
        let api_version = if kind == "Job" { "batch/v1" } else { "v1" };
        let (namespace, name) = (Some("shop".to_owned()), name.map(str::to_owned));
        Need { api_version: api_version.to_owned(), kind: kind.to_owned(), namespace, name, unique }
    }

    fn kind(group: &str, plural: &str, namespaced: bool) -> Kind {
        Kind { group: group.to_owned(), plural: plural.to_owned(), namespaced, ..Kind::job() }
    }

    /// Each right as `verb resource@namespace`.
    fn asked(need: &Need, kind: &Kind, scope: &Scope) -> Vec<String> {
        let rights = rights(need, kind, "own", scope);
        rights.iter().map(|right| format!("{} {}@{}", right.verb, spelled(right), right.namespace)).collect()
    }

    #[test]
    fn a_job_of_each_run_is_made_released_ended_watched_and_its_logs_are_read() {
        let scope = Scope::Only(["shop".to_owned()].into());
        assert_eq!(
            asked(&need("Job", None, true), &Kind::job(), &scope).join(", "),
            "create jobs.batch@shop, get jobs.batch@shop, patch jobs.batch@shop, delete jobs.batch@shop, \
             list jobs.batch@own, watch jobs.batch@own, list pods@own, watch pods@own, \
             list jobs.batch@shop, watch jobs.batch@shop, list pods@shop, watch pods@shop, get pods/log@shop"
        );
    }

    #[test]
    fn a_server_that_watches_everything_needs_to_see_everything() {
        let rights = asked(&need("Job", None, true), &Kind::job(), &Scope::All);
        assert!(rights.contains(&"watch pods@".to_owned()) && rights.contains(&"create jobs.batch@shop".to_owned()));
        assert!(!rights.contains(&"watch pods@shop".to_owned()));
    }

    #[test]
    fn an_object_with_a_name_of_its_own_is_asked_about_by_name() {
        let maps = kind("", "configmaps", true);
        assert_eq!(
            asked(&need("ConfigMap", Some("prices"), false), &maps, &Scope::All),
            ["create configmaps `prices`@shop", "get configmaps `prices`@shop", "patch configmaps `prices`@shop"]
        );
        assert_eq!(
            asked(&need("ConfigMap", None, true), &maps, &Scope::All),
            ["create configmaps@shop", "get configmaps@shop"]
        );
        assert!(asked(&need("ConfigMap", None, false), &maps, &Scope::All).is_empty());
    }

    #[test]
    fn what_names_no_namespace_is_in_our_own_and_what_lives_in_none_in_none() {
        let (maps, nodes) = (kind("", "configmaps", true), kind("", "nodes", false));
        let anywhere = Need { namespace: None, ..need("ConfigMap", None, true) };
        assert_eq!(asked(&anywhere, &maps, &Scope::All)[0], "create configmaps@own");
        assert_eq!(asked(&need("Node", None, true), &nodes, &Scope::All)[0], "create nodes@");
    }

    #[test]
    fn what_is_lacking_is_said_once_for_each_place() {
        let need = need("Job", None, true);
        let rights = rights(&need, &Kind::job(), "own", &Scope::All);
        let said: Vec<String> =
            told(&need, &rights.iter().collect::<Vec<_>>()).into_iter().map(|denied| denied.message).collect();
        assert_eq!(
            said,
            [
                "in the whole cluster gitfaas may not list, watch jobs.batch; list, watch pods: give its service account \
                 a ClusterRole with these rights (docs/kubernetes.md has one; `rbac.extraRules` of the chart)",
                "in the namespace `shop` gitfaas may not create, get, patch, delete jobs.batch; get pods/log: give its \
                 service account a Role with these rights (docs/kubernetes.md has one; `rbac.extraRules` of the chart)",
            ]
        );
        assert!(told(&need, &[]).is_empty());
    }
}
