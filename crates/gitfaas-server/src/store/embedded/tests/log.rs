//! What the log may be after a crash, and that nothing is built on what it was before.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::file;
use super::super::mark::Mark;
use super::{Folder, is_whole, opened, some_accepted};
use crate::store::RequestQuery;
use crate::store::contract::{Ground as _, accept, accepted};

/// A copy of the ledger as it is on the disk now, with the first bytes of its log.
fn copy(ground: &Folder, name: &str, log: Option<u64>) -> PathBuf {
    let (from, to) = (ground.data(), ground.0.path().join(name));
    fs::create_dir(&to).expect("made");
    fs::copy(from.join("ledger.db"), to.join("ledger.db")).expect("copied");
    if let Some(length) = log {
        fs::copy(from.join("ledger.db-wal"), to.join("ledger.db-wal")).expect("copied");
        let log = fs::OpenOptions::new().write(true).open(to.join("ledger.db-wal")).expect("opened");
        log.set_len(length).expect("cut");
    }
    to
}

fn log_length(folder: &Path) -> u64 {
    fs::metadata(folder.join("ledger.db-wal")).expect("there").len()
}

#[tokio::test]
async fn a_log_cut_anywhere_leaves_the_first_of_what_was_accepted() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let accepts = some_accepted(&*store, 12).await;
    let whole = log_length(&ground.data());
    let mut seen = Vec::new();
    for step in 0..=20 {
        // Steps that fall on no boundary of pages or frames, and the end.
        let folder = copy(&ground, &format!("cut-{step}"), Some(whole * step / 20));
        let cut = opened(&folder).await.expect("opened");
        let query = RequestQuery { limit: 100, ..RequestQuery::default() };
        let there = cut.requests(&query).await.expect("listed").len();
        for (n, accept) in accepts.iter().enumerate() {
            if n < there {
                is_whole(&*cut, accept).await;
            } else {
                assert_eq!(cut.request(accept.request.id).await, Ok(None));
            }
        }
        seen.push(there);
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!((seen[0], seen[20]), (0, 12));
}

#[tokio::test]
async fn opening_builds_on_nothing_that_is_only_in_the_log() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let accepts = some_accepted(&*store, 5).await;
    // As after a kill: the log holds what was accepted.
    let crashed = copy(&ground, "crashed", Some(log_length(&ground.data())));
    let reopened = opened(&crashed).await.expect("opened");
    assert!(log_length(&crashed) < log_length(&ground.data()));
    // The file alone, without what the log holds since, has it all.
    let bare = ground.0.path().join("bare");
    fs::create_dir(&bare).expect("made");
    fs::copy(crashed.join("ledger.db"), bare.join("ledger.db")).expect("copied");
    drop(reopened);
    let bare = opened(&bare).await.expect("opened");
    for accept in &accepts {
        is_whole(&*bare, accept).await;
    }
}

#[tokio::test]
async fn reopening_builds_on_nothing_that_is_only_in_the_log() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let accepts = some_accepted(&*store, 5).await;
    let mut mark = Mark::open(&ground.data()).expect("opened");
    let connection = file::reopen(&ground.data().join("ledger.db"), &mut mark).expect("reopened");
    let bare = opened(&copy(&ground, "bare", None)).await.expect("opened");
    for accept in &accepts {
        is_whole(&*bare, accept).await;
    }
    drop(connection);
}

#[tokio::test]
async fn the_log_stays_short_and_the_file_gives_pages_back() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let mut runs = Vec::new();
    for n in 0..96 {
        let mut large = accept(n, "collect", &[]);
        large.payload = vec![7; 1 << 20].into();
        large.request.size = 1 << 20;
        runs.extend(accepted(&*store, &large).await);
    }
    // 96 MiB went through it.
    assert!(log_length(&ground.data()) < 40 << 20, "{}", log_length(&ground.data()));
    let expired = store.expire(jiff::Timestamp::MAX, jiff::Timestamp::MAX, 90).await.expect("expired");
    assert_eq!(expired, 90);
    for _ in 0..100 {
        store.expire(jiff::Timestamp::MIN, jiff::Timestamp::MIN, 1).await.expect("expired");
    }
    store.close().await;
    let length = fs::metadata(ground.data().join("ledger.db")).expect("there").len();
    assert!(length < 24 << 20, "{length}");
}
