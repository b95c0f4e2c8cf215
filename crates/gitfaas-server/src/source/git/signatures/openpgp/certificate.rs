//! One OpenPGP key with its subkeys: which of them may sign, and when.
//!
//! What a key says of itself counts only with its own, valid and strong signature, of which the newest wins; signatures by
//! others are not looked at. A revocation counts however weak its hash is.

use jiff::Timestamp;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{PublicKey, RevocationCode, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{Fingerprint, KeyDetails, KeyId, KeyVersion, PublicParams, SignedUser, Tag};

use super::{after, is_strong, made, timestamp};
use crate::source::git::signatures::MIN_RSA_BITS;
use crate::source::git::signatures::refusal::Refusal;

/// A public key with its subkeys, and everything that was signed about them.
pub(in crate::source::git::signatures) struct Certificate(SignedPublicKey);

/// One key of a certificate.
pub(super) enum Key<'a> {
    Primary(&'a PublicKey),
    Subkey(&'a SignedPublicSubKey),
}

impl Key<'_> {
    fn details(&self) -> &dyn KeyDetails {
        match self {
            Self::Primary(key) => *key,
            Self::Subkey(subkey) => &subkey.key,
        }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.details().fingerprint()
    }

    pub(super) fn legacy_key_id(&self) -> KeyId {
        self.details().legacy_key_id()
    }

    /// Whether it made this signature of this document.
    pub(super) fn verifies(&self, signature: &Signature, document: &[u8]) -> bool {
        match self {
            Self::Primary(key) => signature.verify(*key, document),
            Self::Subkey(subkey) => signature.verify(&subkey.key, document),
        }
        .is_ok()
    }
}

impl Certificate {
    pub(super) fn new(key: SignedPublicKey) -> Self {
        Self(key)
    }

    pub(super) fn is_supported(&self) -> bool {
        matches!(self.0.primary_key.version(), KeyVersion::V4 | KeyVersion::V6)
    }

    /// The fingerprint of its primary key, by which people know it.
    pub(super) fn fingerprint(&self) -> String {
        format!("{:X}", self.0.primary_key.fingerprint())
    }

    /// Its primary key and its subkeys.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        std::iter::once(Key::Primary(&self.0.primary_key)).chain(self.0.public_subkeys.iter().map(Key::Subkey))
    }

    /// Whether this key of it may have signed at that time.
    pub(super) fn check(&self, key: &Key<'_>, made: Timestamp) -> Result<(), Refusal> {
        let primary = self.check_primary(made)?;
        match key {
            Key::Primary(_) if primary.may_sign => Ok(()),
            Key::Primary(_) => Err(Refusal::MayNotSign { who: self.fingerprint() }),
            Key::Subkey(subkey) => self.check_subkey(subkey, made),
        }
    }

    /// Whether the primary key stood at that time, and what it says of itself.
    fn check_primary(&self, made: Timestamp) -> Result<Statement, Refusal> {
        let (key, who) = (&self.0.primary_key, self.fingerprint());
        check_strength(key, &who)?;
        if self.is_revoked_by_another() {
            return Err(Refusal::Revoked { who });
        }
        let revocations =
            self.0.details.revocation_signatures.iter().filter(|revocation| revocation.verify_key(key).is_ok());
        check_revocations(revocations, &who, made)?;
        let statement = self.statement().ok_or(Refusal::Unbound { who: who.clone() })?;
        check_times(key, statement.lasts, &who, made)?;
        Ok(statement)
    }

    /// What the primary key says of itself: directly, or where it does not, together with its user ids.
    fn statement(&self) -> Option<Statement> {
        let key = &self.0.primary_key;
        let details = &self.0.details;
        let direct = newest(&details.direct_signatures, |signature| {
            signature.typ() == Some(SignatureType::Key) && signature.verify_key(key).is_ok()
        });
        let mut users: Vec<&Signature> = details.users.iter().filter_map(|user| self.certification(user)).collect();
        users.sort_by_key(|signature| std::cmp::Reverse((signature.is_primary(), signature.created())));
        let said = || direct.into_iter().chain(users.iter().copied());
        said().next()?;
        Some(Statement {
            may_sign: said()
                .find(|signature| has_flags(signature))
                .is_some_and(|signature| signature.key_flags().sign()),
            lasts: said().find_map(Signature::key_expiration_time),
        })
    }

    /// The newest signature of the key over one of its user ids, unless that was taken back since.
    fn certification<'a>(&self, user: &'a SignedUser) -> Option<&'a Signature> {
        let holds =
            |signature: &Signature| signature.verify_certification(&self.0.primary_key, Tag::UserId, &user.id).is_ok();
        let newest = newest(&user.signatures, |signature| {
            signature.typ() != Some(SignatureType::CertRevocation) && holds(signature)
        })?;
        let is_taken_back = user.signatures.iter().any(|signature| {
            signature.typ() == Some(SignatureType::CertRevocation)
                && signature.created() >= newest.created()
                && holds(signature)
        });
        (!is_taken_back).then_some(newest)
    }

    /// Whether there may be a revocation by somebody whom the key allowed to revoke it. Theirs cannot be verified without
    /// their key, so it is believed.
    fn is_revoked_by_another(&self) -> bool {
        let (key, details) = (&self.0.primary_key, &self.0.details);
        let mut direct = details.direct_signatures.iter();
        let mut revocations = details.revocation_signatures.iter();
        direct.any(|signature| signature.revocation_key().is_some() && signature.verify_key(key).is_ok())
            && revocations.any(|revocation| revocation.verify_key(key).is_err())
    }

    fn check_subkey(&self, subkey: &SignedPublicSubKey, made: Timestamp) -> Result<(), Refusal> {
        let (primary, key) = (&self.0.primary_key, &subkey.key);
        let who = format!("{:X}", key.fingerprint());
        check_strength(key, &who)?;
        let of_type = |signature: &Signature, wanted: SignatureType| {
            signature.typ() == Some(wanted) && signature.verify_subkey_binding(primary, key).is_ok()
        };
        let revocations =
            subkey.signatures.iter().filter(|signature| of_type(signature, SignatureType::SubkeyRevocation));
        check_revocations(revocations, &who, made)?;
        let binding = newest(&subkey.signatures, |signature| of_type(signature, SignatureType::SubkeyBinding))
            .ok_or_else(|| Refusal::Unbound { who: who.clone() })?;
        if !binding.key_flags().sign() {
            return Err(Refusal::MayNotSign { who });
        }
        // The subkey has to agree, or else anybody could take somebody else's subkey for theirs.
        let agrees = |back: &Signature| is_strong(back) && back.verify_primary_key_binding(key, primary).is_ok();
        if !binding.embedded_signature().is_some_and(agrees) {
            return Err(Refusal::Unbound { who });
        }
        check_times(key, binding.key_expiration_time(), &who, made)
    }
}

