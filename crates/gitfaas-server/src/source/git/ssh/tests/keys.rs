//! Each kind of private key, at a real server.

use rstest::rstest;
use tokio::io::AsyncReadExt as _;

use super::super::*;
use super::server::{Server, keygen};

#[rstest]
#[case::ed25519("ed25519", "RFC4716")]
#[case::ecdsa_256("ecdsa-256", "RFC4716")]
#[case::ecdsa_384("ecdsa-384", "PEM")]
#[case::ecdsa_521("ecdsa-521", "PKCS8")]
#[case::rsa("rsa", "RFC4716")]
#[case::rsa_as_pem("rsa", "PEM")]
#[case::rsa_of_4096_bits("rsa-4096", "PKCS8")]
#[tokio::test]
async fn a_key_lets_in(#[case] kind: &str, #[case] format: &str) {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    keygen(&server.file("mine"), kind, &["-m", format]);
    server.authorize(&["mine"]);
    let settings = SshSettings { key: Some(server.file("mine")), ..server.settings() };
    let mut session = server.open(&settings, "echo in").await.unwrap();
    let mut printed = String::new();
    session.read_to_string(&mut printed).await.unwrap();
    assert_eq!(printed, "in\n");
}

#[rstest]
#[case::the_longer("rsa-sha2-512")]
#[case::the_shorter("rsa-sha2-256")]
#[tokio::test]
async fn a_key_of_rsa_signs_as_the_server_takes_it(#[case] taken: &str) {
    let Some(server) = Server::with(&["ed25519"], &format!("PubkeyAcceptedAlgorithms {taken}")) else { return };
    keygen(&server.file("mine"), "rsa", &[]);
    server.authorize(&["mine"]);
    let settings = SshSettings { key: Some(server.file("mine")), ..server.settings() };
    server.open(&settings, "true").await.unwrap();
}

#[tokio::test]
async fn a_key_of_rsa_does_not_sign_with_sha_1() {
    let Some(server) = Server::with(&["ed25519"], "PubkeyAcceptedAlgorithms ssh-rsa") else { return };
    keygen(&server.file("mine"), "rsa", &[]);
    server.authorize(&["mine"]);
    let settings = SshSettings { key: Some(server.file("mine")), ..server.settings() };
    let error = server.open(&settings, "true").await.err().unwrap();
    assert_eq!(error.fault, Fault::KeyRefused);
    assert!(error.message.ends_with("use a key of ed25519"), "{error}");
}

#[tokio::test]
async fn a_key_with_a_passphrase_lets_in() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    keygen(&server.file("mine"), "ed25519", &["-N", "correct horse"]);
    server.authorize(&["mine"]);
    let passphrase = Some(server.write("passphrase", "correct horse\n"));
    let settings = SshSettings { key: Some(server.file("mine")), passphrase, ..server.settings() };
    server.open(&settings, "true").await.unwrap();
}

#[tokio::test]
async fn a_key_that_the_server_does_not_know_is_named() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    keygen(&server.file("other"), "ecdsa-256", &[]);
    let settings = SshSettings { key: Some(server.file("other")), ..server.settings() };
    let error = server.open(&settings, "true").await.err().unwrap();
    assert_eq!(error.fault, Fault::KeyRefused);
    let (place, user, print) = (server.place(), server.address().user.to_owned(), server.fingerprint("other"));
    let key = server.file("other");
    assert_eq!(
        error.message,
        format!(
            "the ssh server {place} does not let {user} in with the key {print} (ecdsa-sha2-nistp256) in {}: add its public key there, as a deploy key that may read or to the user's keys",
            key.display()
        )
    );
}

#[tokio::test]
async fn a_server_that_breaks_off_at_a_wrong_key_says_so() {
    let Some(server) = Server::with(&["ed25519"], "MaxAuthTries 1") else { return };
    keygen(&server.file("other"), "ed25519", &[]);
    let settings = SshSettings { key: Some(server.file("other")), ..server.settings() };
    let error = server.open(&settings, "true").await.err().unwrap();
    assert_eq!(error.fault, Fault::KeyRefused);
    assert!(error.message.ends_with("it says `Too many authentication failures`"), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_more_than_a_key_says_so() {
    let lines = "AuthenticationMethods publickey,password\nPasswordAuthentication yes";
    let Some(server) = Server::with(&["ed25519"], lines) else { return };
    let error = server.open(&server.settings(), "true").await.err().unwrap();
    assert_eq!(error.fault, Fault::KeyRefused);
    assert!(error.message.ends_with("it asks for more than a key"), "{error}");
}

#[tokio::test]
async fn no_server_is_asked_without_a_key() {
    let settings = SshSettings {
        key: None,
        passphrase: None,
        known_hosts: None,
        strict: true,
        connect: Duration::from_secs(9),
        stall: Duration::from_secs(9),
    };
    let address = SshAddress { user: "git", host: "nowhere.example", port: 22 };
    let error = open(&settings, address, "true", &[]).await.err().unwrap();
    assert_eq!(error.fault, Fault::Credentials);
    assert!(error.message.ends_with("give its file as --git-ssh-key"), "{error}");
}
