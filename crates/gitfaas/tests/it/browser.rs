//! A page of another origin, in a real browser: it can send much, and change nothing.

use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Html;
use axum::routing::{get, post};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{DEADLINE, Repository, Server, eventually, is_installed, leave_out};

/// A name that the browser is told is this machine's, and that the server is told is its own. Browsers take such an
/// address for less than loopback's, and do not say there which page asks.
const NAME: &str = "faas.example";
/// A name that the server does not know, as a page has that had its own name moved to this machine (DNS rebinding).
const MOVED: &str = "moved.example";

/// A browser that shows a page until it is dropped.
struct Browser {
    process: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn show(url: &str) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let process = chromium(profile.path()).arg("--remote-debugging-port=0").arg(url).spawn().expect("started");
        Self { process, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn chromium(profile: &std::path::Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--host-resolver-rules=MAP {NAME} 127.0.0.1, MAP {MOVED} 127.0.0.1"))
        .arg(format!("--user-data-dir={}", profile.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// What a page looks like to who goes there, once it is loaded.
fn shown(url: &str) -> String {
    let profile = tempfile::tempdir().expect("a folder");
    let output = chromium(profile.path()).args(["--dump-dom", url]).stdout(Stdio::piped()).output().expect("run");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Serves the foreign page on a port of its own; what it heard comes out of the channel.
async fn foreign(targets: &[String], request: &str) -> (u16, mpsc::Receiver<String>) {
    let page = include_str!("browser/foreign.html")
        .replace("TARGETS", &json!(targets).to_string())
        .replace("REQUEST", &json!(request).to_string());
    let shy = page.clone();
    let (said, heard) = mpsc::channel(4);
    let router = Router::new()
        .route("/page", get(async move || Html(page)))
        .route("/shy", get(async move || ([("referrer-policy", "no-referrer")], Html(shy))))
        .route("/done", post(async move |_: HeaderMap, body: String| said.send(body).await.map_err(|_| "gone")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, heard)
}

/// How often a route was answered with a status.
async fn answered(server: &Server, route: &str, status: u16) -> usize {
    let text = server.get("/metrics").await.text();
    let name = format!("gitfaas_http_requests_total{{route=\"{route}\",status=\"{status}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

/// The server on a port that is known before it starts, so that it can be told its name.
async fn server(repository: &Repository, data: &std::path::Path) -> Server {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address").port();
    let mut command = Server::command("dev", repository.path(), data, free);
    command.arg("--base-url").arg(format!("http://{NAME}:{free}"));
    Server::launch(command, data.to_owned()).ready().await
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_through_its_visitor_s_browser() {
    if !is_installed("chromium") {
        leave_out("a page of another origin in a browser", "chromium");
        return;
    }
    let repository = Repository::shell("t", "echo up >> up; while [ ! -e go ]; do sleep 0.05; done");
    let data = tempfile::tempdir().expect("a folder");
    let server = server(&repository, data.path()).await;
    let request = server.publish("t", "").await;
    eventually("the function runs", async || (!repository.lines("up").is_empty()).then_some(())).await;

    let names = ["127.0.0.1", NAME, MOVED];
    let targets: Vec<String> = names.iter().map(|name| format!("http://{name}:{}", server.port())).collect();
    let (port, mut heard) = foreign(&targets, &request).await;
    let mut windows = 0;
    for (origin, page) in [("127.0.0.1", "page"), ("localhost", "shy"), (MOVED, "page")] {
        let before = answered(&server, "/refresh", 403).await;
        let _browser = Browser::show(&format!("http://{origin}:{port}/{page}"));
        let said = tokio::time::timeout(2 * DEADLINE, heard.recv()).await.expect("in time").expect("said");
        println!("{origin}/{page}:\n{said}");
        assert!(!said.contains("late"), "every try came to an end: {said}");
        windows += 1;
        // Six times by POST and seven times without, at each name, and then the window itself.
        eventually("the window goes to /refresh", async || {
            (answered(&server, "/refresh", 403).await > before + 13 * names.len()).then_some(())
        })
        .await;
    }
    for (route, tries) in [("/publish/{topic}", 6), ("/api/v1/requests/{id}", 6)] {
        let refused = answered(&server, route, 403).await;
        assert!(refused >= windows * tries * names.len(), "{route}: {refused} were refused, so the rest never came");
    }
    assert_eq!(answered(&server, "/refresh", 200).await, 0);
    assert_eq!(answered(&server, "/publish/{topic}", 202).await, 1, "the one that this test published");
    let listed = server.get("/api/v1/requests").await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed:#}");
    assert_eq!(listed["items"][0]["phase"], "running", "{listed:#}");
}

#[tokio::test]
async fn who_goes_there_themselves_is_answered_and_no_message_is_a_page_that_acts() {
    if !is_installed("chromium") {
        leave_out("what a person sees in a browser", "chromium");
        return;
    }
    let repository = Repository::shell("t", "true");
    let data = tempfile::tempdir().expect("a folder");
    let server = server(&repository, data.path()).await;
    let typed = shown(&format!("{}/refresh", server.url));
    assert!(typed.contains("\"revision\":\"dir@sha256:"), "{typed}");
    let moved = shown(&format!("http://{MOVED}:{}/api/v1/topics", server.port()));
    assert!(moved.contains("foreign-origin") && !moved.contains("job.yaml"), "{moved}");

    let page = "<p id=a>as it came</p><form id=f method=post action=/publish/t></form>\
                <script>a.textContent = 'acted'; fetch('/publish/t', {method: 'POST'}); f.submit()</script>";
    let html = [("content-type", "text/html")];
    let reply = server.send(reqwest::Method::POST, "/publish/t", &html, page).await;
    let request = reply.json()["requestUid"].as_str().expect("an id").to_owned();
    let seen = shown(&format!("{}/api/v1/requests/{request}/message", server.url));
    assert!(seen.contains("as it came") && !seen.contains("<p id=\"a\">acted"), "{seen}");
    assert_eq!(answered(&server, "/publish/{topic}", 202).await, 1);
    assert_eq!(answered(&server, "/publish/{topic}", 403).await, 0, "nothing was sent at all");
}
