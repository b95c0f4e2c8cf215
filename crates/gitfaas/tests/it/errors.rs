//! What is refused, and that nothing is acknowledged that is known not to happen.

use reqwest::{Method, StatusCode};

use crate::support::{Reply, Repository, Server, eventually, is_installed, leave_out, shell_job};

fn problem(reply: &Reply) -> (u16, String) {
    assert_eq!(reply.headers["content-type"], "application/problem+json", "{}", reply.text());
    assert_eq!(reply.json()["error"], true, "old clients look for this");
    (reply.status.as_u16(), reply.code())
}

#[tokio::test]
async fn what_cannot_happen_is_refused_with_a_code_and_a_sentence() {
    let parameter = shell_job("true").replace("value: \"{{MESSAGE}}\"", "value: \"{{count}}\"");
    let banned = "apiVersion: rbac.authorization.k8s.io/v1\n\"kind\": \"Role\"\nmetadata: {name: 'r-{{RANDOM}}'}\n";
    let repository = Repository::with(&[
        ("collect", &[("collect.yaml", &shell_job("true"))]),
        ("collected", &[("collect.yaml", &shell_job("true"))]),
        ("count", &[("count.yaml", &parameter)]),
        ("role", &[("role.yaml", banned)]),
    ]);
    let server = Server::dev(repository.path()).await;

    let unknown = server.post("/publish/colect", "x").await;
    assert_eq!(problem(&unknown), (404, "unknown-topic".into()));
    assert!(unknown.text().contains("`collect`"), "{}", unknown.text());

    let json = [("content-type", "application/json")];
    let malformed = server.send(Method::POST, "/publish/collect", &json, "{\n \"a\": }").await;
    assert_eq!(problem(&malformed), (400, "invalid-json".into()));
    assert!(malformed.text().contains("line 2 column 7"), "{}", malformed.text());

    let missing = server.post("/publish/count?cuont=3", "x").await;
    assert_eq!(problem(&missing), (422, "missing-parameter".into()));
    assert!(missing.text().contains("`count`") && missing.text().contains("cuont"), "{}", missing.text());

    assert_eq!(problem(&server.post("/publish/collect?RANDOM=x", "x").await), (422, "reserved-parameter".into()));
    assert_eq!(problem(&server.post("/publish/collect?a=1&a=2", "x").await), (400, "invalid-request".into()));
    assert_eq!(problem(&server.post("/publish/role", "x").await), (422, "not-admitted".into()));
    assert_eq!(problem(&server.get("/api/v1/requests/nonsense").await), (400, "invalid-request".into()));
    let nobody = "/api/v1/requests/0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e";
    assert_eq!(problem(&server.get(nobody).await), (404, "not-found".into()));
    assert_eq!(problem(&server.get("/nowhere").await), (404, "not-found".into()));
    assert_eq!(problem(&server.get("/publish/collect").await), (405, "method-not-allowed".into()));

    let listed = server.get("/api/v1/requests").await.json();
    assert_eq!(listed["items"], serde_json::json!([]), "nothing of what was refused is in the ledger");
}

#[tokio::test]
async fn a_message_may_have_a_mebibyte_and_not_a_byte_more() {
    let repository = Repository::with(&[(
        "t",
        &[("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a-{{RANDOM}}'}\n")],
    )]);
    let server = Server::dev(repository.path()).await;
    let just_right = vec![b'x'; 1024 * 1024];
    let mut too_much = just_right.clone();
    too_much.push(b'x');
    assert_eq!(server.post("/publish/t", just_right).await.status, StatusCode::ACCEPTED);
    assert_eq!(problem(&server.post("/publish/t", too_much.clone()).await), (413, "too-large".into()));
    // Without a length announced, the limit is met while reading.
    let pieces = futures_util::stream::iter(
        too_much.chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>(),
    );
    let reply = server.post("/publish/t", reqwest::Body::wrap_stream(pieces)).await;
    assert_eq!(problem(&reply), (413, "too-large".into()));
}

