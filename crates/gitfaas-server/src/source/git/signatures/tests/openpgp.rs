//! Commits signed by OpenPGP keys.

use std::fs;

use pgp::composed::{
    ArmorOptions, Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails as _, Password, Timestamp};
use rstest::rstest;

use super::workshop::Workshop;
use super::{agreed, assert_refused, payload, signature, signers, verdict, with_signature};
use crate::source::git::signatures::Signers;

const PAST: &[&str] = &["--faked-system-time", "20200101T000000!"];

#[rstest]
#[case::ed25519(&["ed25519", "sign", "never"])]
#[case::rsa_3072(&["rsa3072", "sign", "never"])]
#[case::ecdsa(&["nistp256", "sign", "never"])]
fn commits_of_every_kind_of_key_are_verified(#[case] kind: &[&str]) {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key("ada", kind);
    let commit = workshop.commit_with_gpg(&key, &[], "Collect\n\nEvery night.");
    let signer = agreed(&workshop, &signers(&[workshop.exported(&["ada"])]), &commit).expect("verified");
    assert_eq!(signer, key);
    assert_eq!(signer, workshop.git_says(&commit, "%GP"));
}

#[test]
fn subkeys_sign_for_their_primary_key() {
    let Some(workshop) = Workshop::open() else { return };
    let primary = workshop.gpg_key("ada", &["ed25519", "cert", "never"]);
    workshop.gpg(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let commit = workshop.commit_with_gpg(&primary, &[], "Collect");
    let signer = agreed(&workshop, &signers(&[workshop.exported(&["ada"])]), &commit).expect("verified");
    assert_eq!(signer, primary);
    assert_ne!(workshop.git_says(&commit, "%GF"), primary, "a subkey signed");
}

#[test]
fn who_is_not_among_the_signers_is_named() {
    let Some(workshop) = Workshop::open() else { return };
    workshop.gpg_key("ada", &["ed25519", "sign", "never"]);
    let eve = workshop.gpg_key("eve", &["ed25519", "sign", "never"]);
    let signers = signers(&[workshop.exported(&["ada"])]);
    let commit = workshop.commit_with_gpg(&eve, &[], "Collect");
    // Git believes every key of the keyring.
    assert_refused(verdict(&signers, &commit), &format!("is signed by {eve}, which is not among the signers"));
    assert_refused(verdict(&signers, &commit), "signers.asc");
}

#[test]
fn a_signature_is_of_one_commit_only() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key("ada", &["ed25519", "sign", "never"]);
    let signers = signers(&[workshop.exported(&["ada"])]);
    let (first, second) = (workshop.commit_with_gpg(&key, &[], "First"), workshop.commit_with_gpg(&key, &[], "Second"));
    let moved = with_signature(&second, &signature(&first));
    assert_refused(
        agreed(&workshop, &signers, &moved),
        &format!("has a signature by {key} that is not a signature of it"),
    );
    let changed = String::from_utf8(second).expect("text").replace("Second", "Sec0nd");
    assert_refused(agreed(&workshop, &signers, changed.as_bytes()), "is not a signature of it");
}

#[test]
fn a_key_is_good_for_what_it_signed_before_it_expired() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key_at("ada", &["ed25519", "sign", "1y"], PAST);
    let signers = signers(&[workshop.exported(&["ada"])]);
    let before = workshop.commit_with_gpg(&key, PAST, "Collect");
    // Git says the same of it, and then does not verify it: it asks whether the key is good today.
    assert_eq!(workshop.git_says(&before, "%G?"), "Y");
    assert_eq!(verdict(&signers, &before), Ok(key.clone()));

    // The date of the signature is what its maker's clock said.
    let after = resigned(&workshop, "ada", &before, "2021-06-01T00:00:00Z");
    assert_refused(
        agreed(&workshop, &signers, &after),
        &format!("was signed at 2021-06-01T00:00:00Z by {key}, a key that expired at 2020-12-31"),
    );
    let too_early = resigned(&workshop, "ada", &before, "2019-06-01T00:00:00Z");
    assert_refused(agreed(&workshop, &signers, &too_early), "a key that is valid from 2020-01-01");
}

