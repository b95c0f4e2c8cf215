//! Who is trusted by what is known: keys and certificates that OpenSSH's own program made.

use std::fmt::{Debug, Write as _};
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rstest::rstest;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::super::tests::server::{can_make_keys, keygen, printed};
use super::*;

const BIRDS: SshAddress<'static> = SshAddress { user: "git", host: "Birds.example", port: 22 };

/// A host key, and an authority that signed it for some names.
struct Signed(tempfile::TempDir);

impl Signed {
    /// `more` is what `ssh-keygen` is told when it signs.
    fn new(authority: &str, more: &[&str]) -> Option<Self> {
        let signed = can_make_keys().then(|| Self(tempfile::tempdir().unwrap()))?;
        for (name, kind) in [("host", "ed25519"), ("authority", authority)] {
            keygen(&signed.0.path().join(name), kind, &[]);
        }
        let mut sign = Command::new("ssh-keygen");
        sign.current_dir(signed.0.path()).args(["-q", "-I", "id-7", "-s", "authority"]);
        printed(sign.args(more).arg("host.pub"));
        Some(signed)
    }

    fn certificate(&self) -> Certificate {
        let text = fs::read_to_string(self.0.path().join("host-cert.pub")).unwrap();
        Certificate::from_openssh(&text).unwrap()
    }

    /// What is said of the certificate at a time, in seconds after 2026-11-25, to who knows these hosts; `HOST` and
    /// `AUTHORITY` in them are the keys.
    fn judged(&self, certificate: Certificate, known: &str, seconds: i64) -> Result<(), SourceError> {
        let public = |name: &str| {
            let text = fs::read_to_string(self.0.path().join(name)).unwrap();
            text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
        };
        let known = known.replace("HOST", &public("host.pub")).replace("AUTHORITY", &public("authority.pub"));
        judge(&known, seconds).check(&certificate.into())
    }

    fn objection(&self, certificate: Certificate, known: &str, seconds: i64) -> String {
        let error = self.judged(certificate, known, seconds).unwrap_err();
        assert_eq!(error.fault, Fault::HostKeyUnknown);
        let start = "the ssh server birds.example has a certificate that is not good: ";
        error.message.strip_prefix(start).unwrap_or_else(|| panic!("{error}")).to_owned()
    }
}

/// Gathers what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::field::Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is logged when a key is accepted without a check.
fn warned(key: &PublicKey, known: &str) -> String {
    let log = Log::default();
    let lax = Judge { strict: false, ..judge(known, 0) };
    tracing::subscriber::with_default(log.clone(), || lax.check(&key.clone().into())).unwrap();
    log.0.lock().unwrap().clone()
}

#[test]
fn a_key_that_is_not_checked_is_warned_of_each_time() {
    let key =
        PublicKey::from_openssh("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILT75q4/a2hpOS38tClx7KSV88ndnF3ymv+INK3dB/O3")
            .unwrap();
    let line = key.to_openssh().unwrap();
    let other = line.replace("ILT7", "IOMq");
    let print = fingerprint(key.key_data());
    for (known, why) in [
        (String::new(), "when it is the same add the line"),
        (format!("birds.example {other}"), "has another host key than it is known by"),
        (format!("birds.example {line}"), "this one is known, and another would do too"),
    ] {
        let said = warned(&key, &known);
        assert!(said.contains("host keys are not checked (--git-strict-host-keys no)"), "{said}");
        assert!(said.contains("source.host=birds.example") && said.contains(why), "{said}");
        assert!(said.contains(&format!("source.host_key={print}")), "{said}");
    }
}

fn judge(known: &str, seconds: i64) -> Judge {
    let now: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    let now = Timestamp::from_second(now.as_second() + seconds).unwrap();
    Judge::new(BIRDS, Some(&KnownHosts::parse(known.as_bytes(), "FILE".to_owned())), true, now)
}

const AUTHORITY: &str = "@cert-authority *.example AUTHORITY\n";
/// An hour.
const VALID: &str = "20261125000000Z:20261125010000Z";

