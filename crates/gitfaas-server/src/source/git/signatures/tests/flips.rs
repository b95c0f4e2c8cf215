//! A signed commit, and one bit of it changed, or several bytes of its signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::workshop::Workshop;
use super::{payload, signature, signers, verdict, with_signature};
use crate::source::git::signatures::Signers;
use crate::source::git::signatures::armor;

fn flip(commit: &[u8], at: Index, bit: u8) -> Vec<u8> {
    let mut flipped = commit.to_vec();
    flipped[at.index(commit.len())] ^= 1 << bit;
    flipped
}

/// Bytes of the signature are changed below the armour, and some cut off the end.
fn damage(commit: &[u8], label: &str, changes: &[(Index, u8)], cut: Index) -> Vec<u8> {
    let mut bytes = armor::decode(signature(commit).as_bytes(), label).expect("armoured");
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] ^= byte;
    }
    bytes.truncate(bytes.len() - cut.index(bytes.len()) / 8 * usize::from(cut.index(4) == 0));
    with_signature(commit, &format!("-----BEGIN {label}-----\n\n{}\n-----END {label}-----", STANDARD.encode(bytes)))
}

fn check(commit: &[u8], label: &str, test: impl Fn(&[u8]) -> Result<(), TestCaseError>) {
    let flips = (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| flip(commit, at, bit));
    let changes = prop::collection::vec((any::<Index>(), 1_u8..), 1..4);
    let damages = (changes, any::<Index>()).prop_map(|(changes, cut)| damage(commit, label, &changes, cut));
    // Nothing is written beside the source when it fails.
    let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&prop_oneof![flips, damages], |flipped| test(&flipped)).expect("holds");
}

fn refused(signers: &Signers, flipped: &[u8]) -> Result<(), TestCaseError> {
    prop_assert!(verdict(signers, flipped).is_err(), "{}", String::from_utf8_lossy(flipped));
    Ok(())
}

#[test]
fn any_bit_counts_where_an_ssh_key_signed() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let signers = signers(std::slice::from_ref(&key));
    let commit = workshop.commit_with_ssh(&key, "Collect\n\nEvery night.");
    verdict(&signers, &commit).expect("verified");
    check(&commit, "SSH SIGNATURE", |flipped| refused(&signers, flipped));
}

#[test]
fn any_bit_that_was_signed_counts_where_an_openpgp_key_signed() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key("ada", &["ed25519", "sign", "never"]);
    let signers = signers(&[workshop.exported(&["ada"])]);
    let commit = workshop.commit_with_gpg(&key, &[], "Collect\n\nEvery night.");
    verdict(&signers, &commit).expect("verified");
    check(&commit, "PGP SIGNATURE", |flipped| match verdict(&signers, flipped) {
        Err(_) => Ok(()),
        // The checksum of the armour and the hints at the issuer are in the signature and vouch for nothing.
        Ok(signer) => {
            prop_assert_eq!(signer, key.clone());
            prop_assert_eq!(payload(flipped), payload(&commit));
            Ok(())
        }
    });
}
