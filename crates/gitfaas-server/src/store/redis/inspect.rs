//! How a Redis is set up, and so what it can lose: for `doctor`, and for what a server warns of when it starts.

use std::collections::HashMap;
use std::time::Duration;

use redis::Value;

use super::index;
use super::link::{Ask, Link};
use super::reply;
use super::scripts;
use super::settings::{Place, Settings};
use crate::store::StoreError;
use gitfaas_core::run::Phase;

/// The oldest Redis that has what the scripts need.
const OLDEST: u64 = 7;

/// How much `appendfsync everysec` loses at most: it writes a second later, and waits a second for a disk that is slow.
const EVERY_SECOND: Duration = Duration::from_secs(3);
/// How much the kernel may have in memory only.
const KERNEL: Duration = Duration::from_secs(45);
/// How much a failover may lose: as long as it takes until the old primary is known to be gone.
const FAILOVER: Duration = Duration::from_secs(30);

/// When what is acknowledged is on a disk of the Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before it is acknowledged: `appendonly yes`, `appendfsync always`.
    Always,
    /// About a second later: `appendfsync everysec`.
    EverySecond,
    /// When the kernel of its machine wishes: `appendfsync no`.
    Kernel,
    /// Never, or in snapshots only: `appendonly no`.
    Never,
    /// This user may not know (`CONFIG` is forbidden); the log is kept.
    Unknown,
}

/// How a Redis and the ledger in it are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its version, as it says.
    pub version: String,
    /// What a crash of it loses.
    pub durability: Durability,
    /// Bytes it uses.
    pub used_memory: u64,
    /// Bytes it may use; `None` without a bound.
    pub max_memory: Option<u64>,
    /// Replicas that are connected.
    pub replicas: u64,
    /// How many replicas a write needs; `None` where this user may not know.
    pub min_replicas: Option<u64>,
    /// Whether Sentinels say which one is the primary.
    pub watched: bool,
    /// What is in the ledger; `None` where there is none under this prefix.
    pub ledger: Option<Contents>,
}

/// What is in a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The version of its keys.
    pub schema: u64,
    /// Its requests.
    pub requests: u64,
    /// Its runs, of any phase.
    pub runs: u64,
    /// Servers that have it open now.
    pub servers: u64,
}

impl Inspection {
    /// How much of what was acknowledged last may be lost when the Redis, its machine or the primary fails; `None` where
    /// all of it may be.
    pub fn window_of_loss(&self) -> Option<Duration> {
        let failover = if self.watched || self.replicas > 0 { FAILOVER } else { Duration::ZERO };
        let crash = match self.durability {
            Durability::Always => Duration::ZERO,
            Durability::EverySecond => EVERY_SECOND,
            Durability::Kernel | Durability::Unknown => KERNEL,
            Durability::Never => return None,
        };
        Some(failover.max(crash))
    }

