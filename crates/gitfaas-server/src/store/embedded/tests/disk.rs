//! A disk that fails: nothing is acknowledged that is not on it, and the store comes back by itself.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use gitfaas_core::id::RequestId;
use rusqlite::Error;
use rusqlite::ffi::{self, SQLITE_IOERR_FSYNC};
use tokio::time::timeout;

use super::super::EmbeddedStore;
use super::super::fault::Fault;
use super::child::{Child, Line, nth};
use super::{Folder, is_whole, some_accepted};
use crate::store::contract::{Ground as _, accept};
use crate::store::{Store, StoreError};

fn open(ground: &Folder) -> EmbeddedStore {
    EmbeddedStore::open(&ground.data()).expect("opened")
}

fn payloads(ground: &Folder) -> i64 {
    ground.tamper().query_row("SELECT count(*) FROM payload", [], |row| row.get(0)).expect("counted")
}

async fn until_ready(store: &EmbeddedStore) {
    let ready = async {
        while store.ready().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), ready).await.expect("ready again");
}

#[tokio::test]
async fn an_operation_that_fails_half_way_leaves_nothing() {
    let ground = Folder::fresh().await;
    let store = open(&ground);
    let half = store.writer.write(0, |connection| -> Result<(), Fault> {
        connection.execute("INSERT INTO payload (body) VALUES (x'00')", [])?;
        Err(StoreError::NotFound.into())
    });
    assert_eq!(half.await, Err(StoreError::NotFound));
    assert_eq!(payloads(&ground), 0);
    assert_eq!(store.ready().await, Ok(()));
}

#[tokio::test]
async fn a_panic_in_one_operation_is_that_one_s_alone() {
    let ground = Folder::fresh().await;
    let store = open(&ground);
    let panicking = store.writer.write(0, |connection| -> Result<(), Fault> {
        connection.execute("INSERT INTO payload (body) VALUES (x'00')", [])?;
        panic!("as it was made to");
    });
    assert!(matches!(panicking.await, Err(StoreError::Unavailable(_))));
    assert_eq!(payloads(&ground), 0);
    some_accepted(&store, 2).await;
}

#[tokio::test]
async fn after_a_failed_write_everybody_is_refused_until_the_ledger_is_reopened() {
    let ground = Folder::fresh().await;
    let store = open(&ground);
    let before = some_accepted(&store, 2).await;
    let fails = store.writer.write(0, |connection| -> Result<(), Fault> {
        connection.execute("INSERT INTO payload (body) VALUES (x'00')", [])?;
        Err(Error::SqliteFailure(ffi::Error::new(SQLITE_IOERR_FSYNC), None).into())
    });
    // Asked at the same time, so that some share the transaction.
    let (failed, one, other) =
        tokio::join!(fails, store.accept(accept(8, "collect", &[])), store.accept(accept(9, "collect", &[])));
    for answer in [failed, one.map(drop), other.map(drop)] {
        assert!(matches!(&answer, Err(StoreError::Unavailable(why)) if why.contains("ledger.db")), "{answer:?}");
    }
    assert!(store.ready().await.is_err());
    // What was acknowledged can be read meanwhile.
    is_whole(&store, &before[0]).await;
    until_ready(&store).await;
    let after = some_accepted(&store, 2).await;
    for accept in before.iter().chain(&after) {
        is_whole(&store, accept).await;
    }
    assert_eq!(payloads(&ground), 4);
    let reopened: i64 = ground.tamper().query_row("SELECT reopened FROM ledger", [], |row| row.get(0)).expect("read");
    assert_eq!(reopened, 1);
}

#[tokio::test]
async fn a_store_in_trouble_can_be_closed() {
    let ground = Folder::fresh().await;
    let store = open(&ground);
    let before = some_accepted(&store, 2).await;
    let fails = store.writer.write(0, |_| -> Result<(), Fault> {
        Err(Error::SqliteFailure(ffi::Error::new(SQLITE_IOERR_FSYNC), None).into())
    });
    assert!(fails.await.is_err());
    timeout(Duration::from_secs(30), store.close()).await.expect("closed");
    drop(store);
    let store = open(&ground);
    for accept in &before {
        is_whole(&store, accept).await;
    }
}

/// Whether calls of this machine's kernel can be made to fail. Says so when they cannot.
pub(super) fn can_inject() -> bool {
    let works = Command::new("strace").args(["-f", "-qq", "-e", "trace=none", "true"]).output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("LEFT OUT: strace is not installed or may not trace, so no call can be made to fail");
        assert!(std::env::var_os("GITFAAS_TEST_ALL").is_none(), "GITFAAS_TEST_ALL is set, and a test was left out");
    }
    works
}

