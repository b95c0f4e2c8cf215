//! What is pushed is served: by polling, by `/refresh`, and never half of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::{
    Answer, Format, HttpsServer, Product, Proxy, Repository, Way, config_map, eventually, keeping_client,
};

#[tokio::test]
async fn what_is_pushed_is_live_once_a_refresh_was_answered() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    assert_eq!(product.version().await, "one");
    for version in ["two", "three"] {
        let id = repository.pushes_version(version);
        assert_eq!(product.refreshed().await, format!("main@sha1:{id}"));
        assert_eq!(product.version().await, version);
    }
    let source = product.source().await;
    assert_eq!(source["location"], server.url(), "{source:#}");
    assert_eq!((&source["commit"]["author"], &source["commit"]["subject"]), (&json!("Ada Lovelace"), &json!("three")));
}

#[tokio::test]
async fn a_look_at_what_has_not_changed_is_one_question_and_transfers_no_object() {
    let repository = Repository::serving("one");
    repository.writes_noise(1, 1_600_000);
    repository.push("Noise");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    let fetched: u64 = server.requests().iter().map(|request| request.sent).sum();
    assert!(fetched > 1_000_000, "the first look transfers all: {fetched}");
    let before = server.requests().len();
    for _ in 0..5 {
        product.refreshed().await;
    }
    let asked = eventually("the questions are noted", async || {
        let asked = server.requests().split_off(before);
        (asked.len() >= 5).then_some(asked)
    })
    .await;
    let sent: u64 = asked.iter().map(|request| request.sent).sum();
    let questions = asked.iter().filter(|request| request.method == "POST").count();
    assert!((asked.len(), questions) == (5, 5) && sent < 10_000, "what the server can do is known: {asked:#?}");
}

#[tokio::test]
async fn a_server_that_forgot_the_newer_protocol_is_asked_anew_what_it_can_do() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    product.refreshed().await;
    server.answers(Answer::OldProtocol);
    let id = repository.pushes_version("two");
    assert_eq!(product.refreshed().await, format!("main@sha1:{id}"));
    server.answers_as_usual();
    let id = repository.pushes_version("three");
    assert_eq!(product.refreshed().await, format!("main@sha1:{id}"));
}

#[tokio::test]
async fn what_is_pushed_is_found_by_polling() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let mut arguments = server.arguments();
    arguments.extend(["--poll".to_owned(), "1s".to_owned()]);
    let product = Product::follows(&server.url(), &arguments).await;
    repository.pushes_version("two");
    eventually("it is found", async || (product.version().await == "two").then_some(())).await;
}