    /// What it can lose although it was acknowledged, and what else may hurt: a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let lossy = match self.durability {
            Durability::Always => None,
            Durability::EverySecond => Some(
                "appendfsync is everysec: when Redis or its machine dies, what was acknowledged in the last second or \
                 two is lost; appendfsync always loses nothing",
            ),
            Durability::Kernel => Some(
                "appendfsync is no: when the machine of Redis dies, what was acknowledged in the last half minute is \
                 lost; appendfsync always loses nothing",
            ),
            Durability::Never => Some(
                "appendonly is no: whatever was acknowledged is lost when Redis ends; set appendonly yes and appendfsync always",
            ),
            Durability::Unknown => Some(
                "it cannot be told whether appendfsync is always (CONFIG is forbidden to this user): with anything else \
                 what was acknowledged last is lost when Redis dies",
            ),
        };
        warnings.extend(lossy.map(str::to_owned));
        if self.watched || self.replicas > 0 {
            let kept = match self.min_replicas {
                Some(1..) => "no longer than min-replicas-max-lag after the last replica is gone",
                _ => "as long as the old primary takes writes: min-replicas-to-write 1 bounds that",
            };
            warnings.push(format!(
                "replicas follow without being waited for: a failover loses what was acknowledged and had not reached \
                 the new primary ({kept})"
            ));
        }
        if self.max_memory.is_none() {
            warnings.push(
                "maxmemory is not set: a Redis that grows beyond its machine is killed; with maxmemory, publishes are \
                 refused with 503 before that"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Looks at a Redis and at the ledger in it; nothing is changed.
///
/// # Errors
/// [`StoreError::Unavailable`] when it cannot be reached, [`StoreError::Refused`] when no ledger can be in it.
pub async fn inspect(settings: &Settings) -> Result<Inspection, StoreError> {
    let link = Link::new(settings.clone());
    let found = async {
        let found = look(&link).await?;
        Ok(Inspection { ledger: contents(&link).await?, ..found })
    };
    let found = found.await;
    link.close(None).await;
    found
}

/// How the Redis is, without what is in it; refuses what cannot hold a ledger.
pub(super) async fn look(link: &Link) -> Result<Inspection, StoreError> {
    let info = link.about(&["INFO"]).await.and_then(Info::read)?;
    info.check()?;
    let durability = match (info.number("aof_enabled"), setting(link, "appendfsync").await?.as_deref()) {
        (Some(0), _) => Durability::Never,
        (_, Some("always")) => Durability::Always,
        (_, Some("everysec")) => Durability::EverySecond,
        (_, Some(_)) => Durability::Kernel,
        (_, None) => Durability::Unknown,
    };
    Ok(Inspection {
        version: info.text("redis_version").unwrap_or("unknown").to_owned(),
        durability,
        used_memory: info.number("used_memory").unwrap_or_default(),
        max_memory: info.number("maxmemory").filter(|most| *most > 0),
        replicas: info.number("connected_slaves").unwrap_or_default(),
        min_replicas: setting(link, "min-replicas-to-write").await?.and_then(|text| text.parse().ok()),
        watched: matches!(link.settings().address.place(), Place::Sentinels(..)),
        ledger: None,
    })
}

/// A setting of the Redis; `None` where this user may not know.
async fn setting(link: &Link, name: &str) -> Result<Option<String>, StoreError> {
    let Ok(found) = link.about(&["CONFIG", "GET", name]).await else { return Ok(None) };
    let found = reply::pairs(found)?.into_iter().next();
    found.map(|(_, value)| reply::text(value)).transpose()
}

async fn contents(link: &Link) -> Result<Option<Contents>, StoreError> {
    let prefix = format!("{}:", link.settings().prefix);
    let ask = Ask::again(&scripts::FIELDS, &prefix).with("meta").with("owner").with("schema");
    let [owner, schema] = reply::exactly(link.ask(ask).await?)?;
    if matches!(owner, Value::Nil) {
        return Ok(None);
    }
    let schema = reply::text(schema).ok().and_then(|schema| schema.parse().ok());
    let (Ok("gitfaas"), Some(schema)) = (reply::text(owner).as_deref(), schema) else {
        return Err(StoreError::Refused(format!(
            "what is in the key {prefix}meta is not a ledger's, or is damaged: choose another --redis-prefix, or bring it \
             back from a backup of the Redis"
        )));
    };
    let mut ask = Ask::again(&scripts::COUNT, &prefix).with("lives").with("requests");
    for phase in Phase::ALL {
        ask.push(index::in_phase(phase));
    }
    let counted = reply::items(link.ask(ask).await?)?;
    let counted = counted.iter().map(reply::number).collect::<Result<Vec<_>, _>>()?;
    let runs = counted.iter().skip(2).sum();
    let servers = living(link, &prefix).await?;
    Ok(Some(Contents { schema, requests: counted.get(1).copied().unwrap_or_default(), runs, servers }))
}

/// How many servers hold a lease.
pub(super) async fn living(link: &Link, prefix: &str) -> Result<u64, StoreError> {
    reply::number(&link.ask(Ask::again(&scripts::LIVING, prefix)).await?)
}

/// What Redis says about itself, by name.
pub(super) struct Info(HashMap<String, String>);

impl Info {
    pub(super) fn read(answer: Value) -> Result<Self, StoreError> {
        let text = match answer {
            Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Value::VerbatimString { text, .. } => text,
            _ => return Err(reply::unexpected()),
        };
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Ok(Self(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Whether a ledger can be kept there.
    fn check(&self) -> Result<(), StoreError> {
        let refused = |why: String| Err(StoreError::Refused(why));
        let version = self.text("redis_version").unwrap_or_default();
        let major: Option<u64> = version.split('.').next().and_then(|major| major.parse().ok());
        if major.is_some_and(|major| major < OLDEST) {
            return refused(format!("this is Redis {}: a ledger needs Redis {OLDEST} or newer", reply::shown(version)));
        }
        if self.number("cluster_enabled") == Some(1) {
            return refused(
                "this is a Redis Cluster, where what belongs together can be apart: use a primary, with Sentinel for a \
                 failover"
                    .to_owned(),
            );
        }
        match self.text("maxmemory_policy") {
            None | Some("noeviction") => Ok(()),
            Some(policy) => refused(format!(
                "this Redis throws away keys when its memory is full (maxmemory-policy {}), and with them what was \
                 acknowledged: set maxmemory-policy noeviction",
                reply::shown(policy)
            )),
        }
    }
}