/// A child whose calls fail: acknowledged, refused, acknowledged again, and nothing acknowledged is missing.
async fn comes_back_after(inject: &str, complaint: &str) {
    if !can_inject() {
        return;
    }
    let ground = Folder::fresh().await;
    // The calls are counted in each thread: making a ledger takes more of them than opening one, which is not meant.
    ground.open().await.close().await;
    let inject = format!("inject={inject}");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject].map(OsStr::new);
    let mut child = Child::start(&ground.data(), &strace);
    let mut acknowledged = Vec::new();
    let why = loop {
        match child.next_line() {
            Line::Accepted(id) => acknowledged.push(id),
            Line::Refused(why) => break why,
        }
        assert!(acknowledged.len() < 2_000, "the failing call was never noticed");
    };
    assert!(!acknowledged.is_empty());
    assert!(why.contains("nothing is accepted") && why.contains(complaint), "{why}");
    let mut again = 0;
    while again < 30 {
        if let Line::Accepted(id) = child.next_line() {
            acknowledged.push(id);
            again += 1;
        }
    }
    for line in child.stop() {
        if let Line::Accepted(id) = line {
            acknowledged.push(id);
        }
    }
    let store = ground.open().await;
    assert_eq!(store.loss().await, None);
    for id in acknowledged {
        is_whole(&*store, &nth(id)).await;
    }
}

#[tokio::test]
async fn a_failing_fsync_is_never_acknowledged() {
    comes_back_after("fsync,fdatasync:error=EIO:when=14", "disk I/O error").await;
}

#[tokio::test]
async fn fsyncs_that_fail_again_while_reopening_are_never_acknowledged() {
    comes_back_after("fsync,fdatasync:error=EIO:when=15..18", "disk I/O error").await;
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_left_behind_when_there_is_space() {
    comes_back_after("pwrite64:error=ENOSPC:when=120..123", "full").await;
}

#[tokio::test]
async fn a_write_that_fails_half_way_through_a_transaction_loses_nothing() {
    comes_back_after("pwrite64:error=EIO:when=113", "disk I/O error").await;
}

/// Which sync fails: of the short run some, of the long one each up to `GITFAAS_FSYNCS`.
fn failing_syncs() -> Vec<u32> {
    std::env::var_os("GITFAAS_FSYNCS").map_or(vec![2, 7, 12, 19, 22, 25, 28], |most| {
        let most: u32 = most.to_str().and_then(|most| most.parse().ok()).expect("GITFAAS_FSYNCS is a number");
        (1..=most).collect()
    })
}

#[tokio::test]
async fn whichever_sync_fails_nothing_is_acknowledged_that_is_lost() {
    if !can_inject() {
        return;
    }
    let (mut not_opened, mut refused_some, mut silent) = (0, 0, 0);
    for nth_sync in failing_syncs() {
        let ground = Folder::fresh().await;
        let store = ground.open().await;
        let before = some_accepted(&*store, 1).await;
        store.close().await;
        drop(store);
        let (acknowledged, refused) = with_failing_sync(&ground, nth_sync);
        let store = ground.open().await;
        assert_eq!(store.loss().await, None, "sync {nth_sync}");
        is_whole(&*store, &before[0]).await;
        for id in &acknowledged {
            is_whole(&*store, &nth(*id)).await;
        }
        // Between two transactions it may have been reopened before anybody came.
        let reopened: i64 =
            ground.tamper().query_row("SELECT reopened FROM ledger", [], |row| row.get(0)).expect("read");
        assert!(acknowledged.is_empty() || reopened > 0, "sync {nth_sync} failed, and the ledger was not reopened");
        not_opened += u32::from(acknowledged.is_empty());
        refused_some += u32::from(refused);
        silent += u32::from(!refused && !acknowledged.is_empty());
    }
    eprintln!("{not_opened} times not opened, {refused_some} times refused, {silent} times between two transactions");
    assert!(not_opened > 0 && refused_some > 0, "{not_opened} {refused_some}");
}

/// What a child acknowledges of which the nth sync fails, in each thread: in that which opens, and in that which writes,
/// which soon copies its log; and whether it refused something.
fn with_failing_sync(ground: &Folder, nth_sync: u32) -> (Vec<RequestId>, bool) {
    let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth_sync}");
    let log_pages = format!("{}=30", super::child::LOG_PAGES);
    let wrapper = ["env", &log_pages, "strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject].map(OsStr::new);
    let mut child = Child::start(&ground.data(), &wrapper);
    let (mut acknowledged, mut refused, mut again) = (Vec::new(), false, 0);
    while again < 5 && acknowledged.len() < 150 {
        match child.next() {
            Some(Line::Accepted(id)) => {
                acknowledged.push(id);
                again += u32::from(refused);
            }
            Some(Line::Refused(why)) => {
                assert!(why.contains("nothing is accepted"), "{why}");
                refused = true;
            }
            None => break,
        }
    }
    let rest = child.end().into_iter().filter_map(|line| if let Line::Accepted(id) = line { Some(id) } else { None });
    acknowledged.extend(rest);
    (acknowledged, refused)
}
