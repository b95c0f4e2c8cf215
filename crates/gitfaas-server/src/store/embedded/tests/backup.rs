//! Backups: what is in one, and what is not taken for one.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::{back_up, restore};
use super::{Folder, is_whole, opened, some_accepted};
use crate::store::StoreError;
use crate::store::contract::{Ground as _, accept, accepted};
use gitfaas_core::id::Try;

/// A backup of a folder, as bytes.
async fn taken(ground: &Folder) -> Vec<u8> {
    let (data, file) = (ground.data(), ground.0.path().join("backup"));
    tokio::task::spawn_blocking(move || {
        let target = tempfile::NamedTempFile::new_in(file.parent().expect("a folder")).expect("a file");
        back_up(&data, target.path()).expect("backed up");
        fs::read(target.path()).expect("read")
    })
    .await
    .expect("no panic")
}

fn elsewhere(ground: &Folder) -> PathBuf {
    ground.0.path().join("elsewhere")
}

fn refused(backup: &[u8], folder: &Path) -> String {
    match restore(Cursor::new(backup), folder) {
        Err(StoreError::Refused(why)) => why,
        other => panic!("it was not refused: {other:?}"),
    }
}

/// Every table, row for row.
fn rows(folder: &Path) -> Vec<String> {
    let ledger = rusqlite::Connection::open(folder.join("ledger.db")).expect("opened");
    let tables: Vec<String> = ledger
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .and_then(|mut tables| tables.query_map([], |row| row.get(0))?.collect())
        .expect("tables");
    let mut rows = Vec::new();
    for table in tables {
        // An epoch is a life of a server: opening begins one.
        let mut found: Vec<String> = ledger
            .prepare(&format!("SELECT * FROM {table}"))
            .and_then(|mut all| {
                let columns: Vec<String> = all.column_names().map(str::to_owned).collect();
                let of = |row: &rusqlite::Row<'_>| {
                    let fields = columns
                        .iter()
                        .filter(|name| *name != "epoch" && (table != "ledger" || *name != "crc"))
                        .map(|name| Ok(format!("{name}={:?}", row.get::<_, rusqlite::types::Value>(name.as_str())?)));
                    let fields: rusqlite::Result<Vec<String>> = fields.collect();
                    Ok(format!("{table}: {}", fields?.join(" ")))
                };
                all.query_map([], of)?.collect()
            })
            .expect("rows");
        found.sort();
        rows.extend(found);
    }
    rows
}

#[tokio::test]
async fn a_backup_of_a_store_in_use_is_the_same_ledger_elsewhere() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let before = some_accepted(&*store, 5).await;
    let backup = taken(&ground).await;
    let at_that_moment = rows(&ground.data());
    accepted(&*store, &accept(99, "collect", &["later.yaml"])).await;
    let contents = restore(Cursor::new(&backup), &elsewhere(&ground)).expect("restored");
    assert_eq!((contents.requests, contents.runs, contents.bytes), (5, 10, backup.len() as u64));
    assert_eq!(rows(&elsewhere(&ground)), at_that_moment);
    let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(elsewhere(&ground)), mode(elsewhere(&ground).join("ledger.db"))), (0o700, 0o600));

    let again = opened(&elsewhere(&ground)).await.expect("opened");
    for accept in &before {
        is_whole(&*again, accept).await;
    }
    let run = before[0].runs[0].0.id;
    let token = store.ledger_key().run_token(run, Try::FIRST);
    assert_eq!(again.ledger_key().verify_run_token(&token), Some((run, Try::FIRST)), "run tokens stay good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_all_that_was_acknowledged_before_it() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let mut acknowledged = some_accepted(&*store, 20).await;
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut done = Vec::new();
            for n in 1_000..1_200 {
                let accept = accept(n, "collect", &["a.yaml"]);
                accepted(&*store, &accept).await;
                done.push(accept);
            }
            done
        }
    });
    let mut backups = Vec::new();
    while !writing.is_finished() && backups.len() < 3 {
        backups.push(taken(&ground).await);
    }
    acknowledged.extend(writing.await.expect("written"));
    assert!(!backups.is_empty());
    let mut known = 0;
    for (number, backup) in backups.iter().enumerate() {
        let folder = ground.0.path().join(format!("copy-{number}"));
        let contents = restore(Cursor::new(backup), &folder).expect("restored");
        assert!(contents.requests >= 20.max(known), "a later backup holds no less");
        known = contents.requests;
        let copy = opened(&folder).await.expect("opened");
        // One writer after the other, so what is there is the beginning of what was acknowledged.
        for accept in &acknowledged[..usize::try_from(contents.requests).expect("small")] {
            is_whole(&*copy, accept).await;
        }
    }
}

