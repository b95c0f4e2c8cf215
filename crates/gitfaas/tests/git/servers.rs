//! The servers themselves, asked by the real git: what the other tests rely on.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{
    Answer, Format, GitDaemon, HostKey, HttpsServer, Leaf, Proxy, Repository, SshServer, TOKEN, USER, Way, eventually,
    git_client,
};

/// A way of `git ls-remote` to be run, and what it said.
fn ls_remote(url: &str, settings: &[String]) -> Output {
    let home = tempfile::tempdir().expect("a folder");
    let mut git = git_client(home.path());
    for setting in settings {
        git.args(["-c", setting]);
    }
    git.args(["ls-remote", url, "refs/heads/main"]).output().expect("git")
}

fn said(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    format!("{} {}", output.status, both.concat())
}

fn trusting(server: &HttpsServer) -> Vec<String> {
    vec![format!("http.sslCAInfo={}", server.authority().display())]
}

/// The URL with a user and a token in it, as git takes them.
fn with(url: &str, user: &str, token: &str) -> String {
    url.replace("://", &format!("://{user}:{token}@"))
}

#[tokio::test]
async fn https_serves_those_who_have_the_token_of_the_moment() {
    let repository = Repository::serving("one");
    let id = repository.push("Second");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let asked = |token: &str| ls_remote(&with(&server.url(), USER, token), &trusting(&server));
    let found = asked(TOKEN);
    assert!(found.status.success() && said(&found).contains(&id), "{}", said(&found));
    server.users(&[(USER, "second-token")]);
    assert!(said(&asked(TOKEN)).contains("Authentication failed"), "{}", said(&asked(TOKEN)));
    assert!(asked("second-token").status.success());
    assert!(ls_remote(&with(&server.plain_url(), USER, "second-token"), &[]).status.success());
    let requests = eventually("they are noted", async || {
        let requests = server.requests();
        requests.iter().any(|request| request.method == "POST" && request.user == USER).then_some(requests)
    })
    .await;
    assert_eq!((requests[0].method.as_str(), requests[0].status, requests[0].port), ("GET", 401, server.port()));
    assert!(requests.iter().all(|request| request.target.starts_with("/team/functions.git/")), "{requests:#?}");
}

#[tokio::test]
async fn https_has_the_certificate_that_it_is_told_to_have() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    server.answers(Answer::Open);
    for (leaf, told) in [
        (Leaf::Expired, "server certificate verification failed"),
        (Leaf::WrongName, "does not match target host name"),
        (Leaf::UnknownAuthority, "server certificate verification failed"),
    ] {
        server.presents(leaf);
        let output = ls_remote(&server.url(), &trusting(&server));
        assert!(!output.status.success() && said(&output).contains(told), "{leaf:?}: {}", said(&output));
    }
    let stranger = format!("http.sslCAInfo={}", server.stranger().display());
    assert!(ls_remote(&server.url(), &[stranger]).status.success());
    server.presents(Leaf::Right);
    assert!(ls_remote(&server.url(), &trusting(&server)).status.success());
}

#[tokio::test]
async fn https_asks_for_a_certificate_of_the_client_at_one_port() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    server.answers(Answer::Open);
    let with = |identity: &crate::support::Identity| {
        let mut settings = trusting(&server);
        settings.push(format!("http.sslCert={}", identity.certificate.display()));
        settings.push(format!("http.sslKey={}", identity.key.display()));
        ls_remote(&server.guarded_url(), &settings)
    };
    let known = with(&server.client());
    assert!(known.status.success(), "{}", said(&known));
    assert!(!with(&server.foreign_client()).status.success());
    assert!(!ls_remote(&server.guarded_url(), &trusting(&server)).status.success());
}

#[tokio::test]
async fn https_answers_as_it_is_told_to() {
    let repository = Repository::serving("one");
    let id = repository.push("Second");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let asked = || said(&ls_remote(&with(&server.url(), USER, TOKEN), &trusting(&server)));
    for (answer, told) in [
        (Answer::TokenExpired, "Authentication failed"),
        (Answer::Forbidden, "403"),
        (Answer::NotFound, "not found"),
        (Answer::Broken, "500"),
        (Answer::Unavailable, "503"),
        (Answer::TooMany, "429"),
        (Answer::MovedPath, id.as_str()),
        (Answer::MovedForEver, "redirect"),
        (Answer::Page, "not valid"),
        (Answer::Dumb, id.as_str()),
        (Answer::OldProtocol, id.as_str()),
    ] {
        server.answers(answer);
        let said = asked();
        assert!(said.contains(told), "{answer:?}: {said}");
    }
    server.answers_as_usual();
    assert!(asked().contains(&id));
}

#[tokio::test]
async fn https_speaks_the_newer_protocol_unless_told_otherwise() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let home = tempfile::tempdir().expect("a folder");
    for (answer, newer) in [(Answer::Open, true), (Answer::OldProtocol, false)] {
        server.answers(answer);
        let mut git = git_client(home.path());
        git.env("GIT_TRACE_PACKET", "1").args(["-c", &trusting(&server)[0], "ls-remote"]);
        let told = said(&git.arg(with(&server.url(), USER, TOKEN)).output().expect("git"));
        assert_eq!(told.contains("< version 2"), newer, "{told}");
    }
}

