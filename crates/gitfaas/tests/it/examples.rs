//! The examples, run as their readers would.

use std::process::Command;

use crate::support::{Repository, Server, checkout, eventually, program};

/// A copy of an example: functions may write beside themselves, and tests run side by side.
fn example(name: &str) -> Repository {
    let repository = Repository::empty();
    let copied =
        Command::new("cp").arg("-r").arg(checkout("examples").join(name).join(".")).arg(repository.path()).status();
    assert!(copied.expect("cp").success());
    repository
}

#[tokio::test]
async fn hello_greets() {
    let repository = example("hello");
    let server = Server::dev(repository.path()).await;
    let output = server.client(&["publish", "hello", "-d", r#"{"name": "Ada"}"#, "--wait"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Ada"), "{said}");
}

#[tokio::test]
async fn replicas_are_a_query_parameter() {
    let repository = example("replicas");
    let server = Server::dev(repository.path()).await;
    let output = server.client(&["publish", "scale", "-p", "replicas=3", "--wait"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    let rendered = Command::new(program())
        .args(["render", "scale", "--dir"])
        .arg(repository.path())
        .args(["-p", "replicas=3", "-o", "json"])
        .output()
        .expect("run");
    assert!(
        String::from_utf8_lossy(&rendered.stdout).contains("\"replicas\":3")
            || String::from_utf8_lossy(&rendered.stdout).contains("\"replicas\": 3"),
        "{rendered:?}"
    );
}

#[tokio::test]
async fn the_pipeline_fans_out_over_its_files_and_answers_with_statistics() {
    let repository = example("pipeline");
    let server = Server::dev(repository.path()).await;
    let request = server.publish("collect", r#"{"folder": "data"}"#).await;
    let tree = eventually("every stage has answered", async || {
        let tree = server.get(&format!("/api/v1/requests/{request}/tree")).await.json();
        let files = tree["children"].as_array()?;
        let answered = files.iter().filter(|file| file["children"][0]["responses"][0].is_object()).count();
        (answered == 5).then_some(tree)
    })
    .await;
    for file in tree["children"].as_array().expect("children") {
        let statistics = &file["children"][0]["responses"][0]["body"]["json"];
        assert!(statistics.is_object(), "{file:#}");
        assert_eq!(file["request"]["topic"], "uncompress");
    }
}

#[test]
fn the_examples_have_nothing_to_complain_about() {
    for name in ["hello", "replicas", "pipeline"] {
        let output = Command::new(program()).arg("lint").arg(checkout("examples").join(name)).output().expect("run");
        assert!(output.status.success(), "{name}: {output:?}");
    }
}