#[rstest]
#[case::by_name("ed25519", "cats.example,birds.example")]
#[case::by_a_pattern("ecdsa-384", "*.Example")]
#[case::signed_by_rsa("rsa", "birds.example")]
fn a_good_certificate_is_trusted(#[case] authority: &str, #[case] names: &str) {
    let Some(signed) = Signed::new(authority, &["-h", "-n", names, "-V", VALID]) else { return };
    for second in [0, 3599] {
        signed.judged(signed.certificate(), AUTHORITY, second).unwrap();
    }
    let late = "it is not valid yet, or not any more";
    for second in [-1, 3600] {
        assert_eq!(signed.objection(signed.certificate(), AUTHORITY, second), late);
    }
}

#[rstest]
#[case::of_a_user(&["-n", "birds.example"], "it is one of a user, not of a host")]
#[case::for_another_host(&["-h", "-n", "cats.example,example"], "it is for cats.example, example")]
#[case::for_nobody(&["-h"], "it names no host")]
#[case::with_an_unknown_condition(
    &["-h", "-n", "birds.example", "-O", "critical:moon@example=full"],
    "it asks for what is not understood"
)]
fn a_certificate_that_is_not_good_is_refused(#[case] more: &[&str], #[case] expected: &str) {
    let Some(signed) = Signed::new("ed25519", more) else { return };
    assert_eq!(signed.objection(signed.certificate(), AUTHORITY, 0), expected);
}

#[test]
fn a_certificate_signed_with_sha_1_is_refused() {
    let Some(signed) = Signed::new("rsa", &["-h", "-n", "birds.example", "-t", "ssh-rsa"]) else { return };
    assert_eq!(signed.objection(signed.certificate(), AUTHORITY, 0), "it is signed with SHA-1");
}

#[test]
fn a_certificate_that_was_changed_is_refused() {
    let Some(signed) = Signed::new("ecdsa-256", &["-h", "-n", "cats.example"]) else { return };
    let mut bytes = signed.certificate().to_bytes().unwrap();
    let at = bytes.windows(4).position(|bytes| bytes == b"cats").unwrap();
    bytes[at..at + 4].copy_from_slice(b"bird");
    let changed = Certificate::from_bytes(&bytes).unwrap();
    assert_eq!(signed.objection(changed, "@cert-authority * AUTHORITY", 0), "its signature is wrong");
}

#[test]
fn a_certificate_of_a_stranger_counts_as_its_key_does() {
    let Some(signed) = Signed::new("ed25519", &["-h", "-n", "birds.example"]) else { return };
    let print = fingerprint(signed.certificate().signature_key());
    let stranger = format!("{print} signed it, which is no @cert-authority for this host");
    for known in ["", "@cert-authority *.org AUTHORITY", "birds.example AUTHORITY", "@cert-authority * HOST"] {
        assert_eq!(signed.objection(signed.certificate(), known, 0), stranger);
    }
    signed.judged(signed.certificate(), "birds.example HOST", 0).unwrap();
}

#[rstest]
#[case::the_authority("@revoked * AUTHORITY")]
#[case::the_key("@revoked birds.example HOST")]
fn a_revoked_certificate_is_refused(#[case] revoked: &str) {
    let Some(signed) = Signed::new("ed25519", &["-h", "-n", "birds.example"]) else { return };
    let known = format!("birds.example HOST\n{AUTHORITY}{revoked}\n");
    assert_eq!(signed.judged(signed.certificate(), &known, 0).unwrap_err().fault, Fault::HostKeyRevoked);
}

#[test]
fn the_kinds_of_keys_that_are_known_are_asked_for_first() {
    let Some(signed) = Signed::new("rsa", &["-h"]) else { return };
    let key = fs::read_to_string(signed.0.path().join("authority.pub")).unwrap();
    let names = |judge: &Judge| judge.kinds().iter().map(ToString::to_string).collect::<Vec<_>>();
    let rest = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];
    let rsa = ["rsa-sha2-512", "rsa-sha2-256"];
    assert_eq!(names(&judge("", 0)), [&rest[..], &rsa].concat());
    let known = judge(&format!("birds.example {key}"), 0);
    assert_eq!(names(&known), [&rsa[..], &rest].concat());
    assert_eq!(known.certificate_kinds(), []);
    let authority = judge(&format!("@cert-authority birds.example {key}"), 0);
    assert_eq!(authority.certificate_kinds(), KINDS);
}
