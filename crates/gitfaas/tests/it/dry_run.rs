//! What a message would create, asked of the server; how it explains a run and its workers; requests by their time.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Repository, Server, eventually, shell_job};

const NOTE: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: note-{{RANDOM}}
data:
  who: "{{who}}"
  message: "{{MESSAGE}}"
  right: "{{FUNCTION_UID}} {{RUN_TOKEN}}"
"#;

async fn listed(server: &Server, query: &str) -> Vec<String> {
    let list = server.get(&format!("/api/v1/requests{query}")).await.json();
    let ids = list["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str());
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn what_a_message_would_create_is_shown_without_secrets_and_nothing_is_stored() {
    let job = shell_job("echo up >> up");
    let repository = Repository::with(&[("t", &[("note.yaml", NOTE), ("job.yaml", &job)])]);
    let server = Server::dev(repository.path()).await;
    let reply = server.post("/api/v1/topics/t:render?who=Ada", "hello").await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    let rendered = reply.json();
    let data = &rendered["functions"][0]["objects"][0]["data"];
    assert_eq!((&data["who"], &data["message"]), (&"Ada".into(), &"aGVsbG8=".into()), "{rendered:#}");
    assert_eq!(data["right"], "(function uid) (run token)");
    assert_eq!(rendered["functions"][1]["path"], "job.yaml");
    assert_eq!(rendered["functions"][1]["objects"][0]["kind"], "Job");
    assert_eq!(server.post("/api/v1/topics/t:render?who=Ada", "hello").await.json(), rendered, "the same each time");
    assert_eq!(listed(&server, "").await, Vec::<String>::new());
    assert_eq!(repository.lines("up"), Vec::<String>::new());
}

#[tokio::test]
async fn what_could_not_be_published_cannot_be_rendered_and_for_the_same_reason() {
    let repository = Repository::with(&[("t", &[("note.yaml", NOTE)])]);
    let server = Server::dev(repository.path()).await;
    let json = [("content-type", "application/json")];
    for (topic, query, body) in [("t", "", "{}"), ("t", "?who=a&who=b", "{}"), ("t", "?who=a", "{oops"), ("tt", "", "")]
    {
        let published = server.send(reqwest::Method::POST, &format!("/publish/{topic}{query}"), &json, body).await;
        let rendered =
            server.send(reqwest::Method::POST, &format!("/api/v1/topics/{topic}:render{query}"), &json, body).await;
        assert!(published.status.is_client_error(), "{}", published.text());
        assert_eq!((rendered.status, rendered.json()), (published.status, published.json()), "{topic}{query} {body}");
    }
    let large = "x".repeat(2 << 20);
    assert_eq!(server.post("/api/v1/topics/t:render", large).await.code(), "too-large");
}

#[tokio::test]
async fn the_workers_say_how_they_stand() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let all = ["dispatcher", "inspector", "janitor", "lease", "refresher", "watcher"];
    let workers = eventually("each worker has worked", async || {
        let workers = server.get("/api/v1/workers").await.json();
        let has_worked = |name: &str| {
            let is_it = |worker: &Value| worker["name"] == name && worker["lastSuccess"].is_string();
            workers["items"].as_array().is_some_and(|items| items.iter().any(is_it))
        };
        all.iter().all(|name| has_worked(name)).then_some(workers)
    })
    .await;
    let items = workers["items"].as_array().expect("items");
    assert!(items.len() == all.len() && items.iter().all(|worker| worker["failures"] == 0), "{workers:#}");
}

#[tokio::test]
async fn requests_are_listed_by_the_time_of_their_acceptance() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let mut times = Vec::new();
    for number in 0..3 {
        let request = server.publish("t", number.to_string()).await;
        let view = server.get(&format!("/api/v1/requests/{request}")).await.json();
        times.push((request, view["receivedAt"].as_str().expect("a time").to_owned()));
        let begun = Instant::now();
        let next = async || (begun.elapsed() > Duration::from_millis(2)).then_some(());
        eventually("the next one is accepted in another millisecond, which is what is told apart", next).await;
    }
    let between = format!("?since={}&until={}", times[1].1, times[2].1);
    assert_eq!(listed(&server, &between).await, [times[1].0.clone()]);
    let first = format!("?until={}&limit=1&before={}", times[2].1, times[1].0);
    assert_eq!(listed(&server, &first).await, [times[0].0.clone()]);
    assert_eq!(server.get("/api/v1/requests?since=yesterday").await.code(), "invalid-request");
}

#[tokio::test]
async fn a_run_that_gave_up_is_explained() {
    let repository = Repository::shell("t", "exit 3");
    let server = Server::dev(repository.path()).await;
    let request = server.publish("t", "").await;
    let view = server.finished(&request).await;
    let run = view["runs"][0]["id"].as_str().expect("an id");
    let told = server.get(&format!("/api/v1/runs/{run}/explain")).await.json();
    assert_eq!((&told["phase"], &told["stands"]), (&"failed".into(), &"it gave up: it is a dead letter".into()));
    let reason = &view["runs"][0]["reason"];
    let because = format!("{}: {}", reason["code"].as_str().unwrap_or("?"), reason["message"].as_str().unwrap_or("?"));
    assert_eq!(told["because"], because, "{told:#}");
    assert!(told["facts"].to_string().contains("with exit code 3"), "{told:#}");
}

#[tokio::test]
async fn a_run_that_is_held_back_is_explained_by_what_holds_it() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    assert_eq!(server.post("/api/v1/topics/t:pause", "").await.status.as_u16(), 200);
    let reply = server.post("/publish/t", "").await.json();
    let run = reply["applies"][0]["runId"].as_str().expect("an id");
    let told = server.get(&format!("/api/v1/runs/{run}/explain")).await.json();
    assert_eq!(told["phase"], "queued", "{told:#}");
    assert!(told["because"].as_str().is_some_and(|why| why.starts_with("Paused: the topic t was paused")), "{told:#}");
    assert_eq!(told["next"], "it is applied when nothing holds it back any more");
}
