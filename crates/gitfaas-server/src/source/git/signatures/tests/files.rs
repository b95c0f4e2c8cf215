//! Files of signers that cannot be used, and what is said of them.

use std::fs;
use std::path::PathBuf;

use rstest::rstest;

use super::workshop::Workshop;
use crate::source::Fault;
use crate::source::git::signatures::Signers;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

fn read(content: &[u8]) -> Result<Signers, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("signers");
    fs::write(&file, content).expect("written");
    Signers::read(std::slice::from_ref(&file)).map_err(|error| {
        assert_eq!(error.fault, Fault::Credentials);
        assert!(error.message.contains(&file.display().to_string()), "{error}");
        error.message
    })
}

#[rstest]
#[case::bare(KEY)]
#[case::with_a_comment(&format!("# of the team\n\n{KEY} ada of the team\r\n"))]
#[case::allowed(&format!("ada@example.org {KEY}"))]
#[case::with_options(&format!("ada,ben namespaces=\"git,file\",Valid-After=\"20200101\" {KEY} ada"))]
#[case::quoted(&format!("\"ada of the team\" {KEY}"))]
fn lines_of_both_kinds_are_read(#[case] text: &str) {
    assert!(read(text.as_bytes()).is_ok(), "{:?}", read(text.as_bytes()).err());
}

#[rstest]
#[case::nothing("", "it names nobody")]
#[case::comments_only("# nobody\n\n", "it names nobody")]
#[case::no_key("\nada", "line 2: it is neither `type key` nor")]
#[case::no_type("ada AAAAC3NzaC1lZDI1NTE5", "line 1: it is neither")]
#[case::damaged(&KEY.replace("AAAAC3", "AAAAC4"), "line 1: the key cannot be read")]
#[case::cut(&KEY[..40], "line 1: the key cannot be read")]
#[case::authority(&format!("* cert-authority {KEY}"), "line 1: certificate authorities are not supported")]
#[case::option(&format!("ada no-pty {KEY}"), "line 1: the option no-pty is not known")]
#[case::time(&format!("ada valid-after=\"2020-01-01\" {KEY}"), "line 1: 2020-01-01 is no time")]
#[case::month(&format!("ada valid-after=\"20201301\" {KEY}"), "line 1: 20201301 is no time")]
#[case::bare_value(&format!("ada valid-after=20200101 {KEY}"), "line 1: the option valid-after has no value between quotation marks")]
#[case::dsa("ssh-dss AAAAB3NzaC1kc3MAAACBAI", "line 1: the key cannot be read")]
#[case::private("-----BEGIN OPENSSH PRIVATE KEY-----\n", "line 1 begins a key of another kind")]
#[case::private_openpgp("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "the block at line 1: it is a private key")]
#[case::torn("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZV\n", "the block at line 1: it does not end as it should")]
#[case::message(
    "-----BEGIN PGP MESSAGE-----\n\nmDMEZV\n-----END PGP MESSAGE-----\n",
    "the block at line 1: it does not begin"
)]
fn what_cannot_be_used_is_named(#[case] text: &str, #[case] why: &str) {
    let error = read(text.as_bytes()).err().expect("refused");
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_file_that_is_no_file_of_signers_is_refused() {
    let error = read(&[0, 0, 0, 32, b'K', b'B', b'X', b'f', 0xff]).err().expect("refused");
    assert!(error.contains("neither text nor a keyring"), "{error}");
    assert!(read(&[0xff; 100]).is_err());
    assert!(read(&vec![b'#'; 16 * 1024 * 1024 + 1]).err().expect("refused").contains("larger than"));
    let missing = Signers::read(&[PathBuf::from("/no/such/file")]).err().expect("refused");
    assert_eq!(missing.fault, Fault::Credentials);
    assert!(missing.message.contains("/no/such/file"), "{missing}");
}

#[test]
fn keyrings_are_read_in_every_form_that_gpg_exports() {
    let Some(workshop) = Workshop::open() else { return };
    workshop.gpg_key("ada", &["ed25519", "sign", "never"]);
    workshop.gpg_key("ben", &["ed25519", "sign", "never"]);
    let armored = workshop.gpg(&["--armor", "--export"]);
    assert_eq!(read(&armored).expect("read").openpgp.len(), 2);
    let text = String::from_utf8(workshop.gpg(&["--armor", "--export", "ada"])).expect("text");
    assert_eq!(read(format!("{text}\n\n{text}").as_bytes()).expect("read").openpgp.len(), 2);
    let binary = workshop.gpg(&["--export"]);
    assert_eq!(read(&binary).expect("read").openpgp.len(), 2);
    for cut in [10, 60, binary.len() - 5] {
        let error = read(&binary[..cut]).err().expect("refused");
        assert!(error.contains("damaged") || error.contains("no public key"), "{error}");
    }
}

#[test]
fn private_keys_and_lone_revocations_are_refused() {
    let Some(workshop) = Workshop::open() else { return };
    let key = workshop.gpg_key("ada", &["ed25519", "sign", "never"]);
    let error = read(&workshop.gpg(&["--export-secret-keys"])).err().expect("refused");
    assert!(error.contains("it holds a private key"), "{error}");
    let error = read(&workshop.gpg(&["--armor", "--export-secret-keys"])).err().expect("refused");
    assert!(error.contains("it is a private key"), "{error}");
    let revocation = fs::read_to_string(workshop.path(&format!("openpgp-revocs.d/{key}.rev"))).expect("a revocation");
    let revocation = revocation.split(":-----BEGIN").nth(1).expect("a block");
    let both =
        format!("{}-----BEGIN{revocation}", String::from_utf8(workshop.gpg(&["--armor", "--export"])).expect("text"));
    let error = read(both.as_bytes()).err().expect("refused");
    assert!(error.contains("a revocation has to be imported into its key"), "{error}");
}
