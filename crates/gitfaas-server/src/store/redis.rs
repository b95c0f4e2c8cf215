//! The store in Redis, which several servers share.
//!
//! * **Each step is a script**, which Redis runs as a whole and alone. A script looks at all that it is going to change
//!   before it changes anything, because one that fails half way is not undone. Where a record is listed is computed here,
//!   from the record; scripts know nothing of records.
//! * **What is acknowledged** is as durable as the Redis is set up to be: with `appendfsync always` and one primary it is
//!   on a disk. `docs/redis.md` says what each other way can lose, and so does [`Inspection::warnings`].
//! * **A connection that breaks** while something is written leaves open whether it was. An accept and a settle find out
//!   by doing it once more, which is safe; anything else is unavailable, and safe to be asked again.
//! * **Damage.** What does not parse, contradicts its key, or is of another type is not served: reading it is
//!   [`StoreError::Damaged`], listings leave it out and log it, and it has no slot. Its request stays.
//! * **Memory.** Publishes are refused while there is still room for ending what was accepted.
//! * **Leases** are keys that run out by themselves, by the clock of the Redis. A life of a server is known by its epoch,
//!   and by a name that no other life has: where Redis has forgotten that it gave the epoch, it is given another one.
//! * **A Redis that has lost the ledger** takes nothing more until it has its head again, which who has it open gives it.

mod changes;
mod expire;
mod index;
mod inspect;
mod lease;
mod line;
mod link;
mod list;
mod primary;
mod read;
mod record;
mod reply;
mod results;
mod scripts;
mod served;
mod settings;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use gitfaas_core::gate::Gate;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::key::LedgerKey;
use gitfaas_core::manifest::RecordedManifest;
use gitfaas_core::message::Message;
use gitfaas_core::request::Request;
use gitfaas_core::response::Response;
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;
use redis::Value;
use sha1::{Digest as _, Sha1};

pub use self::inspect::{Contents, Durability, Inspection, inspect};
use self::lease::Room;
use self::link::{Ask, Link};
pub use self::settings::{Address, PREFIX, Password, Settings, check_prefix};
use super::{
    Accept, Acceptance, Change, DeadLetterQuery, Lease, Load, Marking, Order, Place, Queue, RequestQuery, Store,
    StoreError,
};
use crate::cluster::LogPart;

/// The version of the keys that this program writes.
const SCHEMA: u64 = 1;

/// What counts as the window of loss of a Redis that keeps nothing.
const LONGEST_WINDOW: Duration = Duration::from_mins(5);

/// A ledger under a prefix of a Redis.
pub struct RedisStore {
    link: Link,
    /// What the names of its keys begin with.
    prefix: String,
    key: LedgerKey,
    /// The ledger's secret, as Redis has it, and its digest, by which the ledger is known.
    secret: String,
    known_by: String,
    /// Another one when Redis has forgotten that it gave the one before.
    epoch: AtomicU64,
    /// By which this life is known, also where another one was given its epoch.
    who: String,
    room: Room,
    /// In milliseconds.
    window: AtomicU64,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Opens the ledger under a prefix of a Redis, which is made if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the Redis cannot hold a ledger, when something else is under the prefix, or a newer
    /// program wrote it; [`StoreError::Unavailable`] when Redis cannot be reached or does not let us in.
    pub async fn open(settings: Settings) -> Result<Self, StoreError> {
        let prefix = format!("{}:", settings.prefix);
        let link = Link::new(settings);
        let found = inspect::look(&link).await?;
        for warning in found.warnings() {
            tracing::warn!(store.address = %link.settings().address, "{warning}");
        }
        let secret = record::hex(&random::<32>()?);
        let answer = link.ask(Ask::once(&scripts::OPEN, &prefix).with(SCHEMA).with(secret)).await?;
        let (word, rest) = reply::outcome(answer)?;
        let (secret, key, epoch) = opened(&prefix, &word, rest)?;
        let epoch = AtomicU64::new(epoch);
        let room = Room::default();
        room.measured(Some(found.used_memory), found.max_memory);
        let window = AtomicU64::new(lease::millis(found.window_of_loss()));
        let who = record::hex(&random::<8>()?);
        let known_by = record::hex(&Sha1::digest(&secret));
        let store = Self { link, prefix, key, secret, known_by, epoch, who, room, window };
        store.look_again().await?;
        Ok(store)
    }

    /// How many other servers have this ledger open now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn others(&self) -> Result<u64, StoreError> {
        inspect::living(&self.link, &self.prefix).await
    }
}

/// What came of opening a ledger: its secret, as it is kept and as a key, and the number of this life.
fn opened(prefix: &str, word: &str, rest: Vec<Value>) -> Result<(String, LedgerKey, u64), StoreError> {
    let refused = |why: String| Err(StoreError::Refused(why));
    let mut rest = rest.into_iter();
    match word {
        "open" => {
            let secret = reply::text(rest.next().unwrap_or(Value::Nil))?;
            let damaged = || record::damaged(&format!("key {prefix}meta"), "it has no secret");
            let key = record::bytes(&secret).ok_or_else(damaged)?;
            let epoch = reply::number(&rest.next().unwrap_or(Value::Nil))?;
            Ok((secret, LedgerKey::new(key), epoch))
        }
        "newer" => refused(format!(
            "the ledger under {prefix} was written by a newer gitfaas (version {} of its keys, this one knows {SCHEMA}): \
             start that one",
            reply::shown(&reply::text(rest.next().unwrap_or(Value::Nil))?)
        )),
        "foreign" => {
            refused(format!("what is in the key {prefix}meta is not a ledger's: choose another --redis-prefix"))
        }
        "headless" => refused(format!(
            "there are keys of a ledger under {prefix}, and {prefix}meta, which has its secret, is gone: bring it back \
             from a backup of the Redis, or choose another --redis-prefix"
        )),
        "damaged" => refused(format!("the key {prefix}meta is damaged: bring it back from a backup of the Redis")),
        _ => Err(reply::unexpected()),
    }
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes);
    filled.map(|()| bytes).map_err(|error| StoreError::Unavailable(format!("the machine has no randomness: {error}")))
}