/// Publishes, and commits that land meanwhile.
const PUBLISHES: usize = 10_000;
const COMMITS: usize = 50;
/// Publishers at once.
const PUBLISHERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_while_commits_land_sees_one_revision_or_another_and_never_a_mix() {
    let repository = Repository::empty();
    let push = |number: usize| {
        let text = |part: &str| config_map(&format!("{part}-{number}-x{{{{number}}}}"));
        repository.write("a.yaml", text("a"));
        repository.write("deep/b.yaml", text("b"));
        let number = number.to_string();
        let params = json!({ "number": { "type": "string", "default": number } });
        let topic = json!({ "name": "t", "configs": ["a.yaml", "deep/b.yaml"], "params": params });
        repository.write("config.json", json!({ "topics": [topic] }).to_string());
        (format!("main@sha1:{}", repository.push(&number)), number)
    };
    let mut numbers = HashMap::from([push(0)]);
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    let landed = AtomicBool::new(false);
    let publish = async |client: reqwest::Client| {
        let url = format!("{}/publish/t", product.server.url);
        let mut published = 0;
        // Some are always under way for as long as commits land, however quick either is.
        while published < PUBLISHES / PUBLISHERS || !landed.load(Ordering::Relaxed) {
            let answer = client.post(&url).send().await.expect("an answer");
            let status = answer.status().as_u16();
            let text = answer.text().await.expect("a body");
            assert_eq!(status, 202, "{text}");
            published += 1;
        }
        published
    };
    let land = async {
        for number in 1..=COMMITS {
            let (revision, number) = tokio::task::block_in_place(|| push(number));
            assert_eq!(product.refreshed().await, revision);
            numbers.insert(revision, number);
        }
        landed.store(true, Ordering::Relaxed);
    };
    let client = keeping_client();
    let publishers = futures_util::future::join_all((0..PUBLISHERS).map(|_| publish(client.clone())));
    let (published, ()) = futures_util::future::join(publishers, land).await;
    let published: usize = published.into_iter().sum();
    assert!(published >= PUBLISHES);

    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut next = Some(String::new());
    while let Some(page) = next {
        let path = format!("/api/v1/requests?limit=500{page}");
        let listed = product.server.get(&path).await.json();
        for request in listed["items"].as_array().expect("requests") {
            let revision = request["revision"].as_str().expect("a revision");
            let number = numbers.get(revision).unwrap_or_else(|| panic!("{request:#}"));
            let name = |run: usize| request["runs"][run]["objects"][0]["name"].as_str().map(str::to_owned);
            for (run, part) in ["a", "b"].iter().enumerate() {
                let whole = format!("{part}-{number}-x{number}-");
                assert!(name(run).is_some_and(|name| name.starts_with(&whole)), "{request:#}");
            }
            *seen.entry(number.clone()).or_default() += 1;
        }
        next = listed["next"].as_str().map(|cursor| format!("&before={cursor}"));
    }
    assert_eq!(seen.values().sum::<usize>(), published);
    println!("{published} publishes saw {} of {} revisions", seen.len(), numbers.len());
    assert!(seen.len() > COMMITS / 2, "{seen:?}");
}

#[tokio::test]
async fn a_push_that_is_broken_harms_its_topic_only_and_its_last_version_serves() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let mut product = Product::follows(&server.url(), &server.arguments()).await;
    repository.write("t.yaml", "kind: ConfigMap\n  metadata: [");
    let id = repository.push("Break a template");
    assert_eq!(product.refreshed().await, format!("main@sha1:{id}"));
    let said = product.source().await["problems"][0]["file"].clone();
    assert_eq!(said, "t.yaml");
    assert_eq!(product.version().await, "one");
    repository.write("config.json", "{");
    repository.push("Break the config file");
    product.refreshed().await;
    assert_eq!(product.version().await, "one");
    product.kill_and_start_again();
    eventually("it has looked", async || {
        let source = product.source().await;
        (source["problems"][0]["file"] == "config.json").then_some(())
    })
    .await;
    assert_eq!(product.version().await, "one");
}

#[tokio::test]
async fn a_branch_may_be_rewritten_to_an_older_commit_and_to_another_history() {
    let repository = Repository::serving("one");
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.pushes_version("two");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    assert_eq!(product.version().await, "two");
    repository.git(&["push", "-q", "--force", "origin", &format!("{first}:refs/heads/main")]);
    assert_eq!(product.refreshed().await, format!("main@sha1:{first}"));
    assert_eq!(product.version().await, "one");
    repository.git(&["checkout", "-q", "--orphan", "elsewhere"]);
    let id = repository.pushes_version("three");
    assert_eq!(product.refreshed().await, format!("main@sha1:{id}"));
    assert_eq!(product.version().await, "three");
    let amended = {
        repository.write("t.yaml", config_map("four"));
        repository.git(&["commit", "-q", "--all", "--amend", "-m", "Amended"]);
        repository.push("And on")
    };
    assert_eq!(product.refreshed().await, format!("main@sha1:{amended}"));
    assert_eq!(product.version().await, "four");
}

