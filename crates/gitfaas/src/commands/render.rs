//! `gitfaas render`: what a message would create, without a server and without creating it.
//!
//! What differs from message to message (the request's id, and so the run's id and RANDOM) is the same at every call
//! here, so that the output can be compared; what is secret is named instead of shown.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitfaas_core::catalog::Topic;
use gitfaas_core::id::Try;
use gitfaas_core::key::LedgerKey;
use gitfaas_core::manifest::Fillings;
use gitfaas_core::message::MessageMeta;
use gitfaas_core::nearest::did_you_mean;
use gitfaas_core::plan::{Input, PlanError, UNSTORED, plan};
use gitfaas_core::problem::Problem;
use gitfaas_core::request::{Lineage, Request};
use gitfaas_core::topic::TopicName;
use gitfaas_server::clock::{Clock as _, SystemClock};
use gitfaas_server::engine::Settings;
use gitfaas_server::source::directory::DirectorySource;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::functions::{self, Functions};
use crate::cli::{self, ManifestFormat};
use crate::exit::Outcome;
use crate::output::problem::Severity;
use crate::output::{self, Out};
use crate::publication::{self, Publication};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Render, out: Out) -> anyhow::Result<Outcome> {
    let policy = functions::policy(&arguments.policy)?;
    let message = publication::read(&arguments.message)?;
    let source = DirectorySource::new(&arguments.dir, &arguments.policy.config_path)?;
    let functions = Functions::read(&source).await?;
    let wrong = wrong(&functions, &arguments.topic);
    if !wrong.is_empty() {
        return refuse(&functions, &wrong, out).await;
    }
    let topic = find(&functions, &arguments.topic)?;
    let objects = match objects(topic, message, &policy, arguments.policy.namespace(), functions.catalog.revision()) {
        Ok(objects) => objects,
        Err(error) => {
            let places = places(&error);
            return if places.is_empty() { Err(error) } else { refuse(&functions, &places, out).await };
        }
    };
    output::line(&match arguments.format {
        ManifestFormat::Yaml => yaml(&objects)?,
        ManifestFormat::Json => one(objects).to_string(),
    })?;
    Ok(Outcome::Done)
}

/// Draws what is wrong instead of printing objects.
async fn refuse(functions: &Functions, problems: &[&Problem], out: Out) -> anyhow::Result<Outcome> {
    output::remark(functions.draw(problems, Severity::Error, out.width()).await.trim_end())?;
    Ok(Outcome::Failed)
}

/// Where in the templates the message does not fit; nothing unless each failure has a place.
fn places(error: &anyhow::Error) -> Vec<&Problem> {
    let failures = error.downcast_ref::<PlanError>().map(|error| error.failures.as_slice()).unwrap_or_default();
    failures.iter().map(|failure| failure.problem.as_ref()).collect::<Option<_>>().unwrap_or_default()
}

/// What keeps the topic from being rendered.
fn wrong<'a>(functions: &'a Functions, name: &TopicName) -> Vec<&'a Problem> {
    let stale = functions.catalog.topic(name).and_then(|topic| topic.stale.as_ref());
    functions.config_problems.iter().chain(stale.into_iter().flat_map(|stale| &stale.problems)).collect()
}

fn find<'a>(functions: &'a Functions, name: &TopicName) -> anyhow::Result<&'a Topic> {
    if let Some(topic) = functions.catalog.topic(name) {
        return Ok(topic);
    }
    let known = functions.catalog.topics().map(|topic| topic.name.as_str());
    let hint = did_you_mean(name.as_str(), known).map(|hint| format!("; {hint}")).unwrap_or_default();
    bail!("there is no topic `{name}`{hint}")
}

/// The objects that the message would create, in the order of the config file.
fn objects(
    topic: &Topic,
    message: Publication,
    policy: &gitfaas_core::admission::Policy,
    namespace: &str,
    revision: &str,
) -> anyhow::Result<Vec<Value>> {
    let meta = MessageMeta { content_type: message.content_type, params: message.params, ..MessageMeta::default() };
    if meta.is_json() {
        serde_json::from_slice::<IgnoredAny>(&message.payload)
            .context("the message is not the JSON it claims to be")?;
    }
    let settings = Settings::default();
    let now = SystemClock.now();
    let request = Request {
        id: UNSTORED,
        topic: topic.name.clone(),
        revision: revision.to_owned(),
        received_at: now,
        meta,
        size: message.payload.len() as u64,
        lineage: Lineage::default(),
        replay_of: None,
    };
    let key = LedgerKey::new([0; 32]);
    let plan = plan(&Input {
        topic,
        request: &request,
        payload: &message.payload,
        key: &key,
        policy,
        namespace,
        base_url: &settings.base_url,
        now,
    })?;
    let payload = STANDARD.encode(&message.payload);
    let mut objects = Vec::new();
    for run in &plan.runs {
        let fillings = Fillings::redacted(&key, run.run.id, Try::FIRST, &settings.base_url, payload.as_str());
        for manifest in &run.manifests {
            let json = manifest.fill(&fillings).json;
            objects.push(serde_json::from_str(&json).context("a rendered object is no JSON")?);
        }
    }
    Ok(objects)
}

/// A single object as it is, several as a `List`.
fn one(mut objects: Vec<Value>) -> Value {
    if objects.len() == 1 {
        return objects.remove(0);
    }
    json!({"apiVersion": "v1", "kind": "List", "items": objects})
}

/// The objects as documents. Strings that some reader of YAML would take for something else are quoted, and long ones
/// are not folded, so that what is read back is what would be sent.
fn yaml(objects: &[Value]) -> anyhow::Result<String> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let documents: Result<Vec<String>, _> =
        objects.iter().map(|object| serde_saphyr::to_string_with_options(object, options.clone())).collect();
    Ok(documents.context("cannot write YAML")?.join("---\n"))
}

#[cfg(test)]
mod tests;
