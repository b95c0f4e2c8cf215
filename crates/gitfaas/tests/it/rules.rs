//! What the config file says of a topic beside its functions, as somebody who publishes meets it.

use reqwest::StatusCode;

use crate::support::{Repository, Server, eventually, shell_job};

/// A repository with this config file and, for each path, a function that is this script.
fn repository(config: &str, config_text: &str, scripts: &[(&str, &str)]) -> Repository {
    let repository = Repository::empty();
    for (path, script) in scripts {
        repository.write(path, &shell_job(script));
    }
    repository.write(config, config_text);
    repository
}

#[tokio::test]
async fn a_declared_parameter_is_checked_and_filled_in() {
    let repository = Repository::empty();
    repository.write(
        "web.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{{size}}\nspec:\n  replicas: {{replicas}}\n",
    );
    repository.write(
        "config.json",
        r#"{"topics": [{"name": "scale", "configs": ["web.yaml"], "params": {
            "replicas": {"type": "integer", "minimum": 1, "maximum": 7, "default": 3},
            "size": {"type": "string", "enum": ["small", "large"]}
        }}]}"#,
    );
    let server = Server::dev(repository.path()).await;
    for (query, code, told) in [
        ("", "missing-parameter", "the topic `scale` needs the parameter `size`: publish with `?size=…`"),
        ("?sise=small", "missing-parameter", "the topic `scale` needs the parameter `size`: did you mean `sise`?"),
        ("?size=huge", "invalid-parameter", "has to be one of `small`, `large`, and is `huge`"),
        ("?size=small&replicas=8", "invalid-parameter", "has to be 7 or less, and is `8`"),
        ("?size=small&replicas=two", "invalid-parameter", "has to be a whole number"),
    ] {
        let reply = server.post(&format!("/publish/scale{query}"), "").await;
        assert_eq!((reply.status, reply.code()), (StatusCode::UNPROCESSABLE_ENTITY, code.to_owned()), "{query}");
        assert!(reply.text().contains(told), "{query}: {}", reply.text());
    }
    let listed = server.get("/api/v1/requests").await.json();
    assert_eq!(listed["items"], serde_json::json!([]), "nothing is stored of what is refused");
    let view = server.finished(&server.publish("scale?size=large", "").await).await;
    assert_eq!(view["runs"][0]["objects"][0]["name"], "web-large");
    let topic = server.get("/api/v1/topics/scale").await.json();
    assert_eq!(
        topic["params"],
        serde_json::json!([
            {"name": "replicas", "type": "integer", "required": false, "default": 3, "minimum": 1, "maximum": 7},
            {"name": "size", "type": "string", "required": true, "enum": ["small", "large"]},
        ])
    );
    let told = server.client(&["topics", "scale"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("one of small, large") && told.contains("(required)"), "{told}");
}

#[tokio::test]
async fn a_function_publishes_only_to_what_its_topic_says() {
    let publish = |topic: &str| {
        format!("curl -sS -o answer.{topic} -H \"Authorization: Bearer $RUN_TOKEN\" -d x $GITFAAS_URL/publish/{topic}")
    };
    let script = format!("{}; {}", publish("audit-log"), publish("other"));
    let config = "topics:\n- {name: first, configs: [first.yaml], publishes: [audit-*]}\n- {name: audit-log, configs: [log.yaml]}\n- {name: other, configs: [log.yaml]}\n";
    let repository = repository("config.yaml", config, &[("first.yaml", &script), ("log.yaml", "true")]);
    let server = Server::dev(repository.path()).await;
    server.finished(&server.publish("first", "").await).await;
    let answers = eventually("both answers are there", async || {
        let answer = |topic: &str| std::fs::read_to_string(repository.file(&format!("answer.{topic}"))).ok();
        answer("audit-log").zip(answer("other")).filter(|(one, other)| !one.is_empty() && !other.is_empty())
    })
    .await;
    assert!(answers.0.contains("requestUid"), "{}", answers.0);
    let refused: serde_json::Value = serde_json::from_str(&answers.1).expect("a problem");
    assert_eq!((&refused["code"], &refused["status"]), (&"forbidden".into(), &403.into()));
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.ends_with("allows `audit-*`")), "{refused}");
    assert_eq!(server.post("/publish/other", "").await.status, StatusCode::ACCEPTED, "anybody else may");
}

