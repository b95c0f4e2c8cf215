//! Power loss: every write, sync and acknowledgement of a server is recorded, and the ledger is opened as a power loss at
//! each moment may have left it.

mod disk;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use gitfaas_core::id::RequestId;
use gitfaas_core::run::{Phase, Run};

use self::disk::{Disk, lay_out};
use self::trace::{Event, record};
use super::super::EmbeddedStore;
use super::child::{nth, say};
use super::disk::can_inject;
use crate::store::contract::{moved, response};
use crate::store::{Accept, RequestQuery, Store};

const FOLDER: &str = "GITFAAS_STORE_CRASH_FOLDER";
const STEPS: &str = "GITFAAS_STORE_CRASH_STEPS";
/// How many pages the log has when it is copied: so few that it often is.
const LOG_PAGES: u32 = 40;

/// How much is tried: how many steps are recorded in each life of the server, and how many states at one moment.
struct Effort {
    steps: u32,
    states: usize,
}

/// `GITFAAS_CRASH_STATES` is how many states are tried at one moment at most; with it, more is recorded too.
fn effort() -> Effort {
    match std::env::var_os("GITFAAS_CRASH_STATES") {
        None => Effort { steps: 5, states: 6 },
        Some(states) => {
            let states = states.to_str().and_then(|states| states.parse().ok());
            Effort { steps: 40, states: states.expect("GITFAAS_CRASH_STATES is a number") }
        }
    }
}

/// A test only in name: does nothing unless another test started it. Two lives of a server that accepts, settles and
/// stores answers, and tells each when it was acknowledged.
#[test]
fn writes_what_is_recorded() {
    let (Some(folder), Some(steps)) = (std::env::var_os(FOLDER), std::env::var_os(STEPS)) else { return };
    let steps: u32 = steps.to_str().and_then(|steps| steps.parse().ok()).expect("a number");
    say("");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("started");
    runtime.block_on(async {
        for life in 0..2 {
            let store = EmbeddedStore::open_with_log(Path::new(&folder), LOG_PAGES).expect("opened");
            for step in 0..steps {
                one_step(&store, life, step).await;
            }
            store.close().await;
        }
    });
}

async fn one_step(store: &EmbeddedStore, life: u32, step: u32) {
    let id = |n: u32| RequestId::from_bytes((u128::from(life) << 64 | u128::from(step * 2 + n)).to_be_bytes());
    let accept = |n: u32| async move {
        store.accept(sized(id(n))).await.expect("accepted");
        say(&format!("accepted {}.", id(n)));
    };
    // Two that share a transaction, mostly.
    tokio::join!(accept(0), accept(1));
    let run = &sized(id(0)).runs[0].0;
    assert_eq!(store.settle(run, &ended(run)).await, Ok(true));
    say(&format!("settled {}.", id(0)));
    store.put_response(response(run, 6, "answer")).await.expect("stored");
    say(&format!("answered {}.", id(0)));
}

/// What is accepted: some of it larger than a page.
fn sized(id: RequestId) -> Accept {
    let mut accept = nth(id);
    if id.as_bytes()[15] % 3 == 1 {
        accept.payload = id.to_string().repeat(400).into();
        accept.request.size = accept.payload.len() as u64;
    }
    accept
}

fn ended(run: &Run) -> Run {
    moved(run, Phase::Succeeded, 5)
}

/// What was acknowledged by a moment.
#[derive(Debug, Default)]
struct Told(BTreeMap<String, BTreeSet<String>>);

impl Told {
    fn hears(&mut self, line: &str) {
        // The line of the test harness comes first.
        if let Some((what, id)) = line.split_once(' ')
            && let Some(id) = id.strip_suffix('.')
            && ["accepted", "settled", "answered"].contains(&what)
        {
            self.0.entry(what.to_owned()).or_default().insert(id.to_owned());
        }
    }

    fn has(&self, what: &str, id: RequestId) -> bool {
        self.0.get(what).is_some_and(|ids| ids.contains(&id.to_string()))
    }
}

/// What was tried, and what was wrong.
#[derive(Debug, Default)]
struct Outcome {
    moments: usize,
    states: usize,
    wrong: Vec<String>,
}

