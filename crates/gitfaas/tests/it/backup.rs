//! Backup while a server works, and restore elsewhere.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Repository, Server, eventually, http, program};

const CLIENTS: usize = 8;
const ANSWERS: &str =
    "echo log of $RUN_ID; curl -sS -o /dev/null -d \"answer $RUN_ID\" $GITFAAS_URL/response/$FUNCTION_UID";

fn gitfaas(arguments: &[&str], stdin: Stdio) -> Output {
    Command::new(program()).args(arguments).env("NO_COLOR", "1").stdin(stdin).output().expect("run")
}

fn works(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// All that a server says about a request.
async fn told(server: &Server, request: &str) -> Vec<String> {
    let view = server.get(&format!("/api/v1/requests/{request}")).await;
    assert_eq!(view.status, StatusCode::OK, "{}", view.text());
    let run = view.json()["runs"][0]["id"].as_str().expect("an id").to_owned();
    let mut told = vec![view.text()];
    for path in [
        format!("/api/v1/requests/{request}/message"),
        format!("/api/v1/requests/{request}/responses"),
        format!("/api/v1/runs/{run}/logs"),
    ] {
        let reply = server.get(&path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
        told.push(reply.text());
    }
    told
}

/// Publishes from several clients until `stop`; counts what was acknowledged in `answered`.
fn load(server: &Server, stop: &Arc<AtomicBool>, answered: &Arc<AtomicUsize>) -> Vec<tokio::task::JoinHandle<()>> {
    (0..CLIENTS)
        .map(|client| {
            let (http, url) = (http(), format!("{}/publish/t", server.url));
            let (stop, answered) = (Arc::clone(stop), Arc::clone(answered));
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let reply = http.post(&url).body(format!("{client}-{number}")).send().await.expect("an answer");
                    assert_eq!(reply.status(), StatusCode::ACCEPTED);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_backup_is_served_where_it_is_restored() {
    let repository = Repository::shell("t", ANSWERS);
    let mut server = Server::serve(repository.path()).await;
    let mut before = Vec::new();
    for number in 0..5 {
        let request = server.publish("t", format!("message {number}")).await;
        server.finished(&request).await;
        before.push((told(&server, &request).await, request));
    }

    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients = load(&server, &stop, &answered);
    eventually("the clients are at work", async || (answered.load(Ordering::Relaxed) >= CLIENTS).then_some(())).await;
    let last = server.publish("t", "the last before the backup").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ledger.backup");
    let data = server.data.clone();
    let output = gitfaas(&["backup", text(&file), "--data", text(&data), "-o", "json"], Stdio::null());
    let report: Value = serde_json::from_str(&works(&output)).expect("a report");
    assert!(report["requests"].as_u64().is_some_and(|requests| requests >= 6 + CLIENTS as u64), "{report}");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no publish failed");
    }
    server.kill();

    let elsewhere = folder.path().join("elsewhere");
    let said = works(&gitfaas(&["restore", text(&file), "--data", text(&elsewhere)], Stdio::null()));
    assert!(said.contains(&format!("{} requests", report["requests"])), "{said}");
    let command = Server::command("serve", repository.path(), &elsewhere, server.port());
    let restored = Server::launch(command, elsewhere).ready().await;
    for (old, request) in &before {
        assert_eq!(&told(&restored, request).await, old);
    }
    let message = restored.get(&format!("/api/v1/requests/{last}/message")).await;
    assert_eq!(message.text(), "the last before the backup");
    restored.finished(&last).await;
}

#[tokio::test]
async fn a_backup_goes_through_pipes_and_never_over_another_file_unasked() {
    let repository = Repository::shell("t", "true");
    let server = Server::serve(repository.path()).await;
    let request = server.publish("t", "kept").await;
    server.finished(&request).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ledger.backup");
    std::fs::write(&file, "precious").expect("written");
    let (data, file_name) = (text(&server.data).to_owned(), text(&file).to_owned());

    let refused = gitfaas(&["backup", &file_name, "--data", &data], Stdio::null());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert_eq!(std::fs::read_to_string(&file).expect("read"), "precious");
    works(&gitfaas(&["backup", &file_name, "--data", &data, "--force"], Stdio::null()));

    let piped = gitfaas(&["backup", "-", "--data", &data], Stdio::null());
    works(&piped);
    std::fs::write(&file, piped.stdout).expect("written");
    let elsewhere = folder.path().join("elsewhere");
    let backup = std::fs::File::open(&file).expect("opened");
    works(&gitfaas(&["restore", "-", "--data", text(&elsewhere)], backup.into()));
    let again = gitfaas(&["restore", &file_name, "--data", text(&elsewhere)], Stdio::null());
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds a ledger already"));
    let left = std::fs::read_dir(&server.data)
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    assert!(left.into_iter().all(|name| !name.contains("backup")));
}

#[tokio::test]
async fn a_backup_never_takes_the_place_of_the_ledger_or_of_what_is_no_file() {
    let repository = Repository::shell("t", "true");
    let server = Server::serve(repository.path()).await;
    let request = server.publish("t", "kept").await;
    server.finished(&request).await;
    let (data, folder) = (server.data.clone(), tempfile::tempdir().expect("a folder"));
    let in_folder = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(&data, in_folder("data")).expect("linked");
    std::fs::hard_link(data.join("ledger.db"), in_folder("same")).expect("linked");
    std::fs::write(in_folder("file"), "precious").expect("written");
    std::os::unix::fs::symlink(in_folder("file"), in_folder("link")).expect("linked");
    let socket = std::os::unix::net::UnixListener::bind(in_folder("socket")).expect("bound");
    let refuses = |file: &Path, why: &str| {
        let output = gitfaas(&["backup", "--force", text(file), "--data", text(&data)], Stdio::null());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{}: {said}", file.display());
        assert!(said.contains(why), "{}: {said}", file.display());
    };
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock"] {
        refuses(&data.join(name), "a part of the ledger itself");
        refuses(&in_folder("data").join(".").join(name), "a part of the ledger itself");
    }
    refuses(&in_folder("same"), "a part of the ledger itself");
    for name in ["socket", "link", "data", "."] {
        refuses(&in_folder(name), "no regular file");
    }
    drop(socket);
    assert_eq!(std::fs::read_to_string(in_folder("link")).expect("read"), "precious");
    // The server still writes where the backup would have been.
    let more = server.publish("t", "more").await;
    server.finished(&more).await;
    let file = in_folder("backup");
    let report = works(&gitfaas(&["backup", text(&file), "--data", text(&data), "-o", "json"], Stdio::null()));
    let report: Value = serde_json::from_str(&report).expect("a report");
    assert_eq!(report["requests"], 2, "{report}");
}

#[tokio::test]
async fn a_backup_of_which_the_reader_left_early_is_a_failure() {
    let repository = Repository::shell("t", "true");
    let server = Server::serve(repository.path()).await;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(program());
    command.args(["backup", "-", "--data", text(&server.data)]).stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().and_then(std::process::Child::wait_with_output).expect("run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the backup was not written to stdout in full"), "{said}");
}

#[tokio::test]
async fn a_backup_that_is_none_is_refused_with_a_clear_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "no backup at all").expect("written");
    let elsewhere = folder.path().join("elsewhere");
    let output = gitfaas(&["restore", text(&file), "--data", text(&elsewhere)], Stdio::null());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the backup cannot be restored: it is no ledger"), "{said}");
}
