//! The same over ssh, against OpenSSH's sshd: who is trusted, who is let in, and what is told when it is neither.

use crate::support::{
    HostKey, HttpsServer, Product, Repository, SshServer, Trouble, Way, config_map, endures, eventually,
};

const KEYS: [HostKey; 3] = [HostKey::Ed25519, HostKey::Ecdsa, HostKey::Rsa];

#[tokio::test]
async fn each_kind_of_key_reads_with_a_passphrase_and_without() {
    let repository = Repository::serving("one");
    let Some(server) = SshServer::over(&repository, true).await else { return };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        for passphrase in ["", "open sesame"] {
            let product = Product::follows(&server.url(), &server.arguments(kind, passphrase)).await;
            let id = repository.pushes_version("two");
            assert_eq!(product.refreshed().await, format!("main@sha1:{id}"), "{kind}");
            assert_eq!(product.version().await, "two", "{kind}");
        }
    }
}

#[tokio::test]
async fn a_host_is_known_by_any_of_its_keys_also_where_its_name_is_hashed() {
    let repository = Repository::serving("one");
    let Some(server) = SshServer::over(&repository, true).await else { return };
    let arguments = server.arguments("ed25519", "");
    let product = Product::follows(&server.url(), &arguments).await;
    for key in KEYS {
        for hashed in [false, true] {
            let line = server.known(key);
            server.is_known_by(&if hashed { server.hashed(&line) } else { line });
            product.refreshed().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_ignores_the_protocol_that_is_asked_for_is_followed_too() {
    let repository = Repository::serving("one");
    repository.pushes_version("two");
    let Some(server) = SshServer::over(&repository, false).await else { return };
    let product = Product::follows(&server.url(), &server.arguments("ed25519", "")).await;
    let id = repository.pushes_version("three");
    assert_eq!(product.refreshed().await, format!("main@sha1:{id}"));
    assert_eq!(product.version().await, "three");
}

#[tokio::test]
async fn each_host_key_that_is_not_right_is_told_apart() {
    let repository = Repository::serving("one");
    let Some(server) = SshServer::over(&repository, true).await else { return };
    let arguments = server.arguments("ed25519", "");
    let product = Product::follows(&server.url(), &arguments).await;
    let right = KEYS.map(|key| server.known(key)).concat();
    let ends = || server.is_known_by(&right);
    let other = |kind: &str| {
        let key = server.client_key(&format!("other-{kind}"), kind, "");
        let text = std::fs::read_to_string(key.with_extension("pub")).expect("a key");
        let host = format!("[127.0.0.1]:{}", server.port());
        format!("{host} {}\n", text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    };

    let begins = || server.is_known_by(&["ed25519", "ecdsa", "rsa"].map(other).concat());
    let told = &["host key", "SHA256:"];
    endures(&product, &Trouble { what: "changed", begins: &begins, ends: &ends, word: "host-key-changed", told }).await;
    let told = &["is not in", "SHA256:"];
    let begins = || server.is_known_by("");
    endures(&product, &Trouble { what: "unknown", begins: &begins, ends: &ends, word: "host-key-unknown", told }).await;
    let begins = || server.is_known_by(&right.replace("[127.0.0.1]", "[127.0.0.2]"));
    endures(&product, &Trouble { what: "another's", begins: &begins, ends: &ends, word: "host-key-unknown", told })
        .await;
    let told = &["revoked"];
    let revoked = KEYS.map(|key| format!("@revoked {}", server.known(key))).concat();
    let begins = || server.is_known_by(&format!("{right}{revoked}"));
    endures(&product, &Trouble { what: "revoked", begins: &begins, ends: &ends, word: "host-key-revoked", told }).await;
    let begins = || std::fs::remove_file(server.file("known_hosts")).expect("removed");
    let told = &["known_hosts"];
    endures(&product, &Trouble { what: "no file", begins: &begins, ends: &ends, word: "credentials", told }).await;
}

#[tokio::test]
async fn a_host_that_changes_its_keys_is_refused_with_both_fingerprints_until_it_is_known_again() {
    let repository = Repository::serving("one");
    let Some(mut server) = SshServer::over(&repository, true).await else { return };
    let product = Product::follows(&server.url(), &server.arguments("ed25519", "")).await;
    server.is_known_by(&server.known(HostKey::Ed25519));
    product.refreshed().await;
    let before = server.fingerprint(HostKey::Ed25519);
    server.stop();
    server.makes_host_key(HostKey::Ed25519);
    server.start().await;
    product.refresh().await;
    let fault = product.fault().await.expect("a fault");
    assert_eq!(fault.word, "host-key-changed", "{}", fault.message);
    for fingerprint in [before, server.fingerprint(HostKey::Ed25519)] {
        assert!(fault.message.contains(&fingerprint), "{fingerprint}: {}", fault.message);
    }
    assert_eq!(product.version().await, "one");
    server.is_known_by(&server.known(HostKey::Ed25519));
    product.refreshed().await;
}

#[tokio::test]
async fn each_key_that_does_not_open_is_told_apart() {
    let repository = Repository::serving("one");
    let Some(server) = SshServer::over(&repository, true).await else { return };
    let arguments = server.arguments("ed25519", "open sesame");
    let product = Product::follows(&server.url(), &arguments).await;
    let [id, passphrase] = ["id", "passphrase"].map(|name| server.file(name));
    let key = std::fs::read(&id).expect("a key");
    let ends = || {
        std::fs::write(&id, &key).expect("written");
        std::fs::write(&passphrase, "open sesame\n").expect("written");
        server.authorizes(&[&id]);
    };
    let begins = || server.authorizes(&[]);
    let trouble = Trouble {
        what: "refused",
        begins: &begins,
        ends: &ends,
        word: "key-refused",
        told: &["does not let", "SHA256:"],
    };
    endures(&product, &trouble).await;
    let begins = || std::fs::write(&passphrase, "open barley\n").expect("written");
    let trouble =
        Trouble { what: "wrong passphrase", begins: &begins, ends: &ends, word: "credentials", told: &["passphrase"] };
    endures(&product, &trouble).await;
    let begins = || std::fs::remove_file(&passphrase).expect("removed");
    endures(&product, &Trouble { what: "no passphrase", ..trouble_of(&begins, &ends, &["passphrase"]) }).await;
    let begins = || std::fs::write(&id, "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90aGluZw==\n").expect("written");
    endures(&product, &Trouble { what: "no key", ..trouble_of(&begins, &ends, &["key"]) }).await;
    let begins = || std::fs::remove_file(&id).expect("removed");
    endures(&product, &Trouble { what: "no file", ..trouble_of(&begins, &ends, &["No such file"]) }).await;
}

/// A trouble with what is needed here.
fn trouble_of<'a>(begins: &'a dyn Fn(), ends: &'a dyn Fn(), told: &'a [&'a str]) -> Trouble<'a> {
    Trouble { what: "", begins, ends, word: "credentials", told }
}

#[tokio::test]
async fn a_repository_that_is_not_there_and_one_without_commits_are_told_apart() {
    let repository = Repository::serving("one");
    let Some(server) = SshServer::over(&repository, true).await else { return };
    let product = Product::follows(&server.url(), &server.arguments("ed25519", "")).await;
    let aside = repository.root().join("aside");
    let begins = || std::fs::rename(repository.bare(), &aside).expect("renamed");
    let ends = || std::fs::rename(&aside, repository.bare()).expect("renamed");
    let told = &["repository"];
    endures(&product, &Trouble { what: "gone", begins: &begins, ends: &ends, word: "not-found", told }).await;
    let begins = || {
        std::fs::rename(repository.bare(), &aside).expect("renamed");
        repository.makes_bare();
    };
    let ends = || {
        std::fs::remove_dir_all(repository.bare()).expect("removed");
        std::fs::rename(&aside, repository.bare()).expect("renamed");
    };
    let told = &["no commits"];
    endures(&product, &Trouble { what: "empty", begins: &begins, ends: &ends, word: "empty", told }).await;
}

#[tokio::test]
async fn a_server_that_stalls_ends_or_is_away_is_told_apart_over_ssh_too() {
    let repository = Repository::serving("one");
    let Some(mut server) = SshServer::over(&repository, true).await else { return };
    let way = Way::to(server.port()).await;
    let mut arguments = server.arguments("ed25519", "");
    let known = KEYS.map(|key| server.known(key)).concat();
    server.is_known_by(&way.by(&known.replace("]:", "]::"), server.port()).replace("]::", "]:"));
    arguments.extend(["--git-stall".to_owned(), "5s".to_owned()]);
    let product = Product::follows(&way.by(&server.url(), server.port()), &arguments).await;
    let heals = || way.heals();
    let large = |number: u64| {
        repository.writes_noise(number, 800_000);
        repository.write("t.yaml", config_map("one"));
        repository.push("More");
    };
    large(1);
    let begins = || way.stalls_after(200_000);
    let told = &["5s"];
    endures(&product, &Trouble { what: "stalls in a pack", begins: &begins, ends: &heals, word: "stalled", told })
        .await;
    large(2);
    let begins = || way.ends_after(200_000);
    let told = &["ended"];
    endures(&product, &Trouble { what: "dies in a pack", begins: &begins, ends: &heals, word: "interrupted", told })
        .await;
    let begins = || way.stalls_after(0);
    let trouble = Trouble { what: "says nothing", begins: &begins, ends: &heals, word: "stalled", told: &["5s"] };
    endures(&product, &trouble).await;
    server.stop();
    way.ends_after(0);
    product.refresh().await;
    let fault = product.fault().await.expect("a fault");
    assert!(["interrupted", "unreachable"].contains(&fault.word.as_str()), "{fault:?}");
    way.heals();
    server.start().await;
    product.refreshed().await;
}

#[tokio::test]
async fn what_is_no_ssh_server_is_told() {
    let repository = Repository::serving("one");
    let Some(server) = SshServer::over(&repository, true).await else { return };
    let Some(other) = HttpsServer::over(&repository).await else { return };
    let url = server.url().replace(&format!(":{}", server.port()), &format!(":{}", other.port()));
    let product = Product::begins(&url, &server.arguments("ed25519", ""));
    let fault = eventually("it is told", async || product.fault().await).await;
    assert!(["malformed", "interrupted", "unreachable"].contains(&fault.word.as_str()), "{fault:?}");
    assert!(fault.message.contains("ssh"), "{fault:?}");
}

#[tokio::test]
async fn host_keys_may_go_unchecked_and_that_is_said_loudly() {
    let repository = Repository::serving("one");
    let Some(server) = SshServer::over(&repository, true).await else { return };
    let mut arguments = server.arguments("ed25519", "");
    server.is_known_by("");
    arguments.extend(["--git-strict-host-keys".to_owned(), "no".to_owned()]);
    let product = Product::follows(&server.url(), &arguments).await;
    assert_eq!(product.version().await, "one");
    let log = product.log();
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains("host key")), "{log}");
}