/// What a primary key says of itself.
struct Statement {
    may_sign: bool,
    /// How long it lasts from its creation on.
    lasts: Option<pgp::types::Duration>,
}

/// The newest of the signatures that holds and cannot be forged.
fn newest(signatures: &[Signature], holds: impl Fn(&Signature) -> bool) -> Option<&Signature> {
    signatures
        .iter()
        .filter(|signature| is_strong(signature) && holds(signature))
        .max_by_key(|signature| signature.created())
}

fn has_flags(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        config.hashed_subpackets().any(|packet| matches!(packet.data, SubpacketData::KeyFlags(_)))
    })
}

/// A key that is given up for another one is good for what it signed before; any other revocation is for ever, because
/// whoever stole the key can sign with any date.
fn check_revocations<'a>(
    revocations: impl Iterator<Item = &'a Signature>,
    who: &str,
    at: Timestamp,
) -> Result<(), Refusal> {
    for revocation in revocations {
        let is_soft = matches!(
            revocation.revocation_reason_code(),
            Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
        );
        match made(revocation).filter(|_| is_soft) {
            None => return Err(Refusal::Revoked { who: who.to_owned() }),
            Some(given_up) if at >= given_up => {
                return Err(Refusal::GivenUp { who: who.to_owned(), made: at, at: given_up });
            }
            Some(_) => (),
        }
    }
    Ok(())
}

fn check_times(
    key: &impl KeyDetails,
    lasts: Option<pgp::types::Duration>,
    who: &str,
    made: Timestamp,
) -> Result<(), Refusal> {
    let who = who.to_owned();
    let Some(from) = timestamp(key.created_at()) else { return Err(Refusal::Unbound { who }) };
    if made < from {
        return Err(Refusal::TooEarly { who, made, from });
    }
    match after(from, lasts).filter(|at| made >= *at) {
        Some(at) => Err(Refusal::Expired { who, made, at }),
        None => Ok(()),
    }
}

fn check_strength(key: &impl KeyDetails, who: &str) -> Result<(), Refusal> {
    let weak = |what: String| Err(Refusal::WeakKey { who: who.to_owned(), what });
    match key.public_params() {
        PublicParams::RSA(key) => {
            // As it is written: first the modulus, first of that its length in bits.
            let bytes = key.to_bytes().unwrap_or_default();
            let bits = usize::from(bytes.first_chunk().map_or(0, |length| u16::from_be_bytes(*length)));
            if bits < MIN_RSA_BITS { weak(format!("RSA with {bits} bits")) } else { Ok(()) }
        }
        PublicParams::DSA(_) => weak("DSA".to_owned()),
        _ => Ok(()),
    }
}
