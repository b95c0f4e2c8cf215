//! A log that is not what it was: beyond what was acknowledged that means nothing, within it is told, and what is served
//! is the ledger of one moment.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::{EmbeddedStore, file, inspect, log, mark};
use super::{Folder, is_whole, opened, some_accepted};
use crate::store::contract::{Ground as _, accept, accepted};
use crate::store::{Accept, RequestQuery, Store, StoreError};

/// Bytes of a page with the header of its frame, and of the header of a log.
const FRAME: u64 = 4096 + 24;
const HEADER: u64 = 32;

/// A copy of what a kill at this moment would leave.
fn killed(ground: &Folder, name: &str) -> PathBuf {
    let to = ground.0.path().join(name);
    fs::create_dir(&to).expect("made");
    for file in ["ledger.db", "ledger.db-wal", "ledger.mark"] {
        fs::copy(ground.data().join(file), to.join(file)).expect("copied");
    }
    to
}

fn length(folder: &Path) -> u64 {
    fs::metadata(folder.join("ledger.db-wal")).expect("there").len()
}

/// Changes one bit of a file.
fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 0x10], at).expect("written");
}

fn flip_log(folder: &Path, at: u64) {
    flip(&folder.join("ledger.db-wal"), at);
}

async fn inspected(folder: &Path) -> Option<String> {
    let folder = folder.to_owned();
    let found = tokio::task::spawn_blocking(move || inspect(&folder)).await.expect("no panic");
    found.expect("inspected").expect("a ledger").loss
}

/// How many of the accepts are there: the first ones, and those whole.
async fn first_ones(store: &dyn Store, accepts: &[Accept]) -> usize {
    let query = RequestQuery { limit: 1000, ..RequestQuery::default() };
    let there = store.requests(&query).await.expect("listed").len();
    for (n, accept) in accepts.iter().enumerate() {
        if n < there {
            is_whole(store, accept).await;
        } else {
            assert_eq!(store.request(accept.request.id).await, Ok(None));
        }
    }
    there
}

/// Opens what a kill left, which has all that was acknowledged.
async fn loses_nothing(folder: &Path, accepts: &[Accept]) {
    assert_eq!(inspected(folder).await, None, "{folder:?}");
    let store = opened(folder).await.expect("opened");
    assert_eq!(first_ones(&*store, accepts).await, accepts.len(), "{folder:?}");
    assert_eq!(store.loss().await, None, "{folder:?}");
    some_accepted(&*store, 1).await;
}

/// Opens what a kill and some damage left; how many accepts are there. The loss is told until somebody knows it.
async fn loses_some(folder: &Path, accepts: &[Accept]) -> usize {
    let foretold = inspected(folder).await.expect("it is seen before it is opened");
    let store = opened(folder).await.expect("opened");
    let left = first_ones(&*store, accepts).await;
    let told = store.loss().await.expect("it is told");
    assert!(told.starts_with(&foretold), "{foretold} / {told}");
    assert!(told.contains("pages of ledger.db-wal that were acknowledged until 20"), "{told}");
    some_accepted(&*store, 1).await;
    store.close().await;
    drop(store);
    let store = opened(folder).await.expect("opened again");
    assert_eq!(store.loss().await.as_ref(), Some(&told), "once, and still");
    assert_eq!(inspected(folder).await, Some(told));
    fs::remove_file(folder.join("ledger.loss")).expect("removed");
    assert_eq!((store.loss().await, inspected(folder).await), (None, None));
    left
}

/// A ledger in use, with so many accepts in its log.
async fn ledger(count: i64) -> (Folder, Arc<dyn Store>, Vec<Accept>) {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let accepts = some_accepted(&*store, count).await;
    (ground, store, accepts)
}

#[tokio::test]
async fn what_follows_the_last_acknowledged_page_loses_nothing_and_alarms_nobody() {
    let (ground, _store, accepts) = ledger(3).await;
    let whole = fs::read(ground.data().join("ledger.db-wal")).expect("read");
    let last = whole[whole.len() - usize::try_from(FRAME).expect("small")..].to_vec();
    let after = [vec![0x5a; 100], vec![0; 3 * 4120], last, whole[32..4152].to_vec()];
    for (n, after) in after.into_iter().enumerate() {
        let folder = killed(&ground, &format!("followed-{n}"));
        fs::write(folder.join("ledger.db-wal"), [whole.clone(), after].concat()).expect("written");
        loses_nothing(&folder, &accepts).await;
    }
}