/// Tries at most so many states of each moment at which most is unsynced, and of each before something is said, until so
/// many are wrong.
fn try_all(events: &[Event], mut disk: Disk, (states, wrong): (usize, usize)) -> Outcome {
    let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("started");
    let (mut told, mut outcome) = (Told::default(), Outcome::default());
    for (n, event) in events.iter().enumerate() {
        if disk.settles(event) || matches!(event, Event::Say(_)) {
            outcome.moments += 1;
            for files in disk.states(states) {
                outcome.states += 1;
                let folder = place.path().join("data");
                lay_out(&files, &folder);
                if let Err(why) = runtime.block_on(check(&folder, &told)) {
                    outcome.wrong.push(format!("after {n} of {} calls: {why}", events.len()));
                }
                std::fs::remove_dir_all(&folder).expect("removed");
            }
        }
        if outcome.wrong.len() >= wrong {
            break;
        }
        disk.happens(event);
        if let Event::Say(line) = event {
            told.hears(line);
        }
    }
    outcome
}

/// Opens what is left: everything acknowledged is there, what is there is whole, and nobody is alarmed.
async fn check(folder: &Path, told: &Told) -> Result<(), String> {
    let store = EmbeddedStore::open(folder).map_err(|error| format!("it does not open: {error}"))?;
    if let Some(loss) = store.loss().await {
        return Err(format!("an alarm: {loss}"));
    }
    let query = RequestQuery { limit: usize::MAX, ..RequestQuery::default() };
    let there = store.requests(&query).await.map_err(|error| error.to_string())?;
    let mut found = BTreeSet::new();
    for request in there {
        found.insert(request.id.to_string());
        is_whole(&store, &sized(request.id), told).await.map_err(|why| format!("{}: {why}", request.id))?;
    }
    let accepted = told.0.get("accepted");
    match accepted.into_iter().flatten().find(|id| !found.contains(*id)) {
        Some(lost) => Err(format!("{lost} was acknowledged and is lost")),
        None => Ok(()),
    }
}

async fn is_whole(store: &EmbeddedStore, accept: &Accept, told: &Told) -> Result<(), String> {
    let id = accept.request.id;
    let same = |is: bool, what: &str| if is { Ok(()) } else { Err(format!("{what} is not what it was")) };
    same(store.request(id).await == Ok(Some(accept.request.clone())), "the request")?;
    let payload = store.message(id).await.ok().flatten().map(|message| message.payload);
    same(payload.as_ref() == Some(&accept.payload), "the payload")?;
    let runs = store.runs(id).await.map_err(|error| error.to_string())?;
    same(runs.len() == accept.runs.len(), "the number of runs")?;
    for (n, (run, (planned, manifests))) in runs.iter().zip(&accept.runs).enumerate() {
        let settled = n == 0 && *run == ended(planned);
        same(settled || run == planned, "a run")?;
        same(settled || n > 0 || !told.has("settled", id), "a settled run")?;
        same(store.manifests(run.id).await.as_ref() == Ok(manifests), "the manifests")?;
    }
    let answers = store.responses(id).await.map_err(|error| error.to_string())?;
    same(answers.iter().all(|answer| *answer == response(&accept.runs[0].0, 6, "answer")), "an answer")?;
    same(!answers.is_empty() || !told.has("answered", id), "the number of answers")
}

fn recorded(steps: u32) -> Vec<Event> {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("data");
    // There before, so that its name is known to be on the disk.
    std::fs::create_dir(&folder).expect("made");
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args([
        "--exact",
        "store::embedded::tests::crash::writes_what_is_recorded",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env(FOLDER, &folder).env(STEPS, steps.to_string());
    record(&mut command, &folder)
}

#[test]
fn every_state_that_a_power_loss_may_leave_has_all_that_was_acknowledged() {
    if !can_inject() {
        return;
    }
    let effort = effort();
    let events = recorded(effort.steps);
    let outcome = try_all(&events, Disk::default(), (effort.states, usize::MAX));
    eprintln!("{} states tried at {} moments of {} recorded calls", outcome.states, outcome.moments, events.len());
    assert!(
        outcome.wrong.is_empty(),
        "{} are wrong: {:#?}",
        outcome.wrong.len(),
        &outcome.wrong[..outcome.wrong.len().min(5)]
    );
    let said = events.iter().filter(|event| matches!(event, Event::Say(line) if line.ends_with('.'))).count();
    assert!(said >= effort.steps as usize * 8, "{said} acknowledgements were recorded");
    assert!(outcome.states > 300, "{} states are few", outcome.states);
}

#[test]
fn a_disk_that_lies_about_a_sync_is_found_out() {
    if !can_inject() {
        return;
    }
    let events = recorded(3);
    for file in ["ledger.db-wal", "ledger.db", "ledger.mark"] {
        let outcome = try_all(&events, Disk::lying_about(Some(file)), (4, 3));
        eprintln!(
            "{file}: {} of {} states are wrong: {:?}",
            outcome.wrong.len(),
            outcome.states,
            outcome.wrong.first()
        );
        assert!(!outcome.wrong.is_empty(), "{file}");
    }
}
