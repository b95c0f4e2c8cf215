//! What a delivery is signed with, by provider. Every comparison takes the same time for whatever is wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::{Provider, Refused, Secrets};

/// Signatures that one delivery may have (several while its sender changes secrets).
const MOST_SIGNATURES: usize = 8;

/// What shows that a delivery comes from somebody who knows a secret.
pub(super) enum Proof {
    /// It named a secret, and that was right.
    Token,
    /// One of these signatures has to be made with one of these keys.
    Signature { signatures: Vec<[u8; 32]>, macs: Vec<Hmac<Sha256>> },
}

impl Proof {
    /// The proof that headers announce.
    ///
    /// # Errors
    /// When there is none, or it is not of its form, or names a wrong secret.
    pub(super) fn of<'h>(
        provider: Provider,
        header: &impl Fn(&str) -> Option<&'h str>,
        secrets: &Secrets,
    ) -> Result<Self, Refused> {
        let prefixed = |name| Some((name, header(name)?.strip_prefix("sha256=").and_then(hex)));
        let plain = |name| Some((name, header(name).and_then(hex)));
        let announced = match provider {
            Provider::GitHub => prefixed("x-hub-signature-256"),
            Provider::Gitea => ["x-forgejo-signature", "x-gitea-signature"]
                .into_iter()
                .find(|name| header(name).is_some())
                .and_then(plain)
                .or_else(|| prefixed("x-hub-signature-256")),
            Provider::GitLab if header("x-gitlab-token").is_some_and(|token| is_secret(token, secrets)) => {
                return Ok(Self::Token);
            }
            Provider::GitLab if header("webhook-signature").is_none() => {
                return Err(Refused::Unsigned(match header("x-gitlab-token") {
                    Some(_) => "the token in X-Gitlab-Token is not one that this server knows".to_owned(),
                    None => missing(provider, header),
                }));
            }
            Provider::GitLab => return standard(header, secrets),
            Provider::Generic if header("webhook-signature").is_some() => return standard(header, secrets),
            Provider::Generic => prefixed("x-signature"),
        };
        match announced {
            None => Err(Refused::Unsigned(missing(provider, header))),
            Some((name, None)) => {
                Err(Refused::Unsigned(format!("the header {name} is not the SHA-256 of an HMAC in lower-case hex")))
            }
            Some((_, Some(signature))) => {
                Ok(Self::Signature { signatures: vec![signature], macs: secrets.texts().map(keyed).collect() })
            }
        }
    }

    /// Takes the next piece of what is signed.
    pub(super) fn take(&mut self, piece: &[u8]) {
        if let Self::Signature { macs, .. } = self {
            for mac in macs {
                mac.update(piece);
            }
        }
    }

    /// Whether it is right for all that was taken.
    pub(super) fn holds(self) -> bool {
        let Self::Signature { signatures, macs } = self else { return true };
        let mut holds = Choice::from(0);
        for mac in macs {
            let right: [u8; 32] = mac.finalize().into_bytes().into();
            for signature in &signatures {
                holds |= right.ct_eq(signature);
            }
        }
        holds.into()
    }
}

/// The signature of Standard Webhooks: over the id, the time and the body.
fn standard<'h>(header: &impl Fn(&str) -> Option<&'h str>, secrets: &Secrets) -> Result<Proof, Refused> {
    let unsigned = |why: &str| Err(Refused::Unsigned(why.to_owned()));
    let (Some(id), Some(time)) = (header("webhook-id"), header("webhook-timestamp")) else {
        return unsigned("the header webhook-id or webhook-timestamp, which are signed too, is missing");
    };
    let versions = header("webhook-signature").unwrap_or_default().split(' ').take(MOST_SIGNATURES);
    let signatures: Vec<[u8; 32]> = versions.filter_map(|version| base64(version.strip_prefix("v1,")?)).collect();
    if signatures.is_empty() {
        return unsigned("the header webhook-signature has no signature of the form v1,BASE64");
    }
    let mut macs: Vec<Hmac<Sha256>> = secrets.keys().map(|key| keyed(&key)).collect();
    for mac in &mut macs {
        mac.update(format!("{id}.{time}.").as_bytes());
    }
    Ok(Proof::Signature { signatures, macs })
}

fn missing<'h>(provider: Provider, header: &impl Fn(&str) -> Option<&'h str>) -> String {
    match provider {
        Provider::GitHub if header("x-hub-signature").is_some() => {
            "only SHA-1 is in X-Hub-Signature, which is not enough: X-Hub-Signature-256 is needed"
        }
        Provider::GitHub => "the header X-Hub-Signature-256 is missing: give the webhook the secret",
        Provider::GitLab => "the headers X-Gitlab-Token and webhook-signature are missing: give the webhook the secret",
        Provider::Gitea => {
            "the header X-Gitea-Signature or X-Forgejo-Signature is missing: give the webhook the secret"
        }
        Provider::Generic => "the header X-Signature (`sha256=` and the HMAC of the body in hex) is missing",
    }
    .to_owned()
}

/// Whether `token` is one of the secrets; hashes are compared, so that not even lengths show.
fn is_secret(token: &str, secrets: &Secrets) -> bool {
    let token: [u8; 32] = Sha256::digest(token).into();
    let mut known = Choice::from(0);
    for secret in secrets.texts() {
        let secret: [u8; 32] = Sha256::digest(secret).into();
        known |= secret.ct_eq(&token);
    }
    known.into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC hashes a key that is longer than a block, and fills a shorter one with zeros.
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    Hmac::new(&block.into())
}

/// 32 bytes in lower-case hex: one spelling for each value, so that nothing but the signature is the signature.
fn hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok().filter(|_| rest.is_empty())
}

fn base64(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
