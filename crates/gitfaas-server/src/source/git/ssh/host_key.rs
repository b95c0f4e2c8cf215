//! Whether a server is the one that is meant, by the host key that it proves to have.
//!
//! Fails closed: a key that is revoked, unknown, or another one than is known, ends the connection before anything is
//! said to the server. Only `strict: false` lets unknown and changed keys pass, and each time that is warned of.

use jiff::Timestamp;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Algorithm, Certificate, EcdsaCurve, HashAlg};
use russh::keys::{PublicKey, PublicKeyOrCertificate};

use super::known_hosts::{Known, KnownHosts, KnownKey, glob};
use super::{SshAddress, shown};
use crate::source::{Fault, SourceError};

/// The kinds of host keys that are taken, the best first. None is signed with SHA-1.
const KINDS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// What is known of a server, and how strict to be.
#[derive(Debug)]
pub(super) struct Judge {
    host: String,
    place: String,
    known: Known,
    file: Option<String>,
    strict: bool,
    now: Timestamp,
}

impl Judge {
    /// Judges by `known_hosts`; `now` is the time that certificates are compared with.
    pub(super) fn new(address: SshAddress<'_>, known_hosts: Option<&KnownHosts>, strict: bool, now: Timestamp) -> Self {
        Self {
            host: address.host.to_ascii_lowercase(),
            place: address.place(),
            known: known_hosts.map(|hosts| hosts.of(address.host, address.port)).unwrap_or_default(),
            file: known_hosts.map(|hosts| hosts.file.clone()),
            strict,
            now,
        }
    }

    /// The kinds of keys to ask the server for, those first that it is known by: a server that has others too must not
    /// look like a changed one.
    pub(super) fn kinds(&self) -> Vec<Algorithm> {
        let known = |kind: &Algorithm| {
            let mut keys = self.known.keys.iter().chain(&self.known.elsewhere);
            keys.any(|known| same_kind(&known.key.algorithm(), kind))
        };
        let (mut first, others): (Vec<_>, Vec<_>) = KINDS.into_iter().partition(known);
        first.extend(others);
        first
    }

    /// The kinds of certificates to ask the server for: none where nobody is known who could have signed one.
    pub(super) fn certificate_kinds(&self) -> Vec<Algorithm> {
        if self.known.authorities.is_empty() { Vec::new() } else { self.kinds() }
    }

    /// Whether the server that proved to have this key is the one that is meant.
    ///
    /// # Errors
    /// That its key is revoked, unknown, or another one than is known.
    pub(super) fn check(&self, offered: &PublicKeyOrCertificate) -> Result<(), SourceError> {
        let judged = self.judge(offered);
        if self.strict || judged.as_ref().is_err_and(|error| error.fault == Fault::HostKeyRevoked) {
            return judged;
        }
        let why =
            judged.map_or_else(|error| error.message, |()| "this one is known, and another would do too".to_owned());
        tracing::warn!(
            source.host = %self.place,
            source.host_key = %fingerprint(offered.public_key().key_data()),
            "host keys are not checked (--git-strict-host-keys no): whoever answers can change the functions; {why}"
        );
        Ok(())
    }

    fn judge(&self, offered: &PublicKeyOrCertificate) -> Result<(), SourceError> {
        let key = offered.public_key();
        self.check_revoked(key.key_data())?;
        let mut objection = None;
        if let Some(certificate) = offered.certificate() {
            self.check_revoked(certificate.signature_key())?;
            match self.vouched(certificate) {
                Ok(()) => return Ok(()),
                Err(why) => objection = Some(why),
            }
        }
        let has = |keys: &[KnownKey]| keys.iter().any(|known| known.key == *key.key_data());
        if has(&self.known.keys) || (self.known.keys.is_empty() && has(&self.known.elsewhere)) {
            return Ok(());
        }
        Err(match objection {
            Some(why) => self.unknown(&format!("has a certificate that is not good: {why}")),
            None if self.known.keys.is_empty() => self.unknown(&self.introduction(&key)),
            None => self.changed(&key),
        })
    }

    fn check_revoked(&self, key: &KeyData) -> Result<(), SourceError> {
        let Some(revoked) = self.known.revoked.iter().find(|known| known.key == *key) else { return Ok(()) };
        let message = format!(
            "the host key {} of {} is revoked by line {} of {}: whoever answers there is not to be trusted",
            fingerprint(key),
            self.place,
            revoked.line,
            self.file(),
        );
        Err(SourceError::new(Fault::HostKeyRevoked, message))
    }

    /// Whether somebody who may has signed that the key is this host's, for now.
    fn vouched(&self, certificate: &Certificate) -> Result<(), String> {
        let authority = certificate.signature_key();
        if !self.known.authorities.iter().any(|known| known.key == *authority) {
            return Err(format!("{} signed it, which is no @cert-authority for this host", fingerprint(authority)));
        }
        if certificate.cert_type() != CertType::Host {
            return Err("it is one of a user, not of a host".to_owned());
        }
        if certificate.signature().algorithm() == (Algorithm::Rsa { hash: None }) {
            return Err("it is signed with SHA-1".to_owned());
        }
        let now = u64::try_from(self.now.as_second()).unwrap_or_default();
        if !(certificate.valid_after()..certificate.valid_before()).contains(&now) {
            return Err("it is not valid yet, or not any more".to_owned());
        }
        certificate
            .validate_at(now, [&authority.fingerprint(HashAlg::Sha256)])
            .map_err(|_| "its signature is wrong".to_owned())?;
        if !certificate.critical_options().is_empty() {
            return Err("it asks for what is not understood".to_owned());
        }
        let names = certificate.valid_principals();
        if names.is_empty() {
            return Err("it names no host".to_owned());
        }
        if !names.iter().any(|name| glob(name.to_ascii_lowercase().as_bytes(), self.host.as_bytes())) {
            return Err(format!("it is for {}", shown(names.join(", ").as_bytes(), 200)));
        }
        Ok(())
    }

    fn unknown(&self, what: &str) -> SourceError {
        SourceError::new(Fault::HostKeyUnknown, format!("the ssh server {} {what}", self.place))
    }

    fn introduction(&self, key: &PublicKey) -> String {
        let place = &self.place;
        let line = key.to_openssh().unwrap_or_default();
        let (kind, print) = (key.algorithm(), fingerprint(key.key_data()));
        let whose = match &self.file {
            Some(file) => format!("is not in {file}"),
            None => "cannot be told from another one without a file of known hosts (--git-known-hosts)".to_owned(),
        };
        format!(
            "{whose}: it has the {kind} key {print}. Compare that with what its operator says, and when it is the same add the line `{place} {line}`"
        )
    }

    fn changed(&self, key: &PublicKey) -> SourceError {
        let known: Vec<String> = self
            .known
            .keys
            .iter()
            .map(|known| format!("{} ({}, line {})", fingerprint(&known.key), known.key.algorithm(), known.line))
            .collect();
        let message = format!(
            "the ssh server {} has another host key than it is known by: it has {} ({}), and {} says {}. Somebody may be in between; when the operator says that the key is new, replace the line",
            self.place,
            fingerprint(key.key_data()),
            key.algorithm(),
            self.file(),
            known.join(" or "),
        );
        SourceError::new(Fault::HostKeyChanged, message)
    }

    fn file(&self) -> &str {
        self.file.as_deref().unwrap_or("known_hosts")
    }
}

/// As `ssh-keygen -l` prints it: `SHA256:…`.
pub(super) fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Keys of RSA are one kind, whatever they sign with.
fn same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

#[cfg(test)]
mod tests;
