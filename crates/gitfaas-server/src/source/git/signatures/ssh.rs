//! Signatures by SSH keys, as `ssh-keygen -Y sign -n git` makes them (PROTOCOL.sshsig of OpenSSH).

mod allowed;

use std::fmt::Display;

use jiff::Timestamp;
use russh::keys::Algorithm;
use russh::keys::ssh_key::encoding::Decode as _;
use russh::keys::ssh_key::public::{KeyData, RsaPublicKey};
use russh::keys::ssh_key::{HashAlg, PublicKey, SshSig};

pub(super) use self::allowed::{Signer, read};
use super::armor;
use super::object::Signed;
use super::refusal::{Refusal, shown};

/// What signatures of Git are for; those for files or mail have other namespaces.
const NAMESPACE: &str = "git";

/// What a security key says of itself in the first byte after its signature: somebody was there and touched it.
const USER_PRESENT: u8 = 0x01;

/// Bytes after the signature of a security key: one of flags, four of a counter.
const SECURITY_KEY_TRAILER: usize = 5;

/// Verifies the signature; returns the fingerprint of the key that made it.
pub(super) fn verify(signers: &[Signer], signed: &Signed, latest: Timestamp) -> Result<String, Refusal> {
    let signature = parse(&signed.signature)?;
    let key = signature.public_key();
    let who = key.fingerprint(HashAlg::Sha256).to_string();
    if signature.namespace() != NAMESPACE {
        return Err(Refusal::Namespace(shown(signature.namespace())));
    }
    let allowed: Vec<&Signer> = signers.iter().filter(|signer| signer.key == *key).collect();
    if allowed.is_empty() {
        return Err(Refusal::Unknown { who });
    }
    check_strength(&signature, &who)?;
    if PublicKey::from(key.clone()).verify(NAMESPACE, &signed.payload, &signature).is_err() {
        return Err(Refusal::Mismatch { who });
    }
    let made = signed.committed()?;
    if made > latest {
        return Err(Refusal::Future(made));
    }
    // The same key may be there several times, with other times for each; the last word is that of the last line.
    let mut refused = Refusal::Unknown { who: who.clone() };
    for signer in allowed {
        match signer.allows(made, &who) {
            Ok(()) => return Ok(who),
            Err(refusal) => refused = refusal,
        }
    }
    Err(refused)
}

fn parse(armored: &[u8]) -> Result<SshSig, Refusal> {
    let bytes = armor::decode(armored, "SSH SIGNATURE").map_err(|why| Refusal::Unreadable(why.to_owned()))?;
    let mut rest = bytes.as_slice();
    let signature = SshSig::decode(&mut rest).map_err(unreadable)?;
    if !rest.is_empty() {
        return Err(unreadable("there is more behind it"));
    }
    if signature.version() != SshSig::VERSION {
        return Err(unreadable("it is of another version"));
    }
    match signature.public_key() {
        KeyData::Certificate(_) => Err(Refusal::Format("an SSH certificate")),
        _ => Ok(signature),
    }
}

fn unreadable(why: impl Display) -> Refusal {
    Refusal::Unreadable(shown(&why.to_string()))
}

/// Whether the key is long enough, the hash good enough, and somebody was there where a key knows that.
fn check_strength(signature: &SshSig, who: &str) -> Result<(), Refusal> {
    if signature.algorithm() == (Algorithm::Rsa { hash: None }) {
        return Err(Refusal::WeakHash { hash: "SHA-1".to_owned() });
    }
    match signature.public_key() {
        KeyData::Rsa(key) if bits(key) < super::MIN_RSA_BITS => {
            Err(Refusal::WeakKey { who: who.to_owned(), what: format!("RSA with {} bits", bits(key)) })
        }
        KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {
            let bytes = signature.signature_bytes();
            let flags = bytes.len().checked_sub(SECURITY_KEY_TRAILER).map_or(0, |at| bytes[at]);
            if flags & USER_PRESENT == 0 { Err(Refusal::Untouched { who: who.to_owned() }) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// The length of the modulus in bits.
fn bits(key: &RsaPublicKey) -> usize {
    let modulus = key.n().as_positive_bytes().unwrap_or_default();
    modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize)
}

/// Whether keys of this algorithm can be used here at all.
fn is_supported(key: &KeyData) -> bool {
    matches!(
        key,
        KeyData::Ed25519(_)
            | KeyData::Ecdsa(_)
            | KeyData::Rsa(_)
            | KeyData::SkEd25519(_)
            | KeyData::SkEcdsaSha2NistP256(_)
    )
}

/// Reads a public key as a line has it; `None` where it is none.
fn public_key(text: &str) -> Option<Result<PublicKey, String>> {
    let mut words = text.split_ascii_whitespace();
    let algorithm: Algorithm = words.next()?.parse().ok()?;
    let blob = words.next()?;
    if matches!(algorithm, Algorithm::Other(_)) && !blob.starts_with("AAAA") {
        return None;
    }
    Some(
        PublicKey::from_openssh(text.trim())
            .map_err(|error| format!("the key cannot be read: {}", shown(&error.to_string()))),
    )
}
