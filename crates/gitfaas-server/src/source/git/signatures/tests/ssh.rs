//! Commits signed by SSH keys.

use std::fs;

use base64::Engine as _;
use rstest::rstest;
use russh::keys::ssh_key::encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::public::{KeyData, SkEd25519};
use russh::keys::ssh_key::{Algorithm, HashAlg, PrivateKey, Signature, SshSig};
use sha2::{Digest as _, Sha256};

use super::workshop::Workshop;
use super::{agreed, assert_refused, payload, signature, signers, verdict, with_signature};
use crate::source::git::signatures::Signers;

/// A line of `allowed_signers` for the key in this file.
fn line(key: &std::path::Path, options: &str) -> String {
    format!("ada@example.org {options} {}", fs::read_to_string(key).expect("a key"))
}

#[rstest]
#[case::ed25519(&["ed25519"])]
#[case::ecdsa_256(&["ecdsa", "-b", "256"])]
#[case::ecdsa_384(&["ecdsa", "-b", "384"])]
#[case::ecdsa_521(&["ecdsa", "-b", "521"])]
#[case::rsa_3072(&["rsa", "-b", "3072"])]
fn commits_of_every_kind_of_key_are_verified(#[case] kind: &[&str]) {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", kind);
    let signers = signers(&[workshop.allow(&line(&key, ""))]);
    let commit = workshop.commit_with_ssh(&key, "Collect\n\nEvery night.");
    let signer = agreed(&workshop, &signers, &commit).expect("verified");
    assert_eq!(signer, workshop.git_says(&commit, "%GF"));
    assert!(signer.starts_with("SHA256:"), "{signer}");
}

#[test]
fn commits_of_a_repository_of_sha256_are_verified() {
    let Some(workshop) = Workshop::with_hash("sha256") else { return };
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let signers = signers(&[workshop.allow(&line(&key, ""))]);
    let commit = workshop.commit_with_ssh(&key, "Collect");
    assert!(String::from_utf8_lossy(&commit).contains("\ngpgsig-sha256 "));
    agreed(&workshop, &signers, &commit).expect("verified");
    assert_refused(agreed(&workshop, &signers, &workshop.unsigned("Collect")), "is not signed");
}

#[test]
fn a_list_of_public_keys_will_do() {
    let Some(workshop) = Workshop::open() else { return };
    let (ada, ben) = (workshop.ssh_key("ada", &["ed25519"]), workshop.ssh_key("ben", &["ecdsa"]));
    for key in [&ada, &ben] {
        let commit = workshop.commit_with_ssh(key, "Collect");
        verdict(&signers(&[ada.clone(), ben.clone()]), &commit).expect("verified");
    }
}

#[test]
fn who_is_not_among_the_signers_is_named() {
    let Some(workshop) = Workshop::open() else { return };
    let (ada, eve) = (workshop.ssh_key("ada", &["ed25519"]), workshop.ssh_key("eve", &["ed25519"]));
    let signers = signers(&[workshop.allow(&line(&ada, ""))]);
    let commit = workshop.commit_with_ssh(&eve, "Collect");
    let fingerprint = workshop.git_says(&commit, "%GF");
    let said = agreed(&workshop, &signers, &commit);
    assert_refused(said.clone(), &format!("is signed by {fingerprint}, which is not among the signers"));
    assert_refused(said, workshop.path("allowed").to_str().expect("text"));
    assert_refused(agreed(&workshop, &signers, &workshop.unsigned("Collect")), "is not signed");
}

#[test]
fn a_signature_is_of_one_commit_only() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let signers = signers(&[workshop.allow(&line(&key, ""))]);
    let (first, second) = (workshop.commit_with_ssh(&key, "First"), workshop.commit_with_ssh(&key, "Second"));
    let moved = with_signature(&second, &signature(&first));
    assert_refused(agreed(&workshop, &signers, &moved), "is not a signature of it");
    let changed = String::from_utf8(second.clone()).expect("text").replace("Second", "Sec0nd");
    assert_refused(agreed(&workshop, &signers, changed.as_bytes()), "is not a signature of it");
    assert_eq!(with_signature(&second, &signature(&second)), second, "or this test shows nothing");
}

#[rstest]
#[case::valid("valid-after=\"20231114\",valid-before=\"20231115\"", None)]
#[case::not_yet("valid-after=\"20231115Z\"", Some("was signed at 2023-11-14T22:13:20Z by SHA256:"))]
#[case::no_longer("valid-before=\"202311142213\"", Some("a key that expired at 2023-11-14T22:13:00Z"))]
#[case::to_the_second("valid-before=\"20231114221320\"", None)]
#[case::for_git("namespaces=\"file,g?t\"", None)]
#[case::for_everything("namespaces=\"*\"", None)]
#[case::for_files("namespaces=\"file\"", Some("does not allow signatures for \"git\""))]
#[case::not_for_git("namespaces=\"*,!git\"", Some("does not allow signatures for \"git\""))]
fn what_a_line_allows_is_as_openssh_has_it(#[case] options: &str, #[case] refused: Option<&str>) {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let signers = signers(&[workshop.allow(&line(&key, options))]);
    // Committed at 2023-11-14T22:13:20Z.
    let said = agreed(&workshop, &signers, &workshop.commit_with_ssh(&key, "Collect"));
    match refused {
        None => drop(said.expect("verified")),
        Some(why) => assert_refused(said, why),
    }
}

#[test]
fn of_several_lines_for_a_key_one_has_to_allow_it() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let lines =
        [line(&key, "valid-before=\"20200101\""), line(&key, ""), line(&key, "valid-after=\"20300101\"")].concat();
    let signers = signers(&[workshop.allow(&lines)]);
    agreed(&workshop, &signers, &workshop.commit_with_ssh(&key, "Collect")).expect("verified");
}