#[tokio::test]
async fn a_branch_that_is_deleted_serves_on_until_it_is_back() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    repository.git(&["push", "-q", "origin", "HEAD:refs/heads/other"]);
    let mut product = Product::follows(&server.url(), &server.arguments()).await;
    repository.git(&["push", "-q", "origin", "--delete", "main"]);
    for again in [false, true] {
        if again {
            product.kill_and_start_again();
        } else {
            product.refresh().await;
        }
        let fault = eventually("it is told", async || product.fault().await).await;
        assert_eq!(fault.word, "no-such-reference");
        assert!(fault.message.contains("main"), "{fault:?}");
        assert_eq!(product.version().await, "one");
    }
    repository.pushes_version("two");
    product.refreshed().await;
    assert_eq!((product.fault().await, product.version().await.as_str()), (None, "two"));
}

#[tokio::test]
async fn a_tag_is_followed_where_it_moves_and_a_commit_stays() {
    let repository = Repository::serving("one");
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "-m", "A tag of its own", "heavy"]);
    repository.git(&["push", "-q", "--tags", "origin"]);
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let follows = async |kind: &str, name: &str| {
        let mut arguments = server.arguments();
        arguments.extend([kind.to_owned(), name.to_owned()]);
        Product::follows(&server.url(), &arguments).await
    };
    let light = follows("--git-tag", "light").await;
    let heavy = follows("--git-tag", "heavy").await;
    assert_eq!(heavy.refreshed().await, format!("heavy@sha1:{first}"), "the commit, not the tag that names it");
    let second = repository.pushes_version("two");
    let commit = follows("--git-commit", &first).await;
    assert_eq!(light.refreshed().await, format!("light@sha1:{first}"));
    repository.git(&["tag", "--force", "light"]);
    repository.git(&["tag", "--force", "-m", "Moved", "heavy"]);
    repository.git(&["push", "-q", "--tags", "--force", "origin"]);
    assert_eq!(light.refreshed().await, format!("light@sha1:{second}"));
    assert_eq!(heavy.refreshed().await, format!("heavy@sha1:{second}"));
    assert_eq!(commit.refreshed().await, format!("sha1:{first}"));
    assert_eq!(light.version().await, "two");
    assert_eq!(heavy.version().await, "two");
    assert_eq!(commit.version().await, "one");
}

