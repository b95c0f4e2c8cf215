//! Whose the folder is, and what is not a ledger.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;

use super::child::Child;
use super::{Folder, opened, some_accepted};
use crate::store::StoreError;
use crate::store::contract::Ground as _;

async fn refused(folder: &Path) -> String {
    match opened(folder).await {
        Err(StoreError::Refused(why)) => why,
        Err(other) => panic!("another error: {other:?}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn a_second_open_is_refused_and_names_the_folder() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let why = refused(&ground.data()).await;
    assert!(why.contains(&ground.data().display().to_string()) && why.contains("in use"), "{why}");
    drop(store);
    ground.open().await.close().await;
}

#[tokio::test]
async fn a_folder_that_another_process_uses_is_refused_until_that_ends() {
    let ground = Folder::fresh().await;
    let mut child = Child::start(&ground.data(), &[]);
    child.next_line();
    assert!(refused(&ground.data()).await.contains("in use"));
    child.kill();
    ground.open().await.close().await;
}

#[tokio::test]
async fn a_program_that_was_started_does_not_keep_the_folder() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let mut other = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("started");
    store.close().await;
    let reopened = opened(&ground.data()).await.map(drop);
    drop(other.stdin.take());
    other.wait().expect("ended");
    assert_eq!(reopened, Ok(()));
}

#[tokio::test]
async fn dropping_a_store_without_closing_it_writes_what_was_asked() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let accepts = some_accepted(&*store, 3).await;
    drop(store);
    let store = ground.open().await;
    for accept in &accepts {
        super::is_whole(&*store, accept).await;
    }
}

#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    some_accepted(&*store, 1).await;
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&ground.data()), 0o700);
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock"] {
        assert_eq!(mode(&ground.data().join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_refused_and_left_alone() {
    let ground = Folder::fresh().await;
    ground.open().await.close().await;
    ground.tamper().pragma_update(None, "user_version", 97).expect("written");
    let why = refused(&ground.data()).await;
    assert!(why.contains("newer") && why.contains("97"), "{why}");
    let version: i64 = ground.tamper().pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
    assert_eq!(version, 97);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let ground = Folder::fresh().await;
    let file = ground.data().join("ledger.db");
    std::fs::create_dir_all(ground.data()).expect("made");
    std::fs::write(&file, [b'x'; 5_000]).expect("written");
    let why = refused(&ground.data()).await;
    assert!(why.contains("not a SQLite database") && why.contains("ledger.db"), "{why}");
    assert_eq!(std::fs::read(&file).expect("read"), [b'x'; 5_000]);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let ground = Folder::fresh().await;
    std::fs::create_dir_all(ground.data()).expect("made");
    Connection::open(ground.data().join("ledger.db"))
        .and_then(|other| other.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)"))
        .expect("written");
    let why = refused(&ground.data()).await;
    assert!(why.contains("another program"), "{why}");
    let kept: i64 = ground.tamper().query_row("SELECT x FROM theirs", [], |row| row.get(0)).expect("read");
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn a_ledger_whose_making_was_interrupted_is_made_anew() {
    let ground = Folder::fresh().await;
    std::fs::create_dir_all(ground.data()).expect("made");
    std::fs::write(ground.data().join("ledger.db"), []).expect("written");
    let store = ground.open().await;
    assert_eq!(store.epoch(), 1);
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_refused() {
    let ground = Folder::fresh().await;
    std::fs::write(ground.data(), "x").expect("written");
    let why = refused(&ground.data()).await;
    assert!(why.contains(&ground.data().display().to_string()), "{why}");
}
