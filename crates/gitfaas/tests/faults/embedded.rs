//! One server over the embedded store and the local cluster, killed, paused and ended at random in the middle of publishes.

mod ground;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::ground::{Fault, Ground};
use crate::audit::{Evidence, audit};
use crate::chance::Chance;
use crate::load::{Load, Plan};
use crate::notes::Notes;
use crate::support::{Size, until_acknowledged};

/// How often each topic is published to: what starts no process is cheap, and is most of the long form.
const SHORT: &[(u64, &str)] = &[(6, "record"), (2, "job"), (1, "both"), (1, "line")];
const LONG: &[(u64, &str)] = &[(96, "record"), (2, "job"), (1, "both"), (1, "line")];

const FAULTS: &[(u64, Fault)] = &[
    (50, Fault::Kill),
    (20, Fault::KillTwice),
    (12, Fault::End),
    (9, Fault::Pause),
    (6, Fault::PauseAndKill),
    // Takes as long as its name says, so it is rare, and the short form has it by chance only.
    (3, Fault::OutlastLease),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_made_twice_across_faults_of_the_only_server() {
    let size = Size::asked(5, 250);
    let mut chance = Chance::new(size.seed);
    let mut ground = Ground::new().await;
    let plan = Plan {
        publishers: 64,
        topics: if size.is_long() { LONG } else { SHORT },
        patience: Duration::from_secs(30),
        pause: Duration::ZERO,
    };
    let mut load = Load::begin(plan, Notes::new(ground.folder.path().join("notes")), chance.clone());
    load.servers_are([ground.server.url.clone()]);
    let (mut faults, mut starts) = (BTreeMap::<Fault, usize>::new(), Vec::new());
    let begun = Instant::now();
    for _ in 0..size.rounds {
        until_acknowledged(&load, size.next(&load, &mut chance)).await;
        let fault = chance.pick(FAULTS);
        let fault = if fault == Fault::OutlastLease && !size.is_long() { Fault::Pause } else { fault };
        *faults.entry(fault).or_default() += 1;
        starts.extend(ground.suffer(fault, &load, &mut chance).await);
    }
    until_acknowledged(&load, size.acknowledged).await;
    let notes = load.end().await;
    println!("{} rounds in {:.0?}: {faults:?}", size.rounds, begun.elapsed());
    ground.until_over().await;
    println!("everything over after {:.0?}", begun.elapsed());
    let evidence = ground.evidence(notes).await;
    tell(&evidence, &load, starts);
    let report = audit(&evidence);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}

fn tell(evidence: &Evidence, load: &Load, mut starts: Vec<Duration>) {
    let Evidence { acknowledged, kept, made, starts: processes, .. } = evidence;
    println!("{} acknowledged, {} times no answer, {} requests", acknowledged.len(), load.unanswered(), kept.len());
    println!("{} objects made, {} processes started", made.len(), processes.len());
    starts.sort_unstable();
    if let (Some(most), Some(half)) = (starts.last(), starts.get(starts.len() / 2)) {
        println!("started {} times, ready within {half:.0?} mostly, {most:.0?} at most", starts.len());
    }
}