#[tokio::test]
async fn a_flipped_bit_of_an_acknowledged_page_is_told_and_what_was_before_is_served() {
    let (ground, _store, accepts) = ledger(12).await;
    let frames = (length(&ground.data()) - HEADER) / FRAME;
    let mut seen = Vec::new();
    for step in 0..12 {
        let folder = killed(&ground, &format!("flipped-{step}"));
        // In the header of a frame, and anywhere in its page.
        let inside = [0, 4, 17, 24, 1000, 4119][usize::try_from(step % 6).expect("small")];
        flip_log(&folder, HEADER + (frames - 1) * step / 11 * FRAME + inside);
        seen.push(loses_some(&folder, &accepts).await);
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!((seen[0], seen[11]), (0, 11), "{seen:?}");
}

#[tokio::test]
async fn a_log_that_is_cut_off_gone_or_without_its_header_is_told() {
    let (ground, _store, accepts) = ledger(3).await;
    let cut = |name: &str, length: u64| {
        let folder = killed(&ground, name);
        let log = OpenOptions::new().write(true).open(folder.join("ledger.db-wal")).expect("opened");
        log.set_len(length).expect("cut");
        folder
    };
    let whole = length(&ground.data());
    assert_eq!(loses_some(&cut("cut", whole - 1), &accepts).await, 2);
    assert_eq!(loses_some(&cut("empty", 0), &accepts).await, 0);
    assert_eq!(loses_some(&cut("short", 31), &accepts).await, 0);
    let gone = killed(&ground, "gone");
    fs::remove_file(gone.join("ledger.db-wal")).expect("removed");
    assert_eq!(loses_some(&gone, &accepts).await, 0);
    let headless = killed(&ground, "headless");
    flip_log(&headless, 20);
    assert_eq!(loses_some(&headless, &accepts).await, 0);
}

#[tokio::test]
async fn a_log_of_another_ledger_is_not_taken_for_this_one_s() {
    let (ground, _store, accepts) = ledger(3).await;
    let (other, _other_store, theirs) = ledger(4).await;
    let folder = killed(&ground, "theirs");
    fs::copy(other.data().join("ledger.db-wal"), folder.join("ledger.db-wal")).expect("copied");
    assert_eq!(loses_some(&folder, &accepts).await, 0);
    let store = opened(&folder).await.expect("opened");
    assert_eq!(store.request(theirs[0].request.id).await, Ok(None));
    let kept = log::read(&folder.join("ledger.db-wal.aside")).expect("read");
    assert_eq!(kept, log::read(&other.data().join("ledger.db-wal")).expect("read"), "somebody may want it");
}

#[tokio::test]
async fn a_log_of_another_ledger_beside_one_that_was_closed_loses_nothing() {
    let (ground, store, accepts) = ledger(3).await;
    let (other, _other_store, theirs) = ledger(4).await;
    store.close().await;
    drop(store);
    fs::copy(other.data().join("ledger.db-wal"), ground.data().join("ledger.db-wal")).expect("copied");
    loses_nothing(&ground.data(), &accepts).await;
    let store = opened(&ground.data()).await.expect("opened");
    assert_eq!(store.request(theirs[0].request.id).await, Ok(None));
}

/// A ledger of which all of the log has been copied into the database, and that log is still there.
async fn copied() -> (Folder, EmbeddedStore, Vec<Accept>) {
    let ground = Folder::fresh().await;
    let store = EmbeddedStore::open(&ground.data()).expect("opened");
    let mut accepts = Vec::new();
    for n in 0..16 {
        let mut large = accept(n, "collect", &["a.yaml"]);
        large.payload = vec![7; 1 << 20].into();
        large.request.size = 1 << 20;
        accepted(&store, &large).await;
        accepts.push(large);
    }
    // It comes after the copying that follows the last answer, and writes nothing.
    store.writer.write(0, |_| Ok(())).await.expect("done");
    let (state, _) = mark::peek(&ground.data()).expect("read").expect("a mark");
    assert_eq!((state.copied, state.copying), (state.acknowledged, state.acknowledged), "{state:?}");
    assert!(state.acknowledged > 4096, "{state:?}");
    (ground, store, accepts)
}

#[tokio::test]
async fn damage_of_a_log_that_the_database_has_loses_nothing() {
    let (ground, store, accepts) = copied().await;
    for at in [16, HEADER + 40, HEADER + 9 * FRAME + 40, HEADER + 4000 * FRAME + 40] {
        let folder = killed(&ground, &format!("flipped-{at}"));
        flip_log(&folder, at);
        loses_nothing(&folder, &accepts).await;
    }
    // The log begins anew, over the old one.
    let mut accepts = accepts;
    accepts.extend(some_accepted(&store, 2).await);
    let folder = killed(&ground, "anew");
    loses_nothing(&folder, &accepts).await;
    let folder = killed(&ground, "anew-damaged");
    flip_log(&folder, HEADER + 40);
    assert_eq!(loses_some(&folder, &accepts).await, 16);
}

#[tokio::test]
async fn a_log_damaged_while_it_was_copied_is_refused_and_not_guessed_at() {
    let (ground, _store, _accepts) = ledger(3).await;
    let folder = killed(&ground, "copying");
    let connection = file::reader(&folder.join("ledger.db")).expect("opened");
    file::identify(&connection).expect("read");
    mark::Mark::open(&folder).and_then(|mut mark| mark.begin_copy(&connection)).expect("noted");
    drop(connection);
    flip_log(&folder, HEADER + 40);
    let refused = opened(&folder).await.map(drop);
    assert!(
        matches!(&refused, Err(StoreError::Refused(why)) if why.contains("restore a backup") && why.contains("ledger.db-wal")),
        "{refused:?}"
    );
    assert!(inspected(&folder).await.is_some_and(|told| told.contains("was being copied")));
}

#[tokio::test]
async fn a_mark_that_is_damaged_or_gone_alarms_nobody() {
    let (ground, _store, accepts) = ledger(5).await;
    for (n, places) in [vec![3], vec![4096 + 20], vec![3, 4096 + 20]].into_iter().enumerate() {
        let folder = killed(&ground, &format!("slots-{n}"));
        for at in places {
            flip(&folder.join("ledger.mark"), at);
        }
        loses_nothing(&folder, &accepts).await;
    }
    let folder = killed(&ground, "short");
    fs::write(folder.join("ledger.mark"), "x").expect("written");
    loses_nothing(&folder, &accepts).await;
    let folder = killed(&ground, "gone");
    fs::remove_file(folder.join("ledger.mark")).expect("removed");
    loses_nothing(&folder, &accepts).await;
}

#[tokio::test]
async fn one_damaged_slot_of_the_mark_still_tells_a_loss() {
    let (ground, _store, accepts) = ledger(5).await;
    for at in [20, 4096 + 20] {
        let folder = killed(&ground, &format!("slot-{at}"));
        flip(&folder.join("ledger.mark"), at);
        flip_log(&folder, HEADER + 40);
        assert_eq!(loses_some(&folder, &accepts).await, 0);
    }
}

#[tokio::test]
async fn an_index_of_the_log_that_is_gone_or_nonsense_is_made_anew() {
    let (ground, _store, accepts) = ledger(5).await;
    for (n, index) in [vec![], vec![0xff; 32768], vec![0; 32768]].into_iter().enumerate() {
        let folder = killed(&ground, &format!("index-{n}"));
        fs::write(folder.join("ledger.db-shm"), index).expect("written");
        loses_nothing(&folder, &accepts).await;
    }
}

#[tokio::test]
async fn a_ledger_put_back_as_it_was_earlier_is_told() {
    let (ground, store, accepts) = ledger(2).await;
    let earlier = killed(&ground, "earlier");
    let mut all = accepts;
    all.extend(some_accepted(&*store, 3).await);
    // Somebody brings back the files of the ledger, and not the mark.
    fs::copy(ground.data().join("ledger.mark"), earlier.join("ledger.mark")).expect("copied");
    assert_eq!(loses_some(&earlier, &all).await, 2);
}
