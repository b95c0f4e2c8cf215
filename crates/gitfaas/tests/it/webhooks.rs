//! Push webhooks, as providers send them, and as those do who only seem to be one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use reqwest::{Method, StatusCode};

use crate::slow::peak_kib;
use crate::support::{DEADLINE, Reply, Repository, Server, eventually, signed};

const SECRET: &str = "It's a Secret to Everybody";
const PUSH: &str = r#"{"ref": "refs/heads/main", "commits": [{"message": "é"}]}"#;

type Headers<'h> = &'h [(&'h str, &'h str)];

/// A server that takes webhooks, and the file of its secrets.
struct Hooked {
    server: Server,
    secrets: PathBuf,
    _functions: Repository,
    _folder: tempfile::TempDir,
}

impl Hooked {
    async fn start() -> Self {
        let functions = Repository::shell("t", "true");
        let folder = tempfile::tempdir().expect("a folder");
        let (data, secrets) = (folder.path().join("data"), folder.path().join("secrets"));
        std::fs::write(&secrets, format!("{SECRET}\n")).expect("written");
        let mut command = Server::command("serve", functions.path(), &data, 0);
        command.arg("--webhook-secret-file").arg(&secrets);
        Self { server: Server::launch(command, data).ready().await, secrets, _functions: functions, _folder: folder }
    }

    async fn deliver(&self, provider: &str, headers: Headers<'_>, body: &str) -> Reply {
        self.server.send(Method::POST, &format!("/webhooks/{provider}"), headers, body.to_owned()).await
    }

    /// A push as GitHub sends it, signed with `secret`.
    async fn push(&self, secret: &str) -> Reply {
        let signature = format!("sha256={}", signed(secret, PUSH.as_bytes()));
        self.deliver("github", &[("x-hub-signature-256", &signature), ("x-github-event", "push")], PUSH).await
    }

    /// How often the source was read.
    async fn looks(&self) -> u64 {
        let text = self.server.get("/metrics").await.text();
        let looks = text.lines().find_map(|line| line.strip_prefix("gitfaas_refreshes_total{outcome=\"ok\"} "));
        looks.and_then(|looks| looks.parse().ok()).unwrap_or(0)
    }
}

fn is_refused(reply: &Reply, status: StatusCode, code: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert!(!reply.text().contains(SECRET), "{}", reply.text());
}

#[tokio::test]
async fn the_vector_that_github_publishes_is_taken() {
    let hooked = Hooked::start().await;
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers = [("x-hub-signature-256", signature), ("x-github-event", "ping")];
    let reply = hooked.deliver("github", &headers, "Hello, World!").await;
    assert_eq!((reply.status, &reply.json()["refresh"]), (StatusCode::OK, &false.into()), "{}", reply.text());
    is_refused(
        &hooked.deliver("github", &headers, "Hello, World?").await,
        StatusCode::UNAUTHORIZED,
        "invalid-signature",
    );
}

