//! Stopping: on request, and by force.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{DEADLINE, Repository, Server, eventually, processes_naming};

fn interrupt(server: &Server) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("signalled");
}

#[tokio::test]
async fn ctrl_c_ends_what_runs_takes_its_last_answer_and_leaves_nobody_behind() {
    let script = "trap 'curl -sS -d last $GITFAAS_URL/response/$FUNCTION_UID; exit 1' TERM; echo up >> up; while true; do sleep 0.05; done";
    let repository = Repository::shell("t", script);
    let mut server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("up").is_empty()).then_some(())).await;
    interrupt(&server);
    assert!(server.ended().await.success());
    let marker = server.data.display().to_string();
    assert_eq!(processes_naming(&marker), Vec::<i32>::new(), "no process is left");

    server.restart("dev", repository.path()).await;
    let view = server.finished(&request).await;
    assert_eq!(view["phase"], "interrupted", "{view:#}");
    let answers = server.get(&format!("/api/v1/requests/{request}/responses")).await.json();
    assert_eq!(answers["items"][0]["body"]["text"], "last");
}

#[tokio::test]
async fn a_function_that_ignores_the_end_is_ended_all_the_same() {
    let repository = Repository::shell(
        "t",
        "trap '' TERM INT; (trap '' TERM INT; while true; do sleep 1; done) & echo up >> up; while true; do sleep 1; done",
    );
    let mut server = Server::dev(repository.path()).await;
    server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("up").is_empty()).then_some(())).await;
    interrupt(&server);
    assert!(server.ended().await.success());
    assert_eq!(processes_naming(&server.data.display().to_string()), Vec::<i32>::new());
}

#[tokio::test]
async fn functions_outlive_a_killed_server_and_the_next_one_adopts_them() {
    let repository = Repository::shell(
        "t",
        "echo up >> up; while [ ! -e go ]; do sleep 0.05; done; echo finished; curl -sS -o /dev/null -d answer $GITFAAS_URL/response/$FUNCTION_UID",
    );
    let mut server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("up").is_empty()).then_some(())).await;
    server.kill_and_restart("dev", repository.path()).await;
    let view = server.get(&format!("/api/v1/requests/{request}")).await.json();
    assert_eq!(view["phase"], "running", "{view:#}");
    repository.write("go", "");
    let view = server.finished(&request).await;
    assert_eq!((&view["phase"], &view["runs"][0]["attempts"]), (&"succeeded".into(), &1.into()), "{view:#}");
    assert_eq!(repository.lines("up").len(), 1, "it was not started again");
    let answers = server.get(&format!("/response/{request}")).await.json();
    assert_eq!(answers["responses"][0], "YW5zd2Vy");
    let run = view["runs"][0]["id"].as_str().expect("an id");
    assert_eq!(server.get(&format!("/api/v1/runs/{run}/logs")).await.text(), "finished\n");
}

#[tokio::test]
async fn a_function_that_ended_while_the_server_was_down_is_read_at_the_next_start() {
    let repository = Repository::shell("t", "echo up >> up; while [ ! -e go ]; do sleep 0.05; done; exit 4");
    let mut server = Server::serve(repository.path()).await;
    let request = server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("up").is_empty()).then_some(())).await;
    server.kill();
    repository.write("go", "");
    eventually("the function ends", async || {
        processes_naming(&server.data.display().to_string()).is_empty().then_some(())
    })
    .await;
    server.restart("serve", repository.path()).await;
    let view = server.finished(&request).await;
    assert_eq!((&view["phase"], &view["runs"][0]["exitCode"]), (&"failed".into(), &4.into()), "{view:#}");
}

#[tokio::test]
async fn an_orderly_stop_of_serve_leaves_functions_running() {
    let repository = Repository::shell("t", "echo up >> up; while [ ! -e go ]; do sleep 0.05; done");
    let mut server = Server::serve(repository.path()).await;
    let request = server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("up").is_empty()).then_some(())).await;
    interrupt(&server);
    assert!(server.ended().await.success());
    server.restart("serve", repository.path()).await;
    repository.write("go", "");
    assert_eq!(server.finished(&request).await["phase"], "succeeded");
    assert_eq!(repository.lines("up").len(), 1);
}

#[tokio::test]
async fn a_server_that_leaves_serves_on_and_ends_each_connection_with_its_next_answer() {
    let repository = Repository::shell("t", "true");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut command = Server::command("serve", repository.path(), &data, 0);
    command.args(["--leave-wait", "1h"]);
    let server = Server::launch(command, data).ready().await;
    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://")).expect("connected");
    connection.set_read_timeout(Some(DEADLINE)).expect("set");
    let mut answers = BufReader::new(connection.try_clone().expect("a second handle"));
    let mut ask = || connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    ask();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(answers.read_line(&mut head).expect("an answer"), 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("connection: close"), "{head}");
    interrupt(&server);
    eventually("it is not ready any more", async || {
        (server.get("/readyz").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    server.publish("t", "it still takes what is new").await;
    ask();
    let mut rest = String::new();
    answers.read_to_string(&mut rest).expect("the connection ends");
    assert!(rest.contains("HTTP/1.1 200 ") && rest.contains("connection: close"), "{rest}");
}

#[tokio::test]
async fn the_folder_of_a_running_server_is_not_shared() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let second = Server::command("dev", repository.path(), &server.data, 0).output().expect("run");
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&server.data.display().to_string()), "{said}");
}