/// A signature of this commit by `ssh-keygen`, called with these arguments.
fn signed_by_hand(workshop: &Workshop, args: &[&str]) -> Vec<u8> {
    let commit = workshop.unsigned("Collect");
    let key = workshop.path("ada");
    let args: Vec<&str> = ["-Y", "sign", "-f", key.to_str().expect("text")].iter().chain(args).copied().collect();
    let signature = workshop.run("ssh-keygen", &args, &payload(&commit));
    with_signature(&commit, &String::from_utf8(signature).expect("text"))
}

#[test]
fn signatures_for_something_else_than_git_are_refused() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let signers = signers(&[workshop.allow(&line(&key, ""))]);
    assert_refused(
        agreed(&workshop, &signers, &signed_by_hand(&workshop, &["-n", "file"])),
        "an SSH signature for \"file\"",
    );
    agreed(&workshop, &signers, &signed_by_hand(&workshop, &["-n", "git", "-O", "hashalg=sha256"])).expect("verified");
}

#[test]
fn short_keys_and_weak_hashes_are_refused() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", &["rsa", "-b", "1024"]);
    let signers = signers(&[workshop.allow(&line(&key, ""))]);
    // Git takes it.
    let commit = workshop.commit_with_ssh(&key, "Collect");
    assert_refused(verdict(&signers, &commit), "a key of RSA with 1024 bits");

    let strong = workshop.ssh_key("ben", &["rsa", "-b", "2048"]);
    let signers = Signers::read(std::slice::from_ref(&strong)).expect("signers");
    let commit = workshop.commit_with_ssh(&strong, "Collect");
    verdict(&signers, &commit).expect("verified");
    let signature = SshSig::from_pem(signature(&commit)).expect("a signature");
    let sha1 = Signature::new(Algorithm::Rsa { hash: None }, signature.signature_bytes()).expect("a signature");
    let forged = SshSig::new(signature.public_key().clone(), "git", HashAlg::Sha512, sha1).expect("a signature");
    assert_refused(verdict(&signers, &with_signature(&commit, &forged.to_string())), "is signed over SHA-1");
}

#[test]
fn certificates_are_refused_by_name() {
    let Some(workshop) = Workshop::open() else { return };
    let (ca, key) = (workshop.ssh_key("ca", &["ed25519"]), workshop.ssh_key("ada", &["ed25519"]));
    let ca = ca.with_extension("");
    workshop.run(
        "ssh-keygen",
        &["-q", "-s", ca.to_str().expect("text"), "-I", "ada", "-n", "ada", key.to_str().expect("text")],
        b"",
    );
    let signers = signers(&[key]);
    let commit = workshop.commit_with_ssh(&workshop.path("ada-cert.pub"), "Collect");
    assert_refused(verdict(&signers, &commit), "is signed by an SSH certificate, which is not supported");
}

/// What a security key signs: it puts its flags and counter beside what it is given, and has both signed.
fn by_security_key(key: &PrivateKey, commit: &[u8], flags: u8) -> String {
    let KeypairData::Ed25519(pair) = key.key_data() else { panic!("an ed25519 key") };
    let message = SshSig::signed_data("git", HashAlg::Sha512, commit).expect("data");
    let trailer = [flags, 0, 0, 0, 9];
    let seen = [Sha256::digest("ssh:").as_slice(), &trailer, Sha256::digest(message).as_slice()].concat();
    let mut bytes =
        russh::keys::signature::Signer::<Signature>::try_sign(pair, &seen).expect("signed").as_bytes().to_vec();
    bytes.extend(trailer);
    let signature = Signature::new(Algorithm::SkEd25519, bytes).expect("a signature");
    SshSig::new(KeyData::SkEd25519(SkEd25519::from(pair.public)), "git", HashAlg::Sha512, signature)
        .expect("a signature")
        .to_string()
}

#[test]
fn a_security_key_has_to_have_been_touched() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let key = PrivateKey::from_openssh(fs::read(key.with_extension("")).expect("a key")).expect("a key");
    let KeypairData::Ed25519(pair) = key.key_data() else { panic!("an ed25519 key") };
    let blob = KeyData::SkEd25519(SkEd25519::from(pair.public)).encode_vec().expect("encoded");
    let blob = base64::engine::general_purpose::STANDARD.encode(blob);
    let signers = signers(&[workshop.allow(&format!("ada sk-ssh-ed25519@openssh.com {blob}\n"))]);
    let commit = workshop.unsigned("Collect");
    let touched = with_signature(&commit, &by_security_key(&key, &commit, 0x01));
    agreed(&workshop, &signers, &touched).expect("verified");
    let untouched = with_signature(&commit, &by_security_key(&key, &commit, 0x04));
    assert_refused(verdict(&signers, &untouched), "a security key that nobody touched");
    let pretended = with_signature(&commit, &by_security_key(&key, b"something else", 0x01));
    assert_refused(agreed(&workshop, &signers, &pretended), "is not a signature of it");
}

#[test]
fn signatures_from_the_future_are_refused() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let signers = Signers::read(std::slice::from_ref(&key)).expect("signers");
    // Committed at 2023-11-14T22:13:20Z.
    let commit = workshop.commit_with_ssh(&key, "Collect");
    let verify = |now: &str| signers.verify(&commit, now.parse().expect("a time"));
    let error = verify("2023-11-13T22:13:19Z").expect_err("refused");
    assert!(
        error.message.contains("says that it was signed at 2023-11-14T22:13:20Z, which is in the future"),
        "{error}"
    );
    verify("2023-11-13T22:13:20Z").expect("verified");
}
