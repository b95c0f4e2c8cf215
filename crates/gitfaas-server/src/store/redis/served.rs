//! What holds topics back, and what is served.
//!
//! What the config says of a topic and what an operator says are fields of two hashes, so that neither overwrites the
//! other.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::str::FromStr as _;

use bytes::Bytes;
use gitfaas_core::gate::Gate;
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;
use redis::Value;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::RedisStore;
use super::link::Ask;
use super::record::{damaged, decode, encode, held, hex, isolate};
use super::reply;
use super::scripts;
use crate::store::StoreError;

/// What the config says of a topic.
#[derive(Serialize, Deserialize)]
struct Said {
    concurrency: Option<NonZeroU32>,
    paused: Option<Timestamp>,
}

/// What was served, with its sources.
type Catalog = (String, Vec<(String, Bytes)>);

impl RedisStore {
    pub(super) async fn read_gates(&self) -> Result<BTreeMap<TopicName, Gate>, StoreError> {
        let [config, operator] = reply::exactly(self.link.ask(Ask::again(&scripts::GATES, &self.prefix)).await?)?;
        let mut gates: BTreeMap<TopicName, Gate> = BTreeMap::new();
        for (name, said) in reply::pairs(config)? {
            if let Some((topic, Said { concurrency, paused })) = isolate(of_topic(name, said))? {
                let gate = gates.entry(topic).or_default();
                (gate.concurrency, gate.paused_by_config) = (concurrency, paused);
            }
        }
        for (name, since) in reply::pairs(operator)? {
            if let Some((topic, since)) = isolate(of_topic(name, since))? {
                gates.entry(topic).or_default().paused_by_operator = Some(since);
            }
        }
        Ok(gates)
    }

    pub(super) async fn write_gates(&self, gates: &[(TopicName, Gate)]) -> Result<(), StoreError> {
        let mut ask = Ask::once(&scripts::CONFIGURE, &self.prefix).with(&self.who).with("gates");
        for (topic, gate) in gates {
            let said = Said { concurrency: gate.concurrency, paused: gate.paused_by_config };
            let holds = said.concurrency.is_some() || said.paused.is_some();
            ask.push(topic);
            ask.push(if holds { encode(&said)? } else { String::new() });
        }
        self.link.ask(ask).await.map(drop)
    }

    pub(super) async fn write_pause(&self, topic: &TopicName, since: Option<Timestamp>) -> Result<(), StoreError> {
        let since = since.map(|since| encode(&since)).transpose()?.unwrap_or_default();
        let ask = Ask::once(&scripts::PAUSE, &self.prefix).with(&self.who).with("gates").with(topic).with(since);
        self.link.ask(ask).await.map(drop)
    }

    pub(super) async fn write_catalog(&self, live: &str, sources: &[(String, Bytes)]) -> Result<(), StoreError> {
        let mut ask = Ask::once(&scripts::SERVE, &self.prefix).with(&self.who).with("catalog").bytes(live.as_bytes());
        for (name, text) in sources {
            ask.push(name);
            ask.push_bytes(text);
        }
        self.link.ask(ask).await.map(drop)
    }

    pub(super) async fn read_catalog(&self) -> Result<Option<Catalog>, StoreError> {
        let [live, sources] = reply::exactly(self.link.ask(Ask::again(&scripts::SERVED, &self.prefix)).await?)?;
        let whose = || "the catalog that is served".to_owned();
        let Some(live) = held(live, whose)? else { return Ok(None) };
        let live = String::from_utf8(live).map_err(|_| damaged(&whose(), "it is no text"))?;
        let source = |(name, text): (Value, Value)| {
            let name = reply::text(name)?;
            let text = held(text, || format!("source {name}"))?.unwrap_or_default();
            if !hex(&Sha256::digest(&text)).eq_ignore_ascii_case(&name) {
                return Err(damaged(&format!("source {}", reply::shown(&name)), "it is not what its name says"));
            }
            Ok((name, text.into()))
        };
        let mut sources = reply::pairs(sources)?.into_iter().map(source).collect::<Result<Vec<_>, _>>()?;
        sources.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Some((live, sources)))
    }
}

/// What a hash says of a topic.
fn of_topic<T: serde::de::DeserializeOwned>(name: Value, said: Value) -> Result<(TopicName, T), StoreError> {
    let whose = || "a topic's gate".to_owned();
    let name = String::from_utf8_lossy(&held(name, whose)?.unwrap_or_default()).into_owned();
    let topic = TopicName::from_str(&name).map_err(|error| damaged(&whose(), &error.to_string()))?;
    Ok((topic, decode(&held(said, whose)?.unwrap_or_default(), whose)?))
}
