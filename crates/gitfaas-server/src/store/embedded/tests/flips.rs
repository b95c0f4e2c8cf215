//! A file of which a byte is another one: what is read is what was written, or said to be damaged, or the ledger is
//! refused.

use std::fs;
use std::path::Path;

use gitfaas_core::id::Try;
use gitfaas_core::run::Run;

use super::super::record::run_key;
use super::super::{EmbeddedStore, inspect};
use super::{Folder, some_accepted};
use crate::cluster::LogPart;
use crate::store::contract::{Ground as _, at, response};
use crate::store::{Accept, Order, RequestQuery, Store, StoreError};

/// `GITFAAS_FLIPS` is how many places are tried, spread over the file.
fn places() -> usize {
    std::env::var_os("GITFAAS_FLIPS").map_or(150, |places| {
        places.to_str().and_then(|places| places.parse().ok()).expect("GITFAAS_FLIPS is a number")
    })
}

fn part() -> LogPart {
    LogPart { attempt: 1, container: "main".into(), text: "said".repeat(2_000).into(), cut: 3 }
}

async fn closed() -> (Folder, Vec<Accept>) {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let accepts = some_accepted(&*store, 6).await;
    for accept in &accepts {
        let run = &accept.runs[0].0;
        store.put_response(response(run, 6, "answer")).await.expect("stored");
        store.put_logs(run.id, Try(1), "x", vec![part()]).await.expect("stored");
    }
    store.save_catalog("live".to_owned(), Vec::new()).await.expect("saved");
    store.close().await;
    (ground, accepts)
}

/// How the reads of one ledger came out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    right: usize,
    damaged: usize,
    /// Not there, though it was.
    missing: usize,
}

impl Tally {
    fn read<T: PartialEq + std::fmt::Debug>(&mut self, found: Result<Option<T>, StoreError>, written: &T) {
        match found {
            Ok(Some(found)) => {
                assert_eq!(found, *written, "it is served, and is not what was written");
                self.right += 1;
            }
            Ok(None) => self.missing += 1,
            Err(_) => self.damaged += 1,
        }
    }
}

/// Reads everything of a ledger; `None` when it is refused.
async fn read_all(folder: &Path, accepts: &[Accept]) -> Option<Tally> {
    let store = EmbeddedStore::open(folder).ok()?;
    let mut tally = Tally::default();
    let query = RequestQuery { limit: 100, ..RequestQuery::default() };
    for listed in store.requests(&query).await.unwrap_or_default() {
        assert!(accepts.iter().any(|accept| accept.request == listed), "{listed:?} was never accepted");
    }
    let runs: Vec<&Run> = accepts.iter().flat_map(|accept| accept.runs.iter().map(|(run, _)| run)).collect();
    let topic = &accepts[0].request.topic;
    for order in [Order::Due, Order::Accepted] {
        for due in store.due(topic, order, at(100), 100).await.unwrap_or_default() {
            assert!(runs.contains(&&due), "{due:?} was never accepted");
        }
    }
    for accept in accepts {
        let id = accept.request.id;
        tally.read(store.request(id).await, &accept.request);
        let payload = store.message(id).await.map(|message| message.map(|message| message.payload));
        tally.read(payload, &accept.payload);
        for (run, manifests) in &accept.runs {
            tally.read(store.run(run.id).await, run);
            let found = store.manifests(run.id).await;
            tally.read(found.map(|found| (!found.is_empty()).then_some(found)), manifests);
        }
        let run = &accept.runs[0].0;
        let answer = store.responses(id).await.map(|answers| answers.into_iter().next());
        tally.read(answer, &response(run, 6, "answer"));
        tally.read(store.logs(run.id, Try(1)).await.map(|parts| parts.into_iter().next()), &part());
    }
    let live = store.load_catalog().await.map(|found| found.map(|(live, _)| live));
    tally.read(live, &"live".to_owned());
    Some(tally)
}

