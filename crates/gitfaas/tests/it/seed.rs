//! Everything that the README of the Python gitfaas tells its users to do.

use reqwest::{Method, StatusCode};

use crate::support::{Repository, Server, eventually, is_installed, leave_out};

/// "Basic function deployment", its words in angle brackets filled in.
const MINIMAL: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: some-pod-name-{{RANDOM}}
  namespace: default
spec:
  template:
    spec:
      containers:
      - name: myfunction
        image: python:3.13-slim
        command: ["python3", "handler.py"]
        env:
        - name: MESSAGE
          value: "{{MESSAGE}}"
        - name: REQUEST_UUID
          value: "{{REQUEST_UUID}}"
      restartPolicy: Never
"#;

/// "Launching a function", the elided Deployment completed.
const DEPLOYMENT: &str = r"apiVersion: apps/v1
kind: Deployment
metadata:
  name: some-pod-name-{{RANDOM}}
spec:
  replicas: {{replicas}}
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: nginx:1
";

/// The function of the README, which prints what it was told.
const HANDLER: &str = r#"import base64, os

def main():
    b64_message = os.environ.get('MESSAGE', None)
    if b64_message is None:
        print("No message in env")
        return
    message = base64.b64decode(b64_message)
    message = message.decode("utf-8")
    print("message = ", message)
    print("request = ", os.environ["REQUEST_UUID"])

main()
"#;

