//! Which kinds a server knows, and where their objects are: by discovery, kept until a kind is not found in it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gitfaas_core::run::ObjectKey;
use http::{Request, StatusCode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;

use super::calls::{Answer, CallError, Calls};

/// Where the objects of a kind are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    /// `/api/v1` or `/apis/batch/v1`.
    pub(super) root: String,
    /// Empty for the core group.
    pub(super) group: String,
    /// `jobs`.
    pub(super) plural: String,
    /// Whether its objects live in namespaces.
    pub(super) namespaced: bool,
}

impl Kind {
    /// Jobs, which every server has.
    pub(super) fn job() -> Self {
        Self {
            root: "/apis/batch/v1".to_owned(),
            group: "batch".to_owned(),
            plural: "jobs".to_owned(),
            namespaced: true,
        }
    }

    /// The path of all objects in a namespace; of a kind that lives in none, the namespace is left out.
    pub(super) fn path(&self, namespace: &str) -> String {
        let Self { root, plural, .. } = self;
        if self.namespaced { format!("{root}/namespaces/{namespace}/{plural}") } else { format!("{root}/{plural}") }
    }
}

/// Why a kind is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum KindError {
    /// The server has no such kind.
    #[error("the cluster does not know the kind {kind} of {api_version}{}", near(.others))]
    Unknown {
        /// What was asked for.
        kind: String,
        /// Of which group and version.
        api_version: String,
        /// In which other versions of the group it knows it.
        others: Vec<String>,
    },
    /// It was defined a moment ago, and the server does not serve it yet.
    #[error("the cluster does not serve the kind {kind} of {api_version} yet, which was defined a moment ago")]
    Coming {
        /// What was asked for.
        kind: String,
        /// Of which group and version.
        api_version: String,
    },
    /// The server answered with an error.
    #[error("the API server does not tell what kinds it has: it answers {}", .0.status)]
    Refused(Answer),
    /// It did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

fn near(others: &[String]) -> String {
    match others {
        [] => "; install its definition (`kubectl api-resources` lists what there is)".to_owned(),
        others => format!("; it has {}", others.join(", ")),
    }
}

/// What is known of the kinds.
#[derive(Default)]
pub(super) struct Kinds {
    /// By apiVersion, then by kind.
    known: Mutex<HashMap<String, Arc<HashMap<String, Kind>>>>,
    /// Which we defined ourselves and have not found since: group and kind.
    coming: Mutex<HashSet<(String, String)>>,
}

impl Kinds {
    /// Where the objects of a key's kind are.
    pub(super) async fn of(&self, calls: &Calls, key: &ObjectKey) -> Result<Kind, KindError> {
        let (api_version, kind) = (key.api_version.as_str(), key.kind.as_str());
        if let Some(kind) = self.remembered(api_version).and_then(|kinds| kinds.get(kind).cloned()) {
            return Ok(kind);
        }
        // A definition may have been installed since.
        let kinds = Arc::new(discover(calls, api_version).await?);
        // A message may say which version: what there is none of must not fill the memory.
        if !kinds.is_empty() {
            lock(&self.known).insert(api_version.to_owned(), Arc::clone(&kinds));
        }
        let named = (group(api_version).to_owned(), kind.to_owned());
        match kinds.get(kind) {
            Some(kind) => {
                lock(&self.coming).remove(&named);
                Ok(kind.clone())
            }
            None if lock(&self.coming).contains(&named) => {
                Err(KindError::Coming { kind: kind.to_owned(), api_version: api_version.to_owned() })
            }
            None => Err(KindError::Unknown {
                kind: kind.to_owned(),
                api_version: api_version.to_owned(),
                others: others(calls, api_version, kind).await.unwrap_or_default(),
            }),
        }
    }

    /// Expects a kind of which the definition was applied: a server takes a moment to serve it.
    pub(super) fn expect(&self, definition: &str) {
        #[derive(serde::Deserialize)]
        struct Definition {
            spec: Spec,
        }
        #[derive(serde::Deserialize)]
        struct Spec {
            group: String,
            names: Names,
        }
        #[derive(serde::Deserialize)]
        struct Names {
            kind: String,
        }
        if let Ok(Definition { spec }) = serde_json::from_str(definition) {
            lock(&self.coming).insert((spec.group, spec.names.kind));
        }
    }

    /// Forgets a version, of which something turned out to be gone.
    pub(super) fn forget(&self, api_version: &str) {
        lock(&self.known).remove(api_version);
    }

    fn remembered(&self, api_version: &str) -> Option<Arc<HashMap<String, Kind>>> {
        lock(&self.known).get(api_version).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Empty for the core group.
fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn root(api_version: &str) -> String {
    if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") }
}

/// The kinds of one version; none when the server does not have the version.
async fn discover(calls: &Calls, api_version: &str) -> Result<HashMap<String, Kind>, KindError> {
    let root = root(api_version);
    let answer = calls.call(get(&root)).await?;
    match answer.status {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND => return Ok(HashMap::new()),
        _ => return Err(KindError::Refused(answer)),
    }
    let list: APIResourceList = answer.read()?;
    let group = group(api_version);
    // Subresources are named `jobs/status`.
    let resources = list.resources.into_iter().filter(|resource| !resource.name.contains('/'));
    Ok(resources
        .map(|resource| {
            let (root, group) = (root.clone(), group.to_owned());
            (resource.kind, Kind { root, group, plural: resource.name, namespaced: resource.namespaced })
        })
        .collect())
}

/// The other versions of a group that have a kind.
async fn others(calls: &Calls, api_version: &str, kind: &str) -> Result<Vec<String>, KindError> {
    #[derive(serde::Deserialize)]
    struct Group {
        versions: Vec<Version>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        group_version: String,
    }
    let Some((group, _)) = api_version.split_once('/') else { return Ok(Vec::new()) };
    let answer = calls.call(get(&format!("/apis/{group}"))).await?;
    if !answer.status.is_success() {
        return Ok(Vec::new());
    }
    let mut having = Vec::new();
    for version in answer.read::<Group>()?.versions {
        if version.group_version != api_version && discover(calls, &version.group_version).await?.contains_key(kind) {
            having.push(version.group_version);
        }
    }
    Ok(having)
}

/// A request that changes nothing.
pub(super) fn get(path: &str) -> Request<Vec<u8>> {
    let mut request = Request::new(Vec::new());
    // Paths are made of names that were checked; what is no path all the same is answered with 404.
    *request.uri_mut() = path.parse().unwrap_or_else(|_| http::Uri::from_static("/invalid"));
    request
}