#[async_trait]
impl Store for RedisStore {
    fn ledger_key(&self) -> &LedgerKey {
        &self.key
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    fn window_of_loss(&self) -> Duration {
        Duration::from_millis(self.window.load(Ordering::Relaxed))
    }

    async fn renew(&self, may_lead: bool) -> Result<Lease, StoreError> {
        self.write_lease(may_lead).await
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        changes::listen(self.link.settings().clone(), self.who.clone())
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.check_ready().await
    }

    async fn accept(&self, accepted: Accept) -> Result<Acceptance, StoreError> {
        self.write_accept(&accepted).await
    }

    async fn accepted_under(&self, idempotency: Idempotency) -> Result<Acceptance, StoreError> {
        self.read_accepted_under(&idempotency).await
    }

    async fn settle(&self, before: &Run, after: &Run) -> Result<bool, StoreError> {
        let change = write::Change { before, after, manifests: None, most_live: None };
        Ok(self.write_settle(change).await? == Marking::Marked)
    }

    async fn replace(&self, before: &Run, after: &Run, manifests: Vec<RecordedManifest>) -> Result<bool, StoreError> {
        let manifests = record::encode(&manifests)?;
        let change = write::Change { before, after, manifests: Some(&manifests), most_live: None };
        Ok(self.write_settle(change).await? == Marking::Marked)
    }

    async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<Run>, StoreError> {
        self.read_dead_letters(query).await
    }

    async fn mark(&self, before: &Run, after: &Run, most_live: Option<NonZeroU32>) -> Result<Marking, StoreError> {
        self.write_mark(before, after, most_live).await
    }

    async fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        self.read_queues().await
    }

    async fn due(&self, topic: &TopicName, order: Order, now: Timestamp, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.read_due(topic, order, now, limit).await
    }

    async fn live(&self, topic: &TopicName) -> Result<u64, StoreError> {
        self.read_live(topic).await
    }

    async fn place(&self, run: &Run, now: Timestamp, most: u32) -> Result<Place, StoreError> {
        self.read_place(run, now, most).await
    }

    async fn loads(&self, topic: Option<&TopicName>) -> Result<Vec<Load>, StoreError> {
        self.read_loads(topic).await
    }

    async fn gates(&self) -> Result<BTreeMap<TopicName, Gate>, StoreError> {
        self.read_gates().await
    }

    async fn configure(&self, gates: Vec<(TopicName, Gate)>) -> Result<(), StoreError> {
        self.write_gates(&gates).await
    }

    async fn pause(&self, topic: &TopicName, since: Option<Timestamp>) -> Result<(), StoreError> {
        self.write_pause(topic, since).await
    }

    async fn runs_in(&self, phases: &[Phase], after: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.read_runs_in(phases, after, limit).await
    }

    async fn manifests(&self, run: RunId) -> Result<Vec<RecordedManifest>, StoreError> {
        self.read_manifests(run).await
    }

    async fn request(&self, id: RequestId) -> Result<Option<Request>, StoreError> {
        self.read_request(id).await
    }

    async fn message(&self, id: RequestId) -> Result<Option<Message>, StoreError> {
        self.read_message(id).await
    }

    async fn runs(&self, request: RequestId) -> Result<Vec<Run>, StoreError> {
        self.read_runs(request).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.read_run(id).await
    }

    async fn children(&self, parent: RequestId, limit: usize) -> Result<Vec<Request>, StoreError> {
        self.read_children(parent, limit).await
    }

    async fn requests(&self, query: &RequestQuery) -> Result<Vec<Request>, StoreError> {
        self.read_requests(query).await
    }

    async fn put_response(&self, response: Response) -> Result<(), StoreError> {
        self.write_response(&response).await
    }

    async fn responses(&self, request: RequestId) -> Result<Vec<Response>, StoreError> {
        self.read_responses(request).await
    }

    async fn put_logs(&self, run: RunId, try_no: Try, job: &str, parts: Vec<LogPart>) -> Result<(), StoreError> {
        self.write_logs(run, try_no, job, &parts).await
    }

    async fn logs(&self, run: RunId, try_no: Try) -> Result<Vec<LogPart>, StoreError> {
        self.read_logs(run, try_no).await
    }

    async fn save_catalog(&self, live: String, sources: Vec<(String, Bytes)>) -> Result<(), StoreError> {
        self.write_catalog(&live, &sources).await
    }

    async fn load_catalog(&self) -> Result<Option<(String, Vec<(String, Bytes)>)>, StoreError> {
        self.read_catalog().await
    }

    async fn expire(&self, ended_before: Timestamp, dead_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.write_expire(ended_before, dead_before, limit).await
    }

    async fn count(&self) -> Result<Vec<(Phase, u64)>, StoreError> {
        let mut ask = Ask::again(&scripts::COUNT, &self.prefix);
        for phase in Phase::ALL {
            ask.push(index::in_phase(phase));
        }
        let counted = reply::items(self.link.ask(ask).await?)?;
        Phase::ALL.into_iter().zip(&counted).map(|(phase, runs)| Ok((phase, reply::number(runs)?))).collect()
    }

    async fn close(&self) {
        self.link.close(Some(self.leaving())).await;
    }
}
