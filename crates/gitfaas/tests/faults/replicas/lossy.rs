//! A Redis on a machine that loses its power, with a log that is synced each second, or with each write; and a set that
//! Sentinels watch, whose primary dies or hangs while its replica is behind. How much is lost is counted, and how long before
//! it was acknowledged. Nothing may be wrong with what is left: nothing of it is made twice, left out, or waited for in vain.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use gitfaas_fixtures::{Fsync, Options, RedisServer, SentinelSet, program};

use super::ground::Ground;
use super::keeper::Keeper;
use crate::audit::{Evidence, audit};
use crate::chance::Chance;
use crate::load::{Load, Plan};
use crate::notes::Notes;
use crate::support::{Size, eventually, until_acknowledged};

const TOPICS: &[(u64, &str)] = &[(3, "record"), (3, "brief"), (2, "both"), (1, "line")];
/// What `docs/redis.md` says of `appendfsync everysec`.
const EVERY_SECOND: Duration = Duration::from_secs(3);
/// What it says of a failover.
const FAILOVER: Duration = Duration::from_secs(30);
/// How many messages are acknowledged while the replica is behind.
const BEHIND: u64 = 20;
/// As many rounds of each kind as this part of those of the servers.
const PART: u64 = 5;
/// How long a machine is without power, in milliseconds: also for longer than what it may have lost.
const WITHOUT_POWER: &[(u64, u64)] = &[(2, 0), (1, 1500), (1, 5000)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_log_that_is_synced_each_second_loses_is_recent_and_nothing_is_made_twice() {
    lose_power(Fsync::EverySecond, EVERY_SECOND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_synced_before_it_is_acknowledged_is_there_after_power_was_lost() {
    lose_power(Fsync::Always, Duration::ZERO).await;
}

async fn lose_power(fsync: Fsync, window: Duration) {
    let what = "power that is lost";
    if !program::are_there(what, &["strace"]) {
        return;
    }
    let size = Size::part(PART, 2, 60);
    let options = Options { fsync, loses_power: true, ..Options::default() };
    let Some(mut rounds) = Rounds::begin(what, || Keeper::one(what, options), &size).await else { return };
    for _ in 0..size.rounds {
        rounds.next(&size).await;
        rounds.lose_power().await;
    }
    rounds.end(&size, window).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_loses_had_not_reached_the_replica_and_nothing_is_made_twice() {
    let what = "a replica that is behind";
    let size = Size::part(PART, 1, 40);
    let keeper = || Keeper::set(what, &Options::default());
    let Some(mut rounds) = Rounds::begin(what, keeper, &size).await else { return };
    for _ in 0..size.rounds {
        rounds.next(&size).await;
        let hangs = size.is_long() && rounds.chance.among(0..2) == 0;
        rounds.fail_over(if hangs { Death::Hangs } else { Death::Dies }, size.is_long()).await;
    }
    rounds.end(&size, FAILOVER).await;
}

/// How a primary goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Dies,
    /// It goes on when another one is the primary, and does not know.
    Hangs,
}

/// That the ledger may have lost something; times are those of the notes.
struct Failure {
    /// What was acknowledged before this can be lost.
    begun: Duration,
    /// What was lost is counted back from here.
    at: Duration,
    /// What is sent from here on is not lost by it.
    over: Duration,
}

/// Rounds under load.
struct Rounds {
    ground: Ground,
    load: Load,
    chance: Chance,
    failures: Vec<Failure>,
}

impl Rounds {
    async fn begin(what: &str, keeper: impl FnOnce() -> Option<Keeper>, size: &Size) -> Option<Self> {
        let ground = Ground::on(what, keeper).await?;
        let chance = Chance::new(size.seed);
        let plan =
            Plan { publishers: 8, topics: TOPICS, patience: Duration::from_secs(8), pause: Duration::from_millis(250) };
        let load = Load::begin(plan, Notes::new(ground.folder.path().join("notes")), chance.clone());
        load.servers_are(ground.urls());
        Some(Self { ground, load, chance, failures: Vec::new() })
    }

    /// Until a round's share of messages is acknowledged.
    async fn next(&mut self, size: &Size) {
        until_acknowledged(&self.load, size.next(&self.load, &mut self.chance)).await;
    }

    async fn lose_power(&mut self) {
        let redis = self.ground.keeper.primary();
        let at = self.load.notes().now();
        redis.lose_power();
        // The fault is that nothing happens for so long.
        tokio::time::sleep(Duration::from_millis(self.chance.pick(WITHOUT_POWER))).await;
        redis.restart();
        self.ground.until_ready().await;
        self.failures.push(Failure { begun: Duration::ZERO, at, over: self.load.notes().now() });
    }

    async fn fail_over(&mut self, death: Death, goes_on: bool) {
        let Keeper::Set(set) = &self.ground.keeper else { return };
        let [primary, replica] = set.now();
        replica.pause();
        let begun = self.load.notes().now();
        primary.ask(&["CLIENT", "KILL", "TYPE", "replica"]);
        until_acknowledged(&self.load, self.load.acknowledged() + BEHIND).await;
        match death {
            Death::Dies => primary.kill(),
            Death::Hangs => primary.pause(),
        }
        replica.go_on();
        eventually("the replica is the primary", async || is_primary(set, replica).then_some(())).await;
        let at = match death {
            Death::Dies => self.load.notes().now(),
            Death::Hangs => {
                primary.go_on();
                eventually("the old primary knows", async || {
                    primary.ask_again(&["ROLE"])?.starts_with("slave").then_some(())
                })
                .await;
                self.load.notes().now()
            }
        };
        if death == Death::Dies && goes_on {
            primary.restart();
        }
        if goes_on {
            set.whole();
        }
        self.ground.until_ready().await;
        self.failures.push(Failure { begun, at, over: self.load.notes().now() });
    }

    /// Lets everything end that will, and looks at what is there.
    async fn end(mut self, size: &Size, window: Duration) {
        until_acknowledged(&self.load, size.acknowledged).await;
        let notes = self.load.end().await;
        self.ground.until_over().await;
        let mut evidence = self.ground.evidence(notes).await;
        let acknowledged = evidence.acknowledged.len();
        let losses = Losses::taken_from(&mut evidence, &self.failures);
        println!("{} rounds, {acknowledged} acknowledged, {losses}", size.rounds);
        let report = audit(&evidence);
        println!("of what is left: {report}");
        assert!(report.is_clean(), "{report}");
        let oldest = losses.ages.iter().max().copied().unwrap_or_default();
        // A small machine with other work is given more time, where it is a matter of time.
        let in_time = oldest <= window || (!size.is_long() && !window.is_zero());
        assert!(in_time, "what was acknowledged {oldest:?} before was lost");
        assert!(!window.is_zero() || losses.ages.is_empty(), "{losses}");
        assert!(!size.is_long() || window.is_zero() || !losses.ages.is_empty(), "it had nothing to lose");
    }
}

fn is_primary(set: &SentinelSet, server: &RedisServer) -> bool {
    set.now()[0].address() == server.address()
}

/// What a ledger lost.
struct Losses {
    /// How long before a failure each message that was lost had been acknowledged.
    ages: Vec<Duration>,
    /// Objects that were made for requests which were lost then.
    made: usize,
}

impl Losses {
    /// Takes from the evidence what was lost, so that what is left has to be whole.
    fn taken_from(evidence: &mut Evidence, failures: &[Failure]) -> Self {
        let requests: BTreeSet<&str> = evidence.kept.iter().map(|request| request.id.as_str()).collect();
        let is_kept = |request: &str| requests.contains(request);
        let mut ages = Vec::new();
        evidence.acknowledged.retain(|acknowledged| {
            let kept = is_kept(&acknowledged.request);
            if !kept {
                // It was in the ledger before it was acknowledged, perhaps for as long as its Job took to be made.
                let failure = failures.iter().find(|failure| acknowledged.sent <= failure.over);
                let failure = failure.unwrap_or_else(|| panic!("{acknowledged:?} was lost, and nothing had failed"));
                assert!(acknowledged.at >= failure.begun, "{acknowledged:?} was lost, and had been copied");
                ages.push(failure.at.saturating_sub(acknowledged.at));
            }
            kept
        });
        // The runs of a request begin with it.
        let runs = evidence.kept.iter().flat_map(|request| &request.runs);
        let beginnings: BTreeSet<&str> = runs.filter_map(|run| run.id.get(..26)).collect();
        let before = evidence.made.len();
        evidence.made.retain(|made| made.run.get(..26).is_none_or(|beginning| beginnings.contains(beginning)));
        Self { ages, made: before - evidence.made.len() }
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let oldest = self.ages.iter().max().copied().unwrap_or_default();
        write!(f, "{} of them lost, acknowledged {oldest:.1?} before at most; ", self.ages.len())?;
        write!(f, "{} objects of requests that are lost", self.made)
    }
}