#[tokio::test]
async fn a_push_of_each_provider_leads_to_a_look_and_one_that_was_changed_does_not() {
    let hooked = Hooked::start().await;
    let form = "payload=%7B%22ref%22%3A+%22refs%2Fheads%2Fmain%22%7D";
    let (hex, of_form) = (signed(SECRET, PUSH.as_bytes()), format!("sha256={}", signed(SECRET, form.as_bytes())));
    let prefixed = format!("sha256={hex}");
    let is_form = ("content-type", "application/x-www-form-urlencoded");
    let deliveries: &[(&str, Headers<'_>, &str)] = &[
        ("github", &[("x-hub-signature-256", &prefixed), ("x-github-event", "push")], PUSH),
        ("github", &[("x-hub-signature-256", &of_form), ("x-github-event", "push"), is_form], form),
        ("gitlab", &[("x-gitlab-token", SECRET), ("x-gitlab-event", "Push Hook")], PUSH),
        ("gitea", &[("x-gitea-signature", &hex), ("x-gitea-event", "push")], PUSH),
        ("gitea", &[("x-forgejo-signature", &hex), ("x-forgejo-event", "push")], PUSH),
        ("generic", &[("x-signature", &prefixed)], PUSH),
    ];
    for (provider, headers, body) in deliveries {
        let (name, value) = headers[0];
        let spoiled = format!("{}{}", &value[..value.len() - 1], if value.ends_with('0') { '1' } else { '0' });
        let mut changed = headers.to_vec();
        changed[0] = (name, &spoiled);
        let before = hooked.looks().await;
        let mut refused = vec![hooked.deliver(provider, &changed, body).await];
        refused.push(hooked.deliver(provider, &headers[1..], body).await);
        if *provider != "gitlab" {
            refused.push(hooked.deliver(provider, headers, &format!("{body} ")).await);
        }
        for reply in refused {
            is_refused(&reply, StatusCode::UNAUTHORIZED, "invalid-signature");
            assert!(reply.headers.contains_key("www-authenticate"));
        }
        assert_eq!(hooked.looks().await, before, "{provider}: nothing was done");
        let reply = hooked.deliver(provider, headers, body).await;
        assert_eq!((reply.status, &reply.json()["refresh"]), (StatusCode::ACCEPTED, &true.into()), "{}", reply.text());
        eventually("it is looked at", async || (hooked.looks().await > before).then_some(())).await;
    }
    let other = hooked.deliver("gitlab", &[("x-gitlab-token", SECRET), ("x-gitlab-event", "Issue Hook")], "{}").await;
    assert_eq!((other.status, &other.json()["refresh"]), (StatusCode::OK, &false.into()));
    let broken = hooked.deliver("gitlab", &[("x-gitlab-token", SECRET), ("x-gitlab-event", "Push Hook")], "{").await;
    is_refused(&broken, StatusCode::BAD_REQUEST, "invalid-request");
    is_refused(&hooked.deliver("svn", &[], "{}").await, StatusCode::NOT_FOUND, "not-found");
}

#[tokio::test]
async fn a_secret_is_replaced_while_webhooks_come() {
    let hooked = Hooked::start().await;
    assert_eq!(hooked.push(SECRET).await.status, StatusCode::ACCEPTED);
    is_refused(&hooked.push("new").await, StatusCode::UNAUTHORIZED, "invalid-signature");
    std::fs::write(&hooked.secrets, format!("new\n{SECRET}\n")).expect("written");
    assert_eq!(hooked.push("new").await.status, StatusCode::ACCEPTED);
    assert_eq!(hooked.push(SECRET).await.status, StatusCode::ACCEPTED);
    std::fs::write(&hooked.secrets, "new\n").expect("written");
    is_refused(&hooked.push(SECRET).await, StatusCode::UNAUTHORIZED, "invalid-signature");
    for nothing in ["", "\n", "new\n\n"] {
        std::fs::write(&hooked.secrets, nothing).expect("written");
        let reply = hooked.push("").await;
        is_refused(&reply, StatusCode::FORBIDDEN, "webhooks-off");
        assert!(!reply.text().contains("secrets\":"), "{}", reply.text());
    }
    std::fs::remove_file(&hooked.secrets).expect("removed");
    is_refused(&hooked.push("new").await, StatusCode::FORBIDDEN, "webhooks-off");
}

#[tokio::test]
async fn without_a_secret_there_are_no_webhooks() {
    let repository = Repository::shell("t", "true");
    let server = Server::serve(repository.path()).await;
    is_refused(&server.post("/webhooks/generic", "{}").await, StatusCode::FORBIDDEN, "webhooks-off");
    let secrets = repository.file("secrets");
    for wrong in [Some(""), Some("one\n\ntwo\n"), None] {
        match wrong {
            Some(text) => std::fs::write(&secrets, text).expect("written"),
            None => std::fs::remove_file(&secrets).expect("removed"),
        }
        let data = tempfile::tempdir().expect("a folder");
        let mut command = Server::command("serve", repository.path(), data.path(), 0);
        let output = command.arg("--webhook-secret-file").arg(&secrets).output().expect("run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&secrets.display().to_string()), "{said}");
    }
}

#[tokio::test]
async fn no_secret_and_no_signature_is_in_any_log() {
    let (repository, folder) = (Repository::shell("t", "true"), tempfile::tempdir().expect("a folder"));
    let (data, secrets, log) = (folder.path().join("data"), folder.path().join("secrets"), folder.path().join("log"));
    std::fs::write(&secrets, "canary-of-webhooks").expect("written");
    let mut command = Server::command("serve", repository.path(), &data, 0);
    command.args(["--log", "trace", "--webhook-secret-file"]).arg(&secrets);
    command.stderr(std::fs::File::create(&log).expect("a log"));
    let server = Server::launch(command, data).ready().await;
    let signature = format!("sha256={}", signed("canary-of-webhooks", PUSH.as_bytes()));
    for (path, header, value) in [
        ("gitlab", "x-gitlab-token", "canary-of-webhooks"),
        ("generic", "x-signature", &signature),
        ("github", "x-gitlab-token", "canary-of-webhooks"),
    ] {
        let headers = [(header, value), ("x-gitlab-event", "Push Hook")];
        server.send(Method::POST, &format!("/webhooks/{path}"), &headers, PUSH).await;
    }
    assert_eq!(server.get("/alive").await.status, StatusCode::OK);
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("a webhook says that something was pushed"), "{said}");
    assert!(!said.contains("canary") && !said.contains(&signature["sha256=".len()..]), "{said}");
}

const MEGABYTE: usize = 1 << 20;

/// Sends a head, and then so many megabytes for as long as anybody takes them; gives the head of the answer.
fn floods(server: &Server, head: &str, megabytes: usize, chunked: bool) -> String {
    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://")).expect("connected");
    connection.set_read_timeout(Some(DEADLINE)).expect("set");
    connection.write_all(head.as_bytes()).expect("sent");
    let mut sender = connection.try_clone().expect("a second handle");
    let sending = std::thread::spawn(move || {
        let piece = vec![b'x'; MEGABYTE];
        for _ in 0..megabytes {
            let size = if chunked { format!("{MEGABYTE:x}\r\n") } else { String::new() };
            let end = if chunked { "\r\n" } else { "" };
            let sent = sender.write_all(size.as_bytes()).and_then(|()| sender.write_all(&piece));
            if sent.and_then(|()| sender.write_all(end.as_bytes())).is_err() {
                break;
            }
        }
    });
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
        answer.push(byte[0]);
    }
    drop(connection.shutdown(std::net::Shutdown::Both));
    sending.join().expect("sent");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_300_megabytes_is_refused_at_the_limit_and_never_kept() {
    let hooked = Hooked::start().await;
    let head = |more: &str| {
        let signature = format!("X-Hub-Signature-256: sha256={}", "0".repeat(64));
        format!(
            "POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\nX-GitHub-Event: push\r\n{signature}\r\n{more}\r\n\r\n"
        )
    };
    let before = peak_kib(&hooked.server);
    let announced = floods(&hooked.server, &head("Content-Length: 314572800"), 300, false);
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    let untold = floods(&hooked.server, &head("Transfer-Encoding: chunked"), 300, true);
    assert!(untold.starts_with("HTTP/1.1 413 "), "{untold}");
    let unsigned = "POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let unsigned = floods(&hooked.server, unsigned, 300, true);
    assert!(unsigned.starts_with("HTTP/1.1 401 "), "{unsigned}");
    let grown = peak_kib(&hooked.server).saturating_sub(before) / 1024;
    println!("three bodies of 300 MB: {grown} MiB at most");
    assert!(grown < 12, "{grown} MiB");
    assert_eq!(hooked.push(SECRET).await.status, StatusCode::ACCEPTED, "it goes on");
}

#[tokio::test]
async fn a_large_push_within_the_limit_is_taken() {
    let hooked = Hooked::start().await;
    let filling = "x".repeat(20 * MEGABYTE);
    let body = format!(r#"{{"ref": "refs/heads/main", "commits": ["{filling}"]}}"#);
    let signature = format!("sha256={}", signed(SECRET, body.as_bytes()));
    let before = peak_kib(&hooked.server);
    let reply =
        hooked.deliver("github", &[("x-hub-signature-256", &signature), ("x-github-event", "push")], &body).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
    let grown = peak_kib(&hooked.server).saturating_sub(before) / 1024;
    assert!(grown < 12, "{grown} MiB for a delivery of 20");
}
