//! Last good wins, per topic, also after a restart.

use reqwest::StatusCode;

use crate::support::{Repository, Server, eventually, shell_job};

async fn problems(server: &Server, topic: &str) -> Vec<serde_json::Value> {
    server.get(&format!("/api/v1/topics/{topic}")).await.json()["problems"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_broken_save_of_one_topic_harms_neither_the_others_nor_its_own_last_version() {
    let repository = Repository::with(&[
        ("kept", &[("kept.yaml", &shell_job("echo kept 1 >> seen"))]),
        ("other", &[("other.yaml", &shell_job("echo other 1 >> seen"))]),
    ]);
    let mut server = Server::serve(repository.path()).await;
    repository.write("other.yaml", &shell_job("echo other 2 >> seen"));
    repository.write("kept.yaml", "kind: Job\n  metadata: {\n");
    eventually("the mistake is told", async || (!problems(&server, "kept").await.is_empty()).then_some(())).await;
    let view = server.get("/api/v1/topics/kept").await.json();
    assert_eq!(view["stale"], true);
    assert_eq!(view["problems"][0]["file"], "kept.yaml");
    assert!(view["problems"][0]["position"]["line"].is_number(), "{view:#}");

    for restarted in [false, true] {
        if restarted {
            server.kill_and_restart("serve", repository.path()).await;
        }
        for topic in ["kept", "other"] {
            server.finished(&server.publish(topic, "").await).await;
        }
    }
    assert_eq!(repository.lines("seen"), ["kept 1", "other 2", "kept 1", "other 2"]);

    let topics = server.client(&["topics"]);
    let said = String::from_utf8_lossy(&topics.stdout).into_owned();
    assert!(topics.status.success() && said.contains("kept.yaml"), "{said}");
    let lint = server.client(&["lint", &repository.path().display().to_string()]);
    assert_eq!(lint.status.code(), Some(1));
    let said = format!("{}{}", String::from_utf8_lossy(&lint.stdout), String::from_utf8_lossy(&lint.stderr));
    assert!(said.contains("kept.yaml:"), "{said}");

    repository.write("kept.yaml", &shell_job("echo kept 3 >> seen"));
    eventually("the topic is mended", async || problems(&server, "kept").await.is_empty().then_some(())).await;
    server.finished(&server.publish("kept", "").await).await;
    assert_eq!(repository.lines("seen").last().map(String::as_str), Some("kept 3"));
}

#[tokio::test]
async fn a_broken_config_file_changes_nothing() {
    let repository = Repository::shell("t", "echo ran >> seen");
    let mut server = Server::serve(repository.path()).await;
    repository.write("config.json", "{\"topics\": [\n");
    let refreshed = server.get("/refresh").await.json();
    assert_eq!((&refreshed["error"], &refreshed["changed"]), (&true.into(), &false.into()), "{refreshed:#}");
    assert_eq!(refreshed["problems"][0]["file"], "config.json");
    server.finished(&server.publish("t", "").await).await;
    server.kill_and_restart("serve", repository.path()).await;
    server.finished(&server.publish("t", "").await).await;
    assert_eq!(repository.lines("seen"), ["ran", "ran"]);
    let source = server.get("/api/v1/source").await.json();
    assert_eq!(source["problems"][0]["file"], "config.json", "{source:#}");
}

#[tokio::test]
async fn a_topic_that_never_worked_says_so_and_a_save_mends_it() {
    let repository = Repository::shell("t", "true");
    repository.write("job.yaml", "kind: [");
    let server = Server::dev_unready(repository.path());
    let reply = eventually("the catalog is there", async || {
        let reply = server.post("/publish/t", "").await;
        (reply.code() != "no-catalog").then_some(reply)
    })
    .await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "topic-broken"));
    repository.write("job.yaml", &shell_job("true"));
    eventually("a publish is accepted", async || {
        (server.post("/publish/t", "").await.status == StatusCode::ACCEPTED).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_accepted_runs_as_it_was_when_it_was_accepted() {
    let repository = Repository::with(&[(
        "t",
        &[("a.yaml", &shell_job("echo one >> seen; while [ ! -e go ]; do sleep 0.05; done"))],
    )]);
    let server = Server::dev(repository.path()).await;
    let first = server.publish("t", "").await;
    repository.write("a.yaml", &shell_job("echo two >> seen"));
    assert_eq!(server.get("/refresh").await.status, StatusCode::OK);
    let second = server.finished(&server.publish("t", "").await).await;
    repository.write("go", "");
    let first = server.finished(&first).await;
    assert_ne!(first["revision"], second["revision"]);
    assert_eq!((&first["phase"], &second["phase"]), (&"succeeded".into(), &"succeeded".into()));
}
