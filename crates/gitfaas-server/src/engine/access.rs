//! Access: what the cluster would refuse of the functions that are served, known before anybody publishes.
//!
//! It is asked after each refresh and keeps nobody waiting. What was found is told and holds nothing back: rights may be
//! given meanwhile, and the cluster itself decides.

use std::collections::{BTreeMap, BTreeSet};

use gitfaas_core::catalog::{Catalog, Function, Topic};
use gitfaas_core::template::Namespace;
use gitfaas_core::topic::FunctionName;

use super::{Engine, EngineError, ErrorCode};
use crate::cluster::{Denied, Lack, Need};

/// What was found, by the hash of the template: another one asks for other things.
pub(super) type Findings = BTreeMap<String, Vec<String>>;

/// Something that a function does and the cluster would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// The function.
    pub function: FunctionName,
    /// What would be refused and what to do.
    pub message: String,
}

impl Engine {
    /// Returns when there is something that the cluster has not been asked about.
    pub async fn access_asked(&self) {
        self.unchecked.notified().await;
    }

    /// Asks the cluster what it would refuse of what is served now.
    ///
    /// # Errors
    /// [`ErrorCode::ClusterUnavailable`]; what was known before stays.
    pub async fn check_access(&self) -> Result<(), EngineError> {
        let catalog = self.catalog();
        let functions: BTreeMap<&str, &Function> = catalog.iter().flat_map(Catalog::topics).flat_map(served).collect();
        let needs: BTreeSet<Need> = functions.values().flat_map(|function| needs(function)).collect();
        let needs: Vec<Need> = needs.into_iter().collect();
        let mut denied = match needs.as_slice() {
            [] => Vec::new(),
            needs => self
                .parts
                .cluster
                .access(needs)
                .await
                .map_err(|error| EngineError::new(ErrorCode::ClusterUnavailable, error.message))?,
        };
        // Functions that define kinds may be about to define what is missing.
        if needs.iter().any(|need| need.kind == "CustomResourceDefinition") {
            denied.retain(|denied| denied.lack != Lack::Kind);
        }
        let found: Findings =
            functions.iter().filter_map(|(hash, function)| lacking(hash, function, &denied)).collect();
        self.tell_access(&functions, &found);
        self.access.store(found.into());
        Ok(())
    }

    /// What the cluster would refuse of a topic's functions, as far as it has been asked.
    pub fn forbidden(&self, topic: &Topic) -> Vec<Forbidden> {
        let access = self.access.load();
        let of = |(hash, function): (&str, &Function)| {
            let messages = access.get(hash).cloned().unwrap_or_default();
            let function = function.name().clone();
            messages.into_iter().map(move |message| Forbidden { function: function.clone(), message })
        };
        served(topic).flat_map(of).collect()
    }

    /// Logs what was not known before.
    fn tell_access(&self, functions: &BTreeMap<&str, &Function>, found: &Findings) {
        let known = self.access.load();
        for (hash, messages) in found {
            let function = functions.get(hash.as_str()).map(|function| function.name().as_str());
            let known = known.get(hash);
            for why in messages.iter().filter(|message| known.is_none_or(|known| !known.contains(message))) {
                tracing::warn!(function.path = function, why, "the cluster would refuse what this function makes");
            }
        }
    }
}

/// The functions of a topic by the hashes of their templates.
fn served(topic: &Topic) -> impl Iterator<Item = (&str, &Function)> {
    let functions = topic.version.iter().flat_map(|version| &version.functions);
    functions.map(|function| (function.sha256(), &**function))
}

/// What a function needs whatever the message is.
fn needs(function: &Function) -> Vec<Need> {
    let need = |header: &gitfaas_core::template::Header| {
        let namespace = match &header.namespace {
            Namespace::Own => None,
            Namespace::Named(name) => Some(name.clone()),
            Namespace::Open => return None,
        };
        Some(Need {
            api_version: header.api_version.clone()?,
            kind: header.kind.clone()?,
            namespace,
            name: header.name.clone(),
            unique: header.unique,
        })
    };
    function.template().headers().iter().filter_map(need).collect()
}

/// What is denied to a function; nothing when nothing is.
fn lacking(hash: &str, function: &Function, denied: &[Denied]) -> Option<(String, Vec<String>)> {
    let needs = needs(function);
    let ours = denied.iter().filter(|denied| needs.contains(&denied.need));
    let messages: BTreeSet<String> = ours.map(|denied| denied.message.clone()).collect();
    (!messages.is_empty()).then(|| (hash.to_owned(), messages.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gitfaas_core::catalog::Files;
    use gitfaas_core::catalog::config::Config;

    use super::*;

    /// A catalog whose topic `t` has these templates.
    fn catalog(templates: &[(&str, &str)]) -> Catalog {
        let paths: Vec<&str> = templates.iter().map(|(path, _)| *path).collect();
        let config = serde_json::json!({"topics": [{"name": "t", "configs": paths}]}).to_string();
        let (config, problems) = Config::understand("config.json", config.as_bytes());
        assert_eq!(problems, []);
        let file = |(path, text): &(&str, &str)| (path.parse().expect("a path"), Ok(Bytes::from((*text).to_owned())));
        let files: Files = templates.iter().map(file).collect();
        let catalog = Catalog::compile("dir@sha256:7".to_owned(), "config.json", &config, &files, None);
        assert!(catalog.problems().is_empty(), "{:?}", catalog.problems());
        catalog
    }

    fn needed(catalog: &Catalog) -> Vec<String> {
        let needs = catalog.topics().flat_map(served).flat_map(|(_, function)| needs(function));
        let place = |need: &Need| need.namespace.clone().unwrap_or("-".to_owned());
        needs.map(|need| format!("{} {} {:?} {}", need.kind, place(&need), need.name, need.unique)).collect()
    }

    #[test]
    fn what_only_a_message_decides_is_not_asked_about() {
        let catalog = catalog(&[(
            "a.yaml",
            "{apiVersion: v1, kind: Secret, metadata: {name: 'a-{{RANDOM}}', namespace: shop}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: prices}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: prices, namespace: '{{place}}'}}\n---\n\
             {apiVersion: v1, kind: '{{kind}}', metadata: {name: prices}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: 'p-{{size}}'}}\n",
        )]);
        assert_eq!(
            needed(&catalog),
            ["Secret shop None true", "ConfigMap - Some(\"prices\") false", "ConfigMap - None false"]
        );
    }

    #[test]
    fn what_is_denied_is_told_of_each_function_that_needs_it() {
        let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: 'a-{{RANDOM}}'}}";
        let twice = format!("{map}\n---\n{}\n", map.replace("a-", "b-"));
        let secret = "{apiVersion: v1, kind: Secret, metadata: {name: 'a-{{RANDOM}}'}}";
        let catalog = catalog(&[("a.yaml", map), ("b.yaml", &twice), ("c.yaml", secret)]);
        let functions: Vec<(&str, &Function)> = catalog.topics().flat_map(served).collect();
        let need = needs(functions[0].1).remove(0);
        let denied = [Denied { need, lack: Lack::Right, message: "no".to_owned() }];
        let told: Vec<Option<Vec<String>>> = functions
            .iter()
            .map(|(hash, function)| lacking(hash, function, &denied).map(|(_, messages)| messages))
            .collect();
        assert_eq!(told, [Some(vec!["no".to_owned()]), Some(vec!["no".to_owned()]), None]);
    }
}
