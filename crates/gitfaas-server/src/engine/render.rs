//! Render: what a message would create, without storing or applying any of it.

use gitfaas_core::id::Try;
use gitfaas_core::manifest::Fillings;
use gitfaas_core::message::Message;
use gitfaas_core::plan::UNSTORED;
use gitfaas_core::topic::{FunctionName, TopicName};
use serde_json::Value;

use super::publish::check_json;
use super::{Caller, Engine, EngineError, ErrorCode};

/// What a message would create.
#[derive(Debug)]
pub struct Rendered {
    /// The topic.
    pub topic: TopicName,
    /// The revision whose functions were rendered.
    pub revision: String,
    /// Each function, in the config's order, with its objects; what is secret in them is named, not shown.
    pub functions: Vec<(FunctionName, Vec<Value>)>,
}

impl Engine {
    /// What a publish of this message would create, and the reasons why it could not be accepted. The ids are those of
    /// a request that there never is, so that the same message renders the same each time.
    ///
    /// # Errors
    /// Those of a publish, less what comes of storing and of stopping.
    pub async fn render(&self, topic: &str, message: Message, caller: Caller) -> Result<Rendered, EngineError> {
        check_json(&message)?;
        let lineage = self.lineage(caller, topic).await?;
        let (request, plan) = self.plan(UNSTORED, topic, message, lineage, self.now())?;
        let functions = plan.runs.into_iter().map(|planned| {
            let key = self.parts.store.ledger_key();
            let base_url = &self.settings.base_url;
            let fillings = Fillings::redacted(key, planned.run.id, Try::FIRST, base_url, plan.message.as_str());
            let objects = planned.manifests.iter().map(|manifest| serde_json::from_str(&manifest.fill(&fillings).json));
            Ok((planned.run.function, objects.collect::<Result<Vec<_>, _>>()?))
        });
        let functions: Result<Vec<_>, serde_json::Error> = functions.collect();
        let functions = functions.map_err(|error| {
            EngineError::new(ErrorCode::Internal, format!("a rendered object is not the JSON it should be: {error}"))
        })?;
        Ok(Rendered { topic: request.topic, revision: request.revision, functions })
    }
}