#[tokio::test]
async fn a_message_that_no_process_could_be_given_is_refused_and_says_what_to_read_instead() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let reply = server.post("/publish/t", vec![b'x'; 98_296]).await;
    assert_eq!(problem(&reply), (422, "too-large".into()));
    assert!(reply.text().contains("MESSAGE_URL"), "{}", reply.text());
}

#[tokio::test]
async fn a_store_that_cannot_write_acknowledges_nothing() {
    if !is_installed("strace") {
        return leave_out("a disk that fails", "strace");
    }
    let repository = Repository::shell("t", "echo $RUN_ID >> runs");
    let mut server = Server::dev(repository.path()).await;
    let before = server.finished(&server.publish("t", "before").await).await;
    let tracer = fail_every_fsync(server.pid());
    let refused = eventually("a publish is refused", async || {
        let reply = server.post("/publish/t", "during").await;
        (reply.status != StatusCode::ACCEPTED).then_some(reply)
    })
    .await;
    assert_eq!(problem(&refused), (503, "store-unavailable".into()));
    assert!(refused.headers.contains_key("retry-after"));
    let readiness = server.get("/readyz").await.status;
    assert_eq!(readiness, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK, "restarting the process would not help");
    drop(tracer);
    // The store opens itself again; what was acknowledged before is there, and so is what comes after.
    eventually("publishing works again", async || {
        let reply = server.post("/publish/t", "after").await;
        (reply.status == StatusCode::ACCEPTED).then_some(())
    })
    .await;
    server.kill_and_restart("dev", repository.path()).await;
    let view = server.get(&format!("/api/v1/requests/{}", before["id"].as_str().expect("an id"))).await;
    assert_eq!(view.status, StatusCode::OK);
}

/// Every fsync of the process fails from now on, until what is returned is dropped.
fn fail_every_fsync(pid: u32) -> impl Drop {
    struct Tracer(std::process::Child);
    impl Drop for Tracer {
        fn drop(&mut self) {
            // Asked to end, strace lets go of the process; killed, it might take it along.
            let pid = rustix::process::Pid::from_child(&self.0);
            rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signalled");
            self.0.wait().expect("ended");
        }
    }
    let mut command = std::process::Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync,fsync",
        "-e",
        "inject=fdatasync,fsync:error=EIO",
        "-p",
        &pid.to_string(),
    ]);
    Tracer(command.stderr(std::process::Stdio::null()).spawn().expect("strace"))
}

#[tokio::test]
async fn a_page_of_another_origin_starts_nothing_through_a_visitor_s_browser() {
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    // What a browser sends for a form on another page: a simple request, which it does not ask about first.
    let form = [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"), ("content-type", "text/plain")];
    let refused = server.send(Method::POST, "/publish/t", &form, "x").await;
    assert_eq!(problem(&refused), (403, "foreign-origin".into()));
    let rebound = server.send(Method::GET, "/api/v1/requests", &[("host", "evil.example")], "").await;
    assert_eq!(problem(&rebound), (403, "foreign-origin".into()));
    assert_eq!(server.get("/api/v1/requests").await.json()["items"], serde_json::json!([]));
}

#[tokio::test]
async fn a_half_sent_head_and_a_body_that_stalls_do_not_hold_a_connection() {
    use std::io::{Read as _, Write as _};
    let repository = Repository::shell("t", "true");
    let server = Server::dev(repository.path()).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let stalled = [
        "POST /publish/t HTTP/1.1\r\nHost: x\r\n",
        "POST /publish/t HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome",
    ];
    let waits: Vec<_> = stalled
        .into_iter()
        .map(|said| {
            let mut connection = std::net::TcpStream::connect(&address).expect("connected");
            connection.set_read_timeout(Some(crate::support::DEADLINE)).expect("set");
            connection.write_all(said.as_bytes()).expect("sent");
            tokio::task::spawn_blocking(move || {
                let mut answer = String::new();
                connection.read_to_string(&mut answer).expect("the server ends it");
                answer
            })
        })
        .collect();
    let mut answers = Vec::new();
    for wait in waits {
        answers.push(wait.await.expect("read"));
    }
    assert!(answers[1].contains("408") && answers[1].contains("slow-body"), "{answers:?}");
}