fn repository(template: &str) -> Repository {
    let repository = Repository::empty();
    repository.write("config.json", r#"{"topics":[{"name":"mytopic","configs":["some.yaml"]}]}"#);
    repository.write("some.yaml", template);
    repository.write("handler.py", HANDLER);
    repository
}

/// The same manifest with a line put in before another one.
fn with_line(before: &str, line: &str) -> String {
    MINIMAL.replacen(before, &format!("{line}\n{before}"), 1)
}

async fn log_of_first_run(server: &Server, request: &str) -> String {
    let view = server.finished(request).await;
    assert_eq!(view["phase"], "succeeded", "{view:#}");
    let run = view["runs"][0]["id"].as_str().expect("a run").to_owned();
    server.get(&format!("/api/v1/runs/{run}/logs")).await.text()
}

#[tokio::test]
async fn the_minimal_function_gets_its_message_and_its_request() {
    let repository = repository(MINIMAL);
    let server = Server::dev(repository.path()).await;
    let json = [("content-type", "application/json")];
    let reply = server.send(Method::POST, "/publish/mytopic", &json, r#"{ "hello": "world" }"#).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
    let receipt = reply.json();
    assert_eq!(receipt["error"], false);
    assert_eq!(receipt["applies"][0]["path"], "some.yaml");
    assert_eq!(receipt["applies"][0]["error"], false);
    let request = receipt["requestUid"].as_str().expect("an id").to_owned();
    assert_eq!(reply.headers["location"].to_str().ok(), Some(format!("/api/v1/requests/{request}").as_str()));
    let log = log_of_first_run(&server, &request).await;
    assert_eq!(log, format!("message =  {{ \"hello\": \"world\" }}\nrequest =  {request}\n"));
}

#[tokio::test]
async fn text_and_messages_without_a_content_type_are_taken_as_they_are() {
    let repository = repository(MINIMAL);
    let server = Server::dev(repository.path()).await;
    for headers in [&[("content-type", "plain/text")][..], &[]] {
        let reply = server.send(Method::POST, "/publish/mytopic", headers, "{ not json").await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{headers:?}: {}", reply.text());
        let request = reply.json()["requestUid"].as_str().expect("an id").to_owned();
        assert!(log_of_first_run(&server, &request).await.starts_with("message =  { not json\n"));
    }
}

#[tokio::test]
async fn query_parameters_fill_the_manifest_in_both_spellings() {
    let repository = repository(DEPLOYMENT);
    let server = Server::dev(repository.path()).await;
    for path in ["/publish/mytopic?replicas=2", "/publish/mytopic&replicas=2"] {
        let reply = server.post(path, "").await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{path}: {}", reply.text());
        let view = server.finished(reply.json()["requestUid"].as_str().expect("an id")).await;
        assert_eq!(view["params"]["replicas"], "2");
        assert_eq!(view["phase"], "succeeded", "what is no Job is done when it is applied");
        assert_eq!(view["runs"][0]["objects"][0]["kind"], "Deployment");
    }
}

#[tokio::test]
async fn the_commands_of_the_readme_work_as_they_are_typed() {
    let repository = repository(MINIMAL);
    let server = Server::dev(repository.path()).await;
    let curl = |arguments: &str| {
        let line = format!("curl -sS {}", arguments.replace("http://gitfaas:5000", &server.url));
        let output = std::process::Command::new("sh").args(["-c", &line]).output().expect("curl");
        assert!(output.status.success(), "{line}: {output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let receipt = curl(
        r#""http://gitfaas:5000/publish/mytopic" -X POST -d '{ "hello": "world" }' -H 'Content-Type: application/json'"#,
    );
    assert_eq!(receipt["error"], false, "{receipt}");
    let refreshed = curl(r#""http://gitfaas:5000/refresh" -H 'Content-Type: application/json'"#);
    assert_eq!(refreshed["error"], false, "{refreshed}");
    assert!(refreshed["revision"].as_str().is_some_and(|revision| revision.starts_with("dir@sha256:")));
}

#[tokio::test]
async fn scaling_to_zero_forgets_the_job_and_keeps_its_log() {
    let repository = repository(&with_line("  template:", "  ttlSecondsAfterFinished: 0"));
    let server = Server::dev(repository.path()).await;
    let request = server.publish("mytopic", "hello").await;
    assert!(log_of_first_run(&server, &request).await.contains("message =  hello"));
}

#[tokio::test]
async fn a_fresh_volume_is_mounted_where_the_manifest_says() {
    let template = MINIMAL
        .replace("\"python3\", \"handler.py\"", "\"sh\", \"-c\", \"ls -A /mnt/disk; echo x > /mnt/disk/file; cat /mnt/disk/file\"")
        .replace("      restartPolicy", "        volumeMounts:\n          - name: my-light-volume\n            mountPath: /mnt/disk/\n      restartPolicy")
        + r#"      volumes:
        - name: my-light-volume
          ephemeral:
            volumeClaimTemplate:
              metadata:
                labels:
                  type: my-volume
              spec:
                accessModes: [ "ReadWriteOnce" ]
                storageClassName: "csi-cinder-high-speed"
                resources:
                  requests:
                    storage: 1Gi
"#;
    let repository = repository(&template);
    let server = Server::dev(repository.path()).await;
    let existed = std::path::Path::new("/mnt/disk").exists();
    for _ in 0..2 {
        let request = server.publish("mytopic", "").await;
        let view = server.finished(&request).await;
        if is_installed("bwrap") {
            assert_eq!(log_of_first_run(&server, &request).await, "x\n", "a fresh volume each time");
        } else {
            assert!(
                view["runs"][0]["reason"]["message"].as_str().is_some_and(|said| said.contains("bubblewrap")),
                "{view:#}"
            );
        }
    }
    assert_eq!(std::path::Path::new("/mnt/disk").exists(), existed, "nothing is made on the machine itself");
}

/// "Complete example", its mistakes corrected and its words in angle brackets filled in.
fn complete() -> String {
    let command = r#""sh", "-c", "cat /var/somefolder/secrets/secret-name; ls -A /mnt/disk""#;
    let template = with_line("  template:", "  ttlSecondsAfterFinished: 60\n  backoffLimit: 0");
    template.replace("\"python3\", \"handler.py\"", command).replace(
        "      restartPolicy: Never\n",
        r#"        volumeMounts:
          - name: my-light-volume
            mountPath: /mnt/disk/
          - name: my-projected-secrets
            mountPath: /var/somefolder/secrets
      restartPolicy: Never
      volumes:
        - name: my-projected-secrets
          projected:
            defaultMode: 420
            sources:
            - secret:
                items:
                - key: secret-name
                  path: secret-name
                name: secret-name
        - name: my-light-volume
          ephemeral:
            volumeClaimTemplate:
              metadata:
                labels:
                  type: my-volume
              spec:
                accessModes: [ "ReadWriteOnce" ]
                storageClassName: "csi-cinder-high-speed"
                resources:
                  requests:
                    storage: 1Gi
"#,
    )
}

#[tokio::test]
async fn the_complete_example_waits_for_its_secret_and_says_where_it_is_looked_for() {
    let (repository, objects) = (repository(&complete()), tempfile::tempdir().expect("a folder"));
    let data = tempfile::tempdir().expect("a folder");
    let mut command = Server::command("dev", repository.path(), data.path(), 0);
    command.arg("--objects").arg(objects.path());
    let server = Server::launch(command, data.path().to_owned()).ready().await;
    let request = server.publish("mytopic", "").await;
    let path = format!("/api/v1/requests/{request}");
    let reason = eventually("the run says what it waits for", async || {
        let run = server.get(&path).await.json()["runs"][0].clone();
        (run["phase"] == "pending").then(|| run["reason"].clone()).filter(serde_json::Value::is_object)
    })
    .await;
    assert_eq!(reason["code"], "CreateContainerConfigError", "{reason}");
    let place = objects.path().canonicalize().expect("a folder").join("secrets/secret-name");
    let said = reason["message"].as_str().expect("a message");
    assert!(said.contains("there is no Secret secret-name") && said.contains(place.to_str().expect("text")), "{said}");
    std::fs::create_dir_all(&place).expect("a folder");
    std::fs::write(place.join("secret-name"), "open sesame").expect("a file");
    if is_installed("bwrap") {
        assert_eq!(log_of_first_run(&server, &request).await, "open sesame");
    } else {
        leave_out("the complete example", "bwrap");
    }
}

#[tokio::test]
async fn the_invalid_examples_of_the_readme_are_explained_by_line() {
    let underscore = MINIMAL.replace("some-pod-name-", "some_pod-name-");
    let indented = MINIMAL
        .replace("spec:\n  template:", "spec:\n    backoffLimit: 1  # <= The magic comme from here\n  template:");
    let unfilled = MINIMAL.replace("namespace: default", "namespace: <REPLACE_NAMESPACE>");
    for (template, line, write) in
        [(underscore, 4, "some-pod-name-{{RANDOM}}"), (indented, 8, ""), (unfilled, 5, "<REPLACE_NAMESPACE>")]
    {
        let repository = repository(&template);
        let server = Server::dev_unready(repository.path());
        let refreshed = server.get("/refresh").await.json();
        let problem = &refreshed["problems"][0];
        assert_eq!(
            (&problem["file"], &problem["position"]["line"]),
            (&"some.yaml".into(), &line.into()),
            "{refreshed:#}"
        );
        let advice = format!("{} {}", problem["message"], problem["help"]);
        assert!(advice.contains(write), "{advice}");
        let reply = server.post("/publish/mytopic", "").await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "topic-broken"));
        assert!(reply.text().contains("some.yaml"), "{}", reply.text());
    }
}

#[tokio::test]
async fn both_configurations_of_the_readme_are_served() {
    let repository = repository(MINIMAL);
    repository.write("collect.yaml", MINIMAL);
    repository.write("uncompress.yaml", MINIMAL);
    repository.write(
        "config.json",
        r#"{
    "topics":[
        {
            "name": "timeToCollect",
            "configs": [
                "collect.yaml"
            ]
        },
        {
            "name": "timeToUncompress",
            "configs": [
                "uncompress.yaml"
            ]
        }
    ]
}
"#,
    );
    let server = Server::dev(repository.path()).await;
    let topics = server.get("/api/v1/topics").await.json();
    let names: Vec<_> = topics["items"].as_array().expect("a list").iter().map(|topic| topic["name"].clone()).collect();
    assert_eq!(names, ["timeToCollect", "timeToUncompress"]);
}
