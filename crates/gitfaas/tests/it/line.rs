//! Topics with a `concurrency`, and topics that are paused: the functions themselves witness that never more run at once
//! than may, and in which order they begin, also when the server is killed in between.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Repository, Server, eventually, http, shell_job};

const MESSAGES: usize = 200;
const CLIENTS: usize = 10;
const LIMIT: usize = 2;

/// A topic `t` whose function writes when it begins and when it ends; `O_APPEND` makes each line whole.
fn limited(rules: &Value) -> Repository {
    let repository = Repository::empty();
    repository.write("job.yaml", &shell_job("echo begin $RUN_ID >> witness; echo end $RUN_ID >> witness"));
    let mut topic = json!({"name": "t", "configs": ["job.yaml"]});
    let rules = rules.as_object().expect("rules").clone();
    topic.as_object_mut().expect("a topic").extend(rules);
    repository.write("config.json", &json!({ "topics": [topic] }).to_string());
    repository
}

async fn topic(server: &Server) -> Value {
    server.get("/api/v1/topics/t").await.json()
}

/// Publishes so many messages from several clients at once; the runs, and what the receipts say.
async fn publish(server: &Server, messages: usize) -> BTreeMap<String, String> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (http, url) = (http(), format!("{}/publish/t", server.url));
            tokio::spawn(async move {
                let mut told = Vec::new();
                for _ in 0..messages / CLIENTS {
                    let receipt: Value =
                        http.post(&url).body("7").send().await.expect("sent").json().await.expect("JSON");
                    let apply = &receipt["applies"][0];
                    let word = |key: &str| apply[key].as_str().expect("a word").to_owned();
                    told.push((word("runId"), word("message")));
                }
                told
            })
        })
        .collect();
    let mut told = BTreeMap::new();
    for client in clients {
        told.extend(client.await.expect("a client"));
    }
    assert_eq!(told.len(), messages);
    told
}

fn ended(repository: &Repository) -> usize {
    repository.lines("witness").iter().filter(|line| line.starts_with("end ")).count()
}