#[tokio::test]
async fn no_byte_of_a_ledger_can_be_another_one_and_be_served() {
    let (ground, accepts) = closed().await;
    let whole = fs::read(ground.data().join("ledger.db")).expect("read");
    let all = read_all(&ground.data(), &accepts).await.expect("opened");
    assert_eq!((all.damaged, all.missing), (0, 0), "{all:?}");
    let whole_is = |tally: &Option<Tally>| tally.as_ref() == Some(&all);
    let places = places();
    let (mut harmless, mut refused, mut told, mut unseen) = (0, 0, 0, Vec::new());
    for n in 0..places {
        // Odd steps, so that no field of a page is met again and again.
        let place = whole.len() * n / places;
        let folder = ground.0.path().join("flipped");
        fs::create_dir(&folder).expect("made");
        let mut bytes = whole.clone();
        bytes[place] ^= [0xff, 0x01, 0x80, 0x10][n % 4];
        fs::write(folder.join("ledger.db"), bytes).expect("written");
        let seen = || inspect(&folder).map_or(true, |found| found.is_none_or(|found| found.damage.is_some()));
        let doctor = seen();
        match read_all(&folder, &accepts).await {
            None => refused += 1,
            tally if whole_is(&tally) => harmless += 1,
            Some(tally) if tally.missing == 0 || doctor => told += 1,
            Some(tally) => unseen.push((place, tally)),
        }
        fs::remove_dir_all(&folder).expect("removed");
    }
    eprintln!("{places} places: {harmless} read as before, {refused} refused, {told} told, unseen {unseen:?}");
    assert!(unseen.is_empty(), "a record is gone, and nothing says so: {unseen:?}");
    assert!(told > 0 && refused > 0 && harmless > 0, "{told} told, {refused} refused, {harmless} harmless");
}

#[tokio::test]
async fn an_answer_that_its_index_hides_is_found_by_the_doctor() {
    let (ground, accepts) = closed().await;
    let run = &accepts[2].runs[0].0;
    let find = "SELECT rootpage FROM sqlite_schema WHERE name = 'response_of_run'";
    let page: u32 = ground.tamper().query_row(find, [], |row| row.get(0)).expect("an index");
    let path = ground.data().join("ledger.db");
    let mut bytes = fs::read(&path).expect("read");
    let index = &mut bytes[(page as usize - 1) * 4096..][..4096];
    let key = run_key(run.id);
    let place = index.windows(key.len()).position(|entry| entry == key).expect("an entry");
    index[place + 21] ^= 1;
    fs::write(&path, bytes).expect("written");
    let damage = inspect(&ground.data()).expect("inspected").expect("a ledger").damage;
    assert!(damage.as_ref().is_some_and(|damage| damage.contains("response_of_run")), "{damage:?}");
    // Nothing else notices it.
    let store = ground.open().await;
    assert_eq!(store.responses(run.request()).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_ledger_cut_off_or_with_pages_of_zeros_serves_nothing_that_is_wrong() {
    let (ground, accepts) = closed().await;
    let whole = fs::read(ground.data().join("ledger.db")).expect("read");
    let pages = whole.len() / 4096;
    for page in 0..pages {
        for is_cut in [false, true] {
            let folder = ground.0.path().join("hurt");
            fs::create_dir(&folder).expect("made");
            let mut bytes = whole.clone();
            if is_cut {
                bytes.truncate(page * 4096 + 77);
            } else {
                bytes[page * 4096..][..4096].fill(0);
            }
            fs::write(folder.join("ledger.db"), bytes).expect("written");
            let doctor = inspect(&folder).map_or(true, |found| found.is_none_or(|found| found.damage.is_some()));
            if let Some(tally) = read_all(&folder, &accepts).await {
                assert!(tally.missing == 0 || doctor, "page {page}, cut {is_cut}: {tally:?}");
            }
            fs::remove_dir_all(&folder).expect("removed");
        }
    }
}
