//! A ledger in Redis: the product over a real one that is killed, and what is said of it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use gitfaas_fixtures::{Fsync, Options, RedisServer};

use crate::support::{Repository, Server, eventually, program};

/// `gitfaas serve` over a folder, with its ledger in this Redis.
fn serve(redis: &RedisServer, functions: &Path, data: &Path, port: u16) -> Command {
    let mut command = Server::command("serve", functions, data, port);
    command.args(["--store", &redis.url(), "--redis-prefix", "team"]);
    command.arg("--redis-password-file").arg(redis.folder().join("password"));
    command
}

fn with_password(fsync: Fsync) -> RedisServer {
    let redis = RedisServer::start(Options { fsync, password: Some("hunter2".to_owned()), ..Options::default() });
    std::fs::write(redis.folder().join("password"), "hunter2\n").expect("written");
    redis
}

fn run(args: &[&str]) -> Output {
    Command::new(program()).args(args).env("NO_COLOR", "1").stdin(Stdio::null()).output().expect("run")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn a_ledger_in_redis_outlives_the_server_and_the_redis() {
    if !RedisServer::is_there("a ledger in Redis") {
        return;
    }
    let redis = with_password(Fsync::Always);
    let script =
        "echo ran >> ran; until [ -e go ]; do sleep 0.05; done; curl -sS -d done $GITFAAS_URL/response/$FUNCTION_UID";
    let repository = Repository::shell("t", script);
    let data = tempfile::tempdir().expect("a folder");
    let mut server = Server::launch(serve(&redis, repository.path(), data.path(), 0), data.path().to_owned());
    server.until_ready().await;
    let request = server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("ran").is_empty()).then_some(())).await;

    server.kill();
    redis.restart();
    server.start_again(serve(&redis, repository.path(), data.path(), server.port()));
    server.until_ready().await;
    std::fs::write(repository.path().join("go"), "").expect("written");
    let view = server.finished(&request).await;
    assert_eq!(view["phase"], "succeeded", "{view:#}");
    let answers = server.get(&format!("/api/v1/requests/{request}/responses")).await.json();
    assert_eq!(answers["items"][0]["body"]["text"], "done");
    assert_eq!(repository.lines("ran"), ["ran"], "it ran once");

    // A Redis that is away is a 503, and it goes on when it is back.
    redis.kill();
    let refused = server.post("/publish/t", "").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "store-unavailable"), "{}", refused.text());
    assert_eq!(server.get("/readyz").await.status.as_u16(), 503);
    redis.restart();
    server.until_ready().await;
    let request = server.publish("t", "").await;
    assert_eq!(server.finished(&request).await["phase"], "succeeded");
}

#[tokio::test]
async fn a_second_server_with_jobs_of_its_machine_is_refused_a_ledger_that_is_open() {
    if !RedisServer::is_there("a ledger in Redis") {
        return;
    }
    let redis = with_password(Fsync::EverySecond);
    let repository = Repository::shell("t", "true");
    let data = tempfile::tempdir().expect("a folder");
    let first = Server::launch(serve(&redis, repository.path(), data.path(), 0), data.path().to_owned());
    first.until_ready().await;
    let doctor = run(&[
        "doctor",
        "--dir",
        &repository.path().display().to_string(),
        "--data",
        &data.path().display().to_string(),
        "--store",
        &redis.url(),
        "--redis-prefix",
        "team",
        "--redis-password-file",
        &redis.folder().join("password").display().to_string(),
        "--server",
        &first.url,
    ]);
    let found = said(&doctor);
    assert!(doctor.status.success(), "{found}");
    for word in ["redis", "version 7", "everysec", "maxmemory", "open in 1 server"] {
        assert!(found.contains(word), "no {word}: {found}");
    }

    let other = tempfile::tempdir().expect("a folder");
    let mut second = serve(&redis, repository.path(), other.path(), 0);
    let refused = second.stdin(Stdio::null()).output().expect("run");
    assert!(!refused.status.success());
    assert!(said(&refused).contains("another server has this ledger open"), "{}", said(&refused));
    let request = first.publish("t", "").await;
    assert_eq!(first.finished(&request).await["phase"], "succeeded", "the first one goes on");
}

#[test]
fn what_cannot_be_a_ledger_in_redis_is_said_without_its_password() {
    let repository = Repository::shell("t", "true");
    let dir = repository.path().display().to_string();
    let given = run(&["serve", "--dir", &dir, "--store", "redis://ada:hunter2@cache"]);
    assert_eq!(given.status.code(), Some(2), "{}", said(&given));
    assert!(said(&given).contains("--redis-password-file") && !said(&given).contains("hunter2"), "{}", said(&given));
    for verb in ["backup", "restore"] {
        let refused = run(&[verb, "file", "--dir", &dir, "--store", "redis://cache"]);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains("BGSAVE"), "{}", said(&refused));
    }
    let prefix = run(&["serve", "--dir", &dir, "--store", "redis://cache", "--redis-prefix", "a:b"]);
    assert!(!prefix.status.success() && said(&prefix).contains("prefix"), "{}", said(&prefix));
}
