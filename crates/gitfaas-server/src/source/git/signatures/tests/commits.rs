//! Commits that were made to deceive or to hurt.

use std::fmt::Write as _;

use super::workshop::Workshop;
use super::{agreed, assert_refused, signature, signers, verdict, with_signature};
use crate::source::git::signatures::Signers;

/// A repository, its one signer and a commit signed by them.
fn signed() -> Option<(Workshop, Signers, Vec<u8>)> {
    let workshop = Workshop::open()?;
    let key = workshop.ssh_key("ada", &["ed25519"]);
    let allowed = format!("ada {}", std::fs::read_to_string(&key).expect("a key"));
    let signers = signers(&[workshop.allow(&allowed)]);
    let commit = workshop.commit_with_ssh(&key, "Collect\n\nEvery night.");
    agreed(&workshop, &signers, &commit).expect("verified");
    Some((workshop, signers, commit))
}

fn replaced(commit: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(commit).expect("text");
    assert!(text.contains(from), "or the test shows nothing");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn a_second_signature_is_refused_wherever_it_is() {
    let Some((_workshop, signers, commit)) = signed() else { return };
    let header = format!("gpgsig {}\n", signature(&commit).trim_end().replace('\n', "\n "));
    for at in ["author ", "committer ", "gpgsig ", "\nCollect"] {
        let twice = replaced(&commit, at, &format!("{header}{at}"));
        assert_refused(verdict(&signers, &twice), "has more than one signature");
    }
}

#[test]
fn a_signature_in_the_message_is_text() {
    let Some((workshop, signers, commit)) = signed() else { return };
    let header = format!("gpgsig {}\n", signature(&commit).trim_end().replace('\n', "\n "));
    let unsigned = super::payload(&commit);
    let text = replaced(&unsigned, "Every night.", &format!("{header}Every night."));
    assert_refused(agreed(&workshop, &signers, &text), "is not signed");
}

#[test]
fn the_signature_of_a_merged_tag_is_not_that_of_the_commit() {
    let Some((workshop, signers, commit)) = signed() else { return };
    let tag = format!(
        "mergetag object {}\n type commit\n gpgsig {}\n",
        "1".repeat(40),
        signature(&commit).trim_end().replace('\n', "\n ")
    );
    let unsigned = replaced(&super::payload(&commit), "\n\nCollect", &format!("\n{tag}\nCollect"));
    assert_refused(agreed(&workshop, &signers, &unsigned), "is not signed");
}

#[test]
fn the_header_of_another_hash_is_no_signature_and_not_signed_either() {
    let Some((workshop, signers, commit)) = signed() else { return };
    let other = replaced(&commit, "gpgsig ", "gpgsig-sha256 nothing\n of value\ngpgsig ");
    agreed(&workshop, &signers, &other).expect("verified");
    let only = replaced(&commit, "gpgsig ", "gpgsig-sha256 ");
    assert_refused(agreed(&workshop, &signers, &only), "is not signed");
}

#[test]
fn what_is_put_around_a_signature_is_refused() {
    let Some((workshop, signers, commit)) = signed() else { return };
    let tree = format!("tree {}", "1".repeat(40));
    let before = replaced(&commit, "gpgsig -----BEGIN", &format!("gpgsig {tree}\n -----BEGIN"));
    assert_refused(verdict(&signers, &before), "a signature that cannot be read: it is none of SSH or OpenPGP");
    let after = replaced(&commit, "-----END SSH SIGNATURE-----\n", &format!("-----END SSH SIGNATURE-----\n {tree}\n"));
    assert_refused(verdict(&signers, &after), "a signature that cannot be read: it does not end as it should");
    let first = replaced(&commit, "tree ", "gpgsig x\ntree ");
    assert_refused(agreed(&workshop, &signers, &first), "it does not begin with its tree");
}

#[test]
fn commits_without_a_message_or_a_line_break_are_verified_as_they_are() {
    let Some((workshop, signers, commit)) = signed() else { return };
    for cut in ["\n\nCollect", "\nCollect", "Every night."] {
        let at = String::from_utf8_lossy(&commit).find(cut).expect("there");
        assert_refused(agreed(&workshop, &signers, &commit[..at]), "is not a signature of it");
    }
    let key = workshop.path("ada");
    for message in [&b""[..], b"\n", b"\n\n\n", b"\nno line break", b"\ninvalid \xff\xfe UTF-8, and \0"] {
        let unsigned =
            [replaced(&super::payload(&commit), "\n\nCollect\n\nEvery night.\n", "\n").as_slice(), message].concat();
        let args = ["-Y", "sign", "-n", "git", "-f", key.to_str().expect("text")];
        let signature = String::from_utf8(workshop.run("ssh-keygen", &args, &unsigned)).expect("text");
        let mut commit = unsigned.clone();
        let headers = commit.len() - message.len();
        let header = format!("gpgsig {}\n", signature.trim_end().replace('\n', "\n "));
        commit.splice(headers..headers, header.into_bytes());
        agreed(&workshop, &signers, &commit).expect("verified");
    }
}

#[test]
fn signatures_of_x509_are_refused_by_name() {
    let Some((workshop, signers, commit)) = signed() else { return };
    let signature = "-----BEGIN SIGNED MESSAGE-----\nMIID\n-----END SIGNED MESSAGE-----\n";
    let commit = with_signature(&super::payload(&commit), signature);
    assert_refused(
        agreed(&workshop, &signers, &commit),
        "is signed by an X.509 certificate (S/MIME), which is not supported",
    );
    for (signature, why) in [
        ("-----BEGIN PGP MESSAGE-----\n\nMIID\n-----END PGP MESSAGE-----\n", "is signed by PGP as it was before 1998"),
        ("-----BEGIN PGP SIGNATURE-----\n\nMIID\n-----END PGP SIGNATURE-----\n", "a signature that cannot be read"),
        (
            "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
            "a signature that cannot be read: there is no signature in it",
        ),
        (
            "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n",
            "a signature that cannot be read",
        ),
        ("nothing", "a signature that cannot be read: it is none of SSH or OpenPGP"),
    ] {
        assert_refused(verdict(&signers, &with_signature(&super::payload(&commit), signature)), why);
    }
}

#[test]
fn a_huge_signature_is_refused_and_a_huge_message_is_not() {
    let Some((_workshop, signers, commit)) = signed() else { return };
    let mut huge = String::from("-----BEGIN SSH SIGNATURE-----\n");
    for _ in 0..100_000 {
        let _ = writeln!(huge, "{}", "A".repeat(100));
    }
    assert_refused(verdict(&signers, &with_signature(&commit, &huge)), "has a signature of more than 65536 bytes");
    let message = replaced(&commit, "Every night.", &"x".repeat(10_000_000));
    assert_refused(verdict(&signers, &message), "is not a signature of it");
}

#[test]
fn what_is_no_commit_is_refused() {
    let signers = Signers { ssh: Vec::new(), openpgp: Vec::new(), files: String::new() };
    for bytes in [
        &b""[..],
        b"\n",
        b"tree",
        b"tree 12\n",
        b"object 1\n",
        &[0; 1000],
        &[b'\n'; 1000],
        b"tree zz\n\n",
        &[0xff; 100],
    ] {
        assert_refused(verdict(&signers, bytes), "it does not begin with its tree");
    }
}

#[test]
fn a_committer_without_a_time_is_refused_where_the_signature_has_none() {
    let Some((workshop, signers, commit)) = signed() else { return };
    let unsigned = super::payload(&commit);
    let key = workshop.path("ada");
    for time in ["", "x", "1700000000000000000000000 +0100", "-99999999999999 +0100"] {
        let unsigned = String::from_utf8(unsigned.clone()).expect("text");
        let at = unsigned.find("\ncommitter ").expect("there");
        let unsigned = format!("{}{}", &unsigned[..at], unsigned[at..].replacen("1700000000 +0100", time, 1));
        let args = ["-Y", "sign", "-n", "git", "-f", key.to_str().expect("text")];
        let signature = String::from_utf8(workshop.run("ssh-keygen", &args, unsigned.as_bytes())).expect("text");
        assert_refused(
            verdict(&signers, &with_signature(unsigned.as_bytes(), &signature)),
            "the time of its committer is none",
        );
    }
}
