//! Commits that were made to deceive or to hurt: each is an error of its own topic or of its own commit, and what is
//! served goes on.

use std::os::unix::fs::symlink;
use std::path::Path;

use reqwest::StatusCode;

use crate::support::{HttpsServer, Product, Repository, Trouble, config_map, endures};

/// A topic for each of these files, beside `t`.
fn config(files: &[&str]) -> String {
    let topic = |name: &str, file: &str| format!(r#"{{"name": "{name}", "configs": ["{file}"]}}"#);
    let mut topics = vec![topic("t", "t.yaml")];
    topics.extend(files.iter().enumerate().map(|(number, file)| topic(&format!("hostile-{number}"), file)));
    format!("{{\"topics\": [{}]}}", topics.join(",\n"))
}

/// Forty anchors, each of which has the one before twice: a million million nodes.
fn bomb() -> String {
    let lines = (1..=40).map(|number| format!("a{number}: &a{number} [*a{0}, *a{0}]\n", number - 1));
    format!("a0: &a0 [x]\n{}{}", lines.collect::<String>(), config_map("bomb"))
}

/// Has the next commit of the clone say that this is a submodule.
fn adds_module(repository: &Repository, path: &str) {
    repository.git(&["add", "--all"]);
    let entry = format!("160000,{},{path}", "1".repeat(40));
    repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
}

/// Commits what was added, and pushes it; the files of the clone are not looked at again.
fn pushes_added(repository: &Repository) {
    repository.git(&["commit", "-q", "-m", "Hostile"]);
    repository.git(&["push", "-q", "--force", "origin", "HEAD:refs/heads/main"]);
}

#[tokio::test]
async fn a_hostile_file_is_an_error_of_its_own_topic() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    let work = repository.work();
    for (link, target) in [("out.yaml", "../../secret"), ("absolute.yaml", "/etc/hostname"), ("loop.yaml", "loop.yaml")]
    {
        symlink(target, work.join(link)).expect("linked");
    }
    std::fs::create_dir(work.join("folder.yaml")).expect("created");
    repository.write("folder.yaml/file", "");
    repository.write("bomb.yaml", bomb());
    repository.write("bytes.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \xff\xfe}\n");
    std::fs::File::create(work.join("large.yaml")).and_then(|file| file.set_len(8 << 20)).expect("written");
    repository.write("a\nnewline.yaml", config_map("newline"));
    repository.write("t.yaml", config_map("two").replace('\n', "\r\n"));
    let hostile = [
        ("out.yaml", "leaves the repository"),
        ("absolute.yaml", "leaves the repository"),
        ("loop.yaml", "leads in a circle"),
        ("folder.yaml", "is a folder"),
        ("bomb.yaml", "grow too large"),
        ("bytes.yaml", "UTF-8"),
        ("large.yaml", "is larger than"),
        ("module/t.yaml", "submodule"),
        ("none.yaml", "does not exist"),
    ];
    repository.write("config.json", config(&hostile.map(|(file, _)| file)).replace('\n', "\r\n"));
    adds_module(&repository, "module");
    pushes_added(&repository);
    let reply = product.refresh().await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(product.version().await, "two", "{}", reply.text());
    let problems = reply.json()["problems"].clone();
    let problems: Vec<String> = problems.as_array().expect("problems").iter().map(ToString::to_string).collect();
    for (file, why) in hostile {
        let told = problems.iter().any(|problem| problem.contains(file) && problem.contains(why));
        assert!(told, "{file}, {why}: {problems:#?}");
    }
    assert_eq!(problems.len(), hostile.len(), "{problems:#?}");
}

/// What becomes of the config file, in the clone, and a word of what is said then.
type Fate = (&'static str, fn(&Repository, &Path), &'static str);

const FATES: [Fate; 6] = [
    ("gone", |_, _| (), "does not exist"),
    ("a folder", |repository, _| repository.write("config.json/file", "x"), "is a folder"),
    ("a link that leaves", |_, file| symlink("/etc/hostname", file).expect("linked"), "leaves the repository"),
    ("a submodule", |repository, _| adds_module(repository, "config.json"), "submodule"),
    ("behind a mark", |repository, _| repository.write("config.json", "\u{feff}{}"), "byte order mark"),
    ("no text", |repository, _| repository.write("config.json", b"{\"topics\": \"\xff\xfe\"}"), "UTF-8"),
];

#[tokio::test]
async fn a_config_file_that_is_none_changes_nothing() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    let file = repository.work().join("config.json");
    for (what, becomes, told) in FATES {
        std::fs::remove_file(&file).expect("removed");
        repository.write("t.yaml", config_map("two"));
        repository.git(&["add", "--all"]);
        becomes(&repository, &file);
        if what != "a submodule" {
            repository.git(&["add", "--all"]);
        }
        pushes_added(&repository);
        let reply = product.refresh().await;
        assert!(reply.text().contains(told), "{what}: {}", reply.text());
        assert_eq!(product.version().await, "one", "{what}");
        repository.git(&["reset", "-q", "--hard", "HEAD~1"]);
    }
    // One that can be run is a file, too.
    repository.git(&["update-index", "--chmod=+x", "config.json"]);
    repository.write("t.yaml", config_map("two"));
    repository.git(&["add", "t.yaml"]);
    pushes_added(&repository);
    product.refreshed().await;
    assert_eq!(product.version().await, "two");
}

#[tokio::test]
async fn an_object_that_grows_without_bounds_is_refused() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    let bomb = repository.work().join("bomb");
    let begins = || {
        // A few hundred kilobytes as it is sent.
        std::fs::File::create(&bomb).and_then(|file| file.set_len(300 << 20)).expect("written");
        repository.pushes_version("two");
    };
    let ends = || {
        std::fs::remove_file(&bomb).expect("removed");
        repository.git(&["reset", "-q", "--soft", "HEAD~1"]);
        repository.pushes_version("one");
    };
    let told = &["an object of it takes more than 268435456 bytes of memory"];
    endures(&product, &Trouble { what: "a bomb", begins: &begins, ends: &ends, word: "too-large", told }).await;
}

#[tokio::test]
async fn a_commit_that_says_too_much_of_itself_is_served_and_shown_in_part() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    repository.write("t.yaml", config_map("two"));
    repository.write("../message", "long ".repeat(2_000_000));
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "-q", "-F", "../message"]);
    repository.git(&["push", "-q", "--force", "origin", "HEAD:refs/heads/main"]);
    product.refreshed().await;
    assert_eq!(product.version().await, "two");
    let source = product.source().await;
    let subject = source["commit"]["subject"].as_str().expect("a subject");
    assert!(subject.starts_with("long long") && subject.len() <= 200, "{source:#}");
}