#[tokio::test]
async fn a_config_file_in_a_folder_names_templates_from_the_root() {
    let repository = Repository::empty();
    repository
        .write("team/a/config.json", r#"{"topics": [{"name": "t", "configs": ["team/a/t.yaml", "shared/s.yaml"]}]}"#);
    repository.write("team/a/t.yaml", config_map("one"));
    repository.write("shared/s.yaml", config_map("shared"));
    repository.push("Begin");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let mut arguments = server.arguments();
    arguments.extend(["--config-path".to_owned(), "team/a/config.json".to_owned()]);
    let product = Product::follows(&server.url(), &arguments).await;
    assert_eq!(product.source().await["configPath"], "team/a/config.json");
    let view = product.server.finished(&product.server.publish("t", "").await).await;
    assert_eq!(view["runs"].as_array().map(Vec::len), Some(2), "{view:#}");
}

#[tokio::test]
async fn objects_may_be_named_by_sha256() {
    let repository = Repository::of(Format::Sha256);
    repository.write("config.json", r#"{"topics": [{"name": "t", "configs": ["t.yaml"]}]}"#);
    repository.pushes_version("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    assert_eq!(product.version().await, "one");
    let id = repository.pushes_version("two");
    assert_eq!(product.refreshed().await, format!("main@sha256:{id}"));
    assert_eq!(product.version().await, "two");
}

#[tokio::test]
async fn a_server_of_the_first_protocol_is_followed_too() {
    let repository = Repository::serving("one");
    repository.pushes_version("two");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    server.answers(Answer::OldProtocol);
    let product = Product::follows(&server.url(), &server.arguments()).await;
    assert_eq!(product.version().await, "two");
    let id = repository.pushes_version("three");
    assert_eq!(product.refreshed().await, format!("main@sha1:{id}"));
    assert_eq!(product.version().await, "three");
    product.refreshed().await;
}

#[tokio::test]
async fn a_repository_that_was_renamed_is_found_and_the_token_goes_to_its_server_only() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    server.answers(Answer::MovedPath);
    let product = Product::follows(&server.url(), &server.arguments()).await;
    assert_eq!(product.version().await, "one");
    server.answers(Answer::MovedHost);
    let before = server.requests().len();
    let refused = product.refresh().await;
    assert_eq!(refused.status.as_u16(), 503, "{}", refused.text());
    let asked = eventually("the other name is asked", async || {
        let asked = server.requests().split_off(before);
        asked.iter().any(|request| request.status == 401).then_some(asked)
    })
    .await;
    let elsewhere: Vec<_> = asked.iter().filter(|request| request.target.starts_with("/moved")).collect();
    assert!(!elsewhere.is_empty() && elsewhere.iter().all(|request| request.user == "-"), "{asked:#?}");
    assert_eq!(product.version().await, "one");
}

#[tokio::test]
async fn a_proxy_is_gone_by_with_the_password_of_its_file() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let word = folder.path().join("word");
    std::fs::write(&word, "wrong").expect("written");
    // way:s3same
    let proxy = Proxy::new(Some("Basic d2F5OnMzc2FtZQ==")).await;
    let mut arguments = server.arguments();
    arguments.extend(["--git-proxy".to_owned(), format!("http://way@127.0.0.1:{}", proxy.port())]);
    arguments.extend(["--git-proxy-password-file".to_owned(), word.display().to_string()]);
    let product = Product::begins(&server.url(), &arguments);
    let fault = eventually("it is told", async || product.fault().await).await;
    assert_eq!(fault.word, "unauthorized", "{fault:?}");
    assert!(fault.message.contains("proxy"), "{fault:?}");
    std::fs::write(&word, "s3same\n").expect("written");
    product.refreshed().await;
    assert_eq!(product.version().await, "one");
    let asked = proxy.asked();
    assert!(asked.iter().all(|asked| asked.target == format!("127.0.0.1:{}", server.port())), "{asked:?}");
}

#[tokio::test]
async fn without_tls_a_repository_of_this_machine_is_followed() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.plain_url(), &server.arguments()).await;
    assert_eq!(product.version().await, "one");
}

/// Pushes that are each fetched.
const PUSHES: u64 = 200;

#[tokio::test]
async fn what_was_fetched_is_kept_within_bounds() {
    let repository = Repository::serving("v0");
    // What changes with each push is as large as all else, so that what is never let go of is seen.
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let way = Way::to(server.port()).await;
    let product = Product::follows(&way.by(&server.url(), server.port()), &server.arguments()).await;
    let mut most = (0, 0);
    for push in 1..=PUSHES {
        repository.writes_noise(push, 20_000);
        repository.pushes_version(&format!("v{push}"));
        product.refreshed().await;
        let (packs, bytes) = kept(&product);
        most = (most.0.max(packs), most.1.max(bytes));
    }
    assert_eq!(product.version().await, format!("v{PUSHES}"));
    println!(
        "after {PUSHES} pushes {:?}, and never more than {most:?} packs and bytes; {} bytes came",
        kept(&product),
        way.bytes()
    );
    assert!(most.0 <= 64 && most.1 < 4_000_000, "{most:?} packs and bytes");
}

/// How many packs are kept of the repository, and how many bytes of files.
fn kept(product: &Product) -> (usize, u64) {
    let mut left = vec![product.objects()];
    let (mut packs, mut bytes) = (0, 0);
    while let Some(folder) = left.pop() {
        // A file may go while it is looked at.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                left.push(entry.path());
            }
            packs += usize::from(entry.path().extension().is_some_and(|kind| kind == "pack"));
            bytes += about.len();
        }
    }
    (packs, bytes)
}
