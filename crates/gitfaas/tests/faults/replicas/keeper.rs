//! What keeps the ledger of three servers: a Redis, or a set of them that Sentinels watch.

use gitfaas_fixtures::{Options, RedisServer, SentinelSet, Way};

/// What keeps the ledger.
pub(super) enum Keeper {
    /// One, which servers reach over ways of theirs.
    One(Box<RedisServer>),
    /// A primary and its replica, which servers find by asking Sentinels.
    Set(Box<SentinelSet>),
}

impl Keeper {
    /// One, where there are the programs for it.
    pub(super) fn one(what: &str, options: Options) -> Option<Self> {
        RedisServer::is_there(what).then(|| Self::One(Box::new(RedisServer::start(options))))
    }

    /// A set, where there are the programs for it.
    pub(super) fn set(what: &str, options: &Options) -> Option<Self> {
        SentinelSet::is_there(what).then(|| Self::Set(Box::new(SentinelSet::start(options))))
    }

    /// What is the primary now.
    pub(super) fn primary(&self) -> &RedisServer {
        match self {
            Self::One(server) => server,
            Self::Set(set) => set.now()[0],
        }
    }

    /// A way for a server.
    pub(super) fn way(&self) -> Way {
        Way::to(self.primary().address())
    }

    /// What a server is told of the ledger.
    pub(super) fn url(&self, way: &Way) -> String {
        match self {
            Self::One(_) => format!("redis://{}", way.address()),
            Self::Set(set) => set.url(),
        }
    }
}
