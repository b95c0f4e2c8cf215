//! A certificate authority of a test, and the certificates that it signs, made by `openssl`.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::program;

/// An authority, in a folder of its own.
#[derive(Debug)]
pub struct Authority {
    openssl: PathBuf,
    folder: TempDir,
}

/// A certificate and its private key, as PEM files that are there as long as their authority.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one; needs `openssl`.
    pub fn new(name: &str) -> Self {
        let openssl = program::find("openssl").expect("openssl is installed");
        let authority = Self { openssl, folder: tempfile::tempdir().expect("a folder") };
        authority.key("ca.key");
        let usage = "keyUsage=critical,keyCertSign,cRLSign,digitalSignature";
        let subject = format!("/CN={name}");
        let arguments = ["req", "-x509", "-new", "-key", "ca.key", "-subj", &subject, "-days", "3650"];
        authority.openssl(&[&arguments[..], &["-addext", usage, "-out", "ca.pem"]].concat());
        authority
    }

    /// The file of its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Signs a certificate for these names (`IP:127.0.0.1`, `DNS:localhost`).
    pub fn signs(&self, file: &str, names: &str) -> Identity {
        let [key, certificate] = ["key", "pem"].map(|kind| format!("{file}.{kind}"));
        self.key(&key);
        let (subject, names) = (format!("/CN={file}"), format!("subjectAltName={names}"));
        let arguments = ["req", "-x509", "-new", "-key", &key, "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", &subject];
        let extensions = ["-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE", "-days", "3650"];
        self.openssl(&[&arguments[..], &extensions, &["-out", &certificate]].concat());
        Identity { certificate: self.folder.path().join(certificate), key: self.folder.path().join(key) }
    }

    /// An elliptic curve's key, as PKCS #8.
    fn key(&self, file: &str) {
        self.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file]);
    }

    fn openssl(&self, arguments: &[&str]) {
        program::output(Command::new(&self.openssl).current_dir(self.folder.path()).args(arguments));
    }
}
