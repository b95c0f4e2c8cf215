//! Addresses and names that would make Git, ssh or a server do something else are refused before anything is started.

use crate::support::{GitDaemon, HttpsServer, Repository, TOKEN, USER, refusal};

/// What `gitfaas serve` says when it refuses to start, in one line.
#[track_caller]
fn refused(url: &str, arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let output = refusal(url, &arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{url} {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn addresses_that_are_none_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let trap = folder.path().join("sprung");
    let trap = trap.display();
    for url in [
        format!("ext::sh -c touch% {trap}"),
        format!("ext::sh -c 'touch {trap}'"),
        "fd::17".to_owned(),
        "file:///etc".to_owned(),
        format!("file://{}", folder.path().display()),
        "/srv/functions.git".to_owned(),
        "./functions".to_owned(),
        "../functions".to_owned(),
        "functions".to_owned(),
        "git://git.example.org/functions.git".to_owned(),
        "ftp://git.example.org/functions.git".to_owned(),
        format!("ssh://-oProxyCommand=touch% {trap}/x"),
        format!("ssh://-oProxyCommand=touch%20{trap}/x"),
        "ssh://host/-oProxyCommand=x".to_owned(),
        "ssh://-l@host/x".to_owned(),
        format!("-oProxyCommand=touch {trap}@host:path"),
        format!("git@-oProxyCommand=touch {trap}:path"),
        "git@host:-x".to_owned(),
        "git@host:../../etc".to_owned(),
        "ssh://git@host/a/../../etc".to_owned(),
        format!("--upload-pack=touch {trap}"),
        "-u".to_owned(),
        "https://".to_owned(),
        "https:///functions".to_owned(),
        "https://host/functions\n".to_owned(),
        "https://host/functions\r\nX-Injected: 1".to_owned(),
        "https://host/\u{1b}[2J".to_owned(),
        "https://host/functions?service=git-receive-pack".to_owned(),
        String::new(),
        " ".to_owned(),
        format!("https://host/{}", "x".repeat(10_000)),
    ] {
        let said = refused(&url, &[]);
        assert!(!said.contains('\u{1b}') || !url.contains('\u{1b}'), "it is not repeated as it is: {said:?}");
    }
    assert!(!folder.path().join("sprung").exists());
}

#[tokio::test]
async fn a_secret_in_an_address_is_refused_with_advice_and_not_repeated() {
    for url in ["https://ada:s3cretw0rd@host/x", "https://:s3cretw0rd@host/x", "ssh://ada:s3cretw0rd@host/x"] {
        let said = refused(url, &[]);
        assert!(said.contains("--git-token-file") && !said.contains("s3cretw0rd"), "{said}");
    }
    let said = refused("https://host/x", &["--git-proxy", "http://ada:s3cretw0rd@host:3128"]);
    assert!(said.contains("file") && !said.contains("s3cretw0rd"), "{said}");
}

#[tokio::test]
async fn a_token_is_not_sent_where_everybody_on_the_way_could_read_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).expect("written");
    let token = token.display().to_string();
    let said = refused("http://git.example.org/x", &["--git-user", USER, "--git-token-file", &token]);
    assert!(said.contains("https"), "{said}");
}

#[test]
fn names_that_no_branch_or_tag_can_have_are_refused() {
    for name in [
        "--upload-pack=x",
        "-x",
        "a..b",
        "refs/heads/x:y",
        "main:other",
        "@{u}",
        "main@{1}",
        "a b",
        "x.lock",
        "",
        "HEAD~1",
        "HEAD^",
        "a\\b",
        "a*",
        "a?",
        "[a]",
        "/a",
        "a/",
        "a//b",
        "a.",
        ".a",
        "a/.b",
        "a\nb",
        "a\u{7f}b",
        "a\u{1b}b",
    ] {
        for kind in ["--git-branch", "--git-tag"] {
            refused("https://host/x", &[&format!("{kind}={name}")]);
        }
    }
    for id in ["", "main", "132f4e7", "--upload-pack=x", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "HEAD"] {
        refused("https://host/x", &[&format!("--git-commit={id}")]);
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let commit = "132f4e7a55132f4e7a55132f4e7a55132f4e7a55";
    for arguments in [
        &["--git-branch", "main", "--git-tag", "v1"] as &[&str],
        &["--git-branch", "main", "--git-commit", commit],
        &["--git-tag", "v1", "--git-commit", commit],
        &["--dir", "/srv"],
        &["--git-client-key", "/no/such/file"],
        &["--git-proxy-password-file", "/no/such/file"],
    ] {
        refused("https://host/x", arguments);
    }
}

#[tokio::test]
async fn nobody_is_asked_anything_by_what_is_refused() {
    let repository = Repository::serving("one");
    let daemon = GitDaemon::over(&repository).await;
    let said = refused(&daemon.url(), &[]);
    assert!(said.contains("https://") && daemon.asked() == 0, "{said}");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    refused(&server.url().replace("https://", &format!("https://{USER}:{TOKEN}@")), &[]);
    refused(&server.url(), &["--git-branch=-x"]);
    assert_eq!(server.requests(), []);
}
