//! Three servers that share a ledger in Redis and a Kubernetes cluster: each of them, the one that leads, and Redis are
//! killed, paused and cut off at random in the middle of publishes.

mod ground;
mod keeper;
mod lossy;
mod rolling;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gitfaas_fixtures::{Fsync, Options};

use self::ground::{Fault, Ground, Probe};
use crate::audit::audit;
use crate::chance::Chance;
use crate::load::{Load, Plan};
use crate::notes::Notes;
use crate::support::{Size, http, until_acknowledged};

const TOPICS: &[(u64, &str)] = &[(5, "record"), (3, "still"), (1, "both"), (1, "line")];
const FAULTS: &[(u64, Fault)] = &[
    (15, Fault::KillLeader),
    (15, Fault::KillOther),
    (10, Fault::PauseLeader),
    (10, Fault::PauseOther),
    (10, Fault::EndLeader),
    (10, Fault::CutLeaderOff),
    (10, Fault::CutAll),
    (10, Fault::KillRedis),
    (10, Fault::PauseRedis),
];
/// In the short form one of each kind has to do.
const FEW: &[Fault] = &[Fault::KillLeader, Fault::KillRedis, Fault::CutAll, Fault::KillOther];
/// How soon another server leads.
const TAKEOVER: Duration = Duration::from_secs(15);
/// How many messages have to be acknowledged by those that are left, before what happened is mended.
const GO_ON: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_made_twice_across_faults_of_three_servers_and_their_redis() {
    let size = Size::asked(4, 150);
    let options = Options { fsync: Fsync::Always, ..Options::default() };
    let Some(mut ground) = Ground::new("three servers", options).await else { return };
    let mut chance = Chance::new(size.seed);
    // No faster than a small machine makes and ends Jobs: what is measured is not how long its line is.
    let plan =
        Plan { publishers: 8, topics: TOPICS, patience: Duration::from_secs(8), pause: Duration::from_millis(250) };
    let mut load = Load::begin(plan, Notes::new(ground.folder.path().join("notes")), chance.clone());
    load.servers_are(ground.urls());
    let mut told = Told::default();
    let begun = Instant::now();
    for round in 0..size.rounds {
        until_acknowledged(&load, size.next(&load, &mut chance)).await;
        let few = FEW[usize::try_from(round).expect("a number") % FEW.len()];
        let fault = if size.is_long() { chance.pick(FAULTS) } else { few };
        let probe = ground.probe(round).await;
        told.suffer((&mut ground, &probe), fault, &load, &mut chance).await;
    }
    until_acknowledged(&load, size.acknowledged).await;
    let notes = load.end().await;
    println!("{} rounds in {:.0?}: {:?}", size.rounds, begun.elapsed(), told.faults);
    ground.until_over().await;
    println!("everything over after {:.0?}", begun.elapsed());
    let evidence = ground.evidence(notes).await;
    let (acknowledged, kept) = (evidence.acknowledged.len(), evidence.kept.len());
    println!("{acknowledged} acknowledged, {} times no answer, {kept} requests", load.unanswered());
    println!("{} objects made", evidence.made.len());
    told.tell();
    let report = audit(&evidence);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert_eq!(told.refused_by_others, 0, "a server to which nothing had happened refused a publish");
    let slowest = told.takeovers.iter().max().copied().unwrap_or_default();
    // A small machine with other work is given more time.
    assert!(!size.is_long() || slowest < TAKEOVER, "nobody led for {slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_of_three_servers_with_one_key_make_one_request() {
    let Some(mut ground) = Ground::new("one key at three servers", Options::default()).await else { return };
    for (key, dies) in [("order-76", false), ("order-77", true)] {
        let urls = ground.urls();
        let clients: Vec<_> = (0..64).map(|number| tokio::spawn(insist(urls.clone(), number, key))).collect();
        if dies {
            ground.kill_one_of_them();
        }
        let mut ids = BTreeSet::new();
        for client in clients {
            ids.insert(client.await.expect("an answer"));
        }
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(ground.messages().into_iter().filter(|message| message == key).count(), 1);
    }
}

/// Publishes the key itself under it to one server after the other until one accepts it; the request's id.
async fn insist(urls: Vec<String>, first: usize, key: &'static str) -> String {
    let http = http();
    for url in urls.iter().cycle().skip(first).take(1000) {
        let sent = http.post(format!("{url}/publish/record")).header("idempotency-key", key).body(key).send().await;
        let Ok(answer) = sent else { continue };
        assert_eq!(answer.status(), reqwest::StatusCode::ACCEPTED);
        let Ok(receipt) = answer.json::<serde_json::Value>().await else { continue };
        return receipt["requestUid"].as_str().expect("an id").to_owned();
    }
    panic!("no server accepted it")
}

/// What was measured on the way.
#[derive(Default)]
struct Told {
    faults: BTreeMap<Fault, usize>,
    /// From the death of a server that led until what only a leader does was done.
    takeovers: Vec<Duration>,
    /// How long those that were left took for the next messages.
    went_on: Vec<Duration>,
    refused_by_others: u64,
}

impl Told {
    async fn suffer(&mut self, (ground, probe): (&mut Ground, &Probe), fault: Fault, load: &Load, chance: &mut Chance) {
        *self.faults.entry(fault).or_default() += 1;
        let refused = |left: &[String]| left.iter().map(|url| load.unanswered_by(url)).sum::<u64>();
        let wound = ground.inflict(fault, chance).await;
        let before = refused(&wound.left);
        load.servers_are(wound.left.iter().cloned());
        let begun = Instant::now();
        if !wound.left.is_empty() {
            until_acknowledged(load, load.acknowledged() + GO_ON).await;
            self.went_on.push(begun.elapsed());
        }
        if wound.led {
            ground.answers(probe).await;
            self.takeovers.push(begun.elapsed());
        }
        self.refused_by_others += refused(&wound.left) - before;
        ground.mend(wound).await;
        load.servers_are(ground.urls());
        ground.answers(probe).await;
    }

    fn tell(&mut self) {
        for (what, times) in [("another one led", &mut self.takeovers), ("those left went on", &mut self.went_on)] {
            times.sort_unstable();
            if let (Some(most), Some(half)) = (times.last(), times.get(times.len() / 2)) {
                println!("{} times {what} within {half:.1?} mostly, {most:.1?} at most", times.len());
            }
        }
    }
}
