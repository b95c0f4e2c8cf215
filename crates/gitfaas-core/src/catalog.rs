//! The catalog: which functions listen to which topic, compiled, at one revision. Immutable.
//!
//! Last good wins, per topic: a topic of which anything is wrong keeps the version it had and is marked stale, the
//! others move on. Files are read by others and handed in as [`Files`]; what makes a catalog durable is [`LiveCatalog`]
//! together with [`Catalog::sources`].

mod changes;
mod compile;
pub mod config;
mod live;
pub mod params;
pub mod rules;
pub mod schema;
mod warnings;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::changes::{Change, Difference};
pub use self::live::{LiveCatalog, LiveFile, LiveTopic, LiveVersion};
use self::rules::TopicRules;
use self::schema::MessageSchema;
use crate::commit::Commit;
use crate::problem::Problem;
use crate::template::Template;
use crate::topic::{FunctionName, TopicName};

/// What the paths of a config file led to at one revision: the bytes, or why there are none (`does not exist`, …; in
/// words that follow the path).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<FunctionName, Result<Bytes, String>>);

impl Files {
    /// The file at `path`, if it was looked for.
    pub fn get(&self, path: &FunctionName) -> Option<&Result<Bytes, String>> {
        self.0.get(path)
    }
}

impl FromIterator<(FunctionName, Result<Bytes, String>)> for Files {
    fn from_iter<I: IntoIterator<Item = (FunctionName, Result<Bytes, String>)>>(files: I) -> Self {
        Self(files.into_iter().collect())
    }
}

/// The topics of one revision.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    revision: String,
    commit: Option<Commit>,
    topics: IndexMap<TopicName, Topic>,
}

/// A topic, as good as it could be made.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// What publishing to it runs; `None` when it never had a version that was right.
    pub version: Option<TopicVersion>,
    /// Set while the newest version of it is wrong.
    pub stale: Option<Stale>,
    /// What is allowed and probably not meant; of a topic that was restored nothing is known.
    pub warnings: Vec<Problem>,
}

/// The functions of a topic at one revision.
#[derive(Debug, Clone)]
pub struct TopicVersion {
    /// The newest revision at which it was right.
    pub revision: String,
    /// What listens, in the order of the config file.
    pub functions: Vec<Arc<Function>>,
    /// What the config file says beside them.
    pub rules: TopicRules,
    /// What [`rules::MessageRules::schema`] names.
    pub schema: Option<Arc<MessageSchema>>,
}

impl TopicVersion {
    /// A hash of all that is said of the topic beside its functions, the schema of its messages included: SHA-256 in
    /// lower-case hex, the same wherever the same is said.
    pub fn rules_sha256(&self) -> String {
        // Rules are plain values with keys in order; the hash of nothing would stand for what cannot be written.
        let mut said = serde_json::to_vec(&self.rules).unwrap_or_default();
        if let Some(schema) = &self.schema {
            said.extend_from_slice(schema.sha256().as_bytes());
        }
        sha256(&said)
    }
}

/// Why a topic could not move on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stale {
    /// The revision that is wrong.
    pub revision: String,
    /// All that is wrong with it.
    pub problems: Vec<Problem>,
}

/// A compiled function, shared by the topics it listens to and kept from revision to revision while it is the same.
#[derive(Debug)]
pub struct Function {
    template: Template,
    sha256: String,
}

impl Function {
    fn compile(path: &FunctionName, source: &[u8]) -> Result<Self, Vec<Problem>> {
        Ok(Self { template: Template::compile(path, source)?, sha256: sha256(source) })
    }

    /// Its name: the path of its template.
    pub fn name(&self) -> &FunctionName {
        self.template.path()
    }

    /// Its template.
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// SHA-256 of the template's source, in lower-case hex: the name under which the store keeps it.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

fn sha256(source: &[u8]) -> String {
    Sha256::digest(source).iter().fold(String::with_capacity(64), |mut hex, byte| {
        hex.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        hex
    })
}

impl Catalog {
    /// The revision it was compiled at, as printed (`main@sha1:…`, `dir@sha256:…`); empty before the first one.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The commit of that revision; `None` where there are none.
    pub const fn commit(&self) -> Option<&Commit> {
        self.commit.as_ref()
    }

    /// The same catalog, of this commit.
    #[must_use]
    pub fn of_commit(self, commit: Option<Commit>) -> Self {
        Self { commit, ..self }
    }

    /// The topic of this name.
    pub fn topic(&self, name: &TopicName) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// All topics, in the order of the config file.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Topic> {
        self.topics.values()
    }

    /// All that is wrong, sorted by place, each thing once however many topics it concerns.
    pub fn problems(&self) -> Vec<&Problem> {
        sorted(self.topics().filter_map(|topic| topic.stale.as_ref()).flat_map(|stale| &stale.problems))
    }

    /// What deserves a look in the functions that are served, sorted by place, each thing once.
    pub fn warnings(&self) -> Vec<&Problem> {
        let of_functions = self.functions().flat_map(|function| function.template().warnings());
        sorted(of_functions.chain(self.topics().flat_map(|topic| &topic.warnings)))
    }

    /// Every function that is served; one that listens to several topics comes as often.
    fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.topics().filter_map(|topic| topic.version.as_ref()).flat_map(|version| &version.functions)
    }

    /// Every schema that messages have to fit; one of several topics comes as often.
    fn schemas(&self) -> impl Iterator<Item = &Arc<MessageSchema>> {
        self.topics().filter_map(|topic| topic.version.as_ref()?.schema.as_ref())
    }
}

fn sorted<'a>(problems: impl Iterator<Item = &'a Problem>) -> Vec<&'a Problem> {
    let mut problems: Vec<&Problem> = problems.collect();
    problems.sort_unstable();
    problems.dedup();
    problems
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