#[tokio::test]
async fn nobody_is_given_the_port_of_a_server_that_was_stopped() {
    let repository = Repository::serving("one");
    let Some(mut server) = HttpsServer::over(&repository).await else { return };
    server.stop().await;
    let refused = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    server.start().await;
    assert!(ls_remote(&with(&server.url(), USER, TOKEN), &trusting(&server)).status.success());
}

/// `git ls-remote` over the real ssh.
fn over_ssh(url: &str, key: &Path, known: &str) -> Output {
    let home = tempfile::tempdir().expect("a folder");
    let hosts = home.path().join("known_hosts");
    std::fs::write(&hosts, known).expect("written");
    let ssh = format!(
        "ssh -F none -i {} -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile={}",
        key.display(),
        hosts.display()
    );
    git_client(home.path()).env("GIT_SSH_COMMAND", ssh).args(["ls-remote", url]).output().expect("git")
}

#[tokio::test]
async fn ssh_serves_those_who_have_a_key_and_knows_them_by_its_own() {
    for newer in [true, false] {
        let repository = Repository::serving("one");
        let id = repository.push("Second");
        let Some(mut server) = SshServer::over(&repository, newer).await else { return };
        let [known, unknown] = ["known", "unknown"].map(|name| server.client_key(name, "ed25519", ""));
        server.authorizes(&[&known]);
        for key in [HostKey::Ed25519, HostKey::Ecdsa, HostKey::Rsa] {
            let output = over_ssh(&server.url(), &known, &server.known(key));
            assert!(said(&output).contains(&id), "{}{}", said(&output), server.said());
        }
        let output = over_ssh(&server.url(), &unknown, &server.known(HostKey::Rsa));
        assert!(said(&output).contains("Permission denied"), "{}", said(&output));
        let before = server.known(HostKey::Ed25519);
        server.stop();
        server.makes_host_key(HostKey::Ed25519);
        server.start().await;
        let output = over_ssh(&server.url(), &known, &before);
        assert!(said(&output).contains("Host key verification failed"), "{}", said(&output));
    }
}

#[tokio::test]
async fn ssh_lets_nobody_do_anything_but_read_repositories() {
    let repository = Repository::serving("one");
    let Some(server) = SshServer::over(&repository, true).await else { return };
    let key = server.client_key("known", "rsa", "");
    server.authorizes(&[&key]);
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]);
    let (user, _) = server
        .url()
        .trim_start_matches("ssh://")
        .split_once('@')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("a user");
    let port = server.port().to_string();
    let output = ssh.arg("-i").arg(&key).args(["-p", &port, &format!("{user}@127.0.0.1"), "id"]).output().expect("ssh");
    assert!(!output.status.success() && said(&output).contains("unrecognized command"), "{}", said(&output));
}

#[tokio::test]
async fn the_daemon_notes_who_asks() {
    let repository = Repository::of(Format::Sha256);
    repository.write("a", "1");
    let id = repository.push("Begin");
    let daemon = GitDaemon::over(&repository).await;
    let output = ls_remote(&daemon.url(), &[]);
    assert!(said(&output).contains(&id) && id.len() == 64, "{}", said(&output));
    eventually("it is noted", async || (daemon.asked() == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_counts_holds_and_cuts() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let way = Way::to(server.port()).await;
    let url = way.by(&with(&server.url(), USER, TOKEN), server.port());
    let asked = || {
        let (url, settings) = (url.clone(), trusting(&server));
        tokio::task::spawn_blocking(move || ls_remote(&url, &settings))
    };
    assert!(asked().await.expect("asked").status.success());
    assert!(way.connections() == 1 && way.bytes() > 1000, "{} {}", way.connections(), way.bytes());
    way.ends_after(1000);
    let cut = asked().await.expect("asked");
    assert!(!cut.status.success(), "{}", said(&cut));
    way.stalls_after(1000);
    let held = asked();
    eventually("it comes", async || (way.connections() == 3).then_some(())).await;
    assert!(!held.is_finished());
    way.heals();
    assert!(held.await.expect("asked").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_lets_those_through_who_may_go() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    // user:word
    let proxy = Proxy::new(Some("Basic dXNlcjp3b3Jk")).await;
    for (credentials, through) in [("", false), ("user:wrong@", false), ("user:word@", true)] {
        let mut settings = trusting(&server);
        settings.push(format!("http.proxy=http://{credentials}127.0.0.1:{}", proxy.port()));
        let url = with(&server.url(), USER, TOKEN);
        let asked = tokio::task::spawn_blocking(move || ls_remote(&url, &settings)).await.expect("asked");
        assert_eq!(asked.status.success(), through, "{}", said(&asked));
    }
    let asked = proxy.asked();
    assert!(asked.iter().all(|asked| asked.target == format!("127.0.0.1:{}", server.port())), "{asked:?}");
    assert_eq!(asked.last().and_then(|asked| asked.authorization.as_deref()), Some("Basic dXNlcjp3b3Jk"));
}
