//! Private keys as people have them, made by OpenSSH's own program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rstest::rstest;

use super::super::tests::server::{can_make_keys, keygen};
use super::*;
use crate::source::Fault;

/// A folder with a key and the passphrase that is said to be its own.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new(kind: &str, more: &[&str]) -> Option<Self> {
        let keys = can_make_keys().then(Self::none)?;
        keygen(&keys.0.path().join("key"), kind, more);
        Some(keys)
    }

    /// An ECDSA key of 256 bits with this number, in OpenSSH's format, with a passphrase or with an empty one.
    fn with_number(number: [u8; 32], passphrase: &str) -> Option<Self> {
        let keys = can_make_keys().then(Self::none)?;
        let key = keys.0.path().join("key");
        // SEC1: a version, the number, and which curve. The public point follows from them.
        let curve = [0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let der = [&[0x30, 49, 2, 1, 1, 4, 32][..], &number, &curve].concat();
        let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", STANDARD.encode(der));
        fs::write(&key, pem).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let ran = |args: &[&str]| {
            let output = Command::new("ssh-keygen").args(args).arg("-f").arg(&key).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        ran(&["-q", "-p", "-P", "", "-N", passphrase]);
        fs::write(keys.0.path().join("key.pub"), ran(&["-y", "-P", passphrase])).unwrap();
        Some(keys)
    }

    fn none() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn text(&self) -> String {
        fs::read_to_string(self.0.path().join("key")).unwrap()
    }

    fn with(self, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.0.path().join("key"), text).unwrap();
        self
    }

    fn opens(&self) -> Result<PrivateKey, String> {
        self.said(read(&self.0.path().join("key"), None))
    }

    fn opens_with(&self, passphrase: &str) -> Result<PrivateKey, String> {
        let file = self.0.path().join("passphrase");
        fs::write(&file, passphrase).unwrap();
        self.said(read(&self.0.path().join("key"), Some(&file)))
    }

    fn said(&self, read: Result<PrivateKey, SourceError>) -> Result<PrivateKey, String> {
        read.map_err(|error| {
            assert_eq!(error.fault, Fault::Credentials);
            error.message.replace(&format!("{}/", self.0.path().display()), "")
        })
    }

    /// That the key is the one whose public part lies beside it.
    fn is(&self, key: &PrivateKey) {
        let public = fs::read_to_string(self.0.path().join("key.pub")).unwrap();
        let public: Vec<&str> = public.split_whitespace().take(2).collect();
        let mut read = key.public_key().clone();
        read.set_comment("");
        assert_eq!(read.to_openssh().unwrap().trim_end(), public.join(" "));
    }
}

#[rstest]
fn keys_of_each_kind_and_format_are_read(
    #[values("ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa", "rsa-3072")] kind: &str,
    #[values("RFC4716", "PEM", "PKCS8")] format: &str,
) {
    let Some(keys) = Keys::new(kind, &["-m", format]) else { return };
    keys.is(&keys.opens().unwrap());
    // A passphrase that the key does not have is not asked for.
    keys.is(&keys.opens_with("needless").unwrap());
}

#[rstest]
#[case::ed25519("ed25519", "RFC4716")]
#[case::ecdsa("ecdsa-384", "RFC4716")]
#[case::rsa("rsa", "RFC4716")]
#[case::rsa_as_pem("rsa", "PEM")]
#[case::rsa_as_pkcs_8("rsa", "PKCS8")]
#[case::ecdsa_as_pkcs_8("ecdsa-521", "PKCS8")]
fn keys_with_a_passphrase_are_read_with_it_only(#[case] kind: &str, #[case] format: &str) {
    let Some(keys) = Keys::new(kind, &["-m", format, "-N", "correct horse ü"]) else { return };
    for file in ["correct horse ü", "correct horse ü\n", "correct horse ü\r\n"] {
        keys.is(&keys.opens_with(file).unwrap());
    }
    let missing = "the private key in key has a passphrase: give a file with it as --git-ssh-passphrase-file";
    assert_eq!(keys.opens().unwrap_err(), missing);
    let wrong = "the private key in key has another passphrase than the one in passphrase";
    for file in ["correct horse", "correct horse ü "] {
        assert_eq!(keys.opens_with(file).unwrap_err(), wrong);
    }
}

