//! The contract on a real Redis, and what only it can do: other servers, failovers, connections that break, damage.

use std::sync::atomic::{AtomicUsize, Ordering};
mod damage;
mod several;
mod trouble;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use gitfaas_fixtures::{Options, RedisServer};

use super::{RedisStore, Settings};
use crate::store::Store;
use crate::store::contract::{Ground, contract};

/// A prefix of its own in a Redis that is shared by all tests that run at the same time.
struct Prefix {
    server: Arc<RedisServer>,
    prefix: String,
}

/// The Redis of the tests that run now; it ends with the last of them.
fn server() -> Arc<RedisServer> {
    static SHARED: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(RedisServer::start(Options::default()));
        *shared = Arc::downgrade(&server);
        server
    })
}

/// How a ledger on a server is reached.
fn settings(server: &RedisServer, prefix: &str) -> Settings {
    Settings { prefix: prefix.to_owned(), ..Settings::new(server.url().parse().expect("an address")) }
}

impl Prefix {
    fn new() -> Self {
        static USED: AtomicUsize = AtomicUsize::new(0);
        Self { server: server(), prefix: format!("ledger-{}", USED.fetch_add(1, Ordering::Relaxed)) }
    }

    /// One, where this machine has a Redis.
    fn if_there() -> Option<Self> {
        Self::is_there().then(Self::new)
    }

    /// A key of the ledger by its whole name.
    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// Does to the ledger what no program of ours does.
    fn ask(&self, command: &[&str]) -> String {
        self.server.ask(command)
    }

    async fn store(&self) -> Arc<RedisStore> {
        Arc::new(RedisStore::open(settings(&self.server, &self.prefix)).await.expect("opened"))
    }
}

#[async_trait]
impl Ground for Prefix {
    fn is_there() -> bool {
        RedisServer::is_there("the store in Redis")
    }

    async fn fresh() -> Self {
        Self::new()
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.store().await
    }
}

contract!(Prefix);