/// The commit, signed again by the same key at another time, for which `gpg` would refuse to use it.
fn resigned(workshop: &Workshop, name: &str, commit: &[u8], at: &str) -> Vec<u8> {
    let key = secret(workshop, name);
    let config = config(&key, SignatureType::Binary, at.parse().expect("a time"));
    let signed = config.sign(&key.primary_key, &Password::empty(), payload(commit).as_slice()).expect("signed");
    with_signature(
        commit,
        &DetachedSignature::new(signed).to_armored_string(ArmorOptions::default()).expect("armoured"),
    )
}

fn secret(workshop: &Workshop, name: &str) -> SignedSecretKey {
    SignedSecretKey::from_bytes(workshop.gpg(&["--export-secret-keys", name]).as_slice()).expect("a key")
}

fn config(key: &SignedSecretKey, kind: SignatureType, at: jiff::Timestamp) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.primary_key.algorithm(), HashAlgorithm::Sha256);
    let seconds = Timestamp::from_secs(at.as_second().try_into().expect("after 1970"));
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(seconds),
        SubpacketData::IssuerFingerprint(key.primary_key.fingerprint()),
    ]
    .map(|data| Subpacket::regular(data).expect("a subpacket"))
    .to_vec();
    config
}

#[test]
fn a_longer_life_counts_from_when_it_is_known() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key_at("ada", &["ed25519", "sign", "1y"], PAST);
    let old = signers(&[workshop.exported(&["ada"])]);
    workshop.gpg(&["--quick-set-expire", &key, "never"]);
    let commit = workshop.commit_with_gpg(&key, &[], "Collect");
    agreed(&workshop, &signers(&[workshop.exported(&["ada"])]), &commit).expect("verified");
    assert_refused(verdict(&old, &commit), "a key that expired at");
}

#[test]
fn a_revoked_key_never_verifies() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key("ada", &["ed25519", "sign", "never"]);
    let commit = workshop.commit_with_gpg(&key, &[], "Collect");
    let revocation = fs::read_to_string(workshop.path(&format!("openpgp-revocs.d/{key}.rev"))).expect("a revocation");
    fs::write(workshop.path("revocation"), revocation.replace(":-----BEGIN", "-----BEGIN")).expect("written");
    workshop.gpg(&["--import", workshop.path("revocation").to_str().expect("text")]);
    let said = agreed(&workshop, &signers(&[workshop.exported(&["ada"])]), &commit);
    assert_refused(said, &format!("is signed by {key}, a key that is revoked"));
}

#[test]
fn a_key_that_was_given_up_is_good_for_what_it_signed_before() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key_at("ada", &["ed25519", "sign", "never"], PAST);
    let before = workshop.commit_with_gpg(&key, PAST, "Collect");
    // Superseded, without a description, and yes.
    let at = ["--no-tty", "--quiet", "--faked-system-time", "20210101T000000!"];
    let args: Vec<&str> = at.iter().chain(&["--command-fd", "0", "--armor", "--gen-revoke", &key]).copied().collect();
    fs::write(workshop.path("revocation"), workshop.run("gpg", &args, b"y\n2\n\ny\n")).expect("written");
    workshop.gpg(&["--import", workshop.path("revocation").to_str().expect("text")]);
    let signers = signers(&[workshop.exported(&["ada"])]);
    // Git does not take it any more.
    assert_eq!(verdict(&signers, &before), Ok(key));
    let after = resigned(&workshop, "ada", &before, "2021-06-01T00:00:00Z");
    assert_refused(agreed(&workshop, &signers, &after), "a key that was given up at 2021-01-01");
}

