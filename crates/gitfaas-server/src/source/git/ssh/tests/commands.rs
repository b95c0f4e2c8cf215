//! What a command prints, reads and ends with.

use std::process::Command;
use std::time::Instant;

use rstest::rstest;
use rustix::process::{Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::*;
use super::server::{PATIENCE, Server, printed};

#[tokio::test]
async fn a_command_reads_prints_and_tells_how_it_ended() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let script = r#"read line; echo "said $line with $GIT_PROTOCOL"; printf 'fatal: \033[31mno\nsuch' >&2; exit 37"#;
    let mut session = server.open(&server.settings(), script).await.unwrap();
    let remote = session.remote();
    assert_eq!(remote.exit_status(), None);
    session.write_all(b"hello\n").await.unwrap();
    let mut printed = String::new();
    session.read_to_string(&mut printed).await.unwrap();
    assert_eq!(printed, "said hello with version=2\n");
    assert_eq!(remote.stderr(), "fatal: \\u{1b}[31mno; such");
    assert_eq!(remote.exit_status(), Some(37));
}

#[tokio::test]
async fn git_answers_in_its_newer_protocol() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let repository = server.file("it's here!");
    printed(Command::new("git").args(["init", "-q", "--bare"]).arg(&repository));
    let command = upload_pack(repository.to_str().unwrap());
    let mut session = server.open(&server.settings(), &command).await.unwrap();
    let mut said = [0; 14];
    session.read_exact(&mut said).await.unwrap();
    assert_eq!(said.as_slice(), b"000eversion 2\n");
    // Nothing is wanted.
    session.write_all(b"0000").await.unwrap();
    session.read_to_end(&mut Vec::new()).await.unwrap();
    assert_eq!((session.remote().stderr().as_str(), session.remote().exit_status()), ("", Some(0)));
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_told_by_git_itself() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let mut session = server.open(&server.settings(), &upload_pack("/nowhere/birds.git")).await.unwrap();
    session.read_to_end(&mut Vec::new()).await.unwrap();
    let said = session.remote().stderr();
    assert!(said.contains("'/nowhere/birds.git' does not appear to be a git repository"), "{said}");
    assert_eq!(session.remote().exit_status(), Some(128));
}

#[tokio::test]
async fn the_end_of_what_a_command_reads_is_told() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let mut session = server.open(&server.settings(), "cat; echo end").await.unwrap();
    session.write_all(&vec![b'x'; 100_000]).await.unwrap();
    session.shutdown().await.unwrap();
    let mut printed = Vec::new();
    session.read_to_end(&mut printed).await.unwrap();
    assert_eq!(printed.len(), 100_004);
    assert_eq!(session.remote().exit_status(), Some(0));
}

#[tokio::test]
async fn of_endless_complaints_the_first_are_kept() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let script = "head -c 3000000 /dev/zero | tr '\\0' e >&2; echo done";
    let mut session = server.open(&server.settings(), script).await.unwrap();
    let mut printed = String::new();
    session.read_to_string(&mut printed).await.unwrap();
    assert_eq!(printed, "done\n");
    assert_eq!(session.remote().stderr(), "e".repeat(4096) + "…");
}

#[tokio::test]
async fn a_command_that_a_signal_ends_has_no_status() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let mut session = server.open(&server.settings(), "kill -9 $$").await.unwrap();
    let mut printed = String::new();
    session.read_to_string(&mut printed).await.unwrap();
    assert_eq!((printed.as_str(), session.remote().exit_status()), ("", None));
}

#[tokio::test]
async fn much_comes_whole_while_the_keys_are_changed_again_and_again() {
    let Some(server) = Server::with(&["ed25519"], "RekeyLimit 1M\nLogLevel DEBUG1") else { return };
    let size = 24 * 1024 * 1024;
    let mut session = server.open(&server.settings(), &format!("head -c {size} /dev/zero | tr '\\0' z")).await.unwrap();
    let mut printed = Vec::new();
    session.read_to_end(&mut printed).await.unwrap();
    assert_eq!(printed.len(), size);
    assert!(printed.iter().all(|&byte| byte == b'z'));
    assert!(server.log().matches("rekey").count() > 10, "{}", server.log());
}

#[rstest]
#[case::that_prints_without_end("yes")]
#[case::that_waits("echo y; exec cat")]
#[tokio::test]
async fn a_command_ends_when_nobody_wants_it_any_more(#[case] command: &str) {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let mut session = server.open(&server.settings(), command).await.unwrap();
    let mut some = [0; 2];
    session.read_exact(&mut some).await.unwrap();
    assert!(!server.serving().is_empty());
    drop(session);
    let until = Instant::now() + PATIENCE;
    while !server.serving().is_empty() {
        assert!(Instant::now() < until, "it is still served");
        tokio::task::yield_now().await;
    }
    // Who is busy with sending may notice the end before what was said about it.
    let said = server.log().contains("Received disconnect from 127.0.0.1");
    assert!(said || command == "yes", "{}", server.log());
}

#[tokio::test]
async fn the_end_of_the_connection_is_no_end_of_the_command() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let mut session = server.open(&server.settings(), "echo begun; exec cat").await.unwrap();
    let mut begun = [0; 6];
    session.read_exact(&mut begun).await.unwrap();
    for pid in server.serving() {
        // One that ended with the one before it is no harm.
        let _ = kill_process(pid, Signal::KILL);
    }
    let error = session.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    let place = server.place();
    assert_eq!(error.to_string(), format!("the ssh server {place}: the connection ended in the middle"));
}

#[tokio::test]
async fn silence_ends_a_command() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let settings = SshSettings { stall: Duration::from_millis(700), ..server.settings() };
    let mut session = server.open(&settings, "exec cat").await.unwrap();
    let error = session.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), format!("the ssh server {}: nothing came from it for 700ms", server.place()));
}

#[tokio::test]
async fn a_command_that_does_not_read_is_not_waited_for_without_end() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let settings = SshSettings { stall: Duration::from_millis(700), ..server.settings() };
    // It prints so that the connection does not count as silent.
    let mut session = server.open(&settings, "while echo x; do sleep 0.1; done").await.unwrap();
    let error = session.write_all(&vec![0; 64 * 1024 * 1024]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_user_who_may_not_run_commands_is_told_so() {
    let Some(server) = Server::with(&["ed25519"], "MaxSessions 0") else { return };
    let error = server.open(&server.settings(), "true").await.err().unwrap();
    assert_eq!(error.fault, Fault::Forbidden);
    assert_eq!(error.message, format!("the ssh server {} starts no commands for this user", server.place()));
}
