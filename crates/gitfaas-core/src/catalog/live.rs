//! Last good, as a store keeps it: what is served, with the sources by their hash.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::rules::TopicRules;
use super::schema::MessageSchema;
use super::{Catalog, Function, Stale, Topic, TopicVersion, sha256};
use crate::commit::Commit;
use crate::problem::Problem;
use crate::topic::{FunctionName, TopicName};

/// A catalog without its sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveCatalog {
    /// The revision it was compiled at.
    pub revision: String,
    /// The commit of that revision; absent where there are none, and in what an older version kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Its topics, in the order of the config file.
    pub topics: Vec<LiveTopic>,
}

/// A topic of a [`LiveCatalog`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveTopic {
    /// Its name.
    pub name: TopicName,
    /// What is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<LiveVersion>,
    /// Why it is not newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

/// A topic's version in a [`LiveCatalog`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveVersion {
    /// The newest revision at which it was right.
    pub revision: String,
    /// What listens, in order.
    pub functions: Vec<LiveFile>,
    /// The rules of the topic.
    #[serde(default, skip_serializing_if = "TopicRules::is_default")]
    pub rules: TopicRules,
    /// What its messages have to fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<LiveFile>,
}

/// A file of the repository in a [`LiveCatalog`]: a template or a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveFile {
    /// Its path.
    pub path: FunctionName,
    /// SHA-256 of the source, in lower-case hex.
    pub sha256: String,
}

impl Catalog {
    /// What to keep so that a restart serves what is served now; the sources come from [`Self::sources`].
    pub fn live(&self) -> LiveCatalog {
        let version = |version: &TopicVersion| LiveVersion {
            revision: version.revision.clone(),
            functions: version
                .functions
                .iter()
                .map(|function| LiveFile { path: function.name().clone(), sha256: function.sha256().to_owned() })
                .collect(),
            rules: version.rules.clone(),
            schema: version
                .schema
                .as_ref()
                .map(|schema| LiveFile { path: schema.path().clone(), sha256: schema.sha256().to_owned() }),
        };
        let topics = self.topics().map(|topic| LiveTopic {
            name: topic.name.clone(),
            version: topic.version.as_ref().map(version),
            stale: topic.stale.clone(),
        });
        LiveCatalog { revision: self.revision.clone(), commit: self.commit.clone(), topics: topics.collect() }
    }

    /// The sources of all that is served, each once, with their SHA-256 in lower-case hex.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let functions = self.functions().map(|function| (function.sha256(), function.template().source()));
        let schemas = self.schemas().map(|schema| (schema.sha256(), schema.source().as_ref()));
        let sources: BTreeMap<&str, &[u8]> = functions.chain(schemas).collect();
        sources.into_iter()
    }

    /// The catalog that `live` tells of; `load` gives a source by its hash.
    ///
    /// Never fails as a whole: a topic of which a source is lost, damaged, or not understood by this version has no
    /// version, says why, and mends with the next revision. Those problems are returned beside.
    pub fn restore(live: &LiveCatalog, load: impl Fn(&str) -> Option<Bytes>) -> (Self, Vec<Problem>) {
        let mut restored: Restored<'_, Function> = HashMap::new();
        let mut schemas: Restored<'_, MessageSchema> = HashMap::new();
        let mut lost = Vec::new();
        let mut topics = indexmap::IndexMap::with_capacity(live.topics.len());
        for topic in &live.topics {
            let mut functions = Vec::new();
            let mut problems = Vec::new();
            for function in topic.version.iter().flat_map(|version| &version.functions) {
                let compile = |source: &Bytes| Function::compile(&function.path, source);
                match restored.entry(function).or_insert_with(|| restore(function, &load, compile)) {
                    Ok(function) => functions.push(Arc::clone(function)),
                    Err(wrong) => problems.extend(wrong.iter().cloned()),
                }
            }
            let mut schema = None;
            if let Some(file) = topic.version.as_ref().and_then(|version| version.schema.as_ref()) {
                let compile = |source: &Bytes| MessageSchema::compile(&file.path, source);
                match schemas.entry(file).or_insert_with(|| restore(file, &load, compile)) {
                    Ok(restored) => schema = Some(Arc::clone(restored)),
                    Err(wrong) => problems.extend(wrong.iter().cloned()),
                }
            }
            let version = topic.version.as_ref().filter(|_| problems.is_empty());
            let version = version.map(|version| TopicVersion {
                revision: version.revision.clone(),
                functions,
                rules: version.rules.clone(),
                schema,
            });
            lost.extend_from_slice(&problems);
            let stale = stale(topic, problems);
            topics.insert(topic.name.clone(), Topic { name: topic.name.clone(), version, stale, warnings: Vec::new() });
        }
        lost.sort_unstable();
        lost.dedup();
        (Self { revision: live.revision.clone(), commit: live.commit.clone(), topics }, lost)
    }
}

/// What came of each file, compiled once however many topics have it.
type Restored<'a, T> = HashMap<&'a LiveFile, Result<Arc<T>, Vec<Problem>>>;

fn restore<T>(
    file: &LiveFile,
    load: &impl Fn(&str) -> Option<Bytes>,
    compile: impl FnOnce(&Bytes) -> Result<T, Vec<Problem>>,
) -> Result<Arc<T>, Vec<Problem>> {
    let LiveFile { path, sha256: hash } = file;
    let of_file = |message: &str| vec![Problem::of_file(path.as_str(), message).help("refresh the source")];
    let source = load(hash).ok_or_else(|| of_file("the stored source of the last good version is missing"))?;
    if sha256(&source) != *hash {
        return Err(of_file("the stored source of the last good version is damaged"));
    }
    compile(&source).map(Arc::new)
}

/// Why a restored topic is not as new or as good as it should be.
fn stale(topic: &LiveTopic, lost: Vec<Problem>) -> Option<Stale> {
    let mut stale = topic.stale.clone();
    if !lost.is_empty() {
        let revision = || topic.version.as_ref().map(|version| version.revision.clone()).unwrap_or_default();
        let stale = stale.get_or_insert_with(|| Stale { revision: revision(), problems: Vec::new() });
        stale.problems.extend(lost);
    }
    stale
}