#[test]
fn a_revoked_subkey_does_not_verify_and_its_successor_does() {
    let Some(workshop) = Workshop::open() else { return };
    let primary = workshop.gpg_key("ada", &["ed25519", "cert", "never"]);
    workshop.gpg(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let before = workshop.commit_with_gpg(&primary, &[], "Collect");
    let subkey = workshop.git_says(&before, "%GF");
    // It was stolen.
    let edit = ["--no-tty", "--quiet", "--command-fd", "0", "--edit-key", &primary];
    workshop.run("gpg", &edit, b"key 1\nrevkey\ny\n1\n\ny\nsave\n");
    workshop.gpg(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let signers = signers(&[workshop.exported(&["ada"])]);
    assert_refused(agreed(&workshop, &signers, &before), &format!("is signed by {subkey}, a key that is revoked"));
    let after = workshop.commit_with_gpg(&primary, &[], "Collect");
    assert_eq!(agreed(&workshop, &signers, &after), Ok(primary));
}

#[test]
fn weak_hashes_keys_and_other_signatures_are_refused() {
    let Some(workshop) = Workshop::open() else { return };
    let strong = workshop.gpg_key("ada", &["rsa2048", "sign", "never"]);
    let short = workshop.gpg_key("ben", &["rsa1024", "sign", "never"]);
    let dsa = workshop.gpg_key("cyd", &["dsa2048", "sign", "never"]);
    let signers = signers(&[workshop.exported(&["ada", "ben", "cyd"])]);
    // Git takes most of these.
    let said = |key: &str, options: &[&str]| verdict(&signers, &workshop.commit_with_gpg(key, options, "Collect"));
    assert_eq!(said(&strong, &[]), Ok(strong.clone()));
    assert_refused(said(&strong, &["--digest-algo", "SHA1"]), "is signed over SHA1, which can be forged");
    assert_refused(said(&strong, &["--textmode"]), "has an OpenPGP signature of a text");
    assert_refused(said(&short, &[]), "a key of RSA with 1024 bits");
    assert_refused(said(&dsa, &[]), "a key of DSA");
    assert_refused(said(&strong, &["--local-user", &dsa]), "has more than one signature");
}

#[test]
fn a_signature_itself_can_expire() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key_at("ada", &["ed25519", "sign", "never"], PAST);
    let signers = signers(&[workshop.exported(&["ada"])]);
    let options = [PAST, &["--default-sig-expire", "1d"]].concat();
    let commit = workshop.commit_with_gpg(&key, &options, "Collect");
    assert_refused(
        agreed(&workshop, &signers, &commit),
        &format!("has a signature by {key} that expired at 2020-01-02T00:00:00Z"),
    );
    assert_eq!(signers.verify(&commit, "2020-01-01T12:00:00Z".parse().expect("a time")), Ok(key));
}

#[test]
fn signatures_from_the_future_are_refused() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key_at("ada", &["ed25519", "sign", "never"], PAST);
    let signers = signers(&[workshop.exported(&["ada"])]);
    let commit = workshop.commit_with_gpg(&key, PAST, "Collect");
    let error = signers.verify(&commit, "2019-12-30T23:59:59Z".parse().expect("a time")).expect_err("refused");
    assert!(error.message.contains("which is in the future"), "{error}");
    assert!(signers.verify(&commit, "2019-12-31T00:00:01Z".parse().expect("a time")).is_ok());
}

#[test]
fn keys_that_may_not_sign_do_not() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key_at("ada", &["ed25519", "cert", "never"], PAST);
    let signers = signers(&[workshop.exported(&["ada"])]);
    let commit = resigned(&workshop, "ada", &workshop.unsigned("Collect"), "2021-06-01T00:00:00Z");
    assert_refused(agreed(&workshop, &signers, &commit), &format!("is signed by {key}, a key that may not sign"));
}

/// The public key of Eve, who has taken somebody else's subkey for hers, with or without what a subkey says itself.
fn with_stolen_subkey(eve: &SignedSecretKey, ada: &SignedSecretKey, back: Option<SubpacketData>) -> SignedPublicKey {
    let stolen = ada.to_public_key().public_subkeys.remove(0).key;
    let mut binding = config(eve, SignatureType::SubkeyBinding, "2021-01-01T00:00:00Z".parse().expect("a time"));
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    for data in [Some(SubpacketData::KeyFlags(flags)), back].into_iter().flatten() {
        binding.hashed_subpackets.push(Subpacket::regular(data).expect("a subpacket"));
    }
    let binding = binding
        .sign_subkey_binding(&eve.primary_key, eve.primary_key.public_key(), &Password::empty(), &stolen)
        .expect("signed");
    let mut public = eve.to_public_key();
    public.public_subkeys = vec![SignedPublicSubKey::new(stolen, vec![binding])];
    public
}

