//! A Redis that does not do what it is asked: full, a replica, away, stopped, cut off, gone for good.

use std::sync::Arc;
use std::time::Duration;

use gitfaas_core::run::Phase;
use gitfaas_fixtures::{Authority, Options, RedisServer, SentinelSet, Way, program};
use tokio::time::{Instant, sleep};

use super::{Prefix, settings};
use crate::secret::Secret;
use crate::store::contract::{accept, accepted, at, moved, response, settled};
use crate::store::redis::{Durability, Password, RedisStore, Settings, inspect};
use crate::store::{Accept, Acceptance, RequestQuery, Store, StoreError};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

fn why<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("not unavailable: {other:?}"),
    }
}

/// Waits until the ledger can be written.
async fn ready(store: &RedisStore) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = store.ready().await {
        assert!(Instant::now() < deadline, "{error}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A server of its own.
fn own(options: Options) -> Option<RedisServer> {
    RedisServer::is_there("the store in Redis").then(|| RedisServer::start(options))
}

/// A ledger that is reached over a way.
async fn over(way: &Way, ground: &Prefix) -> RedisStore {
    let address = format!("redis://{}", way.address()).parse().expect("an address");
    RedisStore::open(Settings { address, ..settings(&ground.server, &ground.prefix) }).await.expect("opened")
}

/// What was accepted is there exactly once.
async fn is_there_once(store: &RedisStore, accept: &Accept) {
    assert_eq!(store.request(accept.request.id).await, Ok(Some(accept.request.clone())));
    let query = RequestQuery { limit: 9, ..RequestQuery::default() };
    assert_eq!(store.requests(&query).await, Ok(vec![accept.request.clone()]));
    let runs: Vec<_> = accept.runs.iter().map(|(run, _)| run.clone()).collect();
    assert_eq!(store.runs_in(&Phase::ALL, None, 9).await, Ok(runs));
}

#[tokio::test]
async fn an_accept_whose_answer_is_lost_is_done_once_and_acknowledged() {
    let Some(ground) = Prefix::if_there() else { return };
    let way = Way::to(ground.server.address());
    let store = over(&way, &ground).await;
    // Its script is known from then on, so that the one answer that is lost is the accept's.
    accepted(&store, &accept(1, "audit", &[])).await;
    let run = accepted(&*ground.store().await, &accept(2, "audit", &["a.yaml"])).await.remove(0);
    settled(&*ground.store().await, &run, Phase::Succeeded, 3).await;
    assert_eq!(ground.store().await.expire(at(9), at(9), 9).await, Ok(2));
    let accept = accept(5, "collect", &["a.yaml"]);
    way.lose_answers(1);
    assert_eq!(store.accept(accept.clone()).await, Ok(Acceptance::New));
    assert_eq!(way.answers_to_lose(), 0);
    is_there_once(&store, &accept).await;
    // The same request anew is another matter.
    assert!(store.accept(accept.clone()).await.is_err());
    is_there_once(&store, &accept).await;
}

#[tokio::test]
async fn a_settle_whose_answer_is_lost_is_done_and_tells_so() {
    let Some(ground) = Prefix::if_there() else { return };
    let way = Way::to(ground.server.address());
    let store = over(&way, &ground).await;
    let mut run = accepted(&store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    run = settled(&store, &run, Phase::Queued, 2).await;
    way.lose_answers(1);
    let marked = moved(&run, Phase::Applying, 3);
    let marking = store.mark(&run, &marked, std::num::NonZeroU32::new(1)).await;
    assert_eq!((marking, way.answers_to_lose()), (Ok(crate::store::Marking::Marked), 0), "its own slot is no other's");
    way.lose_answers(1);
    run = settled(&store, &marked, Phase::Running, 4).await;
    assert_eq!(store.run(run.id).await, Ok(Some(run.clone())));
    // Somebody else was quicker while nobody could tell.
    way.lose_answers(1);
    let other = ground.store().await;
    let (before, after) = (run.clone(), moved(&run, Phase::Failed, 5));
    settled(&*other, &before, Phase::Succeeded, 5).await;
    assert_eq!(store.settle(&before, &after).await, Ok(false));
}

#[tokio::test]
async fn who_is_cut_off_is_told_and_goes_on_by_itself() {
    let Some(ground) = Prefix::if_there() else { return };
    let way = Way::to(ground.server.address());
    let store = over(&way, &ground).await;
    way.close();
    why(store.accept(accept(1, "collect", &["a.yaml"])).await);
    let begun = Instant::now();
    why(store.accept(accept(1, "collect", &["a.yaml"])).await);
    assert!(begun.elapsed() < PATIENCE);
    why(store.ready().await);
    way.go_on();
    ready(&store).await;
    let accept = accept(2, "collect", &["a.yaml"]);
    accepted(&store, &accept).await;
    is_there_once(&store, &accept).await;
}

#[tokio::test]
async fn what_does_not_answer_is_given_up() {
    let Some(server) = own(Options::default()) else { return };
    let store = RedisStore::open(settings(&server, "ledger")).await.expect("opened");
    accepted(&store, &accept(1, "collect", &["a.yaml"])).await;
    server.pause();
    let begun = Instant::now();
    assert!(why(store.accept(accept(2, "collect", &["a.yaml"])).await).contains("in time"));
    assert!(begun.elapsed() < PATIENCE);
    server.go_on();
    ready(&store).await;
    accepted(&store, &accept(3, "collect", &["a.yaml"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_redis_is_killed() {
    let Some(server) = own(Options::default()) else { return };
    let store = Arc::new(RedisStore::open(settings(&server, "ledger")).await.expect("opened"));
    let accepting: Vec<_> = (0..8)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let (mut done, mut refused) = (Vec::new(), Vec::new());
                for n in 0..10_000 {
                    let accept = accept(task * 10_000 + n, "collect", &["a.yaml"]);
                    match store.accept(accept.clone()).await {
                        Ok(Acceptance::New) => done.push(accept),
                        Err(StoreError::Unavailable(_)) => {
                            refused.push(accept);
                            break;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                (done, refused)
            })
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while store.count().await.expect("counted")[0].1 < 100 {
        assert!(Instant::now() < deadline, "nothing is accepted");
    }
    server.kill();
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for task in accepting {
        let (more, not) = task.await.expect("no panic");
        done.extend(more);
        refused.extend(not);
    }
    server.restart();
    ready(&store).await;
    assert!(done.len() >= 100);
    for accept in &done {
        assert_eq!(store.request(accept.request.id).await, Ok(Some(accept.request.clone())), "it was acknowledged");
        assert_eq!(store.run(accept.runs[0].0.id).await, Ok(Some(accept.runs[0].0.clone())));
    }
    for accept in &refused {
        // One that was not acknowledged is there whole, or not at all.
        let whole = store.request(accept.request.id).await.expect("read").is_some();
        assert_eq!(store.run(accept.runs[0].0.id).await.map(|run| run.is_some()), Ok(whole));
    }
}

#[tokio::test]
async fn a_full_redis_refuses_what_is_new_and_ends_what_is_there() {
    let Some(server) = own(Options { max_memory: Some(16 << 20), ..Options::default() }) else { return };
    let store = RedisStore::open(settings(&server, "ledger")).await.expect("opened");
    let run = accepted(&store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    store.renew(true).await.expect("renewed");
    let large = |n| {
        let mut large = accept(n, "collect", &["a.yaml"]);
        large.payload = vec![7; 64 << 10].into();
        large.request.size = large.payload.len() as u64;
        large
    };
    let mut accepts = 0;
    let refused = loop {
        match store.accept(large(2 + accepts)).await {
            Ok(Acceptance::New) => accepts += 1,
            other => break why(other),
        }
        assert!(accepts < 300, "it never says that it is full");
    };
    assert!(refused.contains("nearly out of memory"), "{refused}");
    let used: u64 = server
        .ask(&["INFO", "memory"])
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .and_then(|used| used.trim().parse().ok())
        .expect("a number");
    assert!(used < 16 << 20, "there is room yet: {used}");
    // And when there is none: as if somebody else had filled it.
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    store.renew(true).await.expect("leases are renewed");
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    store.renew(true).await.expect("leases are renewed");
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let before = server.ask(&["DBSIZE"]);
    assert!(why(store.accept(accept(500, "collect", &["a.yaml"])).await).contains("no memory"));
    assert!(why(store.put_response(response(&run, 9, "answer")).await).contains("no memory"));
    assert!(why(store.ready().await).contains("no memory"));
    assert_eq!(server.ask(&["DBSIZE"]), before, "nothing is written by halves");
    let next =
        RedisStore::open(settings(&server, "ledger")).await.expect("a server can start, and expire what is there");
    let ended = settled(&next, &run, Phase::Succeeded, 10).await;
    assert_eq!(store.run(run.id).await, Ok(Some(ended)));
    assert_eq!(store.expire(at(11), at(11), 9).await, Ok(1));
}

#[tokio::test]
async fn a_replica_takes_nothing_and_says_so() {
    let Some(server) = own(Options::default()) else { return };
    let store = RedisStore::open(settings(&server, "ledger")).await.expect("opened");
    let run = accepted(&store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    server.ask(&["REPLICAOF", &super::server().address().ip().to_string(), "1"]);
    assert!(why(store.accept(accept(2, "collect", &["a.yaml"])).await).contains("replica"));
    assert!(why(store.ready().await).contains("replica"));
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    ready(&store).await;
    settled(&store, &run, Phase::Running, 3).await;
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_given_anew() {
    let Some(server) = own(Options::default()) else { return };
    let store = RedisStore::open(settings(&server, "ledger")).await.expect("opened");
    server.ask(&["SCRIPT", "FLUSH"]);
    let run = accepted(&store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    server.ask(&["SCRIPT", "FLUSH"]);
    settled(&store, &run, Phase::Running, 3).await;
}

/// What `docs/redis.md` says that a user needs, but for what tells a primary from a replica.
fn rights(prefix: &str) -> Vec<&'static str> {
    let keys = match prefix {
        "team" => ["~team:*", "&team:changes"],
        _ => ["~gitfaas:*", "&gitfaas:changes"],
    };
    let commands = "-@all +@read +@write +@scripting +@connection +publish +subscribe +info +select";
    keys.into_iter().chain(commands.split(' ')).collect()
}

#[tokio::test]
async fn a_user_with_a_password_may_do_what_the_ledger_needs_and_no_more() {
    let Some(server) = own(Options { password: Some("hunter2".to_owned()), ..Options::default() }) else { return };
    server.ask(&[&["ACL", "SETUSER", "ada", "on", ">secret"][..], &rights("team")].concat());
    let of = |user: Option<&str>, password: Option<&str>| Settings {
        user: user.map(str::to_owned),
        password: password.map(|text| Password::Text(Secret::new(text))),
        ..settings(&server, "team")
    };
    for (user, password) in [(None, None), (None, Some("wrong")), (Some("ada"), Some("hunter2"))] {
        let refused = why(RedisStore::open(of(user, password)).await);
        assert!(refused.contains("password") && !refused.contains("hunter2"), "{refused}");
    }
    let store = RedisStore::open(of(Some("ada"), Some("secret"))).await.expect("opened");
    store.renew(true).await.expect("renewed");
    let run = accepted(&store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    settled(&store, &run, Phase::Failed, 3).await;
    assert_eq!(store.expire(at(9), at(9), 9).await, Ok(1));
    let found = inspect(&of(Some("ada"), Some("secret"))).await.expect("looked at");
    assert_eq!((found.durability, found.min_replicas), (Durability::Unknown, None), "CONFIG is not allowed");
    let found = inspect(&of(None, Some("hunter2"))).await.expect("looked at");
    assert_eq!((found.durability, found.min_replicas), (Durability::Always, Some(0)));
    assert_eq!(found.ledger.map(|ledger| (ledger.schema, ledger.requests, ledger.servers)), Some((1, 0, 1)));
    let elsewhere = Settings { prefix: "other".to_owned(), ..of(Some("ada"), Some("secret")) };
    assert!(why(RedisStore::open(elsewhere).await).contains("let this user"));
}

#[tokio::test]
async fn a_password_that_was_changed_is_read_again_for_the_next_connection() {
    let Some(server) = own(Options { password: Some("hunter2".to_owned()), ..Options::default() }) else { return };
    let (way, file) = (Way::to(server.address()), server.folder().join("password"));
    std::fs::write(&file, "hunter2\n").expect("written");
    let address = format!("redis://{}", way.address()).parse().expect("an address");
    let password = Some(Password::File(file.clone()));
    let store = RedisStore::open(Settings { address, password, ..settings(&server, "ledger") }).await.expect("opened");
    std::fs::write(&file, "hunter3\n").expect("written");
    server.ask(&["ACL", "SETUSER", "default", "resetpass", ">hunter3"]);
    way.cut();
    ready(&store).await;
    accepted(&store, &accept(1, "collect", &["a.yaml"])).await;
}

#[tokio::test]
async fn over_tls_only_the_server_that_is_meant_is_spoken_to() {
    if !program::are_there("Redis with TLS", &["openssl"]) {
        return;
    }
    let authority = Arc::new(Authority::new("tests"));
    let Some(server) = own(Options { authority: Some(authority.clone()), ..Options::default() }) else { return };
    let trusting = |file: std::path::PathBuf| Settings {
        authorities: Some(std::fs::read(file).expect("a certificate")),
        ..settings(&server, "ledger")
    };
    let store = RedisStore::open(trusting(authority.certificate())).await.expect("opened");
    let accept = accept(1, "collect", &["a.yaml"]);
    accepted(&store, &accept).await;
    is_there_once(&store, &accept).await;
    let stranger = Authority::new("a stranger");
    why(RedisStore::open(trusting(stranger.certificate())).await);
    why(RedisStore::open(settings(&server, "ledger")).await);
    let plain = format!("redis://{}", server.address()).parse().expect("an address");
    why(RedisStore::open(Settings { address: plain, ..settings(&server, "ledger") }).await);
}

#[tokio::test]
async fn a_failover_is_followed() {
    if !SentinelSet::is_there("a failover by Sentinel") {
        return;
    }
    let set = SentinelSet::start(&Options { password: Some("hunter2".to_owned()), ..Options::default() });
    let allow = |rights: &[&str]| {
        for server in [set.primary(), set.replica()] {
            server.ask(&[&["ACL", "SETUSER", "ada", "on", ">secret"][..], rights].concat());
        }
    };
    allow(&rights("gitfaas"));
    let settings = Settings {
        user: Some("ada".to_owned()),
        password: Some(Password::Text(Secret::new("secret"))),
        sentinel_password: Some(Password::Text(Secret::new("hunter2"))),
        ..Settings::new(set.url().parse().expect("an address"))
    };
    assert!(why(RedisStore::open(settings.clone()).await).contains("let this user"), "it may not ask which one it is");
    allow(&["+role"]);
    let store = RedisStore::open(settings.clone()).await.expect("opened");
    assert!(inspect(&settings).await.expect("looked at").warnings().iter().any(|said| said.contains("failover")));
    let accept = accept(1, "collect", &["a.yaml"]);
    accepted(&store, &accept).await;
    set.primary().ask(&["WAIT", "1", "0"]);
    set.primary().kill();
    why(store.accept(accept.clone()).await);
    set.switched(1);
    ready(&store).await;
    is_there_once(&store, &accept).await;
    settled(&store, &accept.runs[0].0, Phase::Running, 3).await;
    let unknown = Settings { address: set.url().replace("/ledger", "/other").parse().expect("an address"), ..settings };
    assert!(why(RedisStore::open(unknown).await).contains("no primary called other"));
}

#[tokio::test]
async fn what_throws_keys_away_is_refused() {
    let more = vec!["maxmemory 100mb".to_owned(), "maxmemory-policy allkeys-lru".to_owned()];
    let Some(server) = own(Options { more, ..Options::default() }) else { return };
    let refused = RedisStore::open(settings(&server, "ledger")).await.map(drop);
    assert!(matches!(refused, Err(StoreError::Refused(why)) if why.contains("noeviction")));
}

#[tokio::test]
async fn what_can_be_lost_is_said() {
    for (fsync, durability, word) in [
        (gitfaas_fixtures::Fsync::Always, Durability::Always, None),
        (gitfaas_fixtures::Fsync::EverySecond, Durability::EverySecond, Some("everysec")),
        (gitfaas_fixtures::Fsync::No, Durability::Kernel, Some("appendfsync is no")),
    ] {
        let Some(server) = own(Options { fsync, max_memory: Some(100 << 20), ..Options::default() }) else { return };
        let found = inspect(&settings(&server, "ledger")).await.expect("looked at");
        assert_eq!((found.durability, found.ledger.clone()), (durability, None));
        let warnings = found.warnings().join("\n");
        assert_eq!(warnings.is_empty(), word.is_none(), "{warnings}");
        assert!(warnings.contains(word.unwrap_or_default()), "{warnings}");
        assert_eq!(found.window_of_loss() == Some(Duration::ZERO), word.is_none());
        let store = RedisStore::open(settings(&server, "ledger")).await.expect("opened");
        assert_eq!(Some(store.window_of_loss()), found.window_of_loss());
        // It is told of what is changed while a server runs.
        let changed = if word.is_none() { "everysec" } else { "always" };
        server.ask(&["CONFIG", "SET", "appendfsync", changed]);
        store.renew(true).await.expect("renewed");
        assert_eq!(store.window_of_loss().is_zero(), word.is_some());
    }
    let Some(server) = own(Options { more: vec!["appendonly no".to_owned()], ..Options::default() }) else { return };
    let found = inspect(&settings(&server, "ledger")).await.expect("looked at");
    assert_eq!((found.durability, found.window_of_loss()), (Durability::Never, None));
}