#[tokio::test]
async fn two_config_files_are_a_mistake_and_one_of_either_form_is_not() {
    let repository = repository("config.yml", "topics: [{name: t, configs: [t.yaml]}]\n", &[("t.yaml", "true")]);
    let server = Server::dev(repository.path()).await;
    server.publish("t", "").await;
    repository.write("config.json", r#"{"topics": [{"name": "t", "configs": ["t.yaml"]}]}"#);
    let refreshed = server.post("/refresh", "").await.json();
    assert_eq!(refreshed["problems"][0]["message"], "this config file and `config.yml` are both here");
    server.publish("t", "what was served goes on being served").await;
}

#[tokio::test]
async fn a_message_has_to_be_what_its_topic_says_also_after_a_restart() {
    let repository = Repository::empty();
    repository.write("a.yaml", &shell_job("true"));
    repository.write("schema.json", r#"{"type": "object", "properties": {"size": {"maximum": 7}}}"#);
    repository.write(
        "config.json",
        r#"{"topics": [{"name": "t", "configs": ["a.yaml"], "message": {"schema": "schema.json", "maxBytes": 30}}]}"#,
    );
    let mut server = Server::dev(repository.path()).await;
    let long = format!("{{\"size\": 1, \"a\": \"{}\"}}", "x".repeat(30));
    let checked = async |server: &Server| {
        for (payload, status, code, told) in [
            ("{\"size\": 8}", 422, "invalid-message", "`/size`: the value is greater than the maximum of 7"),
            ("{\"size\": ", 422, "invalid-message", "is not JSON"),
            (long.as_str(), 413, "too-large", "the topic `t` takes at most 30"),
        ] {
            for path in ["/publish/t", "/api/v1/topics/t:render"] {
                let reply = server.post(path, payload.to_owned()).await;
                assert_eq!((reply.status.as_u16(), reply.code()), (status, code.to_owned()), "{path} {payload}");
                assert!(reply.text().contains(told), "{path} {payload}: {}", reply.text());
            }
        }
        server.publish("t", "{\"size\": 7}").await;
    };
    checked(&server).await;
    let topic = server.get("/api/v1/topics/t").await.json();
    assert_eq!(topic["message"], serde_json::json!({"schema": "schema.json", "maxBytes": 30}));
    // The repository is broken when the server comes back: what was served is still checked as it was.
    repository.write("schema.json", "{\"type\": 1}");
    server.kill_and_restart("dev", repository.path()).await;
    checked(&server).await;
    let problems = server.get("/api/v1/source").await.json()["problems"].clone();
    assert_eq!((&problems[0]["file"], &problems[0]["position"]["column"]), (&"schema.json".into(), &10.into()));
}

#[tokio::test]
async fn an_editor_can_be_told_what_a_config_file_may_say() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let reply = server.get("/config.schema.json").await;
    assert_eq!(
        (reply.status, reply.headers["content-type"].as_bytes()),
        (StatusCode::OK, &b"application/schema+json"[..])
    );
    assert_eq!(reply.json()["$defs"]["topic"]["required"], serde_json::json!(["name", "configs"]));
    // The address is one that the file itself may name.
    let config = format!("{{\"$schema\": \"{}/config.schema.json\", \"topics\": []}}", server.url);
    repository.write("config.json", &config);
    let refreshed = server.post("/refresh", "").await.json();
    assert!(refreshed["error"] == false && refreshed.get("problems").is_none(), "{refreshed}");
}