#[test]
fn nobody_can_take_the_subkey_of_somebody_else_for_theirs() {
    let Some(workshop) = Workshop::open() else { return };
    let primary = workshop.gpg_key_at("ada", &["ed25519", "cert", "never"], PAST);
    workshop.gpg(&[PAST, &["--quick-add-key", &primary, "ed25519", "sign", "never"]].concat());
    workshop.gpg_key_at("eve", &["ed25519", "cert", "never"], PAST);
    let commit = workshop.commit_with_gpg(&primary, &[], "Collect");
    let (ada, eve) = (secret(&workshop, "ada"), secret(&workshop, "eve"));
    let back = ada.secret_subkeys[0].signatures[0].embedded_signature().expect("a back signature").clone();
    for back in [None, Some(SubpacketData::EmbeddedSignature(Box::new(back)))] {
        let key = with_stolen_subkey(&eve, &ada, back);
        let file = workshop.path("eve.asc");
        fs::write(&file, key.to_armored_bytes(ArmorOptions::default()).expect("armoured")).expect("written");
        assert_refused(verdict(&signers(&[file]), &commit), "a key without a valid self-signature");
    }
    assert_eq!(verdict(&signers(&[workshop.exported(&["ada"])]), &commit), Ok(primary));
}

#[test]
fn a_key_that_sha1_binds_is_refused() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key_at("ada", &["rsa2048", "sign", "never"], &["--cert-digest-algo", "SHA1"]);
    let commit = workshop.commit_with_gpg(&key, &[], "Collect");
    // Git takes it.
    assert_refused(verdict(&signers(&[workshop.exported(&["ada"])]), &commit), "a key without a valid self-signature");
}

/// The key of RFC 9580, appendix A.4.
const VERSION_6: &str = "-----BEGIN PGP PRIVATE KEY BLOCK-----

xUsGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laMAGXKB
exK+cH6NX1hs5hNhIB00TrJmosgv3mg1ditlsLfCsQYfGwoAAABCBYJjh3/jAwsJ
BwUVCg4IDAIWAAKbAwIeCSIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJBScJAgcCAAAAAK0oIBA+LX0ifsDm185Ecds2v8lwgyU2kCcUmKfvBXbAf6rh
RYWzuQOwEn7E/aLwIwRaLsdry0+VcallHhSu4RN6HWaEQsiPlR4zxP/TP7mhfVEe
7XWPxtnMUMtf15OyA51YBMdLBmOHf+MZAAAAIIaTJINn+eUBXbki+PSAld2nhJh/
LVmFsS+60WyvXkQ1AE1gCk95TUR3XFeibg/u/tVY6a//1q0NWC1X+yui3O24wpsG
GBsKAAAALAWCY4d/4wKbDCIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJAAAAAAQBIKbpGG2dWTX8j+VjFM21J0hqWlEg+bdiojWnKfA5AQpWUWtnNwDE
M0g12vYxoWM8Y81W+bHBw805I8kWVkXU6vFOi+HWvv/ira7ofJu16NnoUkhclkUr
k0mXubZvyl4GBg==
-----END PGP PRIVATE KEY BLOCK-----
";

#[test]
fn keys_of_version_6_are_verified() {
    let Some(workshop) = Workshop::open() else { return };
    let (key, _) = SignedSecretKey::from_string(VERSION_6).expect("a key");
    let file = workshop.path("signers");
    fs::write(&file, key.to_public_key().to_armored_bytes(ArmorOptions::default()).expect("armoured"))
        .expect("written");
    let signers: Signers = signers(&[file]);
    let commit = workshop.unsigned("Collect");
    let v4 = config(&key, SignatureType::Binary, "2023-11-14T00:00:00Z".parse().expect("a time"));
    let mut config = SignatureConfig::v6_with_salt(v4.typ, v4.pub_alg, v4.hash_alg, vec![7; 16]);
    config.hashed_subpackets = v4.hashed_subpackets;
    let signed = config.sign(&key.primary_key, &Password::empty(), commit.as_slice()).expect("signed");
    let armored = DetachedSignature::new(signed).to_armored_string(ArmorOptions::default()).expect("armoured");
    let said = verdict(&signers, &with_signature(&commit, &armored));
    assert_eq!(said.as_deref(), Ok("CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9"));
    assert_refused(
        verdict(&signers, &with_signature(&workshop.unsigned("Other"), &armored)),
        "is not a signature of it",
    );
}
