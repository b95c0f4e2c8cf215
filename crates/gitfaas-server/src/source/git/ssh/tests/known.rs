//! Whether a real server is the one that is meant.

use std::process::Command;

use rstest::rstest;

use super::super::*;
use super::server::{Server, keygen, printed};

async fn opens_with(server: &Server, known_hosts: &str) -> Result<(), SourceError> {
    server.write("known_hosts", known_hosts);
    server.open(&server.settings(), "true").await.map(drop)
}

#[rstest]
#[case::ed25519("ed25519")]
#[case::ecdsa_256("ecdsa-256")]
#[case::ecdsa_384("ecdsa-384")]
#[case::ecdsa_521("ecdsa-521")]
#[case::rsa("rsa")]
#[tokio::test]
async fn each_kind_of_host_key_is_known(#[case] kind: &str) {
    let Some(server) = Server::start(&[kind]) else { return };
    opens_with(&server, &server.line(kind)).await.unwrap();
}

#[tokio::test]
async fn a_server_with_more_keys_than_are_known_is_no_other_server() {
    let Some(server) = Server::start(&["ed25519", "ecdsa-256", "rsa"]) else { return };
    for known in ["rsa", "ecdsa-256", "ed25519"] {
        opens_with(&server, &server.line(known)).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_with_all_that_people_put_in_it_is_read() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    keygen(&server.file("old"), "ed25519", &[]);
    let (place, old) = (server.place(), server.public("old"));
    let key = server.public("host-ed25519");
    // A key that was, a key that is, a comment, a line that is broken, ends of lines from elsewhere.
    let known = format!("# hosts\r\n\r\n{place} {old}\r\nbroken\r\nother.example,{place} {key} a comment\r\n");
    opens_with(&server, &known).await.unwrap();
    opens_with(&server, &format!("[127.0.0.?]:* {key}")).await.unwrap();
    // The key of the same host at the usual port.
    opens_with(&server, &format!("127.0.0.1 {key}")).await.unwrap();
}

#[tokio::test]
async fn a_file_that_openssh_hashed_is_read() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let file = server.write("hashed", &server.line("ed25519"));
    printed(Command::new("ssh-keygen").args(["-H", "-f"]).arg(&file));
    let known = std::fs::read_to_string(&file).unwrap();
    assert!(known.starts_with("|1|"), "{known}");
    opens_with(&server, &known).await.unwrap();
}

#[tokio::test]
async fn an_unknown_server_is_refused_with_the_line_to_add() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let elsewhere = server.line("ed25519").replace(&server.place(), "other.example");
    let error = opens_with(&server, &elsewhere).await.unwrap_err();
    assert_eq!(error.fault, Fault::HostKeyUnknown);
    let (place, print, line) = (server.place(), server.fingerprint("host-ed25519"), server.line("ed25519"));
    let file = server.file("known_hosts");
    assert_eq!(
        error.message,
        format!(
            "the ssh server {place} is not in {}: it has the ssh-ed25519 key {print}. Compare that with what its operator says, and when it is the same add the line `{}`",
            file.display(),
            line.trim_end()
        )
    );
    // And that is the line that makes it known.
    let added = error.message.split('`').nth(1).unwrap();
    opens_with(&server, added).await.unwrap();
}

#[tokio::test]
async fn without_known_hosts_every_server_is_unknown() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let settings = SshSettings { known_hosts: None, ..server.settings() };
    let error = server.open(&settings, "true").await.err().unwrap();
    assert_eq!(error.fault, Fault::HostKeyUnknown);
    assert!(error.message.contains("without a file of known hosts (--git-known-hosts)"), "{error}");
}

#[tokio::test]
async fn a_changed_key_is_refused_with_both_fingerprints() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    keygen(&server.file("old"), "ed25519", &[]);
    let known = format!("# ours\n{} {}\n", server.place(), server.public("old"));
    let error = opens_with(&server, &known).await.unwrap_err();
    assert_eq!(error.fault, Fault::HostKeyChanged);
    let (place, has, knew) = (server.place(), server.fingerprint("host-ed25519"), server.fingerprint("old"));
    let file = server.file("known_hosts");
    assert_eq!(
        error.message,
        format!(
            "the ssh server {place} has another host key than it is known by: it has {has} (ssh-ed25519), and {} says {knew} (ssh-ed25519, line 2). Somebody may be in between; when the operator says that the key is new, replace the line",
            file.display()
        )
    );
}

#[tokio::test]
async fn a_revoked_key_is_refused_however_well_it_is_known() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let (line, key) = (server.line("ed25519"), server.public("host-ed25519"));
    let error = opens_with(&server, &format!("{line}@revoked * {key}\n")).await.unwrap_err();
    assert_eq!(error.fault, Fault::HostKeyRevoked);
    assert!(error.message.contains(&server.fingerprint("host-ed25519")), "{error}");
    assert!(error.message.contains("by line 2 of"), "{error}");
    let lax = SshSettings { strict: false, ..server.settings() };
    assert_eq!(server.open(&lax, "true").await.err().unwrap().fault, Fault::HostKeyRevoked);
}

#[tokio::test]
async fn unknown_and_changed_keys_pass_when_that_is_wanted() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    keygen(&server.file("old"), "ed25519", &[]);
    let lax = SshSettings { strict: false, ..server.settings() };
    for known in ["", &format!("{} {}\n", server.place(), server.public("old"))] {
        server.write("known_hosts", known);
        server.open(&lax, "true").await.unwrap();
    }
    server.open(&SshSettings { known_hosts: None, ..lax }, "true").await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told_before_anybody_is_asked() {
    let Some(server) = Server::start(&["ed25519"]) else { return };
    let missing = server.file("missing");
    for strict in [true, false] {
        let settings = SshSettings { known_hosts: Some(missing.clone()), strict, ..server.settings() };
        let error = server.open(&settings, "true").await.err().unwrap();
        assert_eq!(error.fault, Fault::Credentials);
        let start = format!("the list of known hosts in {} cannot be read: No such file", missing.display());
        assert!(error.message.starts_with(&start), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_makes_a_server_known() {
    let Some(mut server) = Server::prepare(&["ed25519", "rsa"]) else { return };
    keygen(&server.file("authority"), "ecdsa-256", &[]);
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-h", "-I", "birds", "-n", "127.0.0.1", "-s"]).arg(server.file("authority"));
    printed(sign.arg(server.file("host-rsa.pub")));
    server.run(&["ed25519", "rsa"], "HostCertificate {folder}/host-rsa-cert.pub");
    let authority = server.public("authority");
    opens_with(&server, &format!("@cert-authority [127.0.0.?]:* {authority}\n")).await.unwrap();
    let error = opens_with(&server, &format!("@cert-authority birds.example {authority}\n")).await.unwrap_err();
    assert_eq!(error.fault, Fault::HostKeyUnknown);
}