async fn until_ended(repository: &Repository, count: usize) {
    let mut seen = ended(repository);
    while seen < count {
        // However slow the machine is: as long as some end, it is not stuck.
        seen = eventually("one more run ends", async || Some(ended(repository)).filter(|now| *now > seen)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_run_than_may_and_in_the_order_of_acceptance_across_kills() {
    let repository = limited(&json!({ "concurrency": LIMIT }));
    let mut server = Server::serve(repository.path()).await;
    let paused = server.post("/api/v1/topics/t:pause", "").await.json();
    assert_eq!(paused["paused"]["by"], "operator", "{paused:#}");
    let mut told = publish(&server, MESSAGES / 2).await;
    // The pause is as durable as what it holds.
    server.kill_and_restart("serve", repository.path()).await;
    told.extend(publish(&server, MESSAGES / 2).await);
    let held = topic(&server).await;
    assert_eq!((&held["queued"], &held["live"], &held["concurrency"]), (&json!(MESSAGES), &json!(0), &json!(LIMIT)));
    for (place, (run, message)) in told.iter().enumerate() {
        assert!(message.contains(" was paused at ") && message.contains(", position "), "{message}");
        if place % 20 == 7 {
            let view = server.get(&format!("/api/v1/runs/{run}")).await.json();
            assert_eq!((&view["position"], &view["reason"]["code"]), (&json!(place + 1), &json!("Paused")), "{view:#}");
        }
    }
    let resumed = server.client(&["resume", "t"]);
    let said = String::from_utf8_lossy(&resumed.stdout).into_owned();
    assert!(said.starts_with("the topic t goes on; "), "{said}{}", String::from_utf8_lossy(&resumed.stderr));
    for share in [MESSAGES / 4, MESSAGES / 2] {
        until_ended(&repository, share).await;
        server.kill_and_restart("serve", repository.path()).await;
    }
    until_ended(&repository, MESSAGES).await;
    let runs: Vec<&str> = told.keys().map(String::as_str).collect();
    check(&repository.lines("witness"), &runs);
}

/// From what the functions wrote: all began and ended once, never more than the limit between a begin and its end, and
/// whenever one begins, all that were accepted before it have begun but those that have the other slots.
fn check(witness: &[String], accepted: &[&str]) {
    let mut live = BTreeSet::new();
    let mut begun = BTreeSet::new();
    for line in witness {
        let (what, run) = line.split_once(' ').expect("two words");
        if what == "end" {
            assert!(live.remove(run), "{run} ended and was not live");
            continue;
        }
        assert!(begun.insert(run), "{run} began twice");
        live.insert(run);
        assert!(live.len() <= LIMIT, "live at once: {live:?}");
        let before = accepted.iter().take_while(|other| **other != run);
        let passed: Vec<_> = before.filter(|other| !begun.contains(**other)).collect();
        assert!(passed.len() < LIMIT, "{run} began before {passed:?}");
    }
    assert!(live.is_empty(), "{live:?}");
    assert_eq!(begun.len(), accepted.len());
}

#[test]
fn the_witness_is_not_believed_whatever_it_says() {
    let judged = |witness: &[&str]| {
        let witness: Vec<String> = witness.iter().map(ToString::to_string).collect();
        std::panic::catch_unwind(|| check(&witness, &["a", "b", "c"])).is_ok()
    };
    assert!(judged(&["begin b", "begin a", "end a", "begin c", "end b", "end c"]));
    assert!(!judged(&["begin a", "begin b", "begin c", "end a", "end b", "end c"]), "three at once");
    assert!(!judged(&["begin c", "end c", "begin a", "end a", "begin b", "end b"]), "one passed two");
    assert!(!judged(&["begin a", "end a", "begin b", "end b"]), "one is lost");
    assert!(!judged(&["begin a", "end a", "begin a", "end a", "begin b", "end b", "begin c", "end c"]), "twice");
}

#[tokio::test]
async fn a_publish_is_applied_while_there_is_a_slot_and_is_told_its_place_when_there_is_none() {
    let repository = limited(&json!({ "concurrency": 1 }));
    repository.write("job.yaml", &shell_job("until [ -e go ]; do sleep 0.02; done"));
    let server = Server::dev(repository.path()).await;
    let mut messages = Vec::new();
    for _ in 0..3 {
        let receipt = server.post("/publish/t", "7").await.json();
        messages.push(receipt["applies"][0]["message"].as_str().expect("a message").to_owned());
    }
    assert!(messages[0].starts_with("applied Job "), "{messages:?}");
    assert_eq!(messages[1], "accepted, not applied yet: waiting for a slot, position 1");
    assert_eq!(messages[2], "accepted, not applied yet: waiting for a slot, position 2");
    let listed = server.client(&["topics"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let row: Vec<&str> = listed.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(row[..6], ["t", "job.yaml", "-", "ok", "2", "1/1"], "{listed}");
    let metrics = server.get("/metrics").await.text();
    assert!(metrics.contains("gitfaas_topic_runs{topic=\"t\",state=\"queued\"} 2"), "{metrics}");
    assert!(metrics.contains("gitfaas_topic_runs{topic=\"t\",state=\"live\"} 1"), "{metrics}");
    repository.write("go", "");
    eventually("all have run", async || (topic(&server).await["queued"] == 0).then_some(())).await;
}

#[tokio::test]
async fn what_does_not_fit_into_a_queue_is_refused_until_there_is_room() {
    let repository = limited(&json!({}));
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Server::command("dev", repository.path(), folder.path(), 0);
    command.args(["--max-queued-topic", "2"]);
    let server = Server::launch(command, folder.path().to_owned()).ready().await;
    server.post("/api/v1/topics/t:pause", "").await;
    let accepted = [server.publish("t", "1").await, server.publish("t", "2").await];
    let refused = server.post("/publish/t", "3").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "queue-full".to_owned()));
    assert_eq!(refused.headers.get("retry-after").and_then(|after| after.to_str().ok()), Some("5"));
    let told = "the queue is full: 2 runs of the topic `t` wait to be applied, of 2 at most; publish again later, nothing was stored";
    assert_eq!(refused.json()["detail"], told);
    assert_eq!(server.get("/api/v1/requests").await.json()["items"].as_array().map(Vec::len), Some(2));
    server.post("/api/v1/topics/t:resume", "").await;
    for request in &accepted {
        server.finished(request).await;
    }
    let after = server.publish("t", "3").await;
    assert_eq!(server.finished(&after).await["phase"], "succeeded");
    let metrics = server.get("/metrics").await.text();
    assert!(metrics.contains("gitfaas_publishes_total{outcome=\"queue-full\"} 1"), "{metrics}");
}

#[tokio::test]
async fn who_resumes_what_the_config_pauses_is_told_where_to_do_it() {
    let repository = limited(&json!({ "paused": true }));
    let server = Server::dev(repository.path()).await;
    let request = server.publish("t", "7").await;
    let view = server.get(&format!("/api/v1/requests/{request}")).await.json();
    assert_eq!((&view["runs"][0]["reason"]["code"], &view["runs"][0]["position"]), (&json!("Paused"), &json!(1)));
    let run = view["runs"][0]["id"].as_str().expect("an id");
    let explained = server.get(&format!("/api/v1/runs/{run}/explain")).await.json();
    assert!(explained["because"].as_str().is_some_and(|why| why.contains("the config pauses")), "{explained:#}");
    let refused = server.post("/api/v1/topics/t:resume", "").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "paused-by-config".to_owned()));
    assert_eq!(server.post("/api/v1/topics/nowhere:pause", "").await.code(), "unknown-topic");
    assert_eq!(server.post("/api/v1/topics/t:explode", "").await.code(), "not-found");
    let command = server.client(&["resume", "t"]);
    assert!(!command.status.success());
    assert!(String::from_utf8_lossy(&command.stderr).contains("paused by config.json"), "{command:?}");
    repository.write("config.json", r#"{"topics": [{"name": "t", "configs": ["job.yaml"]}]}"#);
    server.get("/refresh").await;
    assert_eq!(server.finished(&request).await["phase"], "succeeded");
}
