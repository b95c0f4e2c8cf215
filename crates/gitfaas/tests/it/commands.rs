//! Commands that look at a machine, compare and make: `doctor`, `diff`, `new function`, the file of settings.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Repository, Server, program, shell_job};

fn gitfaas(arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null());
    command.output().expect("run")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

#[tokio::test]
async fn the_doctor_finds_a_healthy_server_healthy_and_broken_functions_broken() {
    let repository = Repository::shell("t", "test ! -e fails");
    let server = Server::serve(repository.path()).await;
    server.finished(&server.publish("t", "").await).await;
    let (dir, data) = (repository.path().display().to_string(), server.data.display().to_string());
    let arguments = ["doctor", "--dir", &dir, "--data", &data, "--server", &server.url, "-o", "json"];
    let output = gitfaas(&arguments);
    let report = json(&output);
    assert_eq!((output.status.code(), &report["ok"]), (Some(0), &Value::Bool(true)), "{report:#}");
    let message = |report: &Value, check: &str| {
        let checks = report["checks"].as_array().expect("checks").clone();
        let found = checks.into_iter().find(|finding| finding["check"] == check).expect(check);
        (
            found["state"].as_str().unwrap_or_default().to_owned(),
            found["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let (state, ledger) = message(&report, "ledger");
    assert!(state == "ok" && ledger.contains("1 requests, 1 runs") && ledger.contains("in use"), "{ledger}");
    assert!(message(&report, "topics").1.contains("1 are up to date"), "{report:#}");

    assert_eq!(message(&report, "dead letters"), ("ok".into(), "no run gave up".into()));

    repository.write("fails", "");
    server.finished(&server.publish("t", "").await).await;
    let report = json(&gitfaas(&arguments));
    assert_eq!(message(&report, "dead letters"), ("warn".into(), "runs that gave up: 1".into()));
    repository.write("job.yaml", "kind: [");
    let output = gitfaas(&arguments);
    let report = json(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert_eq!(message(&report, "functions").0, "fail");
    let table = gitfaas(&arguments[..arguments.len() - 2]);
    assert!(said(&table).contains("FAIL  functions"), "{}", said(&table));
}

#[tokio::test]
async fn a_directory_is_compared_with_what_a_server_serves() {
    let repository = Repository::shell("t", "true");
    let server = Server::serve(repository.path()).await;
    let same = server.client(&["diff", repository.path().to_str().expect("UTF-8")]);
    assert_eq!((same.status.code(), said(&same).trim()), (Some(0), "no difference"));

    let other = Repository::with(&[
        ("t", &[("job.yaml", &shell_job("echo other"))]),
        ("new", &[("n.yaml", &shell_job("true"))]),
    ]);
    let differs = server.client(&["diff", other.path().to_str().expect("UTF-8"), "-o", "json"]);
    assert_eq!(differs.status.code(), Some(1));
    assert_eq!(
        json(&differs)["topics"],
        serde_json::json!([
            { "name": "new", "change": "added", "rules": false, "functions": [{ "path": "n.yaml", "change": "added" }] },
            {
                "name": "t", "change": "changed", "rules": false,
                "functions": [{ "path": "job.yaml", "change": "changed" }],
            },
        ])
    );
    let slower = Repository::shell("t", "true");
    slower.write("config.json", r#"{"topics": [{"name": "t", "configs": ["job.yaml"], "concurrency": 7}]}"#);
    let differs = server.client(&["diff", slower.path().to_str().expect("UTF-8"), "-o", "json"]);
    let expected = serde_json::json!([{ "name": "t", "change": "changed", "rules": true, "functions": [] }]);
    assert_eq!((differs.status.code(), &json(&differs)["topics"]), (Some(1), &expected));
}

#[tokio::test]
async fn a_new_function_works_as_it_was_made() {
    let repository = Repository::empty();
    let dir = repository.path().display().to_string();
    for lang in ["sh", "python"] {
        let made =
            gitfaas(&["new", "function", &format!("f-{lang}"), "--topic", "orders", "--dir", &dir, "--lang", lang]);
        assert!(made.status.success(), "{}", said(&made));
        assert!(said(&made).contains("listens on orders"), "{}", said(&made));
    }
    assert!(gitfaas(&["lint", &dir]).status.success());
    let server = Server::dev(repository.path()).await;
    let request = server.publish("orders", "hello").await;
    let view = server.finished(&request).await;
    assert_eq!(view["phase"], "succeeded", "{view:#}");
    let answers = server.get(&format!("/api/v1/requests/{request}/responses")).await.json();
    assert_eq!(answers["items"][0]["body"]["text"], "read 5 characters", "{answers:#}");
    assert_eq!(answers["items"][1]["body"]["json"], serde_json::json!({ "bytes": 5 }), "{answers:#}");
    let asked = gitfaas(&["new", "function", "g", "--dir", &dir]);
    assert_eq!(asked.status.code(), Some(2), "nobody is there to be asked: {}", said(&asked));
}

#[tokio::test]
async fn a_server_is_set_up_by_a_file_and_a_wrong_one_is_shown() {
    let repository = Repository::shell("t", "true");
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("gitfaas.toml"));
    let text = format!(
        "cluster = \"local\"\ndir = {:?}\ndata = {:?}\nlisten = \"127.0.0.1:0\"\nmax-body = 4\n",
        repository.path().display().to_string(),
        data.display().to_string()
    );
    std::fs::write(&file, text).expect("written");
    let mut command = Command::new(program());
    command.args(["serve", "--config"]).arg(&file);
    let server = Server::launch(command, data).ready().await;
    assert_eq!(server.post("/publish/t", "12345").await.status, reqwest::StatusCode::PAYLOAD_TOO_LARGE);
    server.publish("t", "1234").await;

    std::fs::write(&file, "max-bdy = 4\n").expect("written");
    let wrong = gitfaas(&["serve", "--config", file.to_str().expect("UTF-8")]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("gitfaas.toml:1:1") && said(&wrong).contains("`max-body`"), "{}", said(&wrong));
}

#[tokio::test]
async fn logs_are_one_object_a_line_for_programs() {
    let repository = Repository::shell("t", "echo one; printf 'two \\033[2J'");
    let server = Server::dev(repository.path()).await;
    let view = server.finished(&server.publish("t", "").await).await;
    let run = view["runs"][0]["id"].as_str().expect("an id");
    for arguments in [&["logs", run, "-o", "json"][..], &["logs", run, "-o", "json", "--follow"]] {
        let output = server.client(arguments);
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout).expect("text");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let expected =
            ["one", "two \u{1b}[2J"].map(|line| serde_json::json!({ "attempt": 1, "container": "main", "line": line }));
        assert_eq!(lines, expected);
    }
}

#[test]
fn a_server_that_cannot_be_what_was_asked_for_says_so_at_once() {
    let folder = Repository::empty();
    let missing = folder.file("nope").display().to_string();
    let here = folder.path().display().to_string();
    let asked: [(&[&str], &str); 5] = [
        (&["serve", "--dir", &here, "--config", &missing], "cannot read the settings in"),
        (&["dev", &missing], "cannot read the directory"),
        (&["serve", "--cluster", "local", "--dir", &missing], "cannot read the directory"),
        (&["dev", &here, "--log", "verbose"], "`verbose` is no level"),
        (&["serve", "--cluster", "local", "--dir", &here, "--log", "info,loud"], "`loud` is no level"),
    ];
    for (arguments, why) in asked {
        let output = gitfaas(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(why), "{arguments:?}: {}", said(&output));
    }
}
