//! Signatures by OpenPGP keys, as `gpg --detach-sign` makes them.
//!
//! `pgp` reads packets and computes signatures; whether a key may be believed is decided here, in `certificate`. No web of
//! trust: a key is trusted because it is in a file of signers.

mod certificate;
mod keyring;

use jiff::{SignedDuration, Timestamp};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::types::{Fingerprint, KeyId};

pub(super) use self::certificate::Certificate;
use self::certificate::Key;
pub(super) use self::keyring::{is_keyring, read};
use super::armor;
use super::object::Signed;
use super::refusal::{Refusal, shown};

/// Verifies the signature; returns the fingerprint of the primary key of whoever made it.
pub(super) fn verify(
    certificates: &[Certificate],
    signed: &Signed,
    now: Timestamp,
    latest: Timestamp,
) -> Result<String, Refusal> {
    let signature = parse(&signed.signature)?;
    let made = check_form(&signature)?;
    let issuer = Issuer::of(&signature)?;
    let mut refused = Refusal::Unknown { who: issuer.to_string() };
    // Key ids can be made to be the same, so there may be several candidates.
    for certificate in certificates {
        for key in certificate.keys().filter(|key| issuer.is(key)) {
            let who = format!("{:X}", key.fingerprint());
            let verdict = if !key.verifies(&signature, &signed.payload) {
                Err(Refusal::Mismatch { who })
            } else if made > latest {
                Err(Refusal::Future(made))
            } else if let Some(at) = lapsed(&signature, made, now) {
                Err(Refusal::Outdated { who, at })
            } else {
                certificate.check(&key, made)
            };
            match verdict {
                Ok(()) => return Ok(certificate.fingerprint()),
                Err(refusal) => refused = refusal,
            }
        }
    }
    Err(refused)
}

fn parse(armored: &[u8]) -> Result<Signature, Refusal> {
    let bytes = armor::decode(armored, "PGP SIGNATURE").map_err(|why| Refusal::Unreadable(why.to_owned()))?;
    let mut packets = PacketParser::new(bytes.as_slice());
    let signature = match packets.next() {
        Some(Ok(Packet::Signature(signature))) => signature,
        Some(Err(error)) => return Err(Refusal::Unreadable(shown(&error.to_string()))),
        _ => return Err(Refusal::Unreadable("there is no signature in it".to_owned())),
    };
    match packets.next() {
        None => Ok(signature),
        Some(Ok(Packet::Signature(_))) => Err(Refusal::Several),
        Some(_) => Err(Refusal::Unreadable("there is more behind it".to_owned())),
    }
}

/// Whether it is a signature of a kind that is taken. Returns when it says that it was made.
fn check_form(signature: &Signature) -> Result<Timestamp, Refusal> {
    if !matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6) {
        return Err(Refusal::Unreadable("it is of version 3 or older, or of one that is not known".to_owned()));
    }
    match signature.typ() {
        Some(SignatureType::Binary) => (),
        // The line ends of a text are not signed.
        Some(SignatureType::Text) => return Err(Refusal::Type("text")),
        _ => return Err(Refusal::Type("key or of nothing")),
    }
    if !is_strong(signature) {
        let hash = signature.hash_alg().map(|hash| shown(&hash.to_string())).unwrap_or_default();
        return Err(Refusal::WeakHash { hash });
    }
    let binding = signature.config().is_some_and(|config| {
        config.hashed_subpackets().any(|packet| packet.is_critical && matches!(packet.data, SubpacketData::Notation(_)))
    });
    if binding {
        return Err(Refusal::Unreadable("it has a critical notation, and none is known".to_owned()));
    }
    made(signature).ok_or_else(|| Refusal::Unreadable("it does not say when it was made".to_owned()))
}

/// Whether its hash cannot be forged.
fn is_strong(signature: &Signature) -> bool {
    matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

fn made(signature: &Signature) -> Option<Timestamp> {
    signature.created().and_then(timestamp)
}

/// When the signature itself ended, if it has.
fn lapsed(signature: &Signature, made: Timestamp, now: Timestamp) -> Option<Timestamp> {
    after(made, signature.signature_expiration_time()).filter(|at| *at <= now)
}

fn timestamp(time: pgp::types::Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(time.as_secs().into()).ok()
}

/// The end of what begins at `from` and lasts so long, where nothing and zero mean for ever.
fn after(from: Timestamp, lasts: Option<pgp::types::Duration>) -> Option<Timestamp> {
    let seconds = lasts?.as_secs();
    (seconds > 0).then(|| from.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(Timestamp::MAX))
}

/// Who a signature says has made it. It is a hint: what counts is which key verifies it.
enum Issuer<'a> {
    Fingerprint(&'a Fingerprint),
    KeyId(&'a KeyId),
}

impl<'a> Issuer<'a> {
    fn of(signature: &'a Signature) -> Result<Self, Refusal> {
        let fingerprint = signature.issuer_fingerprint().into_iter().next().map(Self::Fingerprint);
        fingerprint
            .or_else(|| signature.issuer_key_id().into_iter().next().map(Self::KeyId))
            .ok_or_else(|| Refusal::Unreadable("it does not say which key made it".to_owned()))
    }

    fn is(&self, key: &Key<'_>) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => key.fingerprint() == **fingerprint,
            Self::KeyId(id) => key.legacy_key_id() == **id,
        }
    }
}

impl std::fmt::Display for Issuer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fingerprint(fingerprint) => write!(f, "{fingerprint:X}"),
            Self::KeyId(id) => f.write_str(&id.to_string().to_uppercase()),
        }
    }
}
