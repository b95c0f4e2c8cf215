//! A certificate authority of a test, and the certificates that it signs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::output;

/// An authority, in a folder of its own.
pub(crate) struct Authority {
    openssl: PathBuf,
    folder: PathBuf,
}

/// A certificate, and its private key.
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// How `openssl ca` keeps its books; nothing of it is a secret.
const BOOKS: &str = "[ca]
default_ca = here
[here]
dir = .
database = ./index
serial = ./serial
new_certs_dir = .
certificate = ./ca.pem
private_key = ./ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
";

/// When a certificate is valid, as `openssl ca` reads it.
pub(crate) const VALID: (&str, &str) = ("20200101000000Z", "20991231235959Z");
pub(crate) const EXPIRED: (&str, &str) = ("20200101000000Z", "20210101000000Z");

impl Authority {
    pub(crate) fn new(openssl: &Path, folder: PathBuf, name: &str) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        let authority = Self { openssl: openssl.to_owned(), folder };
        authority.write("ca.cnf", BOOKS);
        authority.write("index", "");
        authority.write("serial", "1000\n");
        authority.key("ca.key");
        let subject = format!("/CN={name}");
        let usage = "keyUsage=critical,keyCertSign,cRLSign,digitalSignature";
        authority.openssl(&[
            "req", "-x509", "-new", "-key", "ca.key", "-subj", &subject, "-days", "3650", "-addext", usage, "-out",
            "ca.pem",
        ]);
        authority
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Its own certificate and private key.
    pub(crate) fn itself(&self) -> Identity {
        Identity { certificate: self.certificate(), key: self.folder.join("ca.key") }
    }

    /// Signs a certificate for these names (`IP:127.0.0.1`, `DNS:localhost`), valid from and to.
    pub(crate) fn signs(&self, file: &str, names: &str, (from, to): (&str, &str)) -> Identity {
        let [key, request, certificate, extensions] = ["key", "csr", "pem", "ext"].map(|kind| format!("{file}.{kind}"));
        self.key(&key);
        self.write(&extensions, &format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n"));
        self.openssl(&["req", "-new", "-key", &key, "-subj", &format!("/CN={file}"), "-out", &request]);
        self.openssl(&[
            "ca",
            "-batch",
            "-notext",
            "-config",
            "ca.cnf",
            "-startdate",
            from,
            "-enddate",
            to,
            "-extfile",
            &extensions,
            "-in",
            &request,
            "-out",
            &certificate,
        ]);
        Identity { certificate: self.folder.join(certificate), key: self.folder.join(key) }
    }

    /// An elliptic curve's key, as PKCS #8.
    fn key(&self, file: &str) {
        self.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file]);
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.join(file), text).expect("written");
    }

    fn openssl(&self, args: &[&str]) {
        output(Command::new(&self.openssl).current_dir(&self.folder).args(args));
    }
}