#[tokio::test]
async fn a_ledger_that_nobody_has_open_can_be_backed_up() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let before = some_accepted(&*store, 2).await;
    store.close().await;
    drop(store);
    let backup = taken(&ground).await;
    restore(Cursor::new(backup), &elsewhere(&ground)).expect("restored");
    is_whole(&*opened(&elsewhere(&ground)).await.expect("opened"), &before[1]).await;
}

#[tokio::test]
async fn a_folder_with_a_ledger_is_not_restored_into() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let before = some_accepted(&*store, 2).await;
    let backup = taken(&ground).await;
    assert!(refused(&backup, &ground.data()).contains("in use"));
    store.close().await;
    drop(store);
    assert!(refused(&backup, &ground.data()).contains("holds a ledger already"));
    is_whole(&*ground.open().await, &before[0]).await;
}

#[tokio::test]
async fn a_backup_of_a_newer_version_is_refused_by_its_version() {
    let ground = Folder::fresh().await;
    drop(ground.open().await);
    ground.tamper().pragma_update(None, "user_version", 4_711).expect("set");
    let backup = {
        ground.tamper().pragma_update(None, "journal_mode", "DELETE").expect("set");
        fs::read(ground.data().join("ledger.db")).expect("read")
    };
    let why = refused(&backup, &elsewhere(&ground));
    assert!(why.contains("newer gitfaas") && why.contains("4711") && why.contains("restore it with that"), "{why}");
    assert!(!elsewhere(&ground).join("ledger.db").exists());
    let data = ground.data();
    let target = tempfile::NamedTempFile::new().expect("a file");
    assert!(matches!(back_up(&data, target.path()), Err(StoreError::Refused(why)) if why.contains("4711")));
}

#[tokio::test]
async fn what_is_no_whole_backup_is_refused_and_leaves_nothing() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    some_accepted(&*store, 50).await;
    let backup = taken(&ground).await;
    let folder = elsewhere(&ground);
    let half = &backup[..backup.len() / 2];
    let cut_in_a_page = &backup[..backup.len() - 17];
    let last_page_gone = &backup[..backup.len() - 4096];
    let mut scribbled = backup.clone();
    let middle = scribbled.len() / 2;
    scribbled[middle..].fill(0x5a);
    for wrong in [b"".as_slice(), b"garbage", &[0; 8192], half, cut_in_a_page, last_page_gone, &scribbled] {
        let why = refused(wrong, &folder);
        assert!(why.starts_with("the backup cannot be restored: it is "), "{} bytes: {why}", wrong.len());
        let left: Vec<_> =
            fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("one").file_name()).collect();
        assert_eq!(left, ["ledger.lock"], "{} bytes", wrong.len());
    }
    let mut foreign = backup;
    foreign[68..72].copy_from_slice(b"mine");
    assert!(refused(&foreign, &folder).contains("another program"));
}

#[test]
fn a_folder_without_a_ledger_cannot_be_backed_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = tempfile::NamedTempFile::new().expect("a file");
    let why = back_up(folder.path(), target.path());
    assert!(matches!(why, Err(StoreError::Refused(why)) if why.contains("there is no ledger in")));
}