#[rstest]
fn a_key_whose_number_begins_with_zeros_is_read_like_any_other(#[values(0, 1, 2, 3)] zeros: usize) {
    let number = std::array::from_fn(|place| if place < zeros { 0 } else { 0x5a });
    let Some(keys) = Keys::with_number(number, "") else { return };
    assert!(keys.text().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"), "the test is about another format");
    keys.is(&keys.opens().unwrap());
    keys.is(&keys.opens_with("needless").unwrap());
    let Some(keys) = Keys::with_number(number, "correct horse") else { return };
    keys.is(&keys.opens_with("correct horse").unwrap());
    assert!(keys.opens_with("wrong horse").unwrap_err().contains("another passphrase"));
    assert!(keys.opens().unwrap_err().contains("has a passphrase"));
}

#[test]
fn what_editors_and_settings_do_to_a_file_is_no_harm() {
    let Some(keys) = Keys::new("ed25519", &[]) else { return };
    let text = keys.text();
    let keys = keys.with(text.replace('\n', "\r\n"));
    keys.is(&keys.opens().unwrap());
    let keys = keys.with(format!("\u{feff}\n  {}\r\n\r\n", text.trim_end().replace('\n', " \n  ")));
    keys.is(&keys.opens().unwrap());
    let keys = keys.with(text.trim_end());
    keys.is(&keys.opens().unwrap());
}

#[test]
fn a_public_key_in_place_of_the_private_one_is_told() {
    let Some(keys) = Keys::new("ecdsa-256", &[]) else { return };
    let public = fs::read(keys.0.path().join("key.pub")).unwrap();
    let said = "the private key in key is a public one: give the private one, which is mostly beside it in a file without `.pub`";
    let keys = keys.with(public);
    assert_eq!(keys.opens().unwrap_err(), said);
    assert_eq!(keys.with("-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n").opens().unwrap_err(), said);
}

#[test]
fn a_key_that_is_encrypted_in_the_old_way_is_told_how_to_write_it_anew() {
    let Some(keys) = Keys::new("ecdsa-256", &["-m", "PEM", "-N", "correct horse"]) else { return };
    let said = "is encrypted in an old way that is not understood: write it anew with `ssh-keygen -p -f ";
    assert!(keys.opens_with("correct horse").unwrap_err().contains(said));
}

#[test]
fn what_is_no_key_says_so_without_showing_it() {
    let Some(keys) = Keys::new("ed25519", &[]) else { return };
    let text = keys.text();
    let said = |content: &[u8]| Keys::none().with(content).opens().unwrap_err();
    assert_eq!(said(b""), "the private key in key is empty");
    assert_eq!(said(b" \r\n"), "the private key in key is empty");
    for other in [&b"s3cret"[..], b"-----BEGIN CERTIFICATE-----\ns3cret\n", b"\xff\xfes3cret"] {
        let said = said(other);
        assert!(said.starts_with("the private key in key is none: ") && !said.contains("s3cret"), "{said}");
    }
    let half: String = text.lines().take(3).collect::<Vec<_>>().join("\n");
    for broken in [half, text.replace("AAAA", "AAAB"), text.replace("OPENSSH", "RSA"), text.replace("OPENSSH ", "")] {
        let said = said(broken.as_bytes());
        assert!(said.starts_with("the private key in key is damaged, "), "{said}");
    }
    let long = said(&vec![b'-'; 70_000]);
    assert_eq!(long, "the private key in key is larger than 65536 bytes");
    let missing = Keys::none().opens().unwrap_err();
    assert!(missing.starts_with("the private key in key cannot be read: No such file"), "{missing}");
}

proptest::proptest! {
    #[test]
    fn nothing_that_a_file_may_have_in_it_is_a_panic(
        start in "(-----BEGIN (OPENSSH |RSA |EC |ENCRYPTED |DSA )?PRIVATE KEY-----|PuTTY-User-Key-File-[23]: .{0,20})?",
        middle in "(\r?\nDEK-Info: AES-(128|256)-CBC,[0-9A-F]{0,34})?(\r?\n[A-Za-z0-9+/= ]{0,70}){0,8}",
        phrase in proptest::option::of(".{0,20}"),
    ) {
        drop(decode(format!("{start}{middle}\n-----END").as_bytes(), phrase.as_deref()));
    }

    #[test]
    fn a_damaged_key_is_no_panic(at in 0_usize..200, byte in proptest::prelude::any::<u8>(), key in 0_usize..2) {
        use base64::Engine as _;
        let seed = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
        let whole = PrivateKey::from(seed);
        let mut bytes = whole.to_bytes().unwrap().to_vec();
        let name = ["OPENSSH PRIVATE KEY", "PRIVATE KEY"][key];
        let at = at % bytes.len();
        bytes[at] = byte;
        let text = STANDARD.encode(bytes);
        drop(decode(format!("-----BEGIN {name}-----\n{text}\n-----END {name}-----\n").as_bytes(), Some("x")));
    }
}
