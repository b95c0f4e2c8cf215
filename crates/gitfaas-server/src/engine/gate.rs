//! Pause and resume a topic, and what holds its queued runs back.
//!
//! Both parts of a gate are kept in the store: the operator's because nobody else knows it, and the config's because it
//! counts for every server at once, also for one that has not read the config yet, and for queued runs of a topic that is
//! not in the catalog any more. A catalog is served once its part is kept.

use std::num::NonZeroU32;

use gitfaas_core::catalog::{Catalog, Topic};
use gitfaas_core::gate::{Gate, Pauser};
use gitfaas_core::topic::TopicName;

use super::{Engine, EngineError, ErrorCode};

impl Engine {
    /// What holds the queued runs of a topic back now.
    pub fn gate(&self, topic: &TopicName) -> Gate {
        self.gates.load().get(topic).copied().unwrap_or_default()
    }

    /// Holds the queued runs of a topic back, and those that are still to come, until somebody resumes it. What is live
    /// goes on.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTopic`], and the store's.
    pub async fn pause(&self, topic: &str) -> Result<(), EngineError> {
        let topic = self.known_topic(topic).await?;
        self.parts.store.pause(&topic, Some(self.now())).await?;
        tracing::info!(topic.name = %topic, "paused by an operator");
        self.read_gates().await
    }

    /// Ends an operator's pause of a topic. One that the config no longer has, or has with mistakes alone, is free of the
    /// config's last word too.
    ///
    /// # Errors
    /// [`ErrorCode::PausedByConfig`] when the config pauses it, [`ErrorCode::UnknownTopic`], and the store's.
    pub async fn resume(&self, topic: &str) -> Result<(), EngineError> {
        let topic = self.known_topic(topic).await?;
        let gate = self.gate(&topic);
        if let Some((Pauser::Config, _)) = gate.paused() {
            // A topic of which no version works says nothing, and what the last one said is over.
            if self.catalog().as_ref().as_ref().and_then(|catalog| configured(catalog.topic(&topic)?)).is_some() {
                let config = self.source().config_path();
                return Err(EngineError::new(
                    ErrorCode::PausedByConfig,
                    format!("the topic `{topic}` is paused by {config}: take `\"paused\": true` out of it there"),
                ));
            }
            let freed = Gate { paused_by_config: None, ..gate };
            self.parts.store.configure(vec![(topic.clone(), freed)]).await?;
        }
        self.parts.store.pause(&topic, None).await?;
        tracing::info!(topic.name = %topic, "resumed by an operator");
        self.read_gates().await?;
        self.queued.notify_one();
        Ok(())
    }

    /// The topic of this name, in the catalog or with something of it still to do.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTopic`], [`ErrorCode::NoCatalog`], and the store's.
    pub async fn known_topic(&self, name: &str) -> Result<TopicName, EngineError> {
        let unknown = match self.with_topic(name, |topic| topic.name.clone()) {
            Err(unknown) => unknown,
            known => return known,
        };
        let Ok(topic) = name.parse::<TopicName>() else { return Err(unknown) };
        let left = self.gates.load().contains_key(&topic) || !self.parts.store.loads(Some(&topic)).await?.is_empty();
        if left { Ok(topic) } else { Err(unknown) }
    }

    /// Takes the gates from the store, where another server may have changed them.
    pub(super) async fn read_gates(&self) -> Result<(), EngineError> {
        // What was read later is never replaced by what was read before.
        let _one_at_a_time = self.reading_gates.lock().await;
        self.gates.store(std::sync::Arc::new(self.parts.store.gates().await?));
        Ok(())
    }

    /// Keeps what a catalog says about its topics, and forgets what an earlier one said about a topic that is over.
    pub(super) async fn keep_gates(&self, catalog: &Catalog) -> Result<(), EngineError> {
        let (kept, now) = (self.parts.store.gates().await?, self.now());
        let mut changed = Vec::new();
        for topic in catalog.topics() {
            let before = kept.get(&topic.name).copied().unwrap_or_default();
            let after = configured(topic).map_or(before, |(most, paused)| before.configured(most, paused, now));
            if after != before {
                changed.push((topic.name.clone(), after));
            }
        }
        for (topic, gate) in kept.iter().filter(|(topic, _)| catalog.topic(topic).is_none()) {
            let free = gate.configured(None, false, now);
            if free != *gate && self.parts.store.loads(Some(topic)).await?.is_empty() {
                changed.push((topic.clone(), free));
            }
        }
        if !changed.is_empty() {
            self.parts.store.configure(changed).await?;
        }
        self.read_gates().await
    }
}

/// What the config says about a topic's gate; `None` where no version of the topic ever was right.
fn configured(topic: &Topic) -> Option<(Option<NonZeroU32>, bool)> {
    topic.version.as_ref().map(|version| (version.rules.concurrency, version.rules.paused))
}
